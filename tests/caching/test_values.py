"""A value comes back as it was, or is refused when it is stored."""

from __future__ import annotations

import enum
from collections import OrderedDict, namedtuple
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from markupsafe import Markup

from quartpatterns.caching import UncacheableError
from quartpatterns.caching.records import StoredValue, decode_value, encode_value


@pytest.mark.checks("CA-15")
def test_round_trip() -> None:
    """A value comes back equal and with the same types; tagged JSON has tests of its own."""
    value = {
        "tuple": (1, 2.5, None, [()]),
        "set": {1, "1"},
        "bytes": b"\xff",
        "time": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "number": Decimal("1.10"),
        "markup": Markup("<b>"),
    }
    found = decode_value(encode_value(value))
    assert found == value and repr(found) == repr(value)


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
    """A value that would come back as another type is refused."""
    with pytest.raises(UncacheableError, match="CACHE_SERIALIZER = 'pickle'"):
        encode_value(value)


def test_too_deep() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(UncacheableError, match="too deep"):
        encode_value(value)


def test_pickle() -> None:
    """A pickle contains every object that Python can pickle."""
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
    """Invalid data is a ValueError."""
    with pytest.raises(ValueError, match="can't be read"):
        decode_value(StoredValue(data))
    with pytest.raises(ValueError, match="can't be read"):
        decode_value(StoredValue(data, pickled=True))
