"""Names of Flask-Caching that are not supported: using one is an error that says what to write."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["REFUSED"]

_BACKEND = (
    "write the name in CACHE_TYPE, as in CACHE_TYPE = 'RedisCache'; derive a class of your own from"
    " cachelib.BaseCache and set CACHE_TYPE to it"
)
_INTERNAL = "use make_cache_key of the decorated function"
REFUSED: dict[str, str] = {
    **dict.fromkeys(
        (
            *("BaseCache", "FileSystemCache", "MemcachedCache", "NullCache", "RedisCache"),
            *("RedisClusterCache", "RedisSentinelCache", "SASLMemcachedCache", "SimpleCache"),
            "SpreadSASLMemcachedCache",
        ),
        _BACKEND,
    ),
    **dict.fromkeys(
        (
            *("function_namespace", "get_arg_default", "get_arg_names", "get_id"),
            *("query_args_as_pairs", "wants_args", "wants_extra_args"),
        ),
        _INTERNAL,
    ),
    "join_generator": "return a list or a string instead of a generator, which can be read once",
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
    namespace = {"__init__": fail, "__doc__": message, "__module__": "quartpatterns.caching"}
    return type(name, (), namespace)
