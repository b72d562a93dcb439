"""Tagged JSON: everything comes back as it was, or is refused."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import BadPayload, Signer, URLSafeSerializer
from markupsafe import Markup

from quartpatterns._shared import tagged_json
from quartpatterns._shared.tagged_json import (
    TaggedJSONDecodeError,
    TaggedJSONEncodeError,
    dumps,
    loads,
)

ZONES = [None, UTC, timezone(timedelta(hours=5, minutes=30)), ZoneInfo("Europe/Berlin")]


def exact(value: Any) -> Any:
    """What two values have in common only if they are the same, types and all."""
    kind = type(value)
    if kind in (list, tuple):
        return kind, [exact(item) for item in value]
    if kind is dict:
        return kind, [(exact(key), exact(item)) for key, item in value.items()]
    if kind in (set, frozenset):
        return kind, sorted(repr(exact(item)) for item in value)
    if kind in (datetime, time):
        return kind, value.replace(tzinfo=None), value.fold, repr(value.tzinfo)
    return kind, repr(value)


def moments() -> st.SearchStrategy[Any]:
    zones = st.sampled_from(ZONES)
    folds = st.sampled_from([0, 1])
    naive = st.datetimes() | st.times()
    return st.builds(lambda m, z, f: m.replace(tzinfo=z, fold=f), naive, zones, folds)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text().map(Markup)
    | st.binary()
    | st.decimals()
    | st.uuids()
    | st.dates()
    | st.timedeltas()
    | moments()
)
keys = st.text(max_size=3) | st.sampled_from([" t", " p", " dt", " ?", ""])
hashables = st.recursive(
    leaves.filter(lambda leaf: not (isinstance(leaf, Decimal) and leaf.is_snan())),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(hashables, max_size=4)
        | st.frozensets(hashables, max_size=4)
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(hashables, inner, max_size=3)
    ),
    max_leaves=20,
)


@given(values)
def test_round_trip(value: Any) -> None:
    text = dumps(value)
    json.loads(text, parse_constant=pytest.fail)
    assert exact(loads(text)) == exact(value)
    assert exact(loads(text.encode())) == exact(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, True, "x"]}, '{"a":[1,2.5,null,true,"x"]}'),
        ((1, (2,)), '{" t":[1,{" t":[2]}]}'),
        (b"abc", '{" b":"VPaz"}'),
        ({1}, '{" s":[1]}'),
        (frozenset({1}), '{" f":[1]}'),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), '{" dt":"2026-01-02T03:00:00+00:00"}'),
        (date(2026, 1, 2), '{" d":"2026-01-02"}'),
        (time(1, 2), '{" ti":"01:02:00"}'),
        (timedelta(1, 2, 3), '{" td":[1,2,3]}'),
        (Decimal("1.50"), '{" n":"1.50"}'),
        (UUID(int=1), '{" u":"00000000-0000-0000-0000-000000000001"}'),
        (Markup("<b>"), '{" m":"<b>"}'),
        ({1: 2}, '{" p":[[1,2]]}'),
        ({" t": 1}, '{" p":[[" t",1]]}'),
        ({" t": 1, "b": 2}, '{" t":1,"b":2}'),
        (math.inf, '{" r":"inf"}'),
        (time(1, fold=1, tzinfo=ZONES[3]), '{" ti":["01:00:00",1,"Europe/Berlin"]}'),
    ],
)
def test_the_format_stays(value: Any, text: str) -> None:
    assert dumps(value) == text
    assert exact(loads(text)) == exact(value)


class Color(enum.StrEnum):
    RED = "red"


class Flag(enum.IntFlag):
    A = 1


class Zone(tzinfo):
    def utcoffset(self, moment: datetime | None, /) -> timedelta:
        return timedelta(hours=1)

    def dst(self, moment: datetime | None, /) -> None:
        return None

    def tzname(self, moment: datetime | None, /) -> str:
        return "Zone"


class User:
    """A class of an application's own."""


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (User(), f"{__name__}.User"),
        (Color.RED, "Color"),
        (Flag.A, "Flag"),
        (Point(1, 2), "Point"),
        (OrderedDict(a=1), "OrderedDict"),
        (1j, "builtins.complex"),
        (bytearray(), "bytearray"),
        (datetime(2026, 1, 1, tzinfo=Zone()), f"time zone {__name__}.Zone"),
    ],
)
def test_other_types_are_refused(value: object, name: str) -> None:
    for wrapped in (value, [value], {"a": (value,)}, {1: value}):
        with pytest.raises(TaggedJSONEncodeError, match=f"{name} is not supported: (convert|use)"):
            dumps(wrapped)


def test_values_without_end_are_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(TaggedJSONEncodeError, match="contains itself"):
        dumps(circle)
    with pytest.raises(TaggedJSONEncodeError, match="can't be written"):
        dumps(10**5000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        b"\xff",
        "NaN",
        "[" * 100_000,
        '{" x":1}',
        '{" ":1}',
        '{" t":"abc"}',
        '{" t":{" t":[]}}',
        '{" s":[[]]}',
        '{" p":["ab"]}',
        '{" p":[[1]]}',
        '{" p":[[[],1]]}',
        '{" b":1}',
        '{" b":"~"}',
        '{" b":"\\u00e9"}',
        '{" d":"tomorrow"}',
        '{" d":{" m":"2026-01-02"}}',
        '{" dt":["2026-01-02",5,null]}',
        '{" dt":["2026-01-02",0,"No/Where"]}',
        '{" dt":["2026-01-02",0,"../../etc/passwd"]}',
        '{" dt":1}',
        '{" td":[1]}',
        '{" td":[1e400,0,0]}',
        '{" td":[999999999999,0,0]}',
        '{" n":"x"}',
        '{" n":1}',
        '{" u":"x"}',
        '{" u":1}',
        '{" r":"x"}',
    ],
)
def test_bad_input_is_refused(text: str | bytes) -> None:
    with pytest.raises(TaggedJSONDecodeError, match="^Invalid tagged JSON: "):
        loads(text)


@given(st.text() | st.binary())
def test_no_input_raises_another_error(text: str | bytes) -> None:
    try:
        loads(text)
    except TaggedJSONDecodeError:
        pass


@given(
    st.dictionaries(
        st.sampled_from([" t", " s", " f", " p", " b", " d", " dt", " ti", " td", " n", " u"]),
        st.none()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
        | st.lists(st.none() | st.integers() | st.text() | st.lists(st.integers())),
        min_size=1,
        max_size=1,
    )
)
def test_no_tag_raises_another_error(tagged: dict[str, Any]) -> None:
    try:
        loads(json.dumps(tagged))
    except TaggedJSONDecodeError:
        pass


def test_it_is_a_serializer_of_itsdangerous() -> None:
    serializer = URLSafeSerializer("key", serializer=tagged_json)
    value = [date(2026, 1, 2), (1, Decimal("2.0"))]
    text = serializer.dumps(value)
    assert exact(serializer.loads(text)) == exact(value)
    signed = Signer("key", salt=serializer.salt).sign(b"eyIgeCI6MX0").decode()
    with pytest.raises(BadPayload):
        serializer.loads(signed)
