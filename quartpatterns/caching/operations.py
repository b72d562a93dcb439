"""Values by key: what a page that computes something asks for first."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from quartpatterns.caching.keys import checked
from quartpatterns.caching.lookup import Shelf
from quartpatterns.caching.records import Record
from quartpatterns.caching.settings import Timeout, seconds_of
from quartpatterns.caching.stores import lenient
from quartpatterns.caching.values import Value, decode, encode
from quartpatterns.caching.versions import call_version

__all__ = ["Operations"]

T = TypeVar("T")


class Operations:
    """The methods of a cache by which values are kept and found.

    Where the store is away, there is nothing, and nothing can be kept; with
    ``CACHE_IGNORE_ERRORS = False`` that is a
    :exc:`~quartpatterns.caching.CacheUnavailableError`.
    """

    def shelf(self) -> Shelf:
        """The cache of the current application."""
        raise NotImplementedError

    async def get(self, key: str) -> Any:
        """The value under *key*; ``None`` where there is none, which :meth:`has` tells apart."""
        return (await self.get_many(key))[0]

    async def get_many(self, *keys: str) -> list[Any]:
        """The values under *keys*, with ``None`` for each that is not there."""
        shelf = self.shelf()
        named = [checked(key) for key in keys]
        nothing: list[Record | None] = [None] * len(named)
        found = await self._asked(shelf, shelf.store.read_many(named), nothing)
        return [_value(record) for record in found]

    async def get_dict(self, *keys: str) -> dict[str, Any]:
        """The values under *keys*, by key, with ``None`` for each that is not there."""
        return dict(zip(keys, await self.get_many(*keys), strict=True))

    async def set(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ASYNC109 - how long it is kept
        """Keep *value* under *key*.

        Arguments:
            key: Any text.
            value: See :data:`~quartpatterns.caching.DEFAULTS`, ``CACHE_SERIALIZER``.
            timeout: Seconds; 0 for no end, ``None`` for ``CACHE_DEFAULT_TIMEOUT``.

        Raises:
            UncacheableError: The value can't be kept.
            ValueError: *timeout* is no time.
        """
        return bool(await self.set_many({key: value}, timeout))

    async def set_many(self, mapping: Mapping[str, Any], timeout: Timeout = None) -> list[str]:  # noqa: ASYNC109 - as above
        """Keep each value of *mapping* under its key; the keys that could be kept."""
        shelf = self.shelf()
        records = {checked(key): self._record(shelf, value) for key, value in mapping.items()}
        seconds = seconds_of(timeout, shelf.settings.default_timeout)
        writing = shelf.store.write_many(records, seconds)
        kept = await self._asked(shelf, writing, [False] * len(records))
        return [key for key, done in zip(records, kept, strict=True) if done]

    async def add(self, key: str, value: Any, timeout: Timeout = None) -> bool:  # noqa: ASYNC109 - how long it is kept
        """Keep *value* under *key* unless there is one already; whether it was kept."""
        shelf = self.shelf()
        record = self._record(shelf, value)
        seconds = seconds_of(timeout, shelf.settings.default_timeout)
        return await self._asked(
            shelf, shelf.store.add(checked(key), record, seconds), default=False
        )

    async def has(self, key: str) -> bool:
        """Whether there is a value under *key*, be it ``None``."""
        shelf = self.shelf()
        return await self._asked(shelf, shelf.store.has(checked(key)), default=False)

    async def delete(self, key: str) -> bool:
        """Delete what is under *key*; whether there was something.

        The key of a cached view, ``"view//news"`` for the path ``/news``, stands for all its
        answers, whatever host and query they are for.
        """
        return bool(await self.delete_many(key))

    async def delete_many(self, *keys: str) -> list[str]:
        """Delete what is under each of *keys*; those under which there was something."""
        shelf = self.shelf()
        named = [checked(key) for key in keys]
        # The result of a function may be on its way there.
        calls = [call_version(key) for key in named]
        deleting = shelf.store.delete(*named, *calls)
        deleted = await self._asked(shelf, deleting, (False,) * len(keys))
        return [key for key, done in zip(named, deleted, strict=False) if done]

    async def unlink(self, *keys: str) -> list[str]:
        """As :meth:`delete_many`, which does not make Redis wait either."""
        return await self.delete_many(*keys)

    async def delete_tags(self, *tags: str) -> None:
        """Make everything out of date that was kept under one of *tags*."""
        await self.delete_many(*(f"tag:{tag}" for tag in tags))

    async def clear(self) -> bool:
        """Delete everything that begins with ``CACHE_KEY_PREFIX``; whether that was possible."""
        shelf = self.shelf()
        return await self._asked(shelf, _done(shelf.store.clear()), default=False)

    def _record(self, shelf: Shelf, value: Any) -> Record:
        return Record(encode(value, pickled=shelf.settings.pickled))

    async def _asked(self, shelf: Shelf, answer: Awaitable[T], default: T) -> T:
        if shelf.settings.ignore_errors:
            return await lenient(answer, default)
        return await answer


async def _done(work: Awaitable[None]) -> bool:
    await work
    return True


def _value(record: Record | None) -> Any:
    if record is None or not isinstance(record.payload, Value):
        return None
    try:
        return decode(record.payload)
    except ValueError:
        return None
