"""The JSON provider with orjson writes the same bytes as Flask's."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from typing import Any

import pytest
from flask import Flask
from hypothesis import example, given, strategies
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.json import FastJSONProvider


@dataclasses.dataclass
class Point:
    """A dataclass."""

    y: int
    x: Any


class Html:
    """An object with its own HTML."""

    def __html__(self) -> str:
        return "<b>ü</b>"


class Level(enum.IntEnum):
    """Numbers with names."""

    HIGH = 3


FLASK = Flask(__name__, static_folder=None)


class Fast(FaithfulQuart):
    """An application with the provider."""

    json_provider_class = FastJSONProvider


QUART = Fast(__name__, static_folder=None)
UTC = datetime.UTC


def outcome(app: Any, value: Any) -> Any:
    """Return the body for the value of a view, or the type of the error."""
    try:
        return app.json.dumps(value, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        return type(error).__mro__[-4:]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"b": 1, "a": [True, False]}, id="sorted keys"),
        pytest.param({"ü": "ö", "z": "\U0001f600", "é": 1}, id="not ASCII"),
        pytest.param('\x00\x1f\x7f"\\/\b\f\n\r\t\u2028', id="escapes"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param({"none": None}, id="null"),
        pytest.param("null and 3e5 in a text", id="looks like it"),
        pytest.param([math.nan, math.inf, -math.inf], id="not a number"),
        pytest.param([1e16, 1e-5, 1e22, 1.5, -0.0, 1e15, 5e-324, 0.1, 123456789.125], id="floats"),
        pytest.param([2**53, 2**63, 2**64, -(2**63), 10**40], id="integers"),
        pytest.param(datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), id="datetime"),
        pytest.param(datetime.datetime(2026, 1, 2, 3, 4, 5), id="naive datetime"),
        pytest.param(datetime.date(2026, 1, 2), id="date"),
        pytest.param(datetime.time(3, 4), id="time"),
        pytest.param(decimal.Decimal("1.10"), id="decimal"),
        pytest.param(uuid.UUID(int=5), id="uuid"),
        pytest.param(Point(1, Point(2, decimal.Decimal(3))), id="dataclass"),
        pytest.param(Point, id="dataclass itself"),
        pytest.param(Html(), id="__html__"),
        pytest.param(Markup("<i>"), id="markup"),
        pytest.param({1: "a", 2: "b"}, id="integer keys"),
        pytest.param({1: "a", "b": 2}, id="mixed keys"),
        pytest.param(collections.OrderedDict(b=1, a=2), id="ordered dict"),
        pytest.param(MultiDict([("a", 1), ("a", 2)]), id="multi dict"),
        pytest.param((1, (2, 3)), id="tuples"),
        pytest.param(Level.HIGH, id="int enum"),
        pytest.param({1, 2}, id="set"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param(object(), id="object"),
    ],
)
def test_as_flask(value: Any) -> None:
    """Each type of value is written as Flask writes it, or refused as Flask refuses it."""
    assert outcome(QUART, value) == outcome(FLASK, value)


VALUES = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text()
    | strategies.datetimes()
    | strategies.decimals()
    | strategies.uuids(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=12,
)


@given(VALUES)
def test_anything(value: Any) -> None:
    """Any value is written as Flask writes it."""
    assert outcome(QUART, value) == outcome(FLASK, value)


@given(strategies.floats(allow_nan=False, allow_infinity=False))
@example(1e-05)
@example(-9.99e-05)
@example(1e16)
def test_floats(value: float) -> None:
    """Each float is written with the same digits."""
    assert outcome(QUART, [value]) == outcome(FLASK, [value])


@pytest.mark.parametrize("name", ["sort_keys", "ensure_ascii"])
def test_settings(name: str) -> None:
    """The provider's attributes have the same effect as in Flask."""
    value = {"b": "ü\x7f", "a": 1}
    results = []
    for app in (Flask(__name__, static_folder=None), Fast(__name__, static_folder=None)):
        setattr(app.json, name, False)
        results.append(app.json.dumps(value, separators=(",", ":")))
    assert results[0] == results[1]


def test_default_provider() -> None:
    """The provider of FaithfulQuart has one encoder, and sees each change of its attributes."""
    app = FaithfulQuart(__name__, static_folder=None)
    flask = Flask(__name__, static_folder=None)
    value = {"b": "ü", "a": [1, datetime.date(2026, 1, 2)]}
    compact: dict[str, Any] = {"separators": (",", ":")}
    for name, changed in (("sort_keys", False), ("ensure_ascii", False), ("default", str)):
        assert app.json.dumps(value, **compact) == flask.json.dumps(value, **compact)
        assert app.json.dumps(value, indent=1) == flask.json.dumps(value, indent=1)
        setattr(app.json, name, changed)
        setattr(flask.json, name, changed)
    assert app.json.dumps(value, **compact) == '{"b":"ü","a":[1,"2026-01-02"]}'


async def test_response() -> None:
    """The provider writes the dict of a view, and indents it in debug mode."""
    app = Fast(__name__, static_folder=None)
    flask = Flask(__name__, static_folder=None)
    value = {"b": [1, {"ü": 1.5}], "a": "x"}
    app.add_url_rule("/", "view", lambda: value)
    flask.add_url_rule("/", "view", lambda: value)
    for debug in (False, True):
        app.debug = flask.debug = debug
        response = await (await app.test_client().get("/")).get_data()
        assert response == flask.test_client().get("/").data


def test_fast_path() -> None:
    """An ordinary value is written by orjson."""
    provider = QUART.json
    assert isinstance(provider, FastJSONProvider)
    assert provider._fast_dumps({"a": [1, "b", 1.5]}) == '{"a":[1,"b",1.5]}'


def test_enum() -> None:
    """The only value that Flask refuses and this provider writes."""

    class Color(enum.Enum):
        RED = "red"

    with pytest.raises(TypeError):
        json.dumps(Color.RED)
    assert outcome(QUART, Color.RED) == '"red"'
