"""A store in Redis or Valkey, which all workers share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from quartpatterns._shared.loop_bound import LoopBound
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

Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Client:
    """The client of one event loop, and a semaphore with one permit for each connection.

    A call waits for a connection outside of the circuit breaker, because that is not a failure of
    the server.
    """

    redis: Any  # redis-py's annotations are partly synchronous
    connections: asyncio.Semaphore


def _connect(settings: Settings) -> _Client:
    options: dict[str, Any] = {
        "max_connections": settings.max_connections,
        "client_name": "quartpatterns.caching",
        "health_check_interval": 10,
        # The circuit breaker has a timeout. redis-py's own is asyncio.wait_for, which can swallow
        # a cancellation before Python 3.12.
        "socket_timeout": None,
        **({} if settings.redis_url.startswith("unix") else {"socket_keepalive": True}),
        **settings.options,
        "decode_responses": False,
    }
    client: Any = Redis
    return _Client(
        client.from_url(settings.redis_url, **options), asyncio.Semaphore(settings.max_connections)
    )


class RedisStore(Store):
    """Stores records in Redis.

    Arguments:
        settings: The settings.
        serializer: Serializes records.
    """

    shared = True

    def __init__(self, settings: Settings, serializer: RecordSerializer) -> None:
        self._prefix = settings.prefix
        self._serializer = serializer
        address = display_address(settings.redis_url, default_port=6379)
        self._breaker = CircuitBreaker(address, settings, ERRORS, refusals=(ResponseError,))
        self._clients: LoopBound[_Client] = LoopBound(
            lambda: _connect(settings),
            lambda client: client.redis.aclose(close_connection_pool=True),
        )

    def now(self) -> float:
        return time.time()

    async def get(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        name = self._prefix + key
        names = [name, *map(self._version, versions)]
        data, *tokens = await self._call(lambda redis: redis.mget(names))
        decoded = tuple([None if token is None else token.decode("latin-1") for token in tokens])
        return None if data is None else self._serializer.loads(name, data), decoded

    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        if not keys:
            return []
        names = [self._prefix + key for key in keys]
        found = await self._call(lambda redis: redis.mget(names))
        return [self._serializer.loads(*pair) for pair in zip(names, found, strict=True)]

    async def get_or_create_tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        if not versions:
            return ()
        names = [self._version(name) for name in versions]
        commands: list[Command] = [
            ("SET", name, token_hex(8), "PX", _milliseconds(ttl), "NX")
            for name, ttl in zip(names, versions.values(), strict=True)
        ]
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
        return bool(await self._command("EXISTS", *self._names(key)))

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        commands: list[Command] = [("UNLINK", *self._names(key)) for key in keys]
        return tuple(map(bool, await self._pipeline(commands)))

    async def clear(self) -> None:
        pattern = self._prefix.translate(_ESCAPE_GLOB) + "*"
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
        client = self._clients.get()
        async with client.connections:
            return await self._breaker.call(lambda: function(client.redis))

    async def _command(self, *command: Any) -> Any:
        return (await self._pipeline([command]))[0]

    async def _pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers to *commands*, which are sent together."""
        if not commands:
            return []

        async def execute(redis: Any) -> list[Any]:
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


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
