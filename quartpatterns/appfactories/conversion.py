"""Converting values and strings to the type of a setting."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeGuard, Union, get_args, get_origin

__all__ = [
    "convert",
    "describe",
    "is_dict",
    "is_list",
    "is_mapping",
    "is_supported",
    "is_tuple",
    "json_or_text",
    "parse",
]

# A class, a union, list[type], tuple[type, ...], dict[str, type], or a Literal.
Type = Any

_DESCRIPTIONS: dict[Any, str] = {
    Any: "any value",
    bool: "True or False",
    bytes: "bytes",
    Callable: "a class or function",
    dict: "a mapping",
    float: "a number",
    frozenset: "a set",
    int: "a whole number",
    list: "a list",
    Mapping: "a mapping",
    NoneType: "None",
    Path: "a path",
    PathLike: "a path",
    set: "a set",
    str: "a string",
    timedelta: "a number of seconds",
    tuple: "a list",
}
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Return whether *value* is a list."""
    return isinstance(value, list)


def is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    """Return whether *value* is a dict."""
    return isinstance(value, dict)


def is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    """Return whether *value* is a tuple."""
    return isinstance(value, tuple)


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Return whether *value* is a mapping."""
    return isinstance(value, Mapping)


def is_supported(type_: Any) -> bool:
    """Return whether a setting can have this type."""
    origin: Any = get_origin(type_)
    if origin in (Union, UnionType, list, dict):
        return all(map(is_supported, get_args(type_)))
    if origin is tuple:
        item, *more = get_args(type_)
        return more == [...] and is_supported(item)
    return origin is Literal or type_ is Any or (origin is None and isinstance(type_, type))


def describe(type_: Type) -> str:
    """Return the type in words."""
    origin: Any = get_origin(type_)
    if origin in (Union, UnionType):
        types = get_args(type_)
        # What is a special case of another type of the union goes without saying.
        implied = {
            int: float in types,
            float: timedelta in types,
            str: PathLike in types,
            set: list[str] in types,
            frozenset: list[str] in types,
        }
        shown = (describe(one) for one in types if not implied.get(one, False))
        return " or ".join(dict.fromkeys(shown))
    if origin is Literal:
        return " or ".join(repr(one) for one in get_args(type_))
    if origin in (list, tuple):
        return f"a list, each item {describe(get_args(type_)[0])}"
    if origin is dict:
        return f"a mapping, each value {describe(get_args(type_)[1])}"
    return _DESCRIPTIONS.get(type_) or f"a value of type {type_.__name__}"


def convert(value: Any, type_: Type) -> Any:
    """Return *value*, or what it stands for in a TOML file, such as a number of seconds.

    Raises:
        ValueError: The type is wrong. The message does not contain the value.
    """
    origin: Any = get_origin(type_)
    if origin in (Union, UnionType):
        return _first(convert, value, get_args(type_), type_)
    if type_ is Any or (origin is Literal and value in get_args(type_)):
        return value
    if origin is list and is_list(value):
        return [convert(one, get_args(type_)[0]) for one in value]
    if origin is tuple and (is_list(value) or is_tuple(value)):
        return tuple(convert(one, get_args(type_)[0]) for one in value)
    if origin is dict and is_dict(value):
        return {key: convert(one, get_args(type_)[1]) for key, one in value.items()}
    # In Python a bool is an int.
    wrong_bool = isinstance(value, bool) and type_ is not bool and type_ is not object
    if origin is None and isinstance(value, type_) and not wrong_bool:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type_ is float and number:
        return float(value)
    if type_ is timedelta and number:
        return timedelta(seconds=value)
    if type_ is Path and isinstance(value, str):
        return Path(value)
    if type_ is tuple and is_list(value):
        return tuple(value)
    raise ValueError(f"must be {describe(type_)}, not {describe(type(value))}")


def parse(text: str, type_: Type) -> Any:
    """Return the value that the text of an environment variable stands for.

    Lists, mappings and other types without a rule of their own are JSON. In a union, an empty
    string is None if that is possible, and a string is only used if no other type fits.

    Raises:
        ValueError: The text is not valid for the type. The message does not contain the text.
    """
    origin: Any = get_origin(type_)
    if origin in (Union, UnionType):
        types = sorted(get_args(type_), key=lambda one: (one is not NoneType, one in (str, bytes)))
        return _first(parse, text, types, type_)
    if origin is Literal:
        return _first(_parse_literal, text, get_args(type_), type_)
    try:
        return _PARSERS.get(origin or type_, _parse_json)(text, type_)
    except (KeyError, ValueError, OverflowError) as error:
        raise ValueError(f"must be {describe(type_)}") from error


def _first(read: Callable[[Any, Type], Any], value: Any, types: Iterable[Type], type_: Type) -> Any:
    """Return the value as the first of *types* that fits."""
    for one in types:
        with contextlib.suppress(ValueError):
            return read(value, one)
    raise ValueError(f"must be {describe(type_)}")


def _parse_literal(text: str, choice: object) -> object:
    if str(choice) == text:
        return choice
    raise ValueError


def _parse_json(text: str, type_: Type) -> Any:
    return convert(json.loads(text), type_)


def json_or_text(text: str) -> Any:
    """Return the value of JSON, or the text if it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parse_none(text: str, type_: Type) -> None:
    if text:
        raise ValueError


_PARSERS: dict[Any, Callable[[str, Type], Any]] = {
    Any: lambda text, _: json_or_text(text),
    bool: lambda text, _: _BOOLEANS[text.strip().lower()],
    bytes: lambda text, _: text.encode(),
    date: lambda text, _: date.fromisoformat(text),
    datetime: lambda text, _: datetime.fromisoformat(text),
    float: lambda text, _: float(text),
    int: lambda text, _: int(text),
    NoneType: _parse_none,
    Path: lambda text, _: Path(text),
    str: lambda text, _: text,
    time: lambda text, _: time.fromisoformat(text),
    timedelta: lambda text, _: timedelta(seconds=float(text)),
}
