"""Stores for ``cached``: the memory of an application, or a cache that somebody else set up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from quartpatterns.caching.records import Record, pack_entry, unpack_entry
from quartpatterns.caching.stores import NullStore

__all__ = ["OwnStore", "Store"]


class Store(Protocol):
    """What keeps entries: ``cashews.Cache``, or anything with these two methods."""

    async def get(self, key: str, default: Any = None) -> Any:
        """The value under *key*."""

    async def set(self, key: str, value: Any, expire: Any = None) -> Any:
        """Keep *value* for *expire* seconds."""


class OwnStore(NullStore):
    """Keeps answers in *store*, as bytes, which every back end keeps without pickling them."""

    keeps = True

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(
        self, key: str, versions: Collection[str] = ()
    ) -> tuple[Record | None, tuple[str | None, ...]]:
        return unpack_entry(await self._store.get(key)), ()

    async def write(
        self, key: str, record: Record, seconds: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        packed = pack_entry(record.payload)
        await self._store.set(key, packed, expire=seconds)
        return True
