"""The settings of :mod:`quartpatterns.caching`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from quartpatterns._shared.declarations import Declarations, Path, Seconds, Setting, Strings

__all__ = ["SETTINGS"]


@runtime_checkable
class Serializer(Protocol):
    """An object or class with ``dumps`` and ``loads``."""

    dumps: Callable[..., Any]
    loads: Callable[..., Any]


@runtime_checkable
class RedisClient(Protocol):
    """``redis.Redis``, ``redis.asyncio.Redis`` or a client with the same pool."""

    connection_pool: Any


_SERVERS = str | list | tuple  # type: ignore[type-arg]
_UWSGI = "uWSGI serves no ASGI; use CACHE_TYPE = 'RedisCache' or 'MemcachedCache'"

SETTINGS = Declarations(
    {
        "CACHE_TYPE": Setting(
            str | Callable,
            "SimpleCache",
            "memory, one of the names below, or a class such as `cachelib.DynamoDbCache`",
        ),
        "CACHE_ARGS": Setting(list | tuple, (), "arguments of a class in `CACHE_TYPE`"),
        "CACHE_DEFAULT_TIMEOUT": Setting(
            Seconds | None, 300, "how long a value is stored; 0 for no limit"
        ),
        "CACHE_KEY_PREFIX": Setting(
            str | None,
            None,
            "the start of keys in a shared store; by default `cache:`, the application's name and"
            " `:`",
        ),
        "CACHE_THRESHOLD": Setting(
            int,
            500,
            "values in memory; beyond it the least recently used one is evicted. A"
            " `FileSystemCache` has `size_limit` in `CACHE_OPTIONS`",
        ),
        "CACHE_DIR": Setting(
            Path | None,
            None,
            "the folder of a `FileSystemCache`; it must not contain other files",
        ),
        "CACHE_REDIS_URL": Setting(
            str | None,
            None,
            "`redis://`, `rediss://` or `unix://`; by default it is made from the next four",
        ),
        "CACHE_REDIS_HOST": Setting(
            str | RedisClient,
            "localhost",
            "a host, an address, or a client: `redis.Redis(...)` or `redis.asyncio.Redis(...)`",
        ),
        "CACHE_REDIS_PORT": Setting(int, 6379, "the port of that host"),
        "CACHE_REDIS_PASSWORD": Setting(str | None, None, "its password"),
        "CACHE_REDIS_DB": Setting(int | None, None, "0, or the database in `CACHE_REDIS_URL`"),
        "CACHE_REDIS_SENTINELS": Setting(
            _SERVERS,
            (("127.0.0.1", 26379),),
            "addresses of the sentinels of a `RedisSentinelCache`",
        ),
        "CACHE_REDIS_SENTINEL_MASTER": Setting(str, "mymaster", "the name of its service"),
        "CACHE_REDIS_SENTINEL_PASSWORD": Setting(str | None, None, "the password of the sentinels"),
        "CACHE_REDIS_CLUSTER": Setting(
            _SERVERS | None,
            None,
            'servers of a `RedisClusterCache`: `"host:port,host:port"`, or pairs',
        ),
        "CACHE_MEMCACHED_SERVERS": Setting(
            _SERVERS,
            ("127.0.0.1:11211",),
            'servers of a `MemcachedCache`: `"host:port"`, or pairs',
        ),
        "CACHE_MEMCACHED_USERNAME": Setting(str | None, None, "the user of these servers"),
        "CACHE_MEMCACHED_PASSWORD": Setting(str | None, None, "the password of that user"),
        "CACHE_STORE_TIMEOUT": Setting(Seconds, 1.0, "how long to wait for an answer of the store"),
        "CACHE_RETRY_AFTER": Setting(
            Seconds, 1.0, "how long after a failure the store is not called"
        ),
        "CACHE_MAX_CONNECTIONS": Setting(
            int,
            20,
            "maximum number of connections from one process to Redis or Memcached; further calls"
            " wait for a free connection",
        ),
        "CACHE_OPTIONS": Setting(
            Mapping | None,
            None,
            "options of redis-py, emcache, diskcache or a class in `CACHE_TYPE`, for example"
            ' `{"size_limit": 2**28}` bytes',
        ),
        "CACHE_IGNORE_ERRORS": Setting(
            bool,
            True,
            "if true, an unavailable store is treated as a cache miss; if false, `get`, `set` and"
            " the other methods raise `CacheUnavailableError`",
        ),
        "CACHE_LOCK_TIMEOUT": Setting(
            Seconds, 30.0, "how long a worker waits for the result that another worker computes"
        ),
        "CACHE_SERIALIZER": Setting(
            str | Serializer | None,
            "json",
            '`"json"`, `"pickle"`, or an object with `dumps` and `loads`; only JSON needs no'
            " `SECRET_KEY`",
        ),
        "CACHE_SOURCE_CHECK": Setting(
            bool, False, "whether the code of a function is part of its keys"
        ),
        "CACHE_HASH_METHOD": Setting(
            Callable | None, None, "the hash function of keys; by default `hashlib.sha256`"
        ),
        "CACHE_ENABLE_SIGNALS": Setting(bool, False, "whether signals are sent"),
        "CACHE_CONTEXT_VARIABLES": Setting(
            Strings,
            (),
            "names of context variables of ASGI middleware that do not tell visitors apart",
        ),
        "CACHE_NO_NULL_WARNING": Setting(bool, True, "if false, a `NullCache` warns"),
    },
    prefixes=("CACHE_",),
    instead={
        "CACHE_FILE_HASH_METHOD": "diskcache names the files; remove it",
        "CACHE_UWSGI_NAME": _UWSGI,
        "CACHE_GCS_BUCKET": (
            "use CACHE_TYPE = 'RedisCache', 'FileSystemCache', or a class of your own"
        ),
    },
)
