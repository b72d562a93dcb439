"""The table of the declared differences."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from quartpatterns.compare import Case, Difference, Step
from quartpatterns.compare.case import Comparison, Kind
from tests import differences_table
from tests.differences_table import KINDS, declared, show


def test_page() -> None:
    """``docs/differences.md`` is current: write it with ``python -m tests.differences_table``."""
    assert differences_table.PAGE.read_text() == differences_table.page()


def test_kinds() -> None:
    """Each declared difference is of a kind."""
    assert set(KINDS) == set(get_args(Kind))
    unknown = [(each.pattern, each.case) for each in declared() if each.kind not in KINDS]
    assert unknown == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "missing"),
        ("", "empty"),
        (404, "`404`"),
        (False, "`False`"),
        (re.compile("a|b"), r"`/a\|b/`"),
        ("two\nlines", r"`two\nlines`"),
        (" blank", "`  blank `"),
        ("`code`", "`` `code` ``"),
        ("NUL \0", r"`NUL \x00`"),
        ({"a": 1}, "`{'a': 1}`"),
        ("x" * 200, "`" + "x" * 160 + "` ... (200 characters)"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert show(value) == text


def test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same difference of several cases is one row."""
    differs = [Difference("status", 200, 400, "a|b is refused")]
    cases = [Case(name, Step("/"), differs=differs) for name in ("x|y", "other")]

    def comparison(name: str) -> Comparison:
        return Comparison(name, "original", "port", cases if name == "caching" else ())

    declared.cache_clear()
    monkeypatch.setattr(differences_table, "pattern_comparison", comparison)
    try:
        rows = [line for line in differences_table.page().splitlines() if line.startswith("| x")]
    finally:
        declared.cache_clear()
    assert rows == [r"| x\|y and 1 more | status | `200` | `400` | a\|b is refused |"]
