"""The settings of a cache and their defaults."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from werkzeug.utils import import_string

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    invalid_setting,
    refuse_unknown,
)
from quartpatterns._shared.settings_of.caching import SETTINGS
from quartpatterns.caching.records import ValueFormat

__all__ = ["DEFAULTS", "SETTINGS", "HashMethod", "Settings", "Timeout", "check_hash_method"]
__all__ += ["read_settings", "timeout_seconds"]

HashMethod = Callable[..., Any]
"""A hash function such as ``hashlib.sha256``."""

Timeout = float | timedelta | None
"""How long a value is stored: seconds, 0 for no limit, ``None`` for the default."""

DEFAULTS = SETTINGS.defaults
"""The default of each setting."""

BACKENDS = {
    "SimpleCache": "memory",
    "RedisCache": "redis",
    "RedisSentinelCache": "sentinel",
    "RedisClusterCache": "cluster",
    "MemcachedCache": "memcached",
    "FileSystemCache": "disk",
    "NullCache": "null",
}
REFUSED_BACKENDS = {
    "SASLMemcachedCache": "use 'MemcachedCache', which reads CACHE_MEMCACHED_USERNAME",
    "SpreadSASLMemcachedCache": (
        "use 'MemcachedCache', which reads CACHE_MEMCACHED_USERNAME; values over 1 MB belong in"
        " 'RedisCache' or 'FileSystemCache'"
    ),
    "UWSGICache": SETTINGS.instead["CACHE_UWSGI_NAME"],
    "GoogleCloudStorageCache": SETTINGS.instead["CACHE_GCS_BUCKET"],
}
"""Values of ``CACHE_TYPE`` of Flask-Caching that are not supported, and what to use instead."""

# Redis and diskcache write "no limit" in different ways. Ten years are the same for every store.
NO_LIMIT = 10 * 365 * 86400.0
# Options that diskcache has besides those that start with "disk_" or "sqlite_".
_DISK_OPTIONS = frozenset(
    ("cull_limit", "eviction_policy", "size_limit", "statistics", "tag_index", "timeout")
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Validated settings; ``SETTINGS`` explains each value."""

    backend: str
    factory: Callable[..., Any] | None
    factory_path: str
    arguments: tuple[Any, ...]
    default_timeout: float
    prefix: str
    threshold: int
    folder: str
    redis_url: str
    redis_client: Any
    servers: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    sentinel_master: str
    sentinel_password: str | None
    database: int
    store_timeout: float
    retry_after: float
    max_connections: int
    options: Mapping[str, Any]
    ignore_errors: bool
    lock_timeout: float
    value_format: ValueFormat
    source_check: bool
    hash_method: HashMethod
    enable_signals: bool
    context_variables: tuple[str, ...]


def read_settings(config: Mapping[str, Any], app_name: str) -> Settings:
    """Return the settings in *config*, with :data:`DEFAULTS` for those it doesn't have.

    Arguments:
        config: The configuration.
        app_name: The name of the application, which the default key prefix contains.

    Raises:
        SettingError: A value is invalid, or a setting is unknown; the message names the setting.
    """
    refuse_unknown(config, SETTINGS.prefixes, SETTINGS, SETTINGS.instead)
    reader = SettingsReader(config, DEFAULTS)
    backend, factory, path = _backend(reader)
    options = reader.optional(reader.mapping, "CACHE_OPTIONS", secret=True) or {}
    prefix = reader.optional(reader.text, "CACHE_KEY_PREFIX", empty=True)
    default = reader.optional(reader.seconds, "CACHE_DEFAULT_TIMEOUT", zero=True)
    threshold = reader.count("CACHE_THRESHOLD")
    if backend == "disk" and threshold != DEFAULTS["CACHE_THRESHOLD"]:
        raise SettingError(
            "CACHE_THRESHOLD",
            "CACHE_THRESHOLD is for a cache in memory. A FileSystemCache is limited by its bytes:"
            ' CACHE_OPTIONS = {"size_limit": 2**28}.',
        )
    if backend != "custom":
        # Flask-Caching has these as options of each of its classes.
        of_options = SettingsReader({f"CACHE_OPTIONS {key}": options[key] for key in options})
        if "default_timeout" in options:
            default = of_options.seconds("CACHE_OPTIONS default_timeout", zero=True)
        if "key_prefix" in options:
            prefix = of_options.text("CACHE_OPTIONS key_prefix", empty=True)
        if "threshold" in options and backend == "memory":
            threshold = of_options.count("CACHE_OPTIONS threshold")
            del options["threshold"]
        options = {
            key: value
            for key, value in options.items()
            if key not in ("default_timeout", "key_prefix")
        }
        _check_options(backend, options)
    arguments: Any = reader.value("CACHE_ARGS")
    if not isinstance(arguments, list | tuple):
        raise invalid_setting("CACHE_ARGS", "a list", arguments)
    if arguments and backend != "custom":
        raise SettingError(
            "CACHE_ARGS",
            "CACHE_ARGS is for a class in CACHE_TYPE, such as 'cachelib.FileSystemCache'; for"
            f" {reader.value('CACHE_TYPE')!r} use CACHE_OPTIONS.",
        )
    value_format = _value_format(reader)
    if backend == "null":
        _warn_of_null(reader, value_format)
    memcached = backend == "memcached"
    client = _redis_client(reader) if backend == "redis" else None
    return Settings(
        backend=backend,
        factory=factory,
        factory_path=path,
        arguments=tuple(cast("list[Any]", arguments)),
        default_timeout=timeout_seconds(default or 0, default=NO_LIMIT),
        prefix=f"cache:{app_name}:" if prefix is None else prefix,
        threshold=threshold,
        folder=reader.path("CACHE_DIR", example="instance/cache") if backend == "disk" else "",
        redis_url=_redis_url(reader) if backend == "redis" and client is None else "",
        redis_client=client,
        servers=_servers(reader, backend),
        username=reader.optional(reader.text, "CACHE_MEMCACHED_USERNAME") if memcached else None,
        password=reader.optional(
            reader.text,
            "CACHE_MEMCACHED_PASSWORD" if memcached else "CACHE_REDIS_PASSWORD",
            empty=True,
            secret=True,
        ),
        sentinel_master=reader.text("CACHE_REDIS_SENTINEL_MASTER"),
        sentinel_password=reader.optional(
            reader.text, "CACHE_REDIS_SENTINEL_PASSWORD", empty=True, secret=True
        ),
        database=reader.optional(reader.count, "CACHE_REDIS_DB", minimum=0) or 0,
        store_timeout=reader.seconds("CACHE_STORE_TIMEOUT"),
        retry_after=reader.seconds("CACHE_RETRY_AFTER"),
        max_connections=reader.count("CACHE_MAX_CONNECTIONS"),
        options=options,
        ignore_errors=reader.boolean("CACHE_IGNORE_ERRORS"),
        lock_timeout=reader.seconds("CACHE_LOCK_TIMEOUT"),
        value_format=value_format,
        source_check=reader.boolean("CACHE_SOURCE_CHECK"),
        hash_method=check_hash_method(
            "CACHE_HASH_METHOD", reader.value("CACHE_HASH_METHOD") or hashlib.sha256
        ),
        enable_signals=reader.boolean("CACHE_ENABLE_SIGNALS"),
        context_variables=reader.strings("CACHE_CONTEXT_VARIABLES"),
    )


def check_hash_method(name: str, value: object) -> HashMethod:
    """Return a hash function.

    Raises:
        SettingError: It is not one.
    """
    method: Any = value
    try:
        if isinstance(method(b"").hexdigest(), str):
            return cast("HashMethod", method)
    except (AttributeError, TypeError, ValueError):
        pass
    raise invalid_setting(name, "a hash constructor, for example `hashlib.sha256`,", value)


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


def _backend(reader: SettingsReader) -> tuple[str, Callable[..., Any] | None, str]:
    """Return the name of the store, or "custom" with a function that makes it, and its path."""
    given: Any = reader.value("CACHE_TYPE")
    path = f"{given.__module__}.{given.__qualname__}" if isinstance(given, type) else given
    if isinstance(path, str):
        name = path.rpartition(".")[2]
        if path == name or path.startswith(("flask_caching.", "quartpatterns.caching.")):
            if backend := BACKENDS.get(name):
                return backend, None, ""
            if name in REFUSED_BACKENDS:
                raise SettingError(
                    "CACHE_TYPE",
                    f"CACHE_TYPE = {name!r} is not supported: {REFUSED_BACKENDS[name]}.",
                )
        elif isinstance(given, str):
            try:
                given = import_string(given)
            except ImportError as error:
                raise SettingError(
                    "CACHE_TYPE", f"CACHE_TYPE = {path!r} can't be imported: {error}"
                ) from error
        if callable(given):
            return "custom", cast("Callable[..., Any]", given), path
    elif callable(given):
        return "custom", given, getattr(given, "__module__", "")
    choices = f"one of {', '.join(BACKENDS)}, or a class or its import path"
    raise invalid_setting("CACHE_TYPE", choices, given)


def _check_options(backend: str, options: Mapping[str, Any]) -> None:
    """Refuse options that the store does not have."""
    if backend in ("memory", "null"):
        unknown = set(options)
        known = "threshold, default_timeout and key_prefix"
    elif backend == "disk":
        unknown = {
            name
            for name in options
            if name not in _DISK_OPTIONS and not name.startswith(("disk_", "sqlite_"))
        }
        known = f"those of diskcache: {', '.join(sorted(_DISK_OPTIONS))}, disk_* and sqlite_*"
    else:
        return  # The library knows its options.
    if unknown:
        raise SettingError(
            "CACHE_OPTIONS",
            f"CACHE_OPTIONS has {', '.join(map(repr, sorted(unknown)))}, which this CACHE_TYPE does"
            f" not have. The options are {known}.",
        )


def _value_format(reader: SettingsReader) -> ValueFormat:
    given: Any = reader.value("CACHE_SERIALIZER")
    if given is None or given == "json":
        return ValueFormat()
    if given == "pickle":
        return ValueFormat(pickled=True)
    if isinstance(given, str):
        raise invalid_setting(
            "CACHE_SERIALIZER", "'json', 'pickle', or an object with dumps and loads", given
        )
    if isinstance(given, type):
        try:
            given = given()
        except TypeError as error:
            raise SettingError(
                "CACHE_SERIALIZER",
                f"Couldn't instantiate serializer: {given!r}! Set CACHE_SERIALIZER to an instance.",
            ) from error
    if callable(getattr(given, "dumps", None)) and callable(getattr(given, "loads", None)):
        return ValueFormat(pickled=True, serializer=given)
    raise SettingError(
        "CACHE_SERIALIZER",
        "`CACHE_SERIALIZER` must be 'json', 'pickle', or a `cachelib.serializers.BaseSerializer`"
        " subclass or instance, or another object with dumps() and loads()",
    )


def _warn_of_null(reader: SettingsReader, value_format: ValueFormat) -> None:
    if not reader.boolean("CACHE_NO_NULL_WARNING"):
        warnings.warn(
            "CACHE_TYPE is set to NullCache, caching is effectively disabled.", stacklevel=5
        )
    if value_format.serializer is not None:
        warnings.warn(
            "CACHE_SERIALIZER is set but NullCache does not use a serializer.", stacklevel=5
        )


def _redis_client(reader: SettingsReader) -> Any:
    """Return the client that CACHE_REDIS_HOST is, or None if it is a host."""
    given: Any = reader.value("CACHE_REDIS_HOST")
    if isinstance(given, str) or not hasattr(given, "connection_pool"):
        return None
    return given


def _redis_url(reader: SettingsReader) -> str:
    number = reader.optional(reader.count, "CACHE_REDIS_DB", minimum=0)
    if reader.value("CACHE_REDIS_URL") is not None:
        schemes = ("redis", "rediss", "unix")
        url = reader.url("CACHE_REDIS_URL", schemes, example="redis://localhost:6379/0")
        return url if number is None else _with_database(url, number)
    password = reader.optional(reader.text, "CACHE_REDIS_PASSWORD", empty=True, secret=True)
    credentials = f":{quote(password, safe='')}@" if password else ""
    given: Any = reader.value("CACHE_REDIS_HOST")
    if not isinstance(given, str) or not given:
        raise invalid_setting(
            "CACHE_REDIS_HOST", "a host name, an address, or a client such as redis.Redis()", given
        )
    host = f"[{given}]" if ":" in given and not given.startswith("[") else given
    port = reader.count("CACHE_REDIS_PORT", maximum=65535)
    return f"redis://{credentials}{host}:{port}/{number or 0}"


def _with_database(url: str, number: int) -> str:
    """Return the URL with another database; as in Flask-Caching, CACHE_REDIS_DB wins."""
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query) if pair[0] != "db"]
    if parts.scheme == "unix":
        query.append(("db", str(number)))
        path = parts.path
    else:
        path = f"/{number}"
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))


def _servers(reader: SettingsReader, backend: str) -> tuple[tuple[str, int], ...]:
    """Return the hosts and ports of the servers."""
    key, default_port = {
        "memcached": ("CACHE_MEMCACHED_SERVERS", 11211),
        "sentinel": ("CACHE_REDIS_SENTINELS", 26379),
        "cluster": ("CACHE_REDIS_CLUSTER", 6379),
    }.get(backend, ("", 0))
    if not key:
        return ()
    given: Any = reader.value(key)
    items = given.split(",") if isinstance(given, str) else given
    try:
        servers = tuple(_server(item, default_port) for item in items)
    except (TypeError, ValueError):
        servers = ()
    if not servers:
        example = f'["localhost:{default_port}"]'
        raise invalid_setting(key, f"a list of servers, for example {example},", given)
    return servers


def _server(item: Any, default_port: int) -> tuple[str, int]:
    if not isinstance(item, str):
        host, port = item[:2]  # Flask-Caching also takes a weight.
        if not isinstance(host, str) or not host:
            raise ValueError
        return host, int(port)
    text = item.strip()
    if text.count(":") > 1 and not text.startswith("["):
        return text, default_port  # an IPv6 address
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path or parts.query:
        raise ValueError
    return parts.hostname, parts.port or default_port
