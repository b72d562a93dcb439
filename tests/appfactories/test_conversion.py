"""Converting values and strings to the type of a setting."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartpatterns.appfactories.conversion import convert, describe, parse

pytestmark = pytest.mark.checks("AF-10")


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        pytest.param(" On ", bool, True, id="bool"),
        pytest.param("0", bool, False, id="false bool"),
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
def test_parse(text: str, type_: Any, value: object) -> None:
    """An environment variable is parsed by the type of its setting."""
    assert parse(text, type_) == value
    assert type(parse(text, type_)) is type(value)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        pytest.param("", bool, id="bool"),
        pytest.param("x", Literal["a", 3], id="literal"),
        pytest.param("[1, true]", list[int], id="items"),
        pytest.param('{"a": "b"}', dict[str, int], id="entries"),
        pytest.param("x", int | None, id="union"),
        pytest.param("nan", timedelta, id="nan"),
        pytest.param("{", dict, id="JSON"),
        pytest.param('"1"', complex, id="another type"),
    ],
)
def test_parse_error(text: str, type_: Any) -> None:
    """An invalid text is an error that names the type."""
    with pytest.raises(ValueError, match="must be"):
        parse(text, type_)


@pytest.mark.parametrize(
    ("value", "type_", "result"),
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
def test_convert(value: object, type_: Any, result: object) -> None:
    """Values of a TOML file are converted."""
    assert convert(value, type_) == result
    assert type(convert(value, type_)) is type(result)


@pytest.mark.parametrize(
    ("value", "type_", "message"),
    [
        pytest.param(True, int, "a whole number, not True or False", id="bool for int"),
        pytest.param(True, float, "a number, not True or False", id="bool for float"),
        pytest.param(1, bool, "True or False, not a whole number", id="int for bool"),
        pytest.param("1", int | None, "a whole number or None", id="union"),
        pytest.param("c", Literal["a", "b"], "'a' or 'b', not a string", id="literal"),
        pytest.param("ab", list[str], "a list, each item a string, not a string", id="text"),
        pytest.param([1], dict[str, int], "a mapping, each value a whole number", id="table"),
        pytest.param(1, complex, "a value of type complex", id="another type"),
    ],
)
def test_convert_error(value: object, type_: Any, message: str) -> None:
    """A value of the wrong type is an error that names both types."""
    with pytest.raises(ValueError, match=f"must be {message}"):
        convert(value, type_)


@given(st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text())
def test_round_trip(value: bool | int | float | str) -> None:
    """The text of a value is parsed to the same value."""
    text = value if isinstance(value, str) else json.dumps(value)
    assert parse(text, type(value)) == value


@given(st.text(), st.sampled_from([bool, int, float, list, dict, timedelta, Path, str | None]))
def test_any_text(text: str, type_: Any) -> None:
    """A text is read, or there is the one error that says what it must be."""
    try:
        value = parse(text, type_)
    except ValueError as error:
        assert str(error) == f"must be {describe(type_)}"
    else:
        assert value is None or convert(value, type_) == value or math.isnan(value)
