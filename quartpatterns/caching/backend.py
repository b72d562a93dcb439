"""``Cache.cache``: the store of an application, with the methods of cachelib."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from quartpatterns.caching.settings import NO_LIMIT
from quartpatterns.caching.stores import default_if_unavailable

if TYPE_CHECKING:
    from quartpatterns.caching.extension import Cache

__all__ = ["CacheBackend"]

_LOCK_SECONDS = 5.0


class CacheBackend:
    """The methods of a backend of cachelib, each awaited.

    Beyond those of :class:`~quartpatterns.caching.Cache` these are :meth:`inc` and :meth:`dec`.

    Arguments:
        cache: The cache.

    Attributes:
        default_timeout: ``CACHE_DEFAULT_TIMEOUT`` in seconds; 0 for no limit.
        key_prefix: ``CACHE_KEY_PREFIX``.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._app_cache = cache.app_cache()
        settings = self._app_cache.settings
        self.default_timeout = (
            0 if settings.default_timeout >= NO_LIMIT else settings.default_timeout
        )
        self.key_prefix = settings.prefix
        self.get = cache.get
        self.get_many = cache.get_many
        self.get_dict = cache.get_dict
        self.set = cache.set
        self.set_many = cache.set_many
        self.add = cache.add
        self.has = cache.has
        self.delete = cache.delete
        self.delete_many = cache.delete_many
        self.unlink = cache.unlink
        self.clear = cache.clear

    def __repr__(self) -> str:
        return f"<CacheBackend {type(self._app_cache.store).__name__} {self.key_prefix!r}>"

    @property
    def serializer(self) -> Any:
        """The object that serializes values, or None for JSON and pickles; it can be assigned."""
        return self._app_cache.value_format.serializer

    @serializer.setter
    def serializer(self, serializer: Any) -> None:
        if not (callable(getattr(serializer, "dumps", None)) and hasattr(serializer, "loads")):
            raise TypeError("a serializer must have the methods dumps and loads")
        if not self._app_cache.value_format.pickled:
            raise TypeError(
                "values are stored as JSON: set CACHE_SERIALIZER to the serializer before init_app"
            )
        self._app_cache.value_format = replace(self._app_cache.value_format, serializer=serializer)

    async def inc(self, key: str, delta: int = 1) -> int | None:
        """Add *delta* to the number under *key*, or to 0; return the sum, or None if it fails.

        In a shared store a lock keeps other workers from changing the number meanwhile.
        """
        async with self._lock(key):
            total = (await self._cache.get(key) or 0) + delta
            return total if await self._cache.set(key, total) else None

    async def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract *delta*; otherwise as :meth:`inc`."""
        return await self.inc(key, -delta)

    @asynccontextmanager
    async def _lock(self, key: str) -> AsyncGenerator[None]:
        store, owner = self._app_cache.store, token_hex(8)
        name = f"inc:{key}"
        # Another worker releases the lock, so that there is no event to wait for.
        while not await default_if_unavailable(  # noqa: ASYNC110
            store.acquire_lock(name, owner, _LOCK_SECONDS), default=True
        ):
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            await default_if_unavailable(store.release_lock(name, owner), default=None)
