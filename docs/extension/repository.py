"""The files of the repository, and the pages that show them.

Markdown files link to other files of the repository, so that the links work where people read the
code. In the documentation the same links lead to pages.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "ROOT",
    "lines_of_text",
    "links",
    "local_links",
    "markdown_files",
    "page_of",
    "rewrite_links",
    "slug",
]

ROOT = Path(__file__).parents[2]

# The target of a link or an image: [text](target), with an optional title. Code contains no links.
CODE_OR_LINK = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)"
    r"|(?<=\]\()(?P<target>[^()\s]+)(?=(?: \"[^\"]*\")?\))"
)
FENCE = re.compile(r"\s*(`{3,}|~{3,})")
EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)
PAGES = {
    "README.md": "index",
    "CHANGES.md": "changes",
    "CONTRIBUTING.md": "contributing",
    "SECURITY.md": "security",
}


def page_of(path: str) -> str:
    """Return the name of the page that shows a file, with an anchor if it shows several.

    Arguments:
        path: The path of the file in the repository.
    """
    if path in PAGES:
        return PAGES[path]
    if match := re.fullmatch(r"quartpatterns/(\w+)/README\.md", path):
        return f"patterns/{match[1]}"
    if match := re.fullmatch(r"quartpatterns/(\w+)/__init__\.py", path):
        return f"reference/{match[1]}"
    if match := re.fullmatch(r"quartpatterns/(\w+)/example/(.+)", path):
        return f"examples/{match[1]}#{slug(match[2])}"
    if match := re.fullmatch(r"docs/(.+)\.md", path):
        return match[1]
    return f"files/{path}"


def slug(heading: str) -> str:
    """Return the anchor of a heading, as sites for code and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def rewrite_links(text: str, path: str, page: str) -> str:
    """Return Markdown whose links to files lead to pages.

    Arguments:
        text: The text of the file.
        path: The path of the file in the repository; its links are relative to it.
        page: The page on which the text is shown; the new links are relative to it.
    """
    folder = posixpath.dirname(page)

    def replace(match: re.Match[str]) -> str:
        target, hash, anchor = (match["target"] or "").partition("#")
        if not target or EXTERNAL.match(target):
            return match[0]
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if found.startswith("docs/") and not found.endswith(".md"):
            # An image or another file that the documentation contains.
            return posixpath.relpath(found.removeprefix("docs/"), folder or ".")
        name, mark, part = page_of(found).partition("#")
        to = posixpath.relpath(f"{name}.md", folder or ".")
        return to + (hash + anchor if hash else mark + part)

    lines = text.splitlines(keepends=True)
    for number in lines_of_text(lines):
        lines[number] = CODE_OR_LINK.sub(replace, lines[number])
    return "".join(lines)


def local_links(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the target of each link that is no URL."""
    for line, target in links(text):
        if not EXTERNAL.match(target):
            yield line, target


def links(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the target of each link and image of a Markdown text."""
    lines = text.splitlines()
    for number in lines_of_text(lines):
        for match in CODE_OR_LINK.finditer(lines[number]):
            if match["target"]:
                yield number + 1, match["target"]


def lines_of_text(lines: list[str]) -> Iterator[int]:
    """Yield the index of each line that is not in a block of code."""
    fence = ""
    for number, line in enumerate(lines):
        match = FENCE.match(line)
        if fence:
            if match and match[1].startswith(fence) and not line.strip(" \n`~"):
                fence = ""
        elif match:
            fence = match[1]
        else:
            yield number


def markdown_files() -> list[str]:
    """Return the paths of the Markdown files that people read, without those that are generated."""
    root = [file.name for file in ROOT.glob("*.md")]
    readmes = [*ROOT.glob("quartpatterns/*/README.md"), ROOT / "changes" / "README.md"]
    docs = [
        file
        for file in (ROOT / "docs").rglob("*.md")
        if file.relative_to(ROOT / "docs").parts[0] not in GENERATED
    ]
    return sorted([*root, *(file.relative_to(ROOT).as_posix() for file in [*readmes, *docs])])


GENERATED = {"_build", "examples", "files", "patterns", "reference"}
"""The folders in docs/ that are not in the repository."""
