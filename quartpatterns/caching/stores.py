"""The interface of stores, and the stores that need no library."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Collection, Mapping, Sequence
from secrets import token_hex
from typing import Generic, TypeVar

from quartpatterns._shared.extras import requires_extra
from quartpatterns.caching.errors import CacheUnavailableError
from quartpatterns.caching.records import Record, RecordSerializer
from quartpatterns.caching.settings import Settings

__all__ = ["MemoryStore", "NullStore", "Store", "default_if_unavailable", "open_store"]

T = TypeVar("T")

# A value has about four versions. Storing more would only keep those of evicted values.
_VERSIONS_PER_VALUE = 4


class Store(ABC):
    """Stores records by key, and a random token for each version.

    A version is a name that records depend on. Deleting a version makes every record invalid that
    was stored under it, without knowing their keys. A version has a name of its own: it is not
    the record of the same key.

    All methods except :meth:`now` may raise
    :exc:`~quartpatterns.caching.CacheUnavailableError`.
    """

    enabled = True
    """Whether the store holds anything; if not, decorated functions are always called."""
    shared = False
    """Whether several processes use the store, so that they need locks."""

    @abstractmethod
    def now(self) -> float:
        """Return seconds on a clock that all users of the store share."""

    @abstractmethod
    async def get(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        """Return the record under *key*, and the tokens of *versions*."""

    @abstractmethod
    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        """Return the records under *keys*."""

    @abstractmethod
    async def get_or_create_tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        """Return the tokens of *versions*; create missing ones, for the given seconds."""

    @abstractmethod
    async def set(
        self, key: str, record: Record, ttl: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        """Store a record for *ttl* seconds, and extend its *versions* to the given seconds."""

    async def set_many(self, records: Mapping[str, Record], ttl: float) -> list[bool]:
        """Store records by key for *ttl* seconds; return whether each was stored."""
        return [await self.set(key, record, ttl) for key, record in records.items()]

    @abstractmethod
    async def add(self, key: str, record: Record, ttl: float) -> bool:
        """Store a record if there is none under *key*; return whether it was stored."""

    @abstractmethod
    async def has(self, key: str) -> bool:
        """Return whether there is a record or a version with this name."""

    @abstractmethod
    async def delete(self, *keys: str) -> tuple[bool, ...]:
        """Delete the record and the version of each name; return whether there was one."""

    @abstractmethod
    async def clear(self) -> None:
        """Delete everything."""

    async def acquire_lock(self, key: str, owner: str, seconds: float) -> bool:
        """Acquire the lock on *key* for *seconds*; return False if somebody else holds it."""
        return True

    async def extend_lock(self, key: str, seconds: float) -> None:  # noqa: B027 - no lock to extend
        """Make the lock on *key* expire in *seconds* from now."""

    async def release_lock(self, key: str, owner: str) -> None:  # noqa: B027 - no lock to release
        """Release the lock on *key* if *owner* still holds it."""

    async def close(self) -> None:  # noqa: B027 - nothing is open
        """Close what is open on this event loop; the next call opens it again."""


async def default_if_unavailable(result: Awaitable[T], default: T) -> T:
    """Await *result*; return *default* if the store is unavailable."""
    try:
        return await result
    except CacheUnavailableError:
        return default


class _LRU(Generic[T]):
    """A dictionary whose items expire, and whose least recently used items are evicted.

    Expired items are removed when somebody asks for them, or by eviction. Several threads may use
    one object, one event loop each: every step is a single call of a C function, and an item that
    another thread removes in between counts as missing.
    """

    def __init__(self, max_items: int) -> None:
        self.max_items = max_items
        self._items: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def set(self, key: str, value: T, ttl: float) -> None:
        self._items[key] = (time.monotonic() + ttl, value)
        try:
            self._items.move_to_end(key)
            while len(self._items) > self.max_items:
                self._items.popitem(last=False)
        except KeyError:  # Another thread has removed it, or all items.
            pass

    def get(self, key: str) -> T | None:
        item = self._items.get(key)
        if item is None:
            return None
        if item[0] <= time.monotonic():
            self._items.pop(key, None)
            return None
        try:
            self._items.move_to_end(key)
        except KeyError:  # Another thread has removed it.
            return None
        return item[1]

    def delete(self, key: str) -> bool:
        item = self._items.pop(key, None)
        return item is not None and item[0] > time.monotonic()

    def clear(self) -> None:
        self._items.clear()


class MemoryStore(Store):
    """Stores records in the memory of this process.

    Records are immutable, so that they need no serialization.

    Arguments:
        max_records: The number of records; beyond it the least recently used is evicted.
    """

    def __init__(self, max_records: int) -> None:
        self.records: _LRU[Record] = _LRU(max_records)
        self._tokens: _LRU[str] = _LRU(max_records * _VERSIONS_PER_VALUE)

    def now(self) -> float:
        return time.monotonic()

    async def get(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        return self.records.get(key), tuple([self._tokens.get(name) for name in versions])

    async def get_many(self, keys: Sequence[str]) -> list[Record | None]:
        return [self.records.get(key) for key in keys]

    async def get_or_create_tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        for name, ttl in versions.items():
            if self._tokens.get(name) is None:
                self._tokens.set(name, token_hex(8), ttl)
        return tuple([self._tokens.get(name) or "" for name in versions])

    async def set(
        self, key: str, record: Record, ttl: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        self.records.set(key, record, ttl)
        for name, version_ttl in (versions or {}).items():
            if (token := self._tokens.get(name)) is not None:
                self._tokens.set(name, token, version_ttl)
        return True

    async def add(self, key: str, record: Record, ttl: float) -> bool:
        return self.records.get(key) is None and await self.set(key, record, ttl)

    async def has(self, key: str) -> bool:
        return self.records.get(key) is not None or self._tokens.get(key) is not None

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        # Delete both, so "|" and not "or".
        return tuple([self.records.delete(key) | self._tokens.delete(key) for key in keys])

    async def clear(self) -> None:
        self.records.clear()
        self._tokens.clear()


class NullStore(MemoryStore):
    """Stores nothing: everything is evicted at once, and decorated functions are always called."""

    enabled = False

    def __init__(self) -> None:
        super().__init__(0)


def open_store(settings: Settings, serializer: RecordSerializer) -> Store:
    """Return the store that *settings* name. It connects or opens files when it is first used.

    Arguments:
        settings: The settings.
        serializer: Serializes the records of a shared store.

    Raises:
        MissingExtraError: The library of the store is not installed.
    """
    if settings.backend == "memory":
        return MemoryStore(settings.threshold)
    if settings.backend == "memcached":
        with requires_extra("memcached", needed_by="A cache in Memcached"):
            from quartpatterns.caching.memcached_store import MemcachedStore

        return MemcachedStore(settings, serializer)
    if settings.backend in ("redis", "sentinel", "cluster"):
        with requires_extra("redis", needed_by="A cache in Redis"):
            from quartpatterns.caching.redis_store import RedisStore

        return RedisStore(settings, serializer)
    if settings.backend == "disk":
        with requires_extra("disk", needed_by="A cache in a folder"):
            from quartpatterns.caching.disk_store import DiskStore

        return DiskStore(settings, serializer)
    return NullStore()
