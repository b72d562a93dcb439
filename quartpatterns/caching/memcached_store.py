"""A store in Memcached, on emcache, which all workers share."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from secrets import token_hex
from typing import Any

from emcache import (
    Client,
    ClusterNoAvailableNodes,
    CommandError,
    MemcachedHostAddress,
    NotFoundCommandError,
    NotStoredStorageCommandError,
    StorageCommandError,
    create_client,
)

from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.settings import SettingError
from quartpatterns.caching.circuit_breaker import CircuitBreaker
from quartpatterns.caching.records import Record, RecordSerializer
from quartpatterns.caching.settings import NO_LIMIT, Settings
from quartpatterns.caching.stores import Store

__all__ = ["MemcachedStore"]

ERRORS = (OSError, ClusterNoAvailableNodes, CommandError, StorageCommandError)
VERSION, LOCK = "#version:", "#lock:"
# A longer time is a date for Memcached.
_LONGEST_SECONDS = 30 * 86400
_LONGEST_KEY = 250  # bytes


class _Connections:
    """The connections of one event loop; emcache opens them in a coroutine.

    Arguments:
        settings: The settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening = asyncio.Lock()
        self._client: Client | None = None

    async def client(self) -> Client:
        """Return the client."""
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await _connect(self._settings)
        return self._client

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()
            await asyncio.sleep(0)  # emcache does not wait until its connections are closed.


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "timeout": None,  # The circuit breaker has one.
        "connection_timeout": settings.store_timeout,
        "max_connections": settings.max_connections,
        "username": settings.username,
        "password": settings.password,
        **settings.options,
    }


async def _connect(settings: Settings) -> Client:
    nodes = [MemcachedHostAddress(host, port) for host, port in settings.servers]
    return await create_client(nodes, **_options(settings))


class MemcachedStore(Store):
    """Stores records in Memcached.

    Memcached may evict any record, version or lock when its memory is full. A record whose
    version is missing is invalid, so that no outdated result comes back.

    Arguments:
        settings: The settings.
        serializer: Serializes records.

    Raises:
        SettingError: ``CACHE_OPTIONS`` has an option that emcache does not have.
    """

    shared = True

    def __init__(self, settings: Settings, serializer: RecordSerializer) -> None:
        known = set(create_client.__kwdefaults__ or ())
        if unknown := sorted(set(settings.options) - known):
            raise SettingError(
                "CACHE_OPTIONS",
                f"CACHE_OPTIONS has {', '.join(map(repr, unknown))}, which emcache does not have."
                f" The options are {', '.join(sorted(known))}.",
            )
        self._prefix = settings.prefix
        self._servers = settings.servers
        self._serializer = serializer
        self._breaker = CircuitBreaker(
            ", ".join(f"{host}:{port}" for host, port in settings.servers),
            settings,
            ERRORS,
            # For example a value over 1 MB.
            refusals=(CommandError, StorageCommandError),
            remedy=lambda error: (
                ""
                if isinstance(error, CommandError | StorageCommandError)
                else "Start Memcached, or correct CACHE_MEMCACHED_SERVERS."
            ),
        )
        self._connections: LoopBound[_Connections] = LoopBound(
            lambda: _Connections(settings), lambda connections: connections.close()
        )

    def now(self) -> float:
        return time.time()

    async def get(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        name = self._name(key)
        names = [self._name(VERSION + version) for version in versions]
        found = await self._get_all([name, *names])
        data = found.get(name)
        record = None if data is None else self._serializer.loads(name.decode(), data)
        return record, tuple([_text(found.get(version)) for version in names])

    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        names = [self._name(key) for key in keys]
        found = await self._get_all(names)
        return [
            self._serializer.loads(name.decode(), found[name]) if name in found else None
            for name in names
        ]

    async def get_or_create_tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        names = {self._name(VERSION + name): ttl for name, ttl in versions.items()}
        found = await self._get_all(list(names))
        missing = [name for name in names if name not in found]
        for name in missing:
            await self._add(name, token_hex(8).encode(), names[name])
        if missing:
            found |= await self._get_all(missing)
        return tuple([_text(found.get(name)) or "" for name in names])

    async def set(
        self, key: str, record: Record, ttl: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        name = self._name(key)
        data = self._serializer.dumps(name.decode(), record)
        await self._call(lambda client: client.set(name, data, exptime=_expiry(ttl)))
        for version, seconds in (versions or {}).items():
            await self._touch(self._name(VERSION + version), seconds)
        return True

    async def add(self, key: str, record: Record, ttl: float) -> bool:
        name = self._name(key)
        return await self._add(name, self._serializer.dumps(name.decode(), record), ttl)

    async def has(self, key: str) -> bool:
        return bool(await self._get_all([self._name(key), self._name(VERSION + key)]))

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        # Delete both, so "|" and not "or".
        return tuple(
            [
                await self._delete(self._name(key)) | await self._delete(self._name(VERSION + key))
                for key in keys
            ]
        )

    async def clear(self) -> None:
        """Delete everything on the servers: Memcached can't delete by the start of keys."""
        for host, port in self._servers:
            address = MemcachedHostAddress(host, port)
            await self._call(partial(_flush, address))

    async def acquire_lock(self, key: str, owner: str, seconds: float) -> bool:
        return await self._add(self._name(LOCK + key), owner.encode(), seconds)

    async def extend_lock(self, key: str, seconds: float) -> None:
        await self._touch(self._name(LOCK + key), seconds)

    async def release_lock(self, key: str, owner: str) -> None:
        # Memcached has no command that compares and deletes. In between, the lock could expire
        # and somebody else acquire it: then two workers compute the result.
        name = self._name(LOCK + key)
        if _text((await self._get_all([name])).get(name)) == owner:
            await self._delete(name)

    async def close(self) -> None:
        await self._connections.close()

    async def _call(self, function: Callable[[Client], Awaitable[Any]]) -> Any:
        connections = self._connections.get()

        async def call() -> Any:
            return await function(await connections.client())

        return await self._breaker.call(call)

    async def _get_all(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        if not names:
            return {}
        found = await self._call(lambda client: client.get_many(list(dict.fromkeys(names))))
        return {name: item.value for name, item in found.items()}

    async def _add(self, name: bytes, data: bytes, ttl: float) -> bool:
        async def add(client: Client) -> bool:
            try:
                await client.add(name, data, exptime=_expiry(ttl))
            except NotStoredStorageCommandError:
                return False
            return True

        return bool(await self._call(add))

    async def _delete(self, name: bytes) -> bool:
        async def delete(client: Client) -> bool:
            try:
                await client.delete(name)
            except NotFoundCommandError:
                return False
            return True

        return bool(await self._call(delete))

    async def _touch(self, name: bytes, ttl: float) -> None:
        async def touch(client: Client) -> None:
            try:
                await client.touch(name, _expiry(ttl))
            except NotFoundCommandError:
                pass

        await self._call(touch)

    def _name(self, key: str) -> bytes:
        """Return a key without white space, of at most 250 bytes."""
        name = (self._prefix + key).encode()
        if len(name) <= _LONGEST_KEY and all(33 <= byte != 127 for byte in name):
            return name
        hashed = b"#" + hashlib.blake2b(name, digest_size=24).hexdigest().encode()
        start = bytes(byte for byte in self._prefix.encode() if 33 <= byte < 127)
        return start[: _LONGEST_KEY - len(hashed)] + hashed


async def _flush(address: MemcachedHostAddress, client: Client) -> None:
    await client.flush_all(address)


def _expiry(ttl: float) -> int:
    """Return seconds, or a date for a longer time, or 0 for no limit."""
    if ttl >= NO_LIMIT:
        return 0
    seconds = max(1, round(ttl))
    return seconds if seconds <= _LONGEST_SECONDS else int(time.time()) + seconds


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("latin-1")
