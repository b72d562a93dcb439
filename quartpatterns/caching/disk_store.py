"""A store in a folder, on diskcache, which the processes of one machine share."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar, cast

from diskcache_community import Cache, Disk
from diskcache_community import Timeout as DiskTimeout
from diskcache_community.core import MODE_PICKLE

from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.threads import call_in_thread
from quartpatterns.caching.circuit_breaker import CircuitBreaker
from quartpatterns.caching.records import Record, RecordSerializer
from quartpatterns.caching.settings import Settings
from quartpatterns.caching.stores import Store

__all__ = ["DiskStore"]

T = TypeVar("T")
ERRORS = (sqlite3.Error, OSError, DiskTimeout)
VERSION, LOCK = "#version:", "#lock:"
FILE = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]+\.val")


class _SafeDisk(Disk):
    """A disk that loads no pickles, and reads no files but those that diskcache has named."""

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> Any:
        if mode == MODE_PICKLE or (filename and not FILE.fullmatch(filename)):
            return None
        return cast("Any", super().fetch(mode, filename, value, read))


def _open(settings: Settings) -> Any:
    """Open the folder.

    Raises:
        sqlite3.DatabaseError: The folder contains a file ``cache.db`` that is not a database.
            diskcache raises it as well, but leaves a connection open.
    """
    file = Path(settings.folder) / "cache.db"
    if file.exists():
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA schema_version")
    options: dict[str, Any] = {"timeout": settings.store_timeout, **settings.options}
    return Cache(settings.folder, disk=_SafeDisk, **options)


class _DiskThread:
    """A thread that opens the folder and makes all calls.

    A connection of SQLite belongs to the thread that has opened it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="quartpatterns.caching")
        self._disk: Any = None

    async def run(self, function: Callable[[Any], T]) -> T:
        """Return the result of *function*, which gets the opened cache of diskcache."""
        return await call_in_thread(self._executor, self._run, function)

    def _run(self, function: Callable[[Any], T]) -> T:
        if self._disk is None:
            self._disk = _open(self._settings)
        return function(self._disk)

    async def close(self) -> None:
        """Close the folder and end the thread."""
        if self._disk is not None:
            await self.run(lambda disk: disk.close())
        self._executor.shutdown(wait=False)


class DiskStore(Store):
    """Stores records in a folder.

    Arguments:
        settings: The settings.
        serializer: Serializes records.
    """

    shared = True

    def __init__(self, settings: Settings, serializer: RecordSerializer) -> None:
        self._prefix = settings.prefix
        self._serializer = serializer
        self._breaker = CircuitBreaker(settings.folder, settings, ERRORS)
        self._threads = LoopBound(lambda: _DiskThread(settings), _DiskThread.close)

    def now(self) -> float:
        return time.time()

    async def get(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        name = self._prefix + key
        names = [name, *map(self._version, versions)]
        data, *tokens = await self._call(lambda disk: [disk.get(one) for one in names])
        found = tuple([token if isinstance(token, str) else None for token in tokens])
        return self._serializer.loads(name, data), found

    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        names = [self._prefix + key for key in keys]
        found = await self._call(lambda disk: [disk.get(name) for name in names])
        return [self._serializer.loads(*pair) for pair in zip(names, found, strict=True)]

    async def get_or_create_tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        names = self._versions(versions)

        def create(disk: Any) -> tuple[str, ...]:
            for name, ttl in names.items():
                disk.add(name, token_hex(8), expire=ttl)
            return tuple([str(disk.get(name)) for name in names])

        return await self._call(create)

    async def set(
        self, key: str, record: Record, ttl: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        name = self._prefix + key
        data = self._serializer.dumps(name, record)
        names = self._versions(versions or {})

        def write(disk: Any) -> bool:
            for version, version_ttl in names.items():
                disk.touch(version, expire=version_ttl)
            return bool(disk.set(name, data, expire=ttl))

        return await self._call(write)

    async def set_many(self, records: Mapping[str, Record], ttl: float) -> list[bool]:
        names = {self._prefix + key: record for key, record in records.items()}
        data = {name: self._serializer.dumps(name, record) for name, record in names.items()}
        return await self._call(
            lambda disk: [bool(disk.set(name, one, expire=ttl)) for name, one in data.items()]
        )

    async def add(self, key: str, record: Record, ttl: float) -> bool:
        name = self._prefix + key
        data = self._serializer.dumps(name, record)
        return await self._call(lambda disk: bool(disk.add(name, data, expire=ttl)))

    async def has(self, key: str) -> bool:
        names = self._names(key)
        return await self._call(lambda disk: any(name in disk for name in names))

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        pairs = [self._names(key) for key in keys]
        return await self._call(
            # Delete both, so a list and not a generator.
            lambda disk: tuple([any([disk.delete(name) for name in pair]) for pair in pairs])
        )

    async def clear(self) -> None:
        await self._call(lambda disk: disk.clear())

    async def acquire_lock(self, key: str, owner: str, seconds: float) -> bool:
        name = self._prefix + LOCK + key
        return await self._call(lambda disk: bool(disk.add(name, owner, expire=seconds)))

    async def extend_lock(self, key: str, seconds: float) -> None:
        name = self._prefix + LOCK + key
        await self._call(lambda disk: disk.touch(name, expire=seconds))

    async def release_lock(self, key: str, owner: str) -> None:
        name = self._prefix + LOCK + key

        def release(disk: Any) -> None:
            with disk.transact():
                if disk.get(name) == owner:
                    disk.delete(name)

        await self._call(release)

    async def close(self) -> None:
        await self._threads.close()

    async def _call(self, function: Callable[[Any], T]) -> T:
        thread = self._threads.get()
        return await self._breaker.call(lambda: thread.run(function))

    def _version(self, name: str) -> str:
        return self._prefix + VERSION + name

    def _versions(self, versions: Mapping[str, float]) -> dict[str, float]:
        return {self._version(name): ttl for name, ttl in versions.items()}

    def _names(self, key: str) -> tuple[str, str]:
        return self._prefix + key, self._version(key)
