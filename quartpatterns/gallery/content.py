"""The content of the pages about a pattern: its README, its files and its cases."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import count
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from quartpatterns import catalog
from quartpatterns._shared.import_lines import import_line
from quartpatterns.compare import Case
from quartpatterns.gallery.code import Hunk, compare, highlight

__all__ = [
    "Helper",
    "PatternContent",
    "Section",
    "SourceFile",
    "declared_cases",
    "pattern_code",
    "pattern_content",
    "source_files",
    "source_text",
]

LANGUAGES = {
    ".py": "python",
    ".html": "html+jinja",
    ".xml": "html+jinja",
    ".css": "css",
    ".js": "javascript",
    ".sql": "sql",
    ".toml": "toml",
    ".txt": "text",
}
"""The files that have a page, by the ending of their names, and the languages of Pygments."""

LONGEST_FILE = 60_000  # characters; a longer file, such as a library, has no page


SHORT = 6_000  # characters of HTML


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a README.

    Arguments:
        id: The fragment of its URL, as on GitHub.
        title: The heading, as HTML.
        html: The content, without the heading.
    """

    id: str
    title: Markup
    html: Markup

    @property
    def is_short(self) -> bool:
        """Whether it fits on a screen, more or less."""
        return len(self.html) < SHORT


@dataclass(frozen=True, slots=True)
class Helper:
    """A public name of a pattern.

    Arguments:
        name: The name.
        summary: The first line of its docstring.
        file: The path of the file that defines it, in the folder of the pattern, if it is there.
    """

    name: str
    summary: str
    file: str | None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a pattern.

    Arguments:
        path: The path in the folder of the pattern.
        lines: The number of lines.
        summary: The first line of the docstring of a module.
    """

    path: str
    lines: int
    summary: str = ""


@dataclass(frozen=True, slots=True)
class PatternContent:
    """The content of the page about a pattern.

    Arguments:
        introduction: The README before its first section, without its title.
        sections: The sections of the README.
        import_line: A statement that imports the helper.
        helpers: The public names.
        files: The files of the helper.
        example: The files of port and original.
    """

    introduction: Markup
    sections: tuple[Section, ...]
    import_line: str
    helpers: tuple[Helper, ...]
    files: tuple[SourceFile, ...]
    example: tuple[SourceFile, ...]


@functools.cache
def pattern_content(pattern: catalog.Pattern) -> PatternContent:
    """Return the content of the page about *pattern*. It reads files, so call it in a thread."""
    readme = (_folder(pattern) / "README.md").read_text(encoding="utf-8")
    introduction, sections = _sections(_with_links(readme))
    files = source_files(pattern)
    helpers = tuple(_helpers(pattern, {file.path for file in files}))
    return PatternContent(
        introduction,
        sections,
        import_line(pattern.name, readme),
        helpers,
        tuple(file for file in files if not file.path.startswith("example/")),
        tuple(file for file in files if file.path.startswith("example/")),
    )


@functools.cache
def pattern_code(pattern: catalog.Pattern) -> list[Hunk]:
    """Return the original and the port of *pattern* side by side. Call it in a thread."""
    folder = _folder(pattern) / "example"
    original, port = (
        (folder / name).read_text(encoding="utf-8") for name in ("original.py", "port.py")
    )
    return compare(original, port)


@functools.cache
def declared_cases(pattern: catalog.Pattern) -> tuple[Case, ...]:
    """Return the cases of *pattern*, with the extras of its port. Call it in a thread."""
    cases = importlib.import_module(f"quartpatterns.{pattern.name}.example.cases")
    return (*cases.CASES, *getattr(cases, "EXTRAS", ()))


@functools.cache
def source_files(pattern: catalog.Pattern) -> tuple[SourceFile, ...]:
    """Return the files of *pattern* that have a page. Call it in a thread."""
    found = []
    for path, file in _walk(_folder(pattern)):
        if PurePosixPath(path).suffix in LANGUAGES:
            text = file.read_text(encoding="utf-8")
            if text.strip() and len(text) <= LONGEST_FILE:
                summary = _module_summary(text) if path.endswith(".py") else ""
                found.append(SourceFile(path, text.count("\n"), summary))
    return tuple(sorted(found, key=lambda each: (each.path.count("/"), each.path)))


@functools.lru_cache(maxsize=64)
def source_text(pattern: catalog.Pattern, file: SourceFile) -> Markup:
    """Return the highlighted text of a file of *pattern*. Call it in a thread."""
    text = _folder(pattern).joinpath(*file.path.split("/")).read_text(encoding="utf-8")
    return highlight(text, LANGUAGES[PurePosixPath(file.path).suffix])


def _folder(pattern: catalog.Pattern) -> Traversable:
    return resources.files(f"quartpatterns.{pattern.name}")


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.name.startswith((".", "__pycache__")):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


def _module_summary(text: str) -> str:
    found = re.match(r'"""(.+?)(?:"""|\n)', text)
    return _plain(found[1]) if found else ""


def _helpers(pattern: catalog.Pattern, paths: set[str]) -> Iterator[Helper]:
    package = importlib.import_module(f"quartpatterns.{pattern.name}")
    prefix = f"quartpatterns.{pattern.name}."
    for name in sorted(getattr(package, "__all__", ())):
        value = getattr(package, name)
        doc = (inspect.getdoc(value) or "") if callable(value) else ""
        module = getattr(value, "__module__", None) or ""
        file = f"{module.removeprefix(prefix).replace('.', '/')}.py"
        found = module.startswith(prefix) and file in paths
        yield Helper(name, _plain(doc.partition("\n")[0]), file if found else None)


def _plain(text: str) -> str:
    """Return *text* without the markup of Sphinx."""
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", text).replace("`", "")


def _with_links(text: str) -> str:
    """Return *text* with links to the gallery's pages, and none to files that it does not have.

    The links are relative, because the gallery can be below a prefix.
    """
    text = re.sub(r"\]\(\.\./(\w+)/README\.md(#[\w-]+)?\)", r"](\1\2)", text)
    return re.sub(r"\[([^]]+)\]\((?:\.\.|example)/[^)]*\)", r"\1", text)


def _sections(text: str) -> tuple[Markup, tuple[Section, ...]]:
    """Return what stands before the first section of a README, and its sections."""
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _highlight_fence})
    parser.enable("table")
    tokens = parser.parse(text)
    parts: list[tuple[Token | None, list[Token]]] = [(None, [])]
    used: set[str] = set()
    skipped = 0
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _slug(tokens[index + 1].content, used))
        if token.type == "heading_open" and token.tag in ("h1", "h2"):
            skipped = 3  # the heading, its text, its end
            if token.tag == "h2":
                token.meta["title"] = tokens[index + 1]
                parts.append((token, []))
        if skipped:
            skipped -= 1
        else:
            parts[-1][1].append(token)

    numbers = count(1)

    def render(some: list[Token]) -> Markup:
        return Markup(_accessible(parser.renderer.render(some, parser.options, {}), numbers))

    introduction = render(parts[0][1])
    sections = [
        Section(str(heading.attrGet("id")), render([heading.meta["title"]]), render(content))
        for heading, content in parts
        if heading is not None
    ]
    return introduction, tuple(sections)


def _slug(title: str, used: set[str]) -> str:
    """Return the fragment that GitHub gives a heading."""
    slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
    number, unique = 0, slug
    while unique in used:
        number += 1
        unique = f"{slug}-{number}"
    used.add(unique)
    return unique


def _accessible(html: str, numbers: Iterator[int]) -> str:
    """Return *html* with tables that a keyboard can scroll, and without empty headers and styles.

    Arguments:
        html: The HTML of a README.
        numbers: The numbers of its tables.
    """
    html = html.replace("<th></th>", "<td></td>")
    html = re.sub(r' style="text-align:(\w+)"', r' class="\1"', html)

    def scrollable(_match: re.Match[str]) -> str:
        label = f"Table {next(numbers)}"
        return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'

    return re.sub("<table>", scrollable, html).replace("</table>", "</table></div>")


def _highlight_fence(code: str, language: str, _attributes: str) -> str:
    return str(highlight(code, language)) if language else escape(code)
