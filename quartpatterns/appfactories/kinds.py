"""What a setting may be, and how it is read from a text."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeGuard, Union, get_args, get_origin

__all__ = ["converted", "described", "is_kind", "is_list", "is_table", "parsed"]

# A type, a union of kinds, list[kind], dict[str, kind], or a Literal.
Kind = Any

NAMES: dict[Any, str] = {
    Any: "anything",
    bool: "true or false",
    dict: "a table",
    float: "a number",
    int: "a whole number",
    list: "a list",
    NoneType: "nothing",
    Path: "a path",
    str: "a text",
    timedelta: "a number of seconds",
    tuple: "a list",
}
BOOLS = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether *value* is a list."""
    return isinstance(value, list)


def is_table(value: object) -> TypeGuard[dict[Any, Any]]:
    """Whether *value* is a table."""
    return isinstance(value, dict)


def is_kind(kind: Any) -> bool:
    """Whether settings can be of *kind*."""
    origin: Any = get_origin(kind)
    if origin in (Union, UnionType, list, dict):
        return all(map(is_kind, get_args(kind)))
    return origin is Literal or kind is Any or (origin is None and isinstance(kind, type))


def described(kind: Kind) -> str:
    """*kind* in words."""
    origin: Any = get_origin(kind)
    if origin in (Union, UnionType):
        return " or ".join(described(one) for one in get_args(kind))
    if origin is Literal:
        return " or ".join(repr(one) for one in get_args(kind))
    if origin is list:
        return f"a list, each item {described(get_args(kind)[0])}"
    if origin is dict:
        return f"a table, each value {described(get_args(kind)[1])}"
    return NAMES.get(kind) or f"of the type {kind.__name__}"


def converted(value: Any, kind: Kind) -> Any:
    """*value*, if it is of *kind* or stands for one in a file: a number of seconds, a path.

    Raises:
        ValueError: It is neither; the message does not have the value, which may be a secret.
    """
    origin: Any = get_origin(kind)
    if origin in (Union, UnionType):
        return _first(converted, value, get_args(kind), kind)
    if kind is Any or (origin is Literal and value in get_args(kind)):
        return value
    if origin is list and is_list(value):
        return [converted(one, get_args(kind)[0]) for one in value]
    if origin is dict and is_table(value):
        return {key: converted(one, get_args(kind)[1]) for key, one in value.items()}
    if origin is None and isinstance(value, kind) and not _only_a_bool(value, kind):
        return value
    return _from_file(value, kind)


def _only_a_bool(value: object, kind: Kind) -> bool:
    """Whether *value* passes for a number only because Python says that True is one."""
    return isinstance(value, bool) and kind is not bool and kind is not object


def _from_file(value: Any, kind: Kind) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind is timedelta and number:
        return timedelta(seconds=value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is tuple and is_list(value):
        return tuple(value)
    raise ValueError(f"is to be {described(kind)}, not {described(type(value))}")


def parsed(text: str, kind: Kind) -> Any:
    """The value of *kind* that *text* writes.

    A text stands for itself, ``true``, ``yes``, ``on`` and ``1`` are true, tables and lists are
    JSON, an empty text is ``None`` where there may be nothing.

    Raises:
        ValueError: It writes none; the message does not have the text, which may be a secret.
    """
    origin: Any = get_origin(kind)
    if origin in (Union, UnionType):
        # A text may be anything: it comes last.
        kinds = sorted(get_args(kind), key=lambda one: (one is not NoneType, one in (str, bytes)))
        return _first(parsed, text, kinds, kind)
    if origin is Literal:
        return _first(_parsed_literal, text, get_args(kind), kind)
    try:
        return _READERS.get(origin or kind, _parsed_json)(text, kind)
    except (KeyError, ValueError, OverflowError) as error:
        raise ValueError(f"is to be {described(kind)}") from error


def _first(read: Callable[[Any, Kind], Any], value: Any, kinds: Iterable[Kind], kind: Kind) -> Any:
    """*value* as the first of *kinds* that it can be read as."""
    for one in kinds:
        with contextlib.suppress(ValueError):
            return read(value, one)
    raise ValueError(f"is to be {described(kind)}")


def _parsed_literal(text: str, choice: object) -> object:
    if str(choice) == text:
        return choice
    raise ValueError


def _parsed_json(text: str, kind: Kind) -> Any:
    return converted(json.loads(text), kind)


def _parsed_none(text: str, kind: Kind) -> None:
    if text:
        raise ValueError


_READERS: dict[Any, Callable[[str, Kind], Any]] = {
    bool: lambda text, _: BOOLS[text.strip().lower()],
    bytes: lambda text, _: text.encode(),
    date: lambda text, _: date.fromisoformat(text),
    datetime: lambda text, _: datetime.fromisoformat(text),
    float: lambda text, _: float(text),
    int: lambda text, _: int(text),
    NoneType: _parsed_none,
    Path: lambda text, _: Path(text),
    str: lambda text, _: text,
    time: lambda text, _: time.fromisoformat(text),
    timedelta: lambda text, _: timedelta(seconds=float(text)),
}
