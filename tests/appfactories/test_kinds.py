"""What a setting may be."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartpatterns.appfactories.kinds import converted, described, parsed

pytestmark = pytest.mark.checks("AF-10")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        pytest.param(" On ", bool, True, id="bool"),
        pytest.param("0", bool, False, id="no bool"),
        pytest.param("-5", int, -5, id="int"),
        pytest.param("5", float, 5.0, id="float"),
        pytest.param("", str, "", id="empty str"),
        pytest.param("ж", bytes, "ж".encode(), id="bytes"),
        pytest.param("", str | None, None, id="empty str or None"),
        pytest.param("1", str | None, "1", id="str or None"),
        pytest.param("", Path | None, None, id="None comes first"),
        pytest.param("1", str | int, 1, id="str comes last"),
        pytest.param("x", str | int, "x", id="str or int"),
        pytest.param("1.5", int | float | None, 1.5, id="float after int"),
        pytest.param("[1]", list[int], [1], id="items"),
        pytest.param('{"a": 1}', dict[str, int], {"a": 1}, id="entries"),
        pytest.param("[1, 2]", tuple, (1, 2), id="tuple"),
        pytest.param("/tmp", Path, Path("/tmp"), id="path"),
        pytest.param("1.5", timedelta, timedelta(seconds=1.5), id="seconds"),
        pytest.param("2026-11-21", date, date(2026, 11, 21), id="date"),
        pytest.param("2026-11-21T01:02", datetime, datetime(2026, 11, 21, 1, 2), id="datetime"),
        pytest.param("01:02", time, time(1, 2), id="time"),
        pytest.param("3", Literal["a", 3], 3, id="literal"),
        pytest.param("null", Any, None, id="any"),
    ],
)
def test_parsed(text: str, kind: Any, value: object) -> None:
    assert parsed(text, kind) == value
    assert type(parsed(text, kind)) is type(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("", bool, id="bool"),
        pytest.param("x", Literal["a", 3], id="literal"),
        pytest.param("[1, true]", list[int], id="items"),
        pytest.param('{"a": "b"}', dict[str, int], id="entries"),
        pytest.param("x", int | None, id="union"),
        pytest.param("nan", timedelta, id="no time span"),
        pytest.param("{", dict, id="JSON"),
        pytest.param('"1"', complex, id="another type"),
    ],
)
def test_not_parsed(text: str, kind: Any) -> None:
    with pytest.raises(ValueError, match="is to be"):
        parsed(text, kind)


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        pytest.param(5, float, 5.0, id="float"),
        pytest.param(5, int | float, 5, id="int first"),
        pytest.param(0, timedelta | None, timedelta(0), id="seconds"),
        pytest.param("x", Path, Path("x"), id="path"),
        pytest.param([1], tuple, (1,), id="tuple"),
        pytest.param("a", Literal["a", "b"], "a", id="literal"),
        pytest.param([[1], []], list[list[int]], [[1], []], id="lists"),
        pytest.param(date(2026, 1, 1), date, date(2026, 1, 1), id="date"),
    ],
)
def test_converted(value: object, kind: Any, result: object) -> None:
    assert converted(value, kind) == result
    assert type(converted(value, kind)) is type(result)


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        pytest.param(True, int, "a whole number, not true or false", id="bool for int"),
        pytest.param(True, float, "a number, not true or false", id="bool for float"),
        pytest.param(1, bool, "true or false, not a whole number", id="int for bool"),
        pytest.param("1", int | None, "a whole number or nothing", id="union"),
        pytest.param("c", Literal["a", "b"], "'a' or 'b', not a text", id="literal"),
        pytest.param("ab", list[str], "a list, each item a text, not a text", id="text for list"),
        pytest.param([1], dict[str, int], "a table, each value a whole number", id="table"),
        pytest.param(1, complex, "of the type complex", id="another type"),
    ],
)
def test_not_converted(value: object, kind: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"is to be {said}"):
        converted(value, kind)


@given(st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text())
def test_there_and_back(value: bool | int | float | str) -> None:
    """What is written as a text is read as what it was."""
    text = value if isinstance(value, str) else json.dumps(value)
    assert parsed(text, type(value)) == value


@given(st.text(), st.sampled_from([bool, int, float, list, dict, timedelta, Path, str | None]))
def test_any_text(text: str, kind: Any) -> None:
    """A text is read, or there is the one error that says what it is to be."""
    try:
        value = parsed(text, kind)
    except ValueError as error:
        assert str(error) == f"is to be {described(kind)}"
    else:
        assert value is None or converted(value, kind) == value or math.isnan(value)
