"""Each step of the tutorial is an application whose own tests succeed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.assembled import files_not_changed, files_not_shown
from tests.tutorial.photoboard import PAGES, STEPS, assemble, run

NUMBERS = range(1, len(STEPS) + 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_step(number: int, tmp_path: Path) -> None:
    """The tests that a reader has after a step succeed."""
    folder = assemble(number, tmp_path / "photoboard")
    output = run(folder, "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")
    assert re.search(r"\d+ passed", output)


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_mypy(number: int, tmp_path: Path) -> None:
    """Strict type checking finds nothing."""
    folder = assemble(number, tmp_path / "photoboard")
    assert "Success" in run(folder, "mypy", "--strict", "photoboard", "tests")


@pytest.mark.slow
def test_pyright(tmp_path: Path) -> None:
    """Pyright finds nothing in the finished application."""
    folder = assemble(len(STEPS), tmp_path / "photoboard")
    assert "0 errors" in run(folder, "pyright", "--pythonpath", sys.executable, "photoboard")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_page_shows_every_file(step: Path) -> None:
    """The page of a step shows, or links, every file that the step adds or changes."""
    assert files_not_shown(step, PAGES / f"{step.name}.md") == set()


@pytest.mark.parametrize("number", NUMBERS[1:])
def test_every_file_changes(number: int, tmp_path: Path) -> None:
    """A step contains no file that is as it was before."""
    assert not files_not_changed("tutorial", number, tmp_path / "photoboard")
