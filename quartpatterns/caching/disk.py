"""Records in a folder, on cashews and diskcache: shared by the processes of one machine."""

# diskcache has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Any, ParamSpec, TypeVar

from cashews.backends.diskcache import DiskCache
from diskcache import Disk
from diskcache import Timeout as DiskTimeout
from diskcache.core import MODE_PICKLE

from quartpatterns.caching.guards import Guard
from quartpatterns.caching.loops import LoopBound
from quartpatterns.caching.records import Packer, Record
from quartpatterns.caching.settings import Settings

__all__ = ["DiskStore"]

P = ParamSpec("P")
T = TypeVar("T")
ERRORS = (sqlite3.Error, OSError, DiskTimeout)
VERSION, LOCK = "#version:", "#lock:"
FILE = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]+\.val")


class PlainDisk(Disk):  # type: ignore[misc]  # has no types
    """A disk that never unpickles, and reads no file but its own, whatever its database says."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode == MODE_PICKLE or (filename and not FILE.fullmatch(filename)):
            return None
        return super().fetch(mode, filename, value, read)


class Engine(DiskCache):
    """The disk of cashews, for use in one thread."""

    def __init__(self, settings: Settings) -> None:
        _ensure_database(Path(settings.folder) / "cache.db")
        options: dict[str, Any] = {"timeout": settings.store_timeout, **settings.options}
        super().__init__(directory=settings.folder, shards=1, disk=PlainDisk, **options)
        self._disk: Any = self._cache

    def read(self, names: list[str]) -> list[Any]:
        return [self._disk.get(name) for name in names]

    def tokens(self, versions: Mapping[str, float]) -> list[Any]:
        for name, seconds in versions.items():
            self._disk.add(name, token_hex(8), expire=seconds)
        return self.read([*versions])

    def write(self, name: str, data: bytes, seconds: float, versions: Mapping[str, float]) -> bool:
        for version, lasting in versions.items():
            self._disk.touch(version, expire=lasting)
        return bool(self._disk.set(name, data, expire=seconds))

    def write_many(self, packed: Mapping[str, bytes], seconds: float) -> list[bool]:
        return [self.write(name, data, seconds, {}) for name, data in packed.items()]

    def add(self, name: str, data: bytes | str, seconds: float) -> bool:
        return bool(self._disk.add(name, data, expire=seconds))

    def has(self, names: Collection[str]) -> bool:
        return any(name in self._disk for name in names)

    def drop(self, names: list[tuple[str, ...]]) -> list[bool]:
        return [any([self._disk.delete(name) for name in group]) for group in names]

    def drop_all(self) -> None:
        self._disk.clear()

    def prolong(self, name: str, seconds: float) -> None:
        self._disk.touch(name, expire=seconds)

    def release(self, name: str, owner: str) -> None:
        with self._disk.transact():
            if self._disk.get(name) == owner:
                self._disk.delete(name)

    def shut(self) -> None:
        self._disk.close()


def _ensure_database(file: Path) -> None:
    """Fail where *file* is none, as diskcache does, but without a connection that stays open."""
    if file.exists():
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA schema_version")


class Opened:
    """A thread, and in it the folder: SQLite's connections belong to the thread they began in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="quartpatterns.caching")
        self._engine: Engine | None = None

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """What *function* returns, called in the thread with the engine and *args*."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, function, args)

    async def close(self) -> None:
        """Close the folder, and end the thread."""
        if self._engine is not None:
            await self.run(Engine.shut)
        self._thread.shutdown(wait=False)

    def _run(self, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        if self._engine is None:
            self._engine = Engine(self._settings)
        return function(self._engine, *args)


class DiskStore:
    """Keeps records in a folder of its own.

    Arguments:
        settings: Which folder, and how long to wait for it.
        packer: Writes records.
    """

    keeps = True
    shared = True

    def __init__(self, settings: Settings, packer: Packer) -> None:
        self._prefix = settings.prefix
        self._packer = packer
        self._guard = Guard(settings.folder, settings, ERRORS)
        self._opened = LoopBound(lambda: Opened(settings), lambda opened: opened.close())

    def now(self) -> float:
        return time.time()

    async def read(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        name = self._prefix + key
        data, *tokens = await self._ask(Engine.read, [name, *map(self._version, versions)])
        found = tuple([token if isinstance(token, str) else None for token in tokens])
        return self._packer.unpack(name, data), found

    async def read_many(self, keys: Sequence[str]) -> list[Record | None]:
        names = [self._prefix + key for key in keys]
        found = await self._ask(Engine.read, names)
        return [self._packer.unpack(*pair) for pair in zip(names, found, strict=True)]

    async def tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        found = await self._ask(Engine.tokens, self._versions(versions))
        return tuple([str(token) for token in found])

    async def write(
        self, key: str, record: Record, seconds: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        name = self._prefix + key
        data = self._packer.pack(name, record)
        return await self._ask(Engine.write, name, data, seconds, self._versions(versions or {}))

    async def write_many(self, records: Mapping[str, Record], seconds: float) -> list[bool]:
        names = {self._prefix + key: record for key, record in records.items()}
        packed = {name: self._packer.pack(name, record) for name, record in names.items()}
        return await self._ask(Engine.write_many, packed, seconds)

    async def add(self, key: str, record: Record, seconds: float) -> bool:
        name = self._prefix + key
        return await self._ask(Engine.add, name, self._packer.pack(name, record), seconds)

    async def has(self, key: str) -> bool:
        return await self._ask(Engine.has, self._names(key))

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        return tuple(await self._ask(Engine.drop, [self._names(key) for key in keys]))

    async def clear(self) -> None:
        await self._ask(Engine.drop_all)

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        return await self._ask(Engine.add, self._prefix + LOCK + key, owner, seconds)

    async def prolong(self, key: str, seconds: float) -> None:
        await self._ask(Engine.prolong, self._prefix + LOCK + key, seconds)

    async def unlock(self, key: str, owner: str) -> None:
        await self._ask(Engine.release, self._prefix + LOCK + key, owner)

    async def close(self) -> None:
        await self._opened.close()

    async def _ask(self, function: Callable[..., T], *args: Any) -> T:
        opened = self._opened.get()
        return await self._guard.ask(lambda: opened.run(function, *args))

    def _version(self, name: str) -> str:
        return self._prefix + VERSION + name

    def _versions(self, versions: Mapping[str, float]) -> dict[str, float]:
        return {self._version(name): seconds for name, seconds in versions.items()}

    def _names(self, key: str) -> tuple[str, str]:
        return self._prefix + key, self._version(key)
