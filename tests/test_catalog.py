"""The catalogue and the folders say the same."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from quartpatterns import catalog

PACKAGE = Path(catalog.__file__).parent
TESTS = Path(__file__).parent
PARTS = (
    "__init__.py",
    "README.md",
    "example/__init__.py",
    "example/port.py",
    "example/original.py",
    "example/cases.py",
)
OTHER = {"_shared", "cli", "compare", "gallery", "alembic", "porting"}
CHECK = re.compile(r"^\|\s*`?([A-Z]+-\d+)`?\s*\|", re.MULTILINE)

each_pattern = pytest.mark.parametrize(
    "pattern", catalog.PATTERNS, ids=lambda pattern: pattern.name
)


def test_there_are_26() -> None:
    assert len(catalog.PATTERNS) == len({pattern.name for pattern in catalog.PATTERNS}) == 26


def test_folders() -> None:
    """A folder a pattern: none is missing, none is unknown."""
    folders = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()}
    assert folders - OTHER == {pattern.name for pattern in catalog.PATTERNS}


@each_pattern
def test_parts(pattern: catalog.Pattern) -> None:
    """Every pattern's folder has the same parts, and tests."""
    missing = [part for part in PARTS if not (PACKAGE / pattern.name / part).exists()]
    assert not missing
    assert list((TESTS / pattern.name).glob("test_*.py"))


@each_pattern
def test_exports(pattern: catalog.Pattern) -> None:
    """``__all__`` is sorted and true."""
    package = importlib.import_module(f"quartpatterns.{pattern.name}")
    assert sorted(
        package.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    ) == list(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)


@each_pattern
def test_case_names(pattern: catalog.Pattern) -> None:
    cases = importlib.import_module(f"quartpatterns.{pattern.name}.example.cases").CASES
    names = [case.name for case in cases]
    assert len(names) == len(set(names))


@each_pattern
def test_every_check_is_proven(pattern: catalog.Pattern) -> None:
    """A check of the README.md has a case or a test, and nothing cites one that is not there."""
    listed = set(CHECK.findall((PACKAGE / pattern.name / "README.md").read_text()))
    cases = importlib.import_module(f"quartpatterns.{pattern.name}.example.cases").CASES
    cited = {check for case in cases for check in case.checks} | marked(TESTS / pattern.name)
    # Tests of several helpers cite the checks of each.
    prefixes = tuple({f"{check.partition('-')[0]}-" for check in listed})
    cited |= {check for check in marked(TESTS / "together") if check.startswith(prefixes)}
    assert listed
    assert cited == listed


def marked(folder: Path) -> set[str]:
    """The checks that ``@pytest.mark.checks(...)`` names in the tests of *folder*."""
    calls = (
        node
        for file in folder.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.checks"
    )
    return {str(ast.literal_eval(argument)) for call in calls for argument in call.args}


def test_unknown_name() -> None:
    with pytest.raises(LookupError, match="did you mean streaming"):
        catalog.get("streeming")


@each_pattern
def test_shown_in_a_browser(pattern: catalog.Pattern) -> None:
    """Each port does its one thing in a browser."""
    text = (TESTS / "browser" / "test_ports.py").read_text()
    assert f"async def test_{pattern.name}(" in text


@each_pattern
def test_versionadded(pattern: catalog.Pattern) -> None:
    """The docstring of each public class and function says since when it exists."""
    package = importlib.import_module(f"quartpatterns.{pattern.name}")
    public = [getattr(package, name) for name in package.__all__]
    missing = [
        value.__name__
        for value in public
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith(package.__name__)
        and ".. versionadded:: " not in (value.__doc__ or "")
    ]
    assert not missing
