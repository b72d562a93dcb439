"""Names of Flask-Caching that are not supported: using one is an error that says what to write."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["REFUSED"]


def _backend(name: str, of_cachelib: str = "") -> str:
    """Return what to write instead of a class of Flask-Caching."""
    config = f"CACHE_TYPE = {name!r}" if name else "a class in CACHE_TYPE"
    text = f"write {config}; without an application's settings, Cache(app, config={{...}})"
    if of_cachelib:
        text += f"; to call it without await or to derive from it, use cachelib.{of_cachelib}"
    return text


_CACHELIB = ("FileSystemCache", "MemcachedCache", "NullCache", "RedisCache", "SimpleCache")
_SASL = "MemcachedCache"
_INTERNAL = "use make_cache_key of the decorated function"
REFUSED: dict[str, str] = {
    **{name: _backend(name, name) for name in _CACHELIB},
    **{name: _backend(name) for name in ("RedisClusterCache", "RedisSentinelCache")},
    **{name: _backend(_SASL) for name in ("SASLMemcachedCache", "SpreadSASLMemcachedCache")},
    "BaseCache": _backend("", "BaseCache"),
    **dict.fromkeys(
        (
            *("function_namespace", "get_arg_default", "get_arg_names", "get_id"),
            *("query_args_as_pairs", "wants_args", "wants_extra_args"),
        ),
        _INTERNAL,
    ),
    "join_generator": "cached and memoize join what a generator yields",
    "normalize_timeout": "pass seconds or a timedelta, which are not rounded",
}
"""Each name, and what to write instead."""


def refused(name: str) -> Any:
    """Return what stands for a name: a class, or a function, that raises an error when called.

    Classes can be imported and named in ``CACHE_TYPE``, which only uses their name.
    """
    message = f"{name} of Flask-Caching is not supported: {REFUSED[name]}."

    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(message)

    if name[0].islower():
        return fail
    namespace: dict[str, Any] = {
        "__init__": fail,
        "__init_subclass__": classmethod(fail),
        "__doc__": message,
        "__module__": "quartpatterns.caching",
    }
    return type(name, (), namespace)
