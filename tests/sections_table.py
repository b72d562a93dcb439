"""The table of the sections of Flask's pages, and where each is shown.

Flask's pages and their sections are in the catalogue. The file ``example/sections.toml`` of a
pattern says for each section which code of the port and of the original shows it, and which case or
test compares it:

.. code-block:: toml

    page = "wtforms"               # several pages: [[page]] with name, and [[page.section]]

    [[section]]
    title = "In the View"
    port = "create_app.register"   # or a list of several
    original = "create_app.register"
    case = "a registration"        # or test = "tests/wtforms/test_form.py::test_errors"

``port`` and ``original`` are references to code. Their files are in the folder ``example``, or in
the root of the project if the path begins with a slash:

* ``create_app.register``: a function, class or variable in ``port.py`` or ``original.py``;
* ``views.py:index``: a name in another module;
* ``templates/layout.html``: a file;
* ``create_app#add_url_rule(``: the first line with that text in a function or a file.

A section without code has ``links = true``. A section whose library no longer runs has
``history = "why there is no original"`` in place of ``original``.

``python -m tests.sections_table`` writes ``docs/sections.md`` anew, and prints what is missing.
``python -m tests.sections_table --lines`` prints the table with the lines of today.
"""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from quartpatterns.catalog import PATTERNS, Pattern

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "sections.md"
Side = Literal["port", "original"]
Names = str | list[str]


class MissingReferenceError(Exception):
    """A reference names nothing; the message says what is missing."""


class Section(msgspec.Struct, forbid_unknown_fields=True):
    """One section of a page, and where it is shown."""

    title: str
    port: Names = []
    original: Names = []
    case: Names = []
    test: Names = []
    links: bool = False
    history: str = ""


class _Page(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    section: list[Section]


class _File(msgspec.Struct, forbid_unknown_fields=True, rename={"pages": "page"}):
    pages: str | list[_Page]
    section: list[Section] = []


def sections(pattern: Pattern) -> dict[str, list[Section]]:
    """Return the sections that the file of *pattern* describes, by the name of the page.

    Raises:
        msgspec.ValidationError: The file has an unknown key, or a value of a wrong type.
    """
    file = _example(pattern) / "sections.toml"
    read = msgspec.convert(tomllib.loads(file.read_text()), _File)
    if isinstance(read.pages, str):
        return {read.pages: read.section}
    return {page.name: page.section for page in read.pages}


def problems(pattern: Pattern) -> list[str]:
    """Return what is missing or wrong in the sections of *pattern*."""
    found = sections(pattern)
    known = {page.name: page.sections for page in pattern.pages}
    lines = [f"{page}: no such page" for page in found.keys() - known.keys()]
    for page, titles in known.items():
        given = [section.title for section in found.get(page, [])]
        lines += [f"{page}, {title}: is missing" for title in titles if title not in given]
        lines += [f"{page}, {title}: no such section" for title in given if title not in titles]
        lines += [
            f"{page}, {title}: is there twice" for title in {*given} if given.count(title) > 1
        ]
    for page, listed in found.items():
        for section in listed:
            lines += [f"{page}, {section.title}: {line}" for line in _problems(pattern, section)]
    return lines


def _problems(pattern: Pattern, section: Section) -> Iterator[str]:
    shown = bool(section.port or section.original or section.case or section.test)
    if section.links:
        if shown:
            yield "has only links, and is shown nevertheless"
        return
    for side in _sides(section):
        if not getattr(section, side):
            yield f"is not in the {side}"
        for reference in _list(getattr(section, side)):
            try:
                locate(pattern, side, reference)
            except MissingReferenceError as error:
                yield f"{side} = {reference!r}: {error}"
    if not section.case and not section.test:
        yield "has neither a case nor a test"
    yield from (
        f"case = {name!r}: no such case"
        for name in _list(section.case)
        if name not in cases(pattern)
    )
    for test in _list(section.test):
        file, _, name = test.partition("::")
        try:
            _line(ROOT / file, name.replace("::", "."), "")
        except MissingReferenceError as error:
            yield f"test = {test!r}: {error}"


def _sides(section: Section) -> tuple[Side, ...]:
    return ("port",) if section.history else ("port", "original")


def locate(pattern: Pattern, side: Side, reference: str) -> tuple[Path, int]:
    """Return the file and the line of *reference*.

    Raises:
        MissingReferenceError: There is no such file, name or text.
    """
    place, _, text = reference.partition("#")
    file, colon, name = place.partition(":")
    if not colon and not _is_file(pattern, file):
        file, name = f"{side}.py", place
    path = ROOT / file[1:] if file.startswith("/") else _example(pattern) / file
    return path, _line(path, name, text)


def _is_file(pattern: Pattern, text: str) -> bool:
    return "/" in text or (_example(pattern) / text).is_file()


def _line(path: Path, name: str, text: str) -> int:
    """Return the number of the line of *name*, or of the first line with *text* in it."""
    if not path.is_file():
        raise MissingReferenceError(f"there is no file {path.relative_to(ROOT)}")
    first, last = 1, None
    if name:
        first, last = _definition(path, name)
    if not text:
        return first
    for number, line in enumerate(path.read_text().splitlines()[first - 1 : last], start=first):
        if text in line:
            return number
    raise MissingReferenceError(f"{text!r} is not in it")


def _definition(path: Path, name: str) -> tuple[int, int | None]:
    """Return the first and the last line of the definition of *name* in a module."""
    node: ast.AST = _tree(path)
    for part in name.split("."):
        found = next((child for each, child in _names(node) if each == part), None)
        if found is None:
            raise MissingReferenceError(f"there is no {part} in {path.relative_to(ROOT)}")
        node = found
    assert isinstance(node, ast.stmt)
    return node.lineno, node.end_lineno


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _names(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Return what the body of *node* defines, with the bodies of ``if``, ``with`` and so on."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield child.name, child
            case ast.Assign(targets=targets):
                yield from ((name.id, child) for name in targets if isinstance(name, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, child
            case ast.stmt() | ast.ExceptHandler() | ast.match_case():
                yield from _names(child)
            case _:
                pass


@cache
def cases(pattern: Pattern) -> frozenset[str]:
    """Return the names of the cases of *pattern*."""
    module = importlib.import_module(f"quartpatterns.{pattern.name}.example.cases")
    return frozenset(case.name for case in module.CASES)


def _example(pattern: Pattern) -> Path:
    return ROOT / "quartpatterns" / pattern.name / "example"


def _list(value: Names) -> list[str]:
    return [value] if isinstance(value, str) and value else list(value)


def numbers() -> str:
    """Return how many sections there are, and how many are shown."""
    rows = [
        (pattern, section)
        for pattern in PATTERNS
        for listed in sections(pattern).values()
        for section in listed
    ]
    pages = {page.name for pattern in PATTERNS for page in pattern.pages}
    right = [section for pattern, section in rows if not list(_problems(pattern, section))]
    links = sum(section.links for section in right)
    history = sum(bool(section.history) for section in right)
    text = (
        f"{len(pages)} pages have {len(rows)} sections:"
        f" {len(right) - links - history} are in port and original, {history} only in the port,"
        f" because the library of the page no longer runs, and {links} contain only links."
    )
    gaps = len(rows) - len(right)
    return f"{text} {gaps} are incomplete." if gaps else text


def page(*, lines: bool = False) -> str:
    """Return the page, as it should be.

    Arguments:
        lines: Add the number of each line. It changes with every edit, so the page has none.
    """
    text = [
        "# The sections of Flask's pages",
        "",
        "Each section of Flask's pages about patterns is in a port and in an original,"
        " and a case or a test compares them.",
        "The pages are those of Flask 0.10, of Flask 2.0 and of today.",
        "A name is in `port.py` or `original.py` of the pattern's folder `example`,"
        " if no other file is named.",
        "`python -m tests.sections_table` generates this page from the files `sections.toml`,"
        " and `--lines` prints it with line numbers.",
        "",
        numbers(),
        "",
    ]
    for pattern in PATTERNS:
        text += [
            f"## {pattern.name}",
            "",
            "| page | section | port | original | compared by |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, listed in sections(pattern).items():
            for section in listed:
                cells = [name, section.title, *_cells(pattern, section, lines=lines)]
                text.append("| " + " | ".join(cells) + " |")
        text.append("")
    return "\n".join(text).rstrip() + "\n"


def _cells(pattern: Pattern, section: Section, *, lines: bool) -> list[str]:
    if section.links:
        return ["only links", "", ""]
    sides: dict[Side, str] = {
        side: ", ".join(
            _shown(pattern, side, reference, lines=lines)
            for reference in _list(getattr(section, side))
        )
        for side in _sides(section)
    }
    tests = [*_list(section.case), *(f"`{test}`" for test in _list(section.test))]
    return [
        sides["port"],
        sides.get("original", section.history),
        ", ".join(tests).replace("|", r"\|"),
    ]


def _shown(pattern: Pattern, side: Side, reference: str, *, lines: bool) -> str:
    place, _, text = reference.partition("#")
    shown = f"`{place.lstrip('/')}`" + (f" with `{text}`" if text else "")
    if lines:
        try:
            path, number = locate(pattern, side, reference)
        except MissingReferenceError as error:
            return f"{shown} ({error})"
        shown += f" ({path.relative_to(ROOT)}:{number})"
    return shown.replace("|", r"\|")


def main() -> None:
    """Write the page, or print it with line numbers."""
    if "--lines" in sys.argv[1:]:
        sys.stdout.write(page(lines=True))
        return
    PAGE.write_text(page())
    missing = [f"{pattern.name}: {line}" for pattern in PATTERNS for line in problems(pattern)]
    sys.stdout.write("\n".join([*missing, numbers()]) + "\n")


if __name__ == "__main__":
    main()
