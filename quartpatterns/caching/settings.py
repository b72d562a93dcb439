"""The configuration of a cache, with one place for the defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

__all__ = ["DEFAULTS", "Settings", "Timeout", "address", "read_settings", "seconds_of"]

Timeout = float | timedelta | None
"""Seconds, 0 for no end; ``None`` for the default."""

DEFAULTS: dict[str, Any] = {
    # SimpleCache (memory), RedisCache, FileSystemCache, or NullCache, which keeps nothing.
    "CACHE_TYPE": "SimpleCache",
    # Seconds that a value is kept where nothing else is said; 0 is for ever.
    "CACHE_DEFAULT_TIMEOUT": 300,
    # What keys begin with in a store that is shared; None is "cache:", app.name and ":".
    "CACHE_KEY_PREFIX": None,
    # Values in memory at most; the one that was used the longest ago has to go.
    "CACHE_THRESHOLD": 500,
    # The folder of a FileSystemCache.
    "CACHE_DIR": None,
    # Where a RedisCache is: redis://, rediss:// or unix://; None puts it together from the rest.
    "CACHE_REDIS_URL": None,
    "CACHE_REDIS_HOST": "localhost",
    "CACHE_REDIS_PORT": 6379,
    "CACHE_REDIS_PASSWORD": None,
    "CACHE_REDIS_DB": 0,
    # Seconds to wait for Redis or the disk, whatever is asked of it.
    "CACHE_STORE_TIMEOUT": 1.0,
    # Seconds for which a store that has failed is not asked again.
    "CACHE_RETRY_AFTER": 1.0,
    # Connections to Redis that a process opens at most.
    "CACHE_MAX_CONNECTIONS": 20,
    # Settings of the Redis client, or of diskcache.
    "CACHE_OPTIONS": None,
    # A store that is away is a miss; False makes get, set and the others raise.
    "CACHE_IGNORE_ERRORS": True,
    # Seconds that a worker waits for what another one is computing.
    "CACHE_LOCK_TIMEOUT": 30.0,
    # "json", or "pickle", which is signed with SECRET_KEY.
    "CACHE_SERIALIZER": "json",
    # Whether other code of a decorated function means other keys.
    "CACHE_SOURCE_CHECK": False,
}
KINDS = {
    "SimpleCache": "memory",
    "RedisCache": "redis",
    "FileSystemCache": "disk",
    "NullCache": "null",
}
# Instead of "no end", which no back end of cashews keeps apart from "as before": ten years.
FOR_EVER = 10 * 365 * 86400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration as it was read; :data:`DEFAULTS` says what each value means."""

    kind: str
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


def read_settings(config: Mapping[str, Any], name: str) -> Settings:
    """The settings in *config*.

    Arguments:
        config: A configuration, of which what is missing is as in :data:`DEFAULTS`.
        name: The name of the application.

    Raises:
        ValueError: A value can't be used; the message names its key.
    """
    given = {**DEFAULTS, **config}
    kind = _kind(given["CACHE_TYPE"])
    prefix = given["CACHE_KEY_PREFIX"]
    return Settings(
        kind=kind,
        default_timeout=_timeout(given["CACHE_DEFAULT_TIMEOUT"]),
        prefix=f"cache:{name}:" if prefix is None else str(prefix),
        threshold=_count(given, "CACHE_THRESHOLD"),
        folder=_folder(given["CACHE_DIR"]) if kind == "disk" else "",
        redis_url=_url(given) if kind == "redis" else "",
        store_timeout=_positive(given, "CACHE_STORE_TIMEOUT"),
        retry_after=_positive(given, "CACHE_RETRY_AFTER"),
        max_connections=_count(given, "CACHE_MAX_CONNECTIONS"),
        options=dict(given["CACHE_OPTIONS"] or {}),
        ignore_errors=bool(given["CACHE_IGNORE_ERRORS"]),
        lock_timeout=_positive(given, "CACHE_LOCK_TIMEOUT"),
        pickled=_pickled(given["CACHE_SERIALIZER"]),
        source_check=bool(given["CACHE_SOURCE_CHECK"]),
    )


def seconds_of(timeout: object, default: float) -> float:
    """The seconds that *timeout* stands for.

    Raises:
        ValueError: It is neither seconds, 0 or more, nor a ``timedelta``, nor ``None``.
    """
    if timeout is None:
        return default
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        if seconds == 0:
            return FOR_EVER
        if 0 < seconds < math.inf:
            return min(float(seconds), FOR_EVER)
    raise ValueError(f"{timeout!r} is no time to keep a value for: give seconds, 0 for no end")


def address(url: str) -> str:
    """Where *url* points to, without its password: for logs."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def _kind(name: object) -> str:
    # Flask-Caching takes the whole path of a class, too.
    if isinstance(name, str) and (kind := KINDS.get(name.rpartition(".")[2])):
        return kind
    raise ValueError(f"CACHE_TYPE is {name!r}: it can be {', '.join(KINDS)}")


def _timeout(value: object) -> float:
    try:
        return seconds_of(value, default=math.nan) if value is not None else FOR_EVER
    except ValueError as error:
        raise ValueError(f"CACHE_DEFAULT_TIMEOUT: {error}") from error


def _folder(folder: object) -> str:
    if not folder:
        raise ValueError("CACHE_DIR is not set: name a folder of the FileSystemCache's own")
    return str(folder)


def _url(given: Mapping[str, Any]) -> str:
    url = given["CACHE_REDIS_URL"]
    if url is None:
        password = given["CACHE_REDIS_PASSWORD"]
        secret = f":{quote(str(password), safe='')}@" if password else ""
        host, port = given["CACHE_REDIS_HOST"], given["CACHE_REDIS_PORT"]
        return f"redis://{secret}{host}:{port}/{given['CACHE_REDIS_DB']}"
    if not isinstance(url, str) or urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        # The value isn't shown, as it may hold a password.
        raise ValueError("CACHE_REDIS_URL is not like redis://host:6379/0")
    return url


def _pickled(serializer: object) -> bool:
    if serializer in ("json", "pickle"):
        return serializer == "pickle"
    raise ValueError(f"CACHE_SERIALIZER is {serializer!r}: it can be 'json' or 'pickle'")


def _positive(given: Mapping[str, Any], key: str) -> float:
    value = given[key]
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise ValueError(f"{key} is {value!r}: give seconds, more than 0")


def _count(given: Mapping[str, Any], key: str) -> int:
    value = given[key]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"{key} is {value!r}: give a whole number, 1 or more")
