"""Cache keys, and the versions that make stored values invalid."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from operator import itemgetter
from pathlib import PurePath
from secrets import token_hex
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast
from urllib.parse import parse_qsl
from uuid import UUID
from weakref import WeakKeyDictionary

from werkzeug.datastructures import MultiDict
from werkzeug.local import LocalProxy

from quartpatterns.caching.errors import UncacheableError

__all__ = [
    "ALL_QUERIES",
    "VERSION_TTL",
    "QueryArgs",
    "Tags",
    "call_version",
    "closure_name",
    "code_digest",
    "digest",
    "fingerprint",
    "make_template_fragment_key",
    "qualified_name",
    "query_digest",
    "tag_versions",
    "valid_key",
]

QueryArgs = str | Mapping[str, Any] | Iterable[tuple[str, Any]]
ALL_QUERIES: Any = object()
"""In place of a query: the key that stands for all queries of a path."""

Tags = Iterable[str] | Callable[..., Iterable[str]]
"""Names under which stored values are deleted together, or a function of the arguments."""

VERSION_TTL = 30 * 86400.0
"""Seconds for which the version of a tag or function is stored after its last use, at least."""

_IDENTIFIED_BY_REPR = (date, time, timedelta, Decimal, UUID, PurePath)
_IDENTIFIED_BY_NAME = (type, FunctionType, BuiltinFunctionType, ModuleType)
_VALUES = (
    *(bool, int, float, complex, str, bytes, Enum, list, tuple, dict, set, frozenset),
    *_IDENTIFIED_BY_REPR,
)
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
_counts: dict[str, int] = {}
# A random identifier for each object that has no other identity. The address would not do: Python
# gives it to another object later, and it is an unrelated object in another process.
_identifiers: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def valid_key(key: Any) -> str:
    """Return *key*.

    Raises:
        TypeError: The key is not a string.
        ValueError: The key can't be encoded as UTF-8.
    """
    if not isinstance(key, str):
        raise TypeError(f"a cache key must be a string, not {key!r}")
    if key.isascii():
        return key
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the cache key {key!r} can't be encoded as UTF-8") from error
    return key


def digest(*parts: object, hash_method: Callable[..., Any] | None = None) -> str:
    """Return a hash of strings and numbers; ``("ab", "c")`` and ``("a", "bc")`` differ."""
    text = repr(parts).encode(errors="surrogatepass")
    if hash_method is not None:
        return str(hash_method(text).hexdigest())
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def qualified_name(function: Any) -> str:
    """Return the name of a function or class, with its module."""
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"


def query_digest(query: QueryArgs, hash_method: Callable[..., Any] = hashlib.sha256) -> str:
    """Return a hash of query arguments that does not depend on the order of their names.

    The values of one name keep their order: ``?a=1&a=2`` and ``?a=2&a=1`` are different queries,
    because ``request.args["a"]`` differs.
    """
    if isinstance(query, str):
        pairs: Iterable[tuple[str, Any]] = parse_qsl(query.lstrip("?"), keep_blank_values=True)
    elif isinstance(query, MultiDict):
        pairs = cast("MultiDict[str, Any]", query).items(multi=True)
    elif isinstance(query, Mapping):
        pairs = _pairs(cast("Mapping[str, Any]", query))
    else:
        pairs = query
    named = sorted(((name, str(value)) for name, value in pairs), key=itemgetter(0))
    text = str(tuple(named)).encode(errors="surrogatepass")
    return str(hash_method(text).hexdigest())


def _pairs(query: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yield the pairs of a mapping; a list stands for several values of one name."""
    for name, value in query.items():
        if isinstance(value, list | tuple):
            yield from ((name, one) for one in cast("list[Any]", value))
        else:
            yield name, value


def make_template_fragment_key(fragment_name: str, vary_on: Iterable[object] = ()) -> str:
    """Return the cache key of a template fragment, for example to delete it.

    .. code-block:: python

        await cache.delete(make_template_fragment_key("sidebar", [language]))

    Arguments:
        fragment_name: The first key in ``{% cache timeout, key, ... %}``.
        vary_on: The other keys.

    .. versionadded:: 0.1
    """
    fingerprints = [fingerprint(value) for value in vary_on]
    suffix = f"_{digest(fingerprints)}" if fingerprints else ""
    return f"_template_fragment_cache_{fragment_name}{suffix}"


def call_version(key: str) -> str:
    """Return the name of the version of the single result under *key*."""
    return f"call:{key}"


def tag_versions(
    tags: Tags, ttl: float, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, float]:
    """Return the names of the versions of *tags*, and the seconds to store each.

    Arguments:
        tags: The tags.
        ttl: The seconds that the tagged value is stored.
        args: The arguments of the call, for *tags* that is a function.
        kwargs: The keyword arguments of the call.
    """
    names = tags(*args, **kwargs) if callable(tags) else tags
    return {f"tag:{name}": max(ttl, VERSION_TTL) for name in names}


def code_digest(function: Callable[..., Any]) -> str:
    """Return a hash of the code of a function, which changes if the code changes."""
    code = getattr(function, "__code__", None)
    return digest(_code(code) if isinstance(code, CodeType) else qualified_name(function))


def _code(code: CodeType) -> str:
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return repr((code.co_code, constants, code.co_names, code.co_varnames))


def closure_name(function: Any) -> str:
    """Return what tells a function from others that were made by the same ``def``.

    These are the values of the variables of the outer function that it uses, at this moment.
    Variables that have no value yet, such as the name of a recursive function, don't count. Other
    objects than values and containers are numbered in the order in which they are seen, so that
    all workers that run the same program use the same keys.
    """
    cells = getattr(function, "__closure__", None) or ()
    found = [_closure_value(cell) for cell in cells]
    return digest(*found) if any(found) else ""


def _closure_value(cell: Any) -> str:
    try:
        value: Any = cell.cell_contents
    except ValueError:
        return ""
    if isinstance(value, FunctionType):
        return f"{qualified_name(value)} {code_digest(value)}"
    if isinstance(value, type) or hasattr(value, "__caching_id__"):
        return fingerprint(value)
    if value is None or isinstance(value, _VALUES):
        try:
            return fingerprint(value)
        except UncacheableError:
            return ""
    name = qualified_name(type(value))
    try:
        if value not in _numbers:
            _counts[name] = _counts.get(name, 0) + 1
            _numbers[value] = _counts[name]
        return f"{name} {_numbers[value]}"
    except TypeError:  # There are no weak references to it, or it has no hash.
        return name


def fingerprint(value: Any) -> str:
    """Return a string that is the same for equal values and different for other values.

    Built-in values and containers are compared by their contents, with the type; the order of
    dictionaries and sets does not matter. Dataclasses are compared by their fields, other objects
    by the result of ``__caching_id__()`` or by their ``__repr__``. An object without a usable
    ``__repr__`` equals only itself.

    Raises:
        UncacheableError: The value contains itself, or has no identity.
    """
    try:
        return _fingerprint(value)
    except RecursionError as error:
        raise UncacheableError("an argument that contains itself can't be part of a key") from error


def _fingerprint(value: Any) -> str:
    if type(value) is LocalProxy:  # such as current_user
        value = cast("Any", value)._get_current_object()
    kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed
    if kind is int and value.bit_length() > 64:
        return f"int:{value:#x}"  # Python refuses to write more than 4,300 decimal digits.
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return f"{kind.__name__}:{value!r}"
    if kind in (list, tuple):
        return f"{kind.__name__}({','.join(map(_fingerprint, value))})"
    if kind in (set, frozenset):
        return f"set({','.join(sorted(map(_fingerprint, value)))})"
    if isinstance(value, dict):
        pairs = cast("Any", value).items()
        items = (f"{_fingerprint(key)}={_fingerprint(item)}" for key, item in pairs)
        return f"{qualified_name(kind)}({','.join(sorted(items))})"
    return f"{qualified_name(kind)}<{_identity(value)}>"


def _identity(value: Any) -> str:
    if (own := getattr(value, "__caching_id__", None)) is not None and not isinstance(value, type):
        return _fingerprint(own())
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, MethodType):
        return f"{qualified_name(value)} {_fingerprint(value.__self__)}"
    if isinstance(value, _IDENTIFIED_BY_NAME):
        return value.__name__ if isinstance(value, ModuleType) else qualified_name(value)
    if isinstance(value, _IDENTIFIED_BY_REPR):
        return repr(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return _fingerprint([getattr(value, field.name) for field in fields])
    own_repr: Any = type(value).__repr__
    shown = "" if own_repr is object.__repr__ else repr(value)
    # NumPy and pandas abbreviate long values with "..." in the middle. An address may be that of
    # another object later.
    usable = shown and "..." not in shown and _ADDRESS.search(shown) is None
    return repr(shown) if usable else _identifier(value)


def _identifier(value: Any) -> str:
    try:
        return _identifiers.setdefault(value, token_hex(8))
    except TypeError as error:
        raise UncacheableError(
            f"an argument of type {qualified_name(type(value))} can't be compared: define"
            " __caching_id__() in its class, or name the argument in args_to_ignore"
        ) from error
