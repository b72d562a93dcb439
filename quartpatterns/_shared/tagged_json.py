"""Tagged JSON: values that plain JSON can't represent come back with their types.

The JSON types are written as they are. Any other value is an object with one member, whose name is
a tag that starts with a space: ``{" d": "2026-01-31"}`` is a date. A dictionary that looks like
this, or whose keys are not all strings, is written as a list of pairs with the tag ``" p"``.

Reading creates only the types listed here, and so can't run code. The functions have the names and
types that ``itsdangerous`` expects of a serializer: pass this module to it.

Session cookies don't use this format: they keep Flask's ``TaggedJSONSerializer``, so that Flask
applications can read them.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NoReturn, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from markupsafe import Markup

__all__ = ["TaggedJSONDecodeError", "TaggedJSONEncodeError", "dumps", "loads"]

Moment = TypeVar("Moment", datetime, time)

_SUPPORTED = (
    "None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset, datetime, date, time,"
    " timedelta, Decimal, UUID and Markup"
)


class TaggedJSONEncodeError(TypeError):
    """A value can't be written as tagged JSON; the message names its type."""


class TaggedJSONDecodeError(ValueError):
    """Text is not valid tagged JSON."""


def dumps(value: object) -> str:
    """Return *value* as tagged JSON.

    Arguments:
        value: None, or a bool, int, float, str, bytes, list, tuple, dict, set, frozenset,
            datetime, date, time, timedelta, Decimal, UUID or Markup. Instances of subclasses are
            refused, because they would come back as another type; so are time zones other than
            ``timezone`` and ``ZoneInfo``.

    Raises:
        TaggedJSONEncodeError: The value has an unsupported type, or is nested too deeply.
    """
    try:
        return _ENCODER.encode(_tag(value))
    except RecursionError as error:
        raise TaggedJSONEncodeError(
            "The value contains itself or is nested too deeply: make it flatter."
        ) from error
    except ValueError as error:  # an int with too many digits
        raise TaggedJSONEncodeError(f"The value can't be written as JSON: {error}.") from error


def loads(text: str | bytes) -> Any:
    """Return the value that :func:`dumps` has written.

    The first use of a ``ZoneInfo`` in a process reads its file.

    Raises:
        TaggedJSONDecodeError: The text is not valid tagged JSON.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except TaggedJSONDecodeError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError, OSError) as error:
        raise TaggedJSONDecodeError(f"Invalid tagged JSON: {error}") from error


def _tag(value: Any) -> Any:
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed
    if value is None or kind in (str, int, bool) or (kind is float and math.isfinite(value)):
        return value
    if kind is list:
        return [_tag(item) for item in value]
    if kind is dict:
        if all(type(key) is str for key in value) and not _looks_tagged(value):
            return {key: _tag(item) for key, item in value.items()}
        return {" p": [[_tag(key), _tag(item)] for key, item in value.items()]}
    if kind in _WRITERS:
        tag, write = _WRITERS[kind]
        return {tag: write(value)}
    raise TaggedJSONEncodeError(
        f"{kind.__module__}.{kind.__qualname__} is not supported: convert the value to one of the"
        f" supported types, which are {_SUPPORTED}. Subclasses are not supported."
    )


def _untag(value: dict[str, Any]) -> Any:
    if not _looks_tagged(value):
        return value
    [(tag, data)] = value.items()
    if tag not in _READERS:
        raise TaggedJSONDecodeError(f"Invalid tagged JSON: the tag {tag!r} is unknown.")
    return _READERS[tag](data)


def _looks_tagged(value: dict[Any, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(" ")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


def _list(data: Any) -> list[Any]:
    # What is inside of an object is untagged before it, so that a tuple may be in the place of
    # the list.
    if isinstance(data, list):
        return data  # pyright: ignore[reportUnknownVariableType] - narrowed
    raise ValueError(f"expected a list, not {type(data).__name__}.")


def _text(data: Any) -> str:
    if type(data) is not str:
        raise ValueError(f"expected a string, not {type(data).__name__}.")
    return data


def _items(value: Any) -> list[Any]:
    return [_tag(item) for item in value]


def _read_pairs(data: Any) -> dict[Any, Any]:
    return {key: item for key, item in (_list(pair) for pair in _list(data))}


def _write_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _read_timedelta(data: Any) -> timedelta:
    days, seconds, microseconds = _list(data)
    return timedelta(days, seconds, microseconds)


def _write_moment(value: Moment) -> Any:
    """Return the ISO format, or a list with the fold and the time zone's key if it needs them."""
    if value.tzinfo is None and not value.fold:
        return value.isoformat()
    if value.tzinfo is not None and type(value.tzinfo) not in (timezone, ZoneInfo):
        kind = type(value.tzinfo)
        raise TaggedJSONEncodeError(
            f"The time zone {kind.__module__}.{kind.__qualname__} is not supported: use"
            " datetime.timezone or zoneinfo.ZoneInfo."
        )
    if isinstance(value.tzinfo, ZoneInfo):
        if not (key := value.tzinfo.key):
            raise TaggedJSONEncodeError(
                "A ZoneInfo without a key is not supported: make it with ZoneInfo(key)."
            )
        return [value.replace(tzinfo=None).isoformat(), value.fold, key]
    return [value.isoformat(), value.fold, None] if value.fold else value.isoformat()


def _moment_reader(kind: type[Moment]) -> Callable[[Any], Moment]:
    def read(data: Any) -> Moment:
        if type(data) is str:
            return kind.fromisoformat(data)
        text, fold, key = _list(data)
        value = kind.fromisoformat(_text(text)).replace(fold=fold)
        return value if key is None else value.replace(tzinfo=ZoneInfo(_text(key)))

    return read


_WRITERS: dict[type[Any], tuple[str, Callable[[Any], Any]]] = {
    bytes: (" b", lambda value: base64.b85encode(value).decode()),
    tuple: (" t", _items),
    set: (" s", _items),
    frozenset: (" f", _items),
    datetime: (" dt", _write_moment),
    date: (" d", date.isoformat),
    time: (" ti", _write_moment),
    timedelta: (" td", _write_timedelta),
    Decimal: (" n", str),
    UUID: (" u", str),
    Markup: (" m", str),
    float: (" r", repr),  # infinite, or not a number
}
_READERS: dict[str, Callable[[Any], Any]] = {
    " b": lambda data: base64.b85decode(_text(data)),
    " t": lambda data: tuple(_list(data)),
    " s": lambda data: set(_list(data)),
    " f": lambda data: frozenset(_list(data)),
    " dt": _moment_reader(datetime),
    " d": lambda data: date.fromisoformat(_text(data)),
    " ti": _moment_reader(time),
    " td": _read_timedelta,
    " n": lambda data: Decimal(_text(data)),
    " u": lambda data: UUID(_text(data)),
    " m": lambda data: Markup(_text(data)),
    " r": lambda data: float(_text(data)),
    " p": _read_pairs,
}

# json.dumps() and json.loads() would make one for each value.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(object_hook=_untag, parse_constant=_refuse_constant)
