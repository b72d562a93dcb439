"""A value comes back as what it was; what can't is refused when it is written."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from quartpatterns.caching import UncacheableError
from quartpatterns.caching.records import StoredValue, decode_value, encode_value

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner))
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.sampled_from([" t", " p", " b"]), inner)
        | st.dictionaries(HASHABLE, inner)
        | st.sets(HASHABLE)
    ),
    max_leaves=20,
)


@pytest.mark.checks("CA-15")
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the strategies
@given(VALUES)
def test_round_trip(value: Any) -> None:
    """Whatever is in a value, it comes back equal, and of the same types."""
    found = decode_value(encode_value(value))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        10**400,
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
        date(1, 1, 1),
        time(1, 2, 3, 4),
        timedelta(days=-1, microseconds=1),
        Decimal("1.10"),
        UUID(int=7),
        Markup("<b>"),
        (),
        [(), [()]],
        {(1, 2): {3}, None: b"\xff", True: 1.0},
        {" t": [1]},
        {" p": []},
        "\ud800",
        "\u2028</script>",
    ],
    ids=repr,
)
def test_kinds(value: Any) -> None:
    found = decode_value(encode_value(value))
    assert found == value and type(found) is type(value) and repr(found) == repr(value)


class Colour(enum.IntEnum):
    RED = 1


class Text(str): ...


@pytest.mark.checks("CA-15")
@pytest.mark.parametrize(
    "value",
    [
        object(),
        Colour.RED,
        Text("a"),
        OrderedDict(a=1),
        namedtuple("Pair", "a")(1),  # type: ignore[arg-type]
        print,
        int,
        [[object()]],
        {1: object()},
        10**5000,
        (part for part in "ab"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refused(value: Any) -> None:
    """What would come back as something else is an error, not a surprise."""
    with pytest.raises(UncacheableError, match="CACHE_SERIALIZER = 'pickle'"):
        encode_value(value)


def test_too_deep() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(UncacheableError, match="too deep"):
        encode_value(value)


def test_pickle() -> None:
    """With it all that Python can copy is kept."""
    for value in (Colour.RED, Text("a"), OrderedDict(a=1), 10**5000, {1: {2}}):
        found = decode_value(encode_value(value, pickled=True))
        assert found == value and type(found) is type(value)
    with pytest.raises(UncacheableError, match="can't be stored"):
        encode_value(lambda: 0, pickled=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{" dt":"yesterday"}',
        b'{" x":1}',
        b'{" b":1}',
        b"\xff",
        b'{" p":[1]}',
        b"[" * 9999,
    ],
)
def test_garbage(data: bytes) -> None:
    """What can't be read is a ValueError, whichever way it is broken."""
    with pytest.raises(ValueError, match="can't be read"):
        decode_value(StoredValue(data))
    with pytest.raises(ValueError, match="can't be read"):
        decode_value(StoredValue(data, pickled=True))
