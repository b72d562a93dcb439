"""The pages that are not in the repository: patterns, reference and source files.

* ``patterns/``: a page for each pattern, which includes its README.md.
* ``reference/``: the public names of each pattern, with their docstrings.
* ``files/``: the source files to which other pages link, such as the ports.
"""

from __future__ import annotations

import importlib
import inspect
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from docs.extension.repository import (
    GENERATED,
    ROOT,
    local_links,
    markdown_files,
    page_of,
)
from quartpatterns.catalog import GROUPS, PATTERNS, Pattern

__all__ = ["add_links", "pages", "write"]

FLASK = "https://flask.palletsprojects.com/en/stable/patterns/"
PATTERN = """\
```{{include}} ../../quartpatterns/{name}/README.md
```
"""
REFERENCE = """\
# {module}

{text}

```{{eval-rst}}
.. automodule:: {module}
   :members:
   :imported-members:
   :exclude-members: {excluded}
```
"""
FILE = """\
---
orphan: true
---

# {name}

This is the file `{path}`.

```{{literalinclude}} {source}
:language: {language}
```
"""
LANGUAGES = {".py": "python", ".toml": "toml", ".md": "markdown", ".sql": "sql", ".html": "jinja"}

# Modules with public names that are no pattern.
OTHER_MODULES = {
    "compare": (
        "quartpatterns.compare",
        "The classes of cases. [Cases of a comparison](../cases.md) explains how to use them.",
    ),
}
TESTING = ("viewdecorators", "wtforms", "flashing", "tasks", "sqlalchemy")


def write(folder: Path) -> None:
    """Write all pages into the folder of the documentation, and remove old ones.

    A page that has not changed keeps its time, so that Sphinx does not read it again.
    """
    wanted = {folder / f"{name}.md": text for name, text in pages().items()}
    for file in [file for name in GENERATED - {"_build"} for file in (folder / name).rglob("*.md")]:
        if file not in wanted:
            file.unlink()
    for file, text in wanted.items():
        if not file.is_file() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def pages() -> dict[str, str]:
    """Return the Markdown of each page, by its name."""
    found = {"patterns/index": _pattern_index(), "reference/index": _reference_index()}
    found |= {f"patterns/{one.name}": PATTERN.format(name=one.name) for one in PATTERNS}
    documented: set[str] = set()
    for pattern in PATTERNS:
        found[f"reference/{pattern.name}"] = _reference(pattern, documented)
    for name, (module, text) in OTHER_MODULES.items():
        found[f"reference/{name}"] = REFERENCE.format(module=module, text=text, excluded="none")
    found["reference/testing"] = _testing()
    found |= {page_of(path): _file(path) for path in _linked_files()}
    return found


def add_links(text: str, path: str) -> str:
    """Add links to a README below its title: the reference, the example, and Flask's pages."""
    name = posixpath.basename(posixpath.dirname(path))
    pattern = next((one for one in PATTERNS if one.name == name), None)
    if pattern is None or not path.endswith("README.md"):
        return text
    title, _, rest = text.partition("\n")
    today = [page.name for page in pattern.pages if "HEAD" in page.versions]
    links = [
        "[Reference](__init__.py)",
        "[Port](example/port.py)",
        "[Flask original](example/original.py)",
        *(f"[Flask's page: {page}]({FLASK}{page}/)" for page in today),
    ]
    return f"{title}\n\n:::{{div}} pattern-links\n{' '.join(links)}\n:::\n{rest}"


def _pattern_index() -> str:
    text = (
        "# Patterns\n\n"
        "A pattern is the subject of one page, or of closely related pages, of Flask's"
        " documentation.\n"
        "Each pattern has helpers to import, an example, and the same example in Flask.\n"
    )
    for group in GROUPS:
        found = [one for one in PATTERNS if one.group == group]
        text += f"\n## {group[0].upper()}{group[1:]}\n\n"
        text += "".join(
            f"[{one.name}](../../quartpatterns/{one.name}/README.md)\n"
            f": **{one.title}.** {one.summary}\n\n"
            for one in found
        )
        text += _toctree(one.name for one in found)
    return text


def _reference_index() -> str:
    text = (
        "# Reference\n\n"
        "All public names, with the first sentence of their description.\n"
        "The reference is generated from the docstrings.\n"
    )
    for pattern in PATTERNS:
        package = importlib.import_module(f"quartpatterns.{pattern.name}")
        text += f"\n## [{package.__name__}](../../quartpatterns/{pattern.name}/__init__.py)\n\n"
        text += "".join(
            f"{{py:obj}}`{name} <{package.__name__}.{name}>`\n: {summary}\n\n"
            for name, summary in _summaries(package)
        )
    others = [*OTHER_MODULES, "testing"]
    text += "\n## Other modules\n\n* [quartpatterns.compare](compare.md)\n"
    text += "* [Functions for tests](testing.md)\n\n"
    return text + _toctree(f"{name} <{name}>" for name in [*_names(), *others])


def _names() -> list[str]:
    return [one.name for one in PATTERNS]


def _summaries(package: ModuleType) -> Iterator[tuple[str, str]]:
    for name in package.__all__:
        yield name, first_sentence(getattr(package, name))


def first_sentence(value: Any) -> str:
    """Return the first paragraph of the docstring, up to its first full stop."""
    paragraph = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")
    return paragraph.partition(". ")[0].rstrip(".") + "."


def _reference(pattern: Pattern, documented: set[str]) -> str:
    """Return the page of a pattern; a class that several patterns export is on the first page."""
    package = importlib.import_module(f"quartpatterns.{pattern.name}")
    shared = {
        name
        for name in package.__all__
        if getattr(getattr(package, name), "__module__", "").startswith("quartpatterns._shared")
    }
    again = sorted(shared & documented)
    documented |= shared
    readme = f"../../quartpatterns/{pattern.name}/README.md"
    text = f"[The page of the pattern]({readme}) explains how to use these names."
    return REFERENCE.format(module=package.__name__, text=text, excluded=", ".join(again) or "none")


def _testing() -> str:
    text = (
        "# Functions for tests\n\n"
        "The fixtures of pytest call these functions. [Tests of your application](../testing.md)"
        " explains both.\n\n```{eval-rst}\n"
        ".. automodule:: quartpatterns.pytest_plugin\n   :members: LoginAs, CSRFPost\n\n"
    )
    for name in TESTING:
        text += f".. automodule:: quartpatterns.{name}.testing\n   :members:\n"
        if name == "tasks":
            text += "   :imported-members: EagerQueue, EagerJob\n"
        text += "\n"
    return text + "```\n"


def _linked_files() -> set[str]:
    """Return the source files to which a page links, and the ports and originals."""
    found = {
        f"quartpatterns/{one.name}/example/{side}.py"
        for one in PATTERNS
        for side in ("port", "original")
    }
    for path in markdown_files():
        for _, target in local_links((ROOT / path).read_text()):
            name = posixpath.normpath(
                posixpath.join(posixpath.dirname(path), target.partition("#")[0])
            )
            if page_of(name).startswith("files/") and not name.startswith("docs/"):
                found.add(name)
    return {name for name in found if (ROOT / name).is_file()}


def _file(path: str) -> str:
    page = page_of(path)
    up = "../" * (page.count("/") + 1)
    return FILE.format(
        name=posixpath.basename(path),
        path=path,
        source=up + path,
        language=LANGUAGES.get(posixpath.splitext(path)[1], "text"),
    )


def _toctree(names: Iterable[str]) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
