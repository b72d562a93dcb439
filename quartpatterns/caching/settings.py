"""The settings of a cache and their defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from quartpatterns._shared.settings import SettingsReader, invalid_setting, refuse_unknown

__all__ = ["DEFAULTS", "Settings", "Timeout", "read_settings", "timeout_seconds"]

Timeout = float | timedelta | None
"""How long a value is stored: seconds, 0 for no limit, ``None`` for the default."""

DEFAULTS: dict[str, Any] = {
    # SimpleCache (memory), RedisCache, FileSystemCache, or NullCache, which stores nothing.
    "CACHE_TYPE": "SimpleCache",
    # Seconds that a value is stored if no timeout is given; 0 is no limit.
    "CACHE_DEFAULT_TIMEOUT": 300,
    # The start of every key in a shared store; None is "cache:<app.name>:".
    "CACHE_KEY_PREFIX": None,
    # The number of values in memory; beyond it the least recently used value is evicted.
    "CACHE_THRESHOLD": 500,
    # The folder of a FileSystemCache.
    "CACHE_DIR": None,
    # The server of a RedisCache: redis://, rediss:// or unix://; None uses the next four.
    "CACHE_REDIS_URL": None,
    "CACHE_REDIS_HOST": "localhost",
    "CACHE_REDIS_PORT": 6379,
    "CACHE_REDIS_PASSWORD": None,
    "CACHE_REDIS_DB": 0,
    # Seconds to wait for an answer of Redis or the disk.
    "CACHE_STORE_TIMEOUT": 1.0,
    # Seconds for which a store that has failed is not called.
    "CACHE_RETRY_AFTER": 1.0,
    # The number of connections to Redis that a process opens on one event loop.
    "CACHE_MAX_CONNECTIONS": 20,
    # Options of the Redis client, or of diskcache.
    "CACHE_OPTIONS": None,
    # Whether an unavailable store is a cache miss; False makes get, set and the others raise.
    "CACHE_IGNORE_ERRORS": True,
    # Seconds that a worker waits for a result that another worker computes.
    "CACHE_LOCK_TIMEOUT": 30.0,
    # "json", or "pickle", which needs a SECRET_KEY.
    "CACHE_SERIALIZER": "json",
    # Whether the code of a decorated function is part of its cache keys.
    "CACHE_SOURCE_CHECK": False,
}
_REDIS_URL = "Redis Sentinel and Redis Cluster are not supported; set CACHE_REDIS_URL to one server"
_MEMCACHED = "Memcached is not supported; use CACHE_TYPE = 'RedisCache'"
INSTEAD = {
    "CACHE_ARGS": "use CACHE_OPTIONS",
    "CACHE_NO_NULL_WARNING": "a NullCache gives no warning; remove it",
    "CACHE_MEMCACHED_SERVERS": _MEMCACHED,
    "CACHE_MEMCACHED_USERNAME": _MEMCACHED,
    "CACHE_MEMCACHED_PASSWORD": _MEMCACHED,
    "CACHE_REDIS_SENTINELS": _REDIS_URL,
    "CACHE_REDIS_SENTINEL_MASTER": _REDIS_URL,
    "CACHE_REDIS_CLUSTER": _REDIS_URL,
}
"""Settings of Flask-Caching that are not supported, and what to use instead."""

BACKENDS = {
    "SimpleCache": "memory",
    "RedisCache": "redis",
    "FileSystemCache": "disk",
    "NullCache": "null",
}
# Redis and diskcache write "no limit" in different ways. Ten years are the same for every store.
NO_LIMIT = 10 * 365 * 86400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Validated settings; the comments of :data:`DEFAULTS` explain each value."""

    backend: str
    default_timeout: float
    prefix: str
    threshold: int
    folder: str
    redis_url: str
    store_timeout: float
    retry_after: float
    max_connections: int
    options: Mapping[str, Any]
    ignore_errors: bool
    lock_timeout: float
    pickled: bool
    source_check: bool


def read_settings(config: Mapping[str, Any], app_name: str) -> Settings:
    """Return the settings in *config*, with :data:`DEFAULTS` for those it doesn't have.

    Arguments:
        config: The configuration.
        app_name: The name of the application, which the default key prefix contains.

    Raises:
        SettingError: A value is invalid, or a setting is unknown; the message names the setting.
    """
    refuse_unknown(config, "CACHE_", DEFAULTS, INSTEAD)
    reader = SettingsReader(config, DEFAULTS)
    backend = _backend(reader)
    prefix = reader.optional(reader.text, "CACHE_KEY_PREFIX", empty=True)
    default = reader.optional(reader.seconds, "CACHE_DEFAULT_TIMEOUT", zero=True)
    return Settings(
        backend=backend,
        default_timeout=timeout_seconds(default or 0, default=NO_LIMIT),
        prefix=f"cache:{app_name}:" if prefix is None else prefix,
        threshold=reader.count("CACHE_THRESHOLD"),
        folder=reader.path("CACHE_DIR", example="instance/cache") if backend == "disk" else "",
        redis_url=_redis_url(reader) if backend == "redis" else "",
        store_timeout=reader.seconds("CACHE_STORE_TIMEOUT"),
        retry_after=reader.seconds("CACHE_RETRY_AFTER"),
        max_connections=reader.count("CACHE_MAX_CONNECTIONS"),
        options=reader.optional(reader.mapping, "CACHE_OPTIONS", secret=True) or {},
        ignore_errors=reader.boolean("CACHE_IGNORE_ERRORS"),
        lock_timeout=reader.seconds("CACHE_LOCK_TIMEOUT"),
        pickled=reader.choice("CACHE_SERIALIZER", ("json", "pickle")) == "pickle",
        source_check=reader.boolean("CACHE_SOURCE_CHECK"),
    )


def timeout_seconds(timeout: object, default: float) -> float:
    """Return a timeout in seconds.

    Arguments:
        timeout: A :data:`Timeout`.
        default: The seconds that ``None`` means.

    Raises:
        ValueError: The timeout is invalid.
    """
    if timeout is None:
        return default
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        if seconds == 0:
            return NO_LIMIT
        if 0 < seconds < math.inf:
            return min(float(seconds), NO_LIMIT)
    raise ValueError(f"{timeout!r} is not a valid timeout: give seconds, or 0 for no limit")


def _backend(reader: SettingsReader) -> str:
    name = reader.value("CACHE_TYPE")
    # Flask-Caching also takes the dotted path of a class.
    if isinstance(name, str) and (backend := BACKENDS.get(name.rpartition(".")[2])):
        return backend
    raise invalid_setting("CACHE_TYPE", f"one of {', '.join(BACKENDS)}", name)


def _redis_url(reader: SettingsReader) -> str:
    if reader.value("CACHE_REDIS_URL") is not None:
        schemes = ("redis", "rediss", "unix")
        return reader.url("CACHE_REDIS_URL", schemes, example="redis://localhost:6379/0")
    password = reader.optional(reader.text, "CACHE_REDIS_PASSWORD", empty=True, secret=True)
    credentials = f":{quote(password, safe='')}@" if password else ""
    host = reader.text("CACHE_REDIS_HOST")
    port = reader.count("CACHE_REDIS_PORT", maximum=65535)
    database = reader.count("CACHE_REDIS_DB", minimum=0)
    return f"redis://{credentials}{host}:{port}/{database}"
