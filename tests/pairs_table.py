"""The table of all helpers against all helpers, which is made of the tests themselves.

A pair is tested if one test function uses both helpers. What a test uses is found in its source:
the names in the function, in its fixtures, and in the functions, classes and modules of the tests
that these use. The items of a list or of a dictionary, such as the values of ``parametrize``, are
alternatives: a test that is called for each helper alone does not use them together. An application
in a folder of its own, such as the tutorial's, is one use of all the helpers that it imports.

``python -m tests.pairs_table`` writes ``docs/together.md`` anew and prints the numbers.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path

from quartpatterns.catalog import PATTERNS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "together.md"
HELPERS = sorted(pattern.name for pattern in PATTERNS)
IMPORT = re.compile(r"^\s*(?:from|import) quartpatterns\.(\w+)", re.M)
SHOWN = 3
"""How many places the table names for each pair."""

APPLICATIONS = {
    "docs/moving/toolshed": "tests/moving/test_steps.py",
    "docs/tutorial/photoboard": "tests/tutorial/test_steps.py",
    "quartpatterns/packaging/skeleton": "tests/packaging/test_new.py",
}
"""Folders with one application each, and the tests that run it."""

NOT_IN_APPLICATIONS = {
    "packaging": "builds the wheel of a project, whatever the project imports",
    "deployment": "copies a wheel to hosts and starts it, whatever the wheel imports",
}
"""Helpers that are tools beside the application, and why no other helper can disturb them.

Their pairs make no sense together, except for those that are tested nevertheless.
"""

Uses = frozenset[str]
Pair = tuple[str, str]


@dataclass
class Source:
    """The names of a module: what it defines, and what it imports."""

    path: Path
    definitions: dict[str, list[ast.AST]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    fixtures: dict[str, str] = field(default_factory=dict)
    """The function of each fixture, by the fixture's name."""

    @property
    def tests(self) -> Iterator[tuple[str, list[ast.AST]]]:
        for name, nodes in self.definitions.items():
            if name.startswith(("test_", "Test")):
                yield name, nodes


@cache
def source(path: Path) -> Source:
    """Read a module."""
    found = Source(path)
    for node in ast.parse(path.read_text()).body:
        for inner in ast.walk(node) if isinstance(node, (ast.If, ast.Try)) else [node]:
            _read(found, inner)
    return found


def _read(found: Source, node: ast.AST) -> None:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            found.definitions.setdefault(node.name, []).append(node)
            for decorator in node.decorator_list:
                if "fixture" in ast.unparse(decorator):
                    name = re.search(r"name=['\"](\w+)", ast.unparse(decorator))
                    found.fixtures[name[1] if name else node.name] = node.name
        case ast.Assign():
            for target in node.targets:
                for name_node in ast.walk(target):
                    if isinstance(name_node, ast.Name):
                        found.definitions.setdefault(name_node.id, []).append(node.value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            found.definitions.setdefault(name, []).append(value)
        case ast.ImportFrom(module=str(module), level=0):
            for alias in node.names:
                found.imports[alias.asname or alias.name] = (module, alias.name)
        case ast.Import():
            for alias in node.names:
                found.imports[alias.asname or alias.name.split(".")[0]] = (alias.name, None)
        case _:
            pass


def module_path(module: str) -> Path | None:
    """Return the file of a module of the tests or of an example."""
    if not re.match(r"tests\b|quartpatterns\.\w+\.example\b", module):
        return None
    base = ROOT / module.replace(".", "/")
    files = (base.with_suffix(".py"), base / "__init__.py")
    return next((file for file in files if file.exists()), None)


class Reader:
    """Finds the helpers that one test uses."""

    def __init__(self) -> None:
        self.seen: set[tuple[Path, str]] = set()
        self.uses: set[str] = set()
        self.alternatives: list[frozenset[str]] = []

    def read(self, owner: Source, nodes: list[ast.AST]) -> None:
        for node in nodes:
            self._node(owner, node)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._fixtures(owner, node)

    def _node(self, owner: Source, node: ast.AST) -> None:
        match node:
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                self._alternatives(owner, items)
                return
            case ast.Dict(values=values):
                self._alternatives(owner, values)
                return
            case ast.Constant(value=str(text)):
                self.uses.update(set(IMPORT.findall(text)) & set(HELPERS))
            case ast.Name(id=name):
                self.name(owner, name)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                self._attribute(owner, name, attribute)
                return
            case ast.ImportFrom(module=str(module)):
                for alias in node.names:
                    self._imported(module, alias.name)
            case _:
                pass
        for child in ast.iter_child_nodes(node):
            self._node(owner, child)

    def _alternatives(self, owner: Source, items: list[ast.expr]) -> None:
        if len(items) == 1:
            self._node(owner, items[0])
            return
        for item in items:
            inner = Reader()
            inner.seen = self.seen  # the test itself has what it uses elsewhere
            inner._node(owner, item)
            self.alternatives += [frozenset(inner.uses), *inner.alternatives]

    def name(self, owner: Source, name: str) -> None:
        """Read what *name* stands for in a module."""
        if (owner.path, name) in self.seen:
            return
        self.seen.add((owner.path, name))
        if name in owner.definitions:
            self.read(owner, owner.definitions[name])
        elif name in owner.imports:
            self._imported(*owner.imports[name])

    def _attribute(self, owner: Source, name: str, attribute: str) -> None:
        if name in owner.imports and name not in owner.definitions:
            module, imported = owner.imports[name]
            full = f"{module}.{imported}" if imported else module
            if (path := module_path(full)) is not None:
                self.name(source(path), attribute)
                return
        self.name(owner, name)

    def _imported(self, module: str, name: str | None) -> None:
        path = module_path(module)
        if path is not None and name is not None:
            inner = source(path)
            if name in inner.definitions or name in inner.imports:
                self.name(inner, name)
            elif (submodule := module_path(f"{module}.{name}")) is not None:
                self._whole(submodule)
            return
        parts = module.split(".") + ([name] if name else [])
        if parts[0] == "quartpatterns" and len(parts) > 1 and parts[1] in HELPERS:
            self.uses.add(parts[1])

    def _whole(self, path: Path) -> None:
        for name in source(path).definitions:
            self.name(source(path), name)

    def _fixtures(self, owner: Source, node: ast.AST) -> None:
        names = [one.arg for one in ast.walk(node) if isinstance(one, ast.arg)]
        folders = [one for one in owner.path.parents if one.is_relative_to(ROOT / "tests")]
        files = [owner.path, *(folder / "conftest.py" for folder in folders)]
        for name in names:
            for file in files:
                if file.exists() and name in source(file).fixtures:
                    self.name(source(file), source(file).fixtures[name])
                    break

    @property
    def together(self) -> list[Uses]:
        """What is used at the same time: everything, with one of the alternatives."""
        return [frozenset(self.uses | one) for one in (frozenset(), *self.alternatives)]


def reason(pair: Pair) -> str | None:
    """Return why a pair makes no sense together, or ``None`` if it does."""
    found = [f"{name} {NOT_IN_APPLICATIONS[name]}" for name in pair if name in NOT_IN_APPLICATIONS]
    return found[0] if found and not tested()[pair] else None


def test_files() -> list[Path]:
    """Return the modules with tests."""
    return sorted((ROOT / "tests").rglob("test_*.py"))


def pairs_of(path: Path) -> set[Pair]:
    """Return the pairs that the tests of a module use together."""
    found: set[Pair] = set()
    for _, nodes in source(path).tests:
        reader = Reader()
        reader.read(source(path), nodes)
        for uses in reader.together:
            found |= set(combinations(sorted(uses), 2))
    return found


@cache
def tested() -> dict[Pair, list[str]]:
    """Return the places that test each pair, the most telling first."""
    found: dict[Pair, list[str]] = {pair: [] for pair in combinations(HELPERS, 2)}
    for path in test_files():
        for pair in pairs_of(path):
            found[pair].append(str(path.relative_to(ROOT)))
    for folder, tests in APPLICATIONS.items():
        imports = {
            name
            for path in (ROOT / folder).rglob("*.py")
            for name in IMPORT.findall(path.read_text())
            if name in HELPERS
        }
        for pair in combinations(sorted(imports), 2):
            found[pair].append(f"{tests} with {folder}")
    for pair, places in found.items():
        places.sort(key=lambda place: _order(pair, place))
    return found


def _order(pair: Pair, place: str) -> tuple[int, str]:
    """Sort the test of the pair first, then the other tests of several helpers."""
    if place == f"tests/together/test_{pair[0]}_and_{pair[1]}.py":
        return 0, place
    for rank, start in enumerate(("tests/together/", "tests/tutorial/"), start=1):
        if place.startswith(start):
            return rank, place
    return 3, place


def untested() -> list[Pair]:
    """Return the pairs that no test has together and that make sense."""
    return [pair for pair, places in tested().items() if not places and reason(pair) is None]


def numbers() -> str:
    """Return how many pairs there are of each kind."""
    count = sum(bool(places) for places in tested().values())
    senseless = sum(reason(pair) is not None for pair in tested())
    return (
        f"{len(HELPERS)} helpers make {len(tested())} pairs: {count} are tested together,"
        f" {senseless} are never in one application, and {len(untested())} are not tested."
    )


def page() -> str:
    """Return the page, as it should be."""
    return "\n".join([*_head(), *_matrix(), *_senseless(), *_untested(), *_places()]) + "\n"


def _head() -> list[str]:
    return [
        "# Tested together",
        "",
        "An application uses many of the helpers at the same time.",
        "This page shows which helpers are tested in one application.",
        "`python -m tests.pairs_table` generates this page from the tests.",
        "A pair is tested if one test, with its fixtures and functions, uses both helpers.",
        "",
        numbers(),
        "",
    ]


def _matrix() -> list[str]:
    legend = "`x`: tested. `·`: never in one application. `?`: not tested."
    lines = ["## All pairs", "", legend, ""]
    lines.append("| helper | " + " | ".join(str(number) for number in range(1, 27)) + " |")
    lines.append("| --- |" + " --- |" * len(HELPERS))
    for number, one in enumerate(HELPERS, start=1):
        cells = [_sign(one, other) for other in HELPERS]
        lines.append(f"| {number} {one} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _sign(one: str, other: str) -> str:
    if one == other:
        return ""
    pair = min(one, other), max(one, other)
    if tested()[pair]:
        return "x"
    return "?" if reason(pair) is None else "·"


def _senseless() -> list[str]:
    lines = ["## Pairs that are never in one application", ""]
    for name, why in NOT_IN_APPLICATIONS.items():
        others = [
            other
            for pair in tested()
            if name in pair and reason(pair) is not None
            for other in pair
            if other != name
        ]
        lines.append(f"* {name} {why}: {', '.join(others)}")
    return [*lines, ""]


def _untested() -> list[str]:
    lines = ["## Pairs that are not tested", ""]
    for one in HELPERS:
        others = [other for first, other in untested() if first == one]
        if others:
            lines.append(f"* {one}: {', '.join(others)}")
    return [*lines, ""] if untested() else []


def _places() -> list[str]:
    lines = ["## Where the pairs are tested", ""]
    for one in HELPERS:
        rows = [
            f"| {other} | {_shown(places)} |"
            for (first, other), places in tested().items()
            if first == one and places
        ]
        if rows:
            lines += [f"### {one}", "", f"| {one} and | tested together in |", "| --- | --- |"]
            lines += [*rows, ""]
    return lines


def _shown(places: list[str]) -> str:
    more = len(places) - SHOWN
    text = ", ".join(f"`{place}`" for place in places[:SHOWN])
    return f"{text} and {more} more" if more > 0 else text


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{numbers()}\n")
