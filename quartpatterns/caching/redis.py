"""Records in Redis or Valkey, on cashews: shared by all workers, and possibly away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from cashews.backends.redis import Redis
from cashews.exceptions import CacheBackendInteractionError
from redis.exceptions import RedisError, ResponseError

from quartpatterns.caching.guards import Guard
from quartpatterns.caching.loops import LoopBound
from quartpatterns.caching.records import Packer, Record
from quartpatterns.caching.settings import Settings, address

__all__ = ["RedisStore"]

ERRORS = (CacheBackendInteractionError, RedisError, OSError)
VERSION, LOCK = "#version:", "#lock:"
_SPECIAL = str.maketrans({char: f"\\{char}" for char in "*?[]\\"})
_BATCH = 500


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


class Engine(Redis):
    """The Redis of cashews, for bytes, several in one exchange."""

    def __init__(self, settings: Settings) -> None:
        options: dict[str, Any] = {
            "max_connections": settings.max_connections,
            "client_name": "quartpatterns.caching",
            # What waits has a time limit around it; redis-py's own is asyncio.wait_for, which
            # swallows cancellations before Python 3.12.
            "socket_timeout": None,
            **settings.options,
        }
        super().__init__(settings.redis_url, suppress=False, **options)

    async def read(self, keys: list[str]) -> list[bytes | None]:
        """The bytes under each of *keys*."""
        client: Any = self._client
        found: list[bytes | None] = await client.mget(keys)
        return found

    async def pipe(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """The answers to *commands*, in one exchange."""
        client: Any = self._client
        async with client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = await pipe.execute()
            return answers

    async def close(self) -> None:
        # Not the close of cashews, which redis-py calls deprecated.
        client: Any = self._client
        await client.aclose()
        await client.connection_pool.disconnect()


@dataclass(frozen=True, slots=True)
class Client:
    """The connections of an event loop, and who may use one: waiting for one is no failure."""

    engine: Engine
    slots: asyncio.Semaphore


class RedisStore:
    """Keeps records in Redis.

    Arguments:
        settings: Where, and how long to wait.
        packer: Writes records.
    """

    keeps = True
    shared = True

    def __init__(self, settings: Settings, packer: Packer) -> None:
        self._settings = settings
        self._prefix = settings.prefix
        self._packer = packer
        self._guard = Guard(
            address(settings.redis_url), settings, ERRORS, refusals=(ResponseError,)
        )
        self._clients = LoopBound(self._connect, lambda client: client.engine.close())

    def now(self) -> float:
        return time.time()

    async def read(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        name = self._prefix + key
        data, *tokens = await self._ask(
            lambda engine: engine.read([name, *map(self._version, versions)])
        )
        found = tuple([None if token is None else token.decode("latin-1") for token in tokens])
        return None if data is None else self._packer.unpack(name, data), found

    async def read_many(self, keys: Sequence[str]) -> list[Record | None]:
        if not keys:
            return []
        names = [self._prefix + key for key in keys]
        found = await self._ask(lambda engine: engine.read(names))
        return [self._packer.unpack(*pair) for pair in zip(names, found, strict=True)]

    async def tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        if not versions:
            return ()
        names = [self._version(name) for name in versions]
        commands: list[tuple[Any, ...]] = [
            ("SET", name, token_hex(8), "PX", milliseconds(seconds), "NX")
            for name, seconds in zip(names, versions.values(), strict=True)
        ]
        *_, tokens = await self._ask(lambda engine: engine.pipe([*commands, ("MGET", *names)]))
        return tuple([(token or b"").decode("latin-1") for token in tokens])

    async def write(
        self, key: str, record: Record, seconds: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        commands: list[tuple[Any, ...]] = [self._set(key, record, seconds)]
        for name, lasting in (versions or {}).items():
            commands.append(("PEXPIRE", self._version(name), milliseconds(lasting)))
        return bool((await self._ask(lambda engine: engine.pipe(commands)))[0])

    async def write_many(self, records: Mapping[str, Record], seconds: float) -> list[bool]:
        if not records:
            return []
        commands = [self._set(key, record, seconds) for key, record in records.items()]
        return [bool(done) for done in await self._ask(lambda engine: engine.pipe(commands))]

    async def add(self, key: str, record: Record, seconds: float) -> bool:
        return bool(await self._do(*self._set(key, record, seconds), "NX"))

    async def has(self, key: str) -> bool:
        return bool(await self._do("EXISTS", *self._names(key)))

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        if not keys:
            return ()
        commands: list[tuple[Any, ...]] = [("UNLINK", *self._names(key)) for key in keys]
        return tuple(map(bool, await self._ask(lambda engine: engine.pipe(commands))))

    async def clear(self) -> None:
        pattern = self._prefix.translate(_SPECIAL) + "*"
        cursor, going = 0, True
        while going:
            cursor, names = await self._do("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH)
            if names:
                await self._do("UNLINK", *names)
            going = bool(int(cursor))

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        name = self._prefix + LOCK + key
        return bool(await self._ask(lambda engine: engine.set_lock(name, owner, seconds)))

    async def prolong(self, key: str, seconds: float) -> None:
        name = self._prefix + LOCK + key
        await self._ask(lambda engine: engine.expire(name, seconds))

    async def unlock(self, key: str, owner: str) -> None:
        name = self._prefix + LOCK + key
        await self._ask(lambda engine: engine.unlock(name, owner))

    async def close(self) -> None:
        await self._clients.close()

    def _connect(self) -> Client:
        return Client(Engine(self._settings), asyncio.Semaphore(self._settings.max_connections))

    async def _ask(self, question: Callable[[Any], Awaitable[Any]]) -> Any:
        client = self._clients.get()
        engine: Any = client.engine
        if not engine.is_init:
            await engine.init()  # connects to nothing yet
        async with client.slots:
            return await self._guard.ask(lambda: question(engine))

    async def _do(self, *command: Any) -> Any:
        [answer] = await self._ask(lambda engine: engine.pipe([command]))
        return answer

    def _set(self, key: str, record: Record, seconds: float) -> tuple[Any, ...]:
        name = self._prefix + key
        return "SET", name, self._packer.pack(name, record), "PX", milliseconds(seconds)

    def _version(self, name: str) -> str:
        return self._prefix + VERSION + name

    def _names(self, key: str) -> tuple[str, str]:
        return self._prefix + key, self._version(key)
