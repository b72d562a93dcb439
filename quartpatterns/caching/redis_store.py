"""A store in Redis or Valkey, which all workers share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio import (
    Connection,
    ConnectionPool,
    Redis,
    RedisCluster,
    Sentinel,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.cluster import ClusterNode
from redis.exceptions import RedisError, ResponseError

from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.settings import SettingError
from quartpatterns._shared.unavailable import redis_remedy
from quartpatterns._shared.urls import display_address
from quartpatterns.caching.circuit_breaker import CircuitBreaker
from quartpatterns.caching.records import Record, RecordSerializer
from quartpatterns.caching.settings import Settings
from quartpatterns.caching.stores import Store

__all__ = ["RedisStore"]

ERRORS = (RedisError, OSError)
VERSION, LOCK = "#version:", "#lock:"
_ESCAPE_GLOB = str.maketrans({char: f"\\{char}" for char in "*?[]\\"})
_SCAN_COUNT = 500
# https://redis.io/docs/latest/commands/set/#patterns
_RELEASE_LOCK = """
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0
"""

_SYNCHRONOUS = frozenset(
    ("cache", "credential_provider", "event_dispatcher", "parser_class", "redis_connect_func")
    + ("retry", "retry_on_error", "socket_timeout", "ssl_validate_ocsp")
)

Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Client:
    """The client of one event loop, and a semaphore with one permit for each connection.

    A call waits for a connection outside of the circuit breaker, because that is not a failure of
    the server.
    """

    redis: Any  # redis-py's annotations are partly synchronous
    connections: asyncio.Semaphore
    shared: bool = False


def _connect(settings: Settings) -> _Client:
    redis = _redis(settings)
    shared = redis is settings.redis_client
    return _Client(redis, asyncio.Semaphore(settings.max_connections), shared)


def _options(settings: Settings) -> dict[str, Any]:
    """Return the options of the connections."""
    # With RESP3, redis-py sends the PING of the check before the password.
    query = dict(parse_qsl(urlsplit(settings.redis_url).query))
    protocol = str(settings.options.get("protocol") or query.get("protocol", "2"))
    return {
        "client_name": "quartpatterns.caching",
        "health_check_interval": 0 if protocol == "3" else 10,
        # The circuit breaker has a timeout. redis-py's own is asyncio.wait_for, which can swallow
        # a cancellation before Python 3.12.
        "socket_timeout": None,
        **({} if settings.redis_url.startswith("unix") else {"socket_keepalive": True}),
        **settings.options,
        "decode_responses": False,
    }


def _redis(settings: Settings) -> Any:
    """Return a client, which connects when it is first used."""
    options = {"max_connections": settings.max_connections, **_options(settings)}
    if (given := settings.redis_client) is not None:
        if isinstance(given, Redis | RedisCluster):
            return given
        return _asynchronous(given, options)
    if settings.backend == "sentinel":
        return _sentinel(settings, options)
    if settings.backend == "cluster":
        nodes = [ClusterNode(host, port) for host, port in settings.servers]
        del options["max_connections"]  # means the number of nodes there
        del options["health_check_interval"]
        cluster: Any = RedisCluster
        return cluster(startup_nodes=nodes, password=settings.password or None, **options)
    client: Any = Redis
    return client.from_url(settings.redis_url, **options)


def _sentinel(settings: Settings, options: dict[str, Any]) -> Any:
    # As in Flask-Caching, an option "sentinel_x" is the option "x" of the sentinels' connections.
    sentinel_options = {
        name.removeprefix("sentinel_"): options.pop(name)
        for name in list(options)
        if name.startswith("sentinel_")
    }
    if settings.sentinel_password:
        sentinel_options["password"] = settings.sentinel_password
    sentinels: Any = Sentinel
    found: Any = sentinels(
        list(settings.servers),
        sentinel_kwargs=sentinel_options,
        db=settings.database,
        password=settings.password or None,
        **options,
    )
    return found.master_for(settings.sentinel_master)


def _asynchronous(client: Any, options: dict[str, Any]) -> Any:
    """Return an asynchronous client with the address and options of a synchronous one."""
    pool = client.connection_pool
    given = {
        name: value
        for name, value in pool.connection_kwargs.items()
        # Objects of the synchronous half of redis-py.
        if name not in _SYNCHRONOUS and value is not None
    }
    name = pool.connection_class.__name__
    kind = {
        "SSLConnection": SSLConnection,
        "UnixDomainSocketConnection": UnixDomainSocketConnection,
    }
    if name == "UnixDomainSocketConnection":
        options = {key: value for key, value in options.items() if key != "socket_keepalive"}
    pools: Any = ConnectionPool
    merged = {**options, **given, "decode_responses": False}
    return Redis(connection_pool=pools(connection_class=kind.get(name, Connection), **merged))


def _check_options(client: Any) -> None:
    """Make a connection, which does not connect yet: an unknown option is an error now.

    Raises:
        SettingError: ``CACHE_OPTIONS`` has an option that redis-py does not have.
    """
    pool: Any = getattr(client, "connection_pool", None)
    if pool is None:
        return
    try:
        pool.connection_class(**pool.connection_kwargs)
    except TypeError as error:
        raise SettingError(
            "CACHE_OPTIONS", f"CACHE_OPTIONS has an option that redis-py does not have: {error}"
        ) from error


def _remedy(settings: Settings, error: Exception) -> str:
    if "cluster" in (remedy := redis_remedy(error, "CACHE_REDIS_URL")):
        is_cluster = settings.backend == "cluster"
        return "" if is_cluster else 'For a cluster, set CACHE_TYPE to "RedisClusterCache".'
    return remedy


def _address(settings: Settings) -> str:
    if settings.redis_client is not None:
        values = settings.redis_client.connection_pool.connection_kwargs
        return str(values.get("path") or f"{values.get('host')}:{values.get('port', 6379)}")
    if settings.servers:
        return ", ".join(f"{host}:{port}" for host, port in settings.servers)
    return display_address(settings.redis_url, default_port=6379)


async def _close(client: _Client) -> None:
    if client.shared:
        return  # It belongs to the application.
    if isinstance(client.redis, RedisCluster):
        await client.redis.aclose()
    else:
        await client.redis.aclose(close_connection_pool=True)
        manager = getattr(client.redis.connection_pool, "sentinel_manager", None)
        for sentinel in manager.sentinels if manager else ():
            await sentinel.aclose(close_connection_pool=True)


class RedisStore(Store):
    """Stores records in Redis, behind a Sentinel, or in a Redis Cluster.

    Arguments:
        settings: The settings.
        serializer: Serializes records.

    Raises:
        SettingError: ``CACHE_OPTIONS`` has an option that redis-py does not have.
    """

    shared = True

    def __init__(self, settings: Settings, serializer: RecordSerializer) -> None:
        self._prefix = settings.prefix
        self._serializer = serializer
        # In a cluster, the keys of one command must be on one server.
        self._one_by_one = settings.backend == "cluster" or isinstance(
            settings.redis_client, RedisCluster
        )
        if settings.backend != "cluster":
            _check_options(_redis(settings))
        self._breaker = CircuitBreaker(
            _address(settings),
            settings,
            ERRORS,
            refusals=(ResponseError,),
            remedy=lambda error: _remedy(settings, error),
        )
        self._clients: LoopBound[_Client] = LoopBound(lambda: _connect(settings), _close)

    def now(self) -> float:
        return time.time()

    async def get(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        name = self._prefix + key
        names = [name, *map(self._version, versions)]
        data, *tokens = await self._get_all(names)
        decoded = tuple([None if token is None else token.decode("latin-1") for token in tokens])
        return None if data is None else self._serializer.loads(name, data), decoded

    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        if not keys:
            return []
        names = [self._prefix + key for key in keys]
        found = await self._get_all(names)
        return [self._serializer.loads(*pair) for pair in zip(names, found, strict=True)]

    async def get_or_create_tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        if not versions:
            return ()
        names = [self._version(name) for name in versions]
        commands: list[Command] = [
            ("SET", name, token_hex(8), "PX", _milliseconds(ttl), "NX")
            for name, ttl in zip(names, versions.values(), strict=True)
        ]
        if self._one_by_one:
            await self._pipeline(commands)
            tokens = await self._get_all(names)
        else:
            *_, tokens = await self._pipeline([*commands, ("MGET", *names)])
        return tuple([(token or b"").decode("latin-1") for token in tokens])

    async def set(
        self, key: str, record: Record, ttl: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        commands: list[Command] = [self._set_command(key, record, ttl)]
        for name, version_ttl in (versions or {}).items():
            commands.append(("PEXPIRE", self._version(name), _milliseconds(version_ttl)))
        return bool((await self._pipeline(commands))[0])

    async def set_many(self, records: Mapping[str, Record], ttl: float) -> list[bool]:
        commands = [self._set_command(key, record, ttl) for key, record in records.items()]
        return [bool(stored) for stored in await self._pipeline(commands)]

    async def add(self, key: str, record: Record, ttl: float) -> bool:
        return bool(await self._command(*self._set_command(key, record, ttl), "NX"))

    async def has(self, key: str) -> bool:
        return any(await self._pipeline([("EXISTS", name) for name in self._names(key)]))

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        names = [name for key in keys for name in self._names(key)]
        deleted = await self._pipeline([("UNLINK", name) for name in names])
        return tuple(any(pair) for pair in zip(deleted[::2], deleted[1::2], strict=True))

    async def clear(self) -> None:
        pattern = self._prefix.translate(_ESCAPE_GLOB) + "*"
        if self._one_by_one:
            await self._call(lambda redis: _clear_cluster(redis, pattern))
            return
        cursor = None
        while cursor != 0:
            command = ("SCAN", cursor or 0, "MATCH", pattern, "COUNT", _SCAN_COUNT)
            cursor, names = await self._command(*command)
            if names:
                await self._command("UNLINK", *names)
            cursor = int(cursor)

    async def acquire_lock(self, key: str, owner: str, seconds: float) -> bool:
        name = self._prefix + LOCK + key
        return bool(await self._command("SET", name, owner, "PX", _milliseconds(seconds), "NX"))

    async def extend_lock(self, key: str, seconds: float) -> None:
        await self._command("PEXPIRE", self._prefix + LOCK + key, _milliseconds(seconds))

    async def release_lock(self, key: str, owner: str) -> None:
        await self._command("EVAL", _RELEASE_LOCK, 1, self._prefix + LOCK + key, owner)

    async def close(self) -> None:
        await self._clients.close()

    async def _call(self, function: Callable[[Any], Awaitable[Any]]) -> Any:
        async with self._clients.using() as client, client.connections:
            return await self._breaker.call(lambda: function(client.redis))

    async def _get_all(self, names: Sequence[str]) -> list[Any]:
        if self._one_by_one:
            return await self._pipeline([("GET", name) for name in names])
        values: list[Any] = await self._call(lambda redis: redis.mget(names))
        return values

    async def _command(self, *command: Any) -> Any:
        return (await self._pipeline([command]))[0]

    async def _pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers to *commands*, which are sent together."""
        if not commands:
            return []

        async def execute(redis: Any) -> list[Any]:
            if self._one_by_one:
                pipeline = redis.pipeline()
                for command in commands:
                    pipeline.execute_command(*command)
                return list(await pipeline.execute())
            async with redis.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute()
                return answers

        answers: list[Any] = await self._call(execute)
        return answers

    def _set_command(self, key: str, record: Record, ttl: float) -> Command:
        name = self._prefix + key
        return "SET", name, self._serializer.dumps(name, record), "PX", _milliseconds(ttl)

    def _version(self, name: str) -> str:
        return self._prefix + VERSION + name

    def _names(self, key: str) -> tuple[str, str]:
        return self._prefix + key, self._version(key)


async def _clear_cluster(redis: Any, pattern: str) -> None:
    names = [name async for name in redis.scan_iter(match=pattern, count=_SCAN_COUNT)]
    for name in names:
        await redis.unlink(name)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
