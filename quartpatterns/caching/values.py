"""Values as bytes: JSON that keeps types apart, or a pickle that somebody has to sign."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from markupsafe import Markup

from quartpatterns.caching.errors import UncacheableError

__all__ = ["Value", "decode", "encode"]


@dataclass(frozen=True, slots=True)
class Value:
    """What is kept of a value.

    Arguments:
        data: Its bytes.
        pickled: Whether they are a pickle, which may be read only where its origin is known.
    """

    data: bytes
    pickled: bool = False


# What JSON does not have is an object with one member, whose name begins with a space. An object
# of somebody else's that looks like that, or has keys that are no strings, is a list of pairs.
_SPECIAL: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    bytes: (" b", lambda value: base64.b85encode(value).decode(), base64.b85decode),
    tuple: (" t", lambda value: [_plain(item) for item in value], tuple),
    set: (" s", lambda value: [_plain(item) for item in value], set),
    frozenset: (" f", lambda value: [_plain(item) for item in value], frozenset),
    datetime: (" dt", datetime.isoformat, datetime.fromisoformat),
    date: (" d", date.isoformat, date.fromisoformat),
    time: (" ti", time.isoformat, time.fromisoformat),
    timedelta: (
        " td",
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: timedelta(*parts),
    ),
    Decimal: (" n", str, Decimal),
    UUID: (" u", str, UUID),
    Markup: (" m", str, Markup),
}
_PAIRS = " p"
_READ = {tag: read for tag, _, read in _SPECIAL.values()} | {_PAIRS: dict}
_REMEDY = (
    "return text, numbers, lists and dictionaries of these, or set CACHE_SERIALIZER = 'pickle' and"
    " a SECRET_KEY"
)


def encode(value: Any, *, pickled: bool = False) -> Value:
    """*value* as bytes.

    JSON keeps what it has, and tuples, sets, bytes, dates, times, ``Decimal``, ``UUID`` and
    ``Markup``; a subclass of one of them is refused, as it would come back as something else.

    Raises:
        UncacheableError: It can't be written.
    """
    try:
        if pickled:
            return Value(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), pickled=True)
        return Value(json.dumps(_plain(value), separators=(",", ":")).encode())
    except RecursionError as error:
        raise UncacheableError(f"the value is nested too deeply: {_REMEDY}") from error
    except (TypeError, ValueError, AttributeError, pickle.PicklingError) as error:
        raise UncacheableError(f"the value can't be kept ({error}): {_REMEDY}") from error


def decode(value: Value) -> Any:
    """What :func:`encode` was given.

    Raises:
        ValueError: It can't be read, for whatever reason: it is as good as not there.
    """
    try:
        if value.pickled:
            return pickle.loads(value.data)
        return json.loads(value.data, object_hook=_special)
    except Exception as error:
        # A pickle may fail with anything: its class may be gone since the last version.
        raise ValueError(f"a value that was kept can't be read: {error}") from error


def _plain(value: Any) -> Any:
    kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed
    if value is None or kind in (str, int, float, bool):
        return value
    if kind is list:
        return [_plain(item) for item in value]
    if kind is dict:
        if all(type(key) is str for key in value) and not _looks_special(value):
            return {key: _plain(item) for key, item in value.items()}
        return {_PAIRS: [[_plain(key), _plain(item)] for key, item in value.items()]}
    if kind in _SPECIAL:
        tag, write, _ = _SPECIAL[kind]
        return {tag: write(value)}
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} is no type of JSON")


def _looks_special(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(" ")


def _special(value: dict[str, Any]) -> Any:
    if _looks_special(value):
        [(tag, data)] = value.items()
        read: Any = _READ[tag]
        return read(data)
    return value
