"""The pages that are not in the repository.

* ``patterns/``: a page for each pattern, which includes its README.md.
* ``reference/``: the public names of each pattern, with their docstrings.
* ``examples/``: the port and the original of each pattern, as source code.
* ``files/``: other files to which a page links.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import posixpath
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from blinker import NamedSignal
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer

from docs.extension.references import public_name
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

{more}
```
"""
ERRORS = """\
# Errors of all helpers

These errors are raised by several helpers.

```{eval-rst}
.. autoexception:: quartpatterns._shared.settings.SettingError

.. autoexception:: quartpatterns._shared.extras.MissingExtraError

.. autoexception:: quartpatterns._shared.unavailable.ServiceUnavailableError
```
"""
EXAMPLE = """\
---
orphan: true
---

# The example of {name}

The port is the application on Quart, and the original is the same application on Flask.
Both are in the folder `quartpatterns/{name}/example`.
[The page of the pattern](../../quartpatterns/{name}/README.md) explains them.
"""
FILE = """
{level} {title}

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
    found |= {f"reference/{one.name}": _reference(one) for one in PATTERNS}
    for name, (module, text) in OTHER_MODULES.items():
        found[f"reference/{name}"] = REFERENCE.format(
            module=module, text=text, excluded="none", more=""
        )
    found |= {"reference/testing": _testing(), "reference/errors": ERRORS}
    return found | _file_pages()


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
    others = [*OTHER_MODULES, "testing", "errors"]
    text += "\n## Other modules\n\n* [quartpatterns.compare](compare.md)\n"
    text += "* [Functions for tests](testing.md)\n* [Errors of all helpers](errors.md)\n\n"
    return text + _toctree(f"{name} <{name}>" for name in [*_names(), *others])


def _names() -> list[str]:
    return [one.name for one in PATTERNS]


def _summaries(package: ModuleType) -> Iterator[tuple[str, str]]:
    for name in package.__all__:
        paragraph = _description(package, name).partition("\n\n")[0].replace("\n", " ")
        yield name, paragraph.partition(". ")[0].rstrip(".") + "."


def _description(package: ModuleType, name: str) -> str:
    """Return the docstring of a public name, as reStructuredText."""
    value = getattr(package, name)
    if _is_code(value):
        return inspect.getdoc(value) or ""
    if name == "SETTINGS":
        return "The settings of this helper, by their keys: see :doc:`/configuration`."
    prefixes = (f"{package.__name__}.", "quartpatterns._shared.")
    for module in [one for one in sys.modules if one.startswith(prefixes)]:
        with contextlib.suppress(PycodeError):
            found = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name))
            if found:
                return "\n".join(found).strip()
    if isinstance(value, NamedSignal):
        return f"The signal ``{value.name}``."
    return f"The value is ``{value!r}``."


def _is_code(value: Any) -> bool:
    # isinstance() asks a proxy, such as current_job, for an object that may be missing.
    return issubclass(type(value), type | FunctionType)


def _reference(pattern: Pattern) -> str:
    """Return the page of a pattern.

    An object that several patterns export is described on the page of the first one.
    """
    package = importlib.import_module(f"quartpatterns.{pattern.name}")
    readme = f"../../quartpatterns/{pattern.name}/README.md"
    again: dict[str, str] = {}
    more = ""
    for name in package.__all__:
        value, full = getattr(package, name), f"{package.__name__}.{name}"
        first = public_name(f"{value.__module__}.{value.__qualname__}") if _is_code(value) else None
        kind = "class" if issubclass(type(value), type) else "function"
        if first and first != full:
            again[name] = first
            more += f".. py:{kind}:: {name}\n\n   The same as :py:obj:`{first}`.\n\n"
        elif not _is_code(value):
            text = textwrap.indent(_description(package, name), "   ")
            more += f".. py:data:: {name}\n\n{text}\n\n"
        elif name not in vars(package):
            # It is imported when it is first used, which autodoc does not see.
            more += f".. auto{kind}:: {full}\n" + "   :members:\n" * (kind == "class") + "\n"
    return REFERENCE.format(
        module=package.__name__,
        text=f"[The page of the pattern]({readme}) explains how to use these names.",
        excluded=", ".join(sorted(again)) or "none",
        more=more,
    )


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


def _file_pages() -> dict[str, str]:
    """Return a page with the example of each pattern, and one for each other linked file."""
    linked = _linked_files()
    found: dict[str, str] = {}
    for pattern in PATTERNS:
        folder = f"quartpatterns/{pattern.name}/example/"
        first = [f"{folder}port.py", f"{folder}original.py"]
        rest = sorted(path for path in linked if path.startswith(folder) and path not in first)
        parts = [_file(path, path.removeprefix(folder), "##", 2) for path in [*first, *rest]]
        found[f"examples/{pattern.name}"] = EXAMPLE.format(name=pattern.name) + "".join(parts)
    for path in linked:
        page = page_of(path)
        if page.startswith("files/"):
            text = _file(path, path, "#", page.count("/") + 1)
            found[page] = f"---\norphan: true\n---\n{text}"
    return found


def _linked_files() -> set[str]:
    """Return the source files to which a page links."""
    found: set[str] = set()
    for path in markdown_files():
        for _, target in local_links((ROOT / path).read_text()):
            file = target.partition("#")[0]
            name = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
            if page_of(name).startswith(("examples/", "files/")) and not name.startswith("docs/"):
                found.add(name)
    return {name for name in found if (ROOT / name).is_file()}


def _file(path: str, title: str, level: str, depth: int) -> str:
    language = LANGUAGES.get(posixpath.splitext(path)[1], "text")
    return FILE.format(level=level, title=title, source="../" * depth + path, language=language)


def _toctree(names: Iterable[str]) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
