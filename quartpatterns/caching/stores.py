"""What keeps records, whichever it is, and what is done while it can't."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from quartpatterns.caching.errors import CacheUnavailableError
from quartpatterns.caching.records import Packer, Record
from quartpatterns.caching.settings import Settings

__all__ = ["NullStore", "Store", "lenient", "open_store"]

T = TypeVar("T")


class Store(Protocol):
    """Keeps records, and versions: names of tokens, on which records may depend.

    To delete a version makes all records out of date that were made under it, however many they
    are. Every method but :meth:`now` may raise
    :exc:`~quartpatterns.caching.CacheUnavailableError`.
    """

    keeps: bool
    """Whether it keeps anything."""
    shared: bool
    """Whether other processes see it, so that there is something to lock."""

    def now(self) -> float:
        """Seconds on a clock that all who see the store have in common."""
        ...

    async def read(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        """The record under *key*, and the tokens of *versions*."""
        ...

    async def read_many(self, keys: Sequence[str]) -> list[Record | None]:
        """The records under *keys*, whatever they depend on."""
        ...

    async def tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        """The tokens of *versions*; missing ones are made, each for so many seconds."""
        ...

    async def write(
        self, key: str, record: Record, seconds: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        """Keep *record* for *seconds*, and *versions* for so many seconds from now."""
        ...

    async def write_many(self, records: Mapping[str, Record], seconds: float) -> list[bool]:
        """Keep *records*, by key, for *seconds*; whether each could be kept."""
        ...

    async def add(self, key: str, record: Record, seconds: float) -> bool:
        """Keep *record* where there is none yet."""
        ...

    async def has(self, key: str) -> bool:
        """Whether there is a record or a version of this name."""
        ...

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        """Delete the records and versions of these names; whether there was one."""
        ...

    async def clear(self) -> None:
        """Delete everything."""
        ...

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        """Take the lock on *key*, unless somebody has it."""
        ...

    async def prolong(self, key: str, seconds: float) -> None:
        """Keep the lock on *key* for *seconds* from now."""
        ...

    async def unlock(self, key: str, owner: str) -> None:
        """Give the lock back, if it is still *owner*'s."""
        ...

    async def close(self) -> None:
        """Close what is open on this event loop; it is opened again when it is needed."""
        ...


async def lenient(answer: Awaitable[T], default: T) -> T:
    """*answer*, or *default* from a store that can't be asked."""
    try:
        return await answer
    except CacheUnavailableError:
        return default


class NullStore:
    """Keeps nothing: every view and function is called each time."""

    keeps = False
    shared = False

    def now(self) -> float:
        return 0.0

    async def read(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        return None, (None,) * len(versions)

    async def read_many(self, keys: Sequence[str]) -> list[Record | None]:
        return [None] * len(keys)

    async def tokens(self, versions: Mapping[str, float]) -> tuple[str, ...]:
        return ("",) * len(versions)

    async def write(
        self, key: str, record: Record, seconds: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        return True

    async def write_many(self, records: Mapping[str, Record], seconds: float) -> list[bool]:
        return [True] * len(records)

    async def add(self, key: str, record: Record, seconds: float) -> bool:
        return True

    async def has(self, key: str) -> bool:
        return False

    async def delete(self, *keys: str) -> tuple[bool, ...]:
        return (False,) * len(keys)

    async def clear(self) -> None: ...

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        return True

    async def prolong(self, key: str, seconds: float) -> None: ...

    async def unlock(self, key: str, owner: str) -> None: ...

    async def close(self) -> None: ...


def open_store(settings: Settings, packer: Packer | None = None) -> Store:
    """The store that *settings* name; nothing is opened or connected before it is used.

    Arguments:
        settings: Which one, and how it is to be.
        packer: Writes the records of a store that is shared; without one they are not signed.

    Raises:
        ModuleNotFoundError: A library is missing; the message names the extra.
    """
    packer = packer or Packer(lambda: None)
    try:
        import cashews  # noqa: F401  # pyright: ignore[reportUnusedImport] - also if it went away

        if settings.kind == "redis":
            from quartpatterns.caching.redis import RedisStore

            return RedisStore(settings, packer)
        if settings.kind == "disk":
            from quartpatterns.caching.disk import DiskStore

            return DiskStore(settings, packer)
        if settings.kind == "memory":
            from quartpatterns.caching.memory import MemoryStore

            return MemoryStore(settings.threshold)
    except ModuleNotFoundError as missing:
        name = (missing.name or "cashews").partition(".")[0]
        raise ModuleNotFoundError(
            f"quartpatterns.caching needs {name}: pip install 'quartpatterns[caching]'", name=name
        ) from missing
    return NullStore()
