"""Records in the memory of the process, on cashews."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from secrets import token_hex
from typing import Any

from cashews.backends.memory import Memory

from quartpatterns.caching.records import Record

__all__ = ["MemoryStore"]

# More versions than this many for each value would only keep what is not there any more.
_VERSIONS = 4


class Engine(Memory):
    """The memory of cashews, on a clock that nobody sets.

    What has expired goes when it is asked for, or is the oldest: there is no task for that.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size=size, check_interval=0)

    def put(self, key: str, value: Any, seconds: float) -> None:
        """Keep *value* for *seconds*."""
        self.store[key] = (time.monotonic() + seconds, value)
        self.store.move_to_end(key)
        while len(self.store) > self.size:
            self.store.popitem(last=False)

    def look(self, key: str) -> Any:
        """The value under *key*, or ``None``."""
        found = self.store.get(key)
        if found is None:
            return None
        if found[0] is not None and found[0] <= time.monotonic():
            self.store.pop(key, None)
            return None
        try:
            self.store.move_to_end(key)
        except KeyError:  # Another thread was quicker.
            return None
        return found[1]

    def drop(self, key: str) -> bool:
        """Forget the value under *key*; whether there was one."""
        found = self.store.pop(key, None)
        return found is not None and (found[0] is None or found[0] > time.monotonic())


class MemoryStore:
    """Keeps up to *size* records; each process has its own.

    Records are kept as they are: nobody changes them, so that a hit has nothing to read.
    """

    keeps = True
    shared = False

    def __init__(self, size: int) -> None:
        self.records = Engine(size)
        self._versions = Engine(size * _VERSIONS)

    def now(self) -> float:
        return time.monotonic()

    async def read(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        return self.records.look(key), tuple([self._versions.look(name) for name in versions])

    async def read_many(self, keys: Sequence[str]) -> list[Record | None]:
        return [self.records.look(key) for key in keys]

    async def tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        for name, seconds in versions.items():
            if self._versions.look(name) is None:
                self._versions.put(name, token_hex(8), seconds)
        return tuple([self._versions.look(name) or "" for name in versions])

    async def write(
        self, key: str, record: Record, seconds: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        self.records.put(key, record, seconds)
        for name, lasting in (versions or {}).items():
            if (token := self._versions.look(name)) is not None:
                self._versions.put(name, token, lasting)
        return True

    async def write_many(self, records: Mapping[str, Record], seconds: float) -> list[bool]:
        return [await self.write(key, record, seconds) for key, record in records.items()]

    async def add(self, key: str, record: Record, seconds: float) -> bool:
        return self.records.look(key) is None and await self.write(key, record, seconds)

    async def has(self, key: str) -> bool:
        return self.records.look(key) is not None or self._versions.look(key) is not None

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        # Both, so no "or".
        return tuple([self.records.drop(key) | self._versions.drop(key) for key in keys])

    async def clear(self) -> None:
        await self.records.clear()
        await self._versions.clear()

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        return True

    async def prolong(self, key: str, seconds: float) -> None: ...

    async def unlock(self, key: str, owner: str) -> None: ...

    async def close(self) -> None: ...

    async def get_keys_count(self) -> int:
        """How many records there are, some of which may have expired."""
        return await self.records.get_keys_count()
