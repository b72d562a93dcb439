"""The examples of docs/cases.md are the same in Python and in TOML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from quartpatterns.compare import Capture, Case
from quartpatterns.compare.case_files import read_cases
from tests.reading.page import blocks

PAGE = Path(__file__).parents[2] / "docs" / "cases.md"


def test_toml(tmp_path: Path) -> None:
    """Each TOML block is the case of this name in the Python blocks."""
    names: dict[str, Any] = {}
    for block in blocks(PAGE):
        if block.language == "python":
            exec(block.text, names)
    cases: dict[str, Case] = {case.name: case for case in names["CASES"]}
    found = []
    for block in blocks(PAGE):
        if block.language == "toml":
            file = tmp_path / "requests.toml"
            file.write_text(block.text)
            found += read_cases(file)
    assert [case.name for case in found] == ["a new user", "chat"]
    for case in found:
        assert repr(with_captures(case)) == repr(with_captures(cases[case.name]))


def with_captures(case: Case) -> Case:
    """Return *case* with a ``Capture`` for each text, as TOML has it."""
    steps = [
        replace(
            step,
            capture={name: capture(each) for name, each in step.capture.items()},
            mask={name: [capture(each) for each in places] for name, places in step.mask.items()},
        )
        for step in case.steps
    ]
    return Case(case.name, *steps, checks=case.checks, differs=case.differs)


def capture(given: str | Capture) -> Capture:
    """Return a ``Capture`` of the body for a text."""
    return Capture(given) if isinstance(given, str) else given
