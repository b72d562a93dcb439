"""The pages about tasks: their lines, their links, and the tests that they name."""

from __future__ import annotations

import re
from pathlib import Path

import quartpatterns.tasks

README = Path(quartpatterns.tasks.__file__).with_name("README.md")
DOCS = Path(__file__).parents[2] / "docs" / "tasks"
PAGES = sorted(DOCS.glob("*.md"))


def test_style() -> None:
    """Lines have fewer than 120 characters, except for rows of tables."""
    for page in [README, *PAGES]:
        for line in page.read_text().splitlines():
            assert len(line) < 120 or line.startswith("|"), (page.name, line)


def test_links() -> None:
    """Each link to a file leads to one."""
    for page in [README, *PAGES]:
        for target in re.findall(r"\]\(([^):#]+\.md)[)#]", page.read_text()):
            found = (page.parent / target).exists()
            assert found or target == "../patterns/tasks.md", (page.name, target)


def test_comparison() -> None:
    """Each test that the table names exists."""
    tests = DOCS.parents[1] / "tests"
    for path, name in re.findall(
        r"`([\w/]+\.py)(?:::(\w+))?`", (DOCS / "comparison.md").read_text()
    ):
        file = tests.parent / path if path.startswith("tests/") else tests / "tasks" / path
        assert file.exists(), path
        assert not name or f"def {name}(" in file.read_text(), (path, name)
