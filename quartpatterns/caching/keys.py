"""Keys: what tells two calls of a function, or two requests for a view, apart."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from secrets import token_hex
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast
from urllib.parse import parse_qsl
from uuid import UUID
from weakref import WeakKeyDictionary

from werkzeug.datastructures import MultiDict

from quartpatterns.caching.errors import UncacheableError

__all__ = [
    "EVERY_QUERY",
    "QueryArgs",
    "checked",
    "code_digest",
    "digest",
    "fingerprint",
    "make_template_fragment_key",
    "name_of",
    "query_digest",
]

QueryArgs = str | Mapping[str, Any] | Iterable[tuple[str, Any]]
EVERY_QUERY: Any = object()
"""In place of a query: all of them."""

_REPR = (date, time, timedelta, Decimal, UUID, PurePath)
_NAMED = (type, FunctionType, BuiltinFunctionType, ModuleType)
# An object without a name of its own is told from others for as long as it lives: its address
# will be another object's, and is one in another process already.
_tokens: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def digest(*parts: object) -> str:
    """A short name for *parts*, texts and numbers, of which each counts by itself."""
    text = repr(parts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def checked(key: Any) -> str:
    """*key*, if it is one.

    Raises:
        TypeError: It is no text.
        ValueError: It has half a character in it, which no store can write.
    """
    if not isinstance(key, str):
        raise TypeError(f"a key is a text, not {key!r}")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{key!r} is no key: it can't be written as UTF-8") from error
    return key


def name_of(function: Any) -> str:
    """The name of *function*, with its module."""
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"


def query_digest(query: QueryArgs) -> str:
    """A digest of the arguments in *query*, in whatever order they are."""
    if isinstance(query, str):
        pairs: Iterable[tuple[str, Any]] = parse_qsl(query.lstrip("?"), keep_blank_values=True)
    elif isinstance(query, MultiDict):
        pairs = cast("MultiDict[str, Any]", query).items(multi=True)
    elif isinstance(query, Mapping):
        pairs = cast("Mapping[str, Any]", query).items()
    else:
        pairs = query
    return digest(sorted((name, str(value)) for name, value in pairs))


def make_template_fragment_key(fragment_name: str, vary_on: Iterable[object] = ()) -> str:
    """The key of a fragment in a template: ``await cache.delete(make_template_fragment_key(...))``.

    Arguments:
        fragment_name: What follows the timeout in ``{% cache %}``.
        vary_on: What follows that.
    """
    varied = [fingerprint(value) for value in vary_on]
    return f"_template_fragment_cache_{fragment_name}" + (f"_{digest(varied)}" if varied else "")


def code_digest(function: Callable[..., Any]) -> str:
    """A digest of what *function* does: another one when its code was changed."""
    code = getattr(function, "__code__", None)
    return digest(_code(code) if isinstance(code, CodeType) else name_of(function))


def _code(code: CodeType) -> str:
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return repr((code.co_code, constants, code.co_names, code.co_varnames))


def fingerprint(value: Any) -> str:
    """A text that is the same for equal values, and another for any other value.

    Built-in values and containers count by what is in them, dictionaries and sets in any order,
    dataclasses by their fields. Other objects count by what their ``__caching_id__()`` returns,
    or their ``__repr__``; those without one, or with one that leaves something out, are told
    apart for as long as they live.

    Raises:
        UncacheableError: The value contains itself, or can't be told from others.
    """
    try:
        return _fingerprint(value)
    except RecursionError as error:
        raise UncacheableError("an argument that contains itself can't be part of a key") from error


def _fingerprint(value: Any) -> str:
    kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return f"{kind.__name__}:{value!r}"
    if kind in (list, tuple):
        return f"{kind.__name__}({','.join(map(_fingerprint, value))})"
    if kind in (set, frozenset):
        return f"set({','.join(sorted(map(_fingerprint, value)))})"
    if isinstance(value, dict):
        pairs = cast("Any", value).items()
        items = (f"{_fingerprint(key)}={_fingerprint(item)}" for key, item in pairs)
        return f"{name_of(kind)}({','.join(sorted(items))})"
    return f"{name_of(kind)}<{_identity(value)}>"


def _identity(value: Any) -> str:
    if (own := getattr(value, "__caching_id__", None)) is not None and not isinstance(value, type):
        return _fingerprint(own())
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, MethodType):
        return f"{name_of(value)} {_fingerprint(value.__self__)}"
    if isinstance(value, _NAMED):
        return value.__name__ if isinstance(value, ModuleType) else name_of(value)
    if isinstance(value, _REPR):
        return repr(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return _fingerprint([getattr(value, field.name) for field in fields])
    own_repr: Any = type(value).__repr__
    shown = "" if own_repr is object.__repr__ else repr(value)
    # numpy and pandas leave out the middle of what is long.
    return repr(shown) if shown and "..." not in shown else _token(value)


def _token(value: Any) -> str:
    try:
        return _tokens.setdefault(value, token_hex(8))
    except TypeError as error:
        raise UncacheableError(
            f"an argument of type {name_of(type(value))} can't be told from others: give it a"
            " __caching_id__(), or name it in args_to_ignore"
        ) from error
