"""Values by key: the methods of the cache that are called directly."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from quartpatterns.caching.errors import CacheUnavailableError
from quartpatterns.caching.keys import call_version, valid_key
from quartpatterns.caching.lookup import AppCache
from quartpatterns.caching.records import Record, StoredValue, decode_value
from quartpatterns.caching.settings import Timeout, timeout_seconds

__all__ = ["Values"]

T = TypeVar("T")


class Values:
    """The methods of :class:`~quartpatterns.caching.Cache` for values by key."""

    def app_cache(self) -> AppCache:
        """Return the cache of the current application."""
        raise NotImplementedError

    async def get(self, key: str) -> Any:
        """Return the value, or None if it is missing; :meth:`has` tells a stored None apart."""
        app_cache = self.app_cache()
        found = await _result(app_cache, app_cache.store.get(valid_key(key)), (None, ()))
        return _value(app_cache, found[0])

    async def get_many(self, *keys: str) -> list[Any]:
        """Return the values of several keys, with None for each that is missing."""
        app_cache = self.app_cache()
        names = [valid_key(key) for key in keys]
        missing: list[Record | None] = [None] * len(names)
        records = await _result(app_cache, app_cache.store.get_many(names), missing)
        return [_value(app_cache, record) for record in records]

    async def get_dict(self, *keys: str) -> dict[str, Any]:
        """Return the values of several keys by key, with None for each that is missing."""
        return dict(zip(keys, await self.get_many(*keys), strict=True))

    async def set(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ASYNC109 - a time to live
        """Store a value; return whether it was stored.

        Arguments:
            key: Any string.
            value: The value; ``CACHE_SERIALIZER`` decides which types are supported.
            timeout: Seconds to store it; 0 for no limit, ``None`` for ``CACHE_DEFAULT_TIMEOUT``.

        Raises:
            UncacheableError: The value can't be stored.
            ValueError: The timeout is invalid.
        """
        return bool(await self.set_many({key: value}, timeout))

    async def set_many(self, mapping: Mapping[str, Any], timeout: Timeout = None) -> list[str]:  # noqa: ASYNC109 - a time to live
        """Store several values by key; return the keys of those that were stored."""
        app_cache = self.app_cache()
        records = {valid_key(key): _record(app_cache, value) for key, value in mapping.items()}
        ttl = timeout_seconds(timeout, app_cache.settings.default_timeout)
        storing = app_cache.store.set_many(records, ttl)
        stored = await _result(app_cache, storing, [False] * len(records))
        return [key for key, done in zip(records, stored, strict=True) if done]

    async def add(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ASYNC109 - a time to live
        """Store a value if the key is missing; return whether it was stored."""
        app_cache = self.app_cache()
        record = _record(app_cache, value)
        ttl = timeout_seconds(timeout, app_cache.settings.default_timeout)
        adding = app_cache.store.add(valid_key(key), record, ttl)
        return await _result(app_cache, adding, default=False)

    async def has(self, key: str) -> bool:
        """Return whether there is a value under the key, even if it is None."""
        app_cache = self.app_cache()
        return await _result(app_cache, app_cache.store.has(valid_key(key)), default=False)

    async def delete(self, key: str) -> bool:
        """Delete the value under a key; return whether there was one.

        The key of a cached view, for example ``"view//news"`` for the path ``/news``, stands for
        its responses to all hosts and queries.
        """
        return bool(await self.delete_many(key))

    async def delete_many(self, *keys: str) -> list[str]:
        """Delete the values under several keys; return the keys that had one."""
        app_cache = self.app_cache()
        names = [valid_key(key) for key in keys]
        # Also delete the versions of function results, which may be computed at this moment.
        calls = [call_version(key) for key in names]
        deleting = app_cache.store.delete(*names, *calls)
        deleted = await _result(app_cache, deleting, (False,) * len(keys))
        return [key for key, done in zip(names, deleted, strict=False) if done]

    async def unlink(self, *keys: str) -> list[str]:
        """Do the same as :meth:`delete_many`; the name is one of Flask-Caching."""
        return await self.delete_many(*keys)

    async def delete_tags(self, *tags: str) -> None:
        """Delete everything that was stored with one of the tags."""
        await self.delete_many(*(f"tag:{tag}" for tag in tags))

    async def clear(self) -> bool:
        """Delete all keys that start with ``CACHE_KEY_PREFIX``; return whether that worked."""
        app_cache = self.app_cache()

        async def clear() -> bool:
            await app_cache.store.clear()
            return True

        return await _result(app_cache, clear(), default=False)


async def _result(app_cache: AppCache, result: Awaitable[T], default: T) -> T:
    try:
        return await result
    except CacheUnavailableError:
        if app_cache.settings.ignore_errors:
            return default
        raise


def _record(app_cache: AppCache, value: Any) -> Record:
    return Record(app_cache.value_format.encode(value))


def _value(app_cache: AppCache, record: Record | None) -> Any:
    if record is None or not isinstance(record.payload, StoredValue):
        return None
    try:
        return decode_value(record.payload, app_cache.value_format.serializer)
    except ValueError:
        return None
