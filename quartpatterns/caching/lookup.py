"""Finds a result in the cache, or computes it once for all callers, in all processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from quart import Quart

from quartpatterns.caching.generators import joined
from quartpatterns.caching.records import Payload, Record, StoredValue, decode_value
from quartpatterns.caching.settings import Settings
from quartpatterns.caching.sharing import watch_function
from quartpatterns.caching.stores import Store, default_if_unavailable
from quartpatterns.caching.visitor_parts import without_parts

__all__ = [
    "AppCache",
    "CacheRequest",
    "FreshResult",
    "Hit",
    "ResultPolicy",
    "SingleFlight",
    "cached_result",
]

T = TypeVar("T")

# Seconds after which the lock of a worker that has died expires; a living worker extends it.
LOCK_SECONDS = 5.0
# Seconds between two checks for the result of another worker, at first and at most.
MIN_POLL_INTERVAL, MAX_POLL_INTERVAL = 0.005, 0.1

# The keys that the current task computes. A template fragment may contain itself, and a function
# may call itself; these calls must not wait for themselves.
_computing: ContextVar[frozenset[tuple[int, str]]] = ContextVar("computing", default=frozenset())


class SingleFlight(Generic[T]):
    """Calls a function once for all callers of the same key on one event loop.

    The name is that of Go's package ``golang.org/x/sync/singleflight``.
    """

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[str, asyncio.Future[T | None]]
        ] = WeakKeyDictionary()

    def is_computing(self, key: str) -> bool:
        """Return whether the caller is itself part of the call for *key*."""
        return (id(self), key) in _computing.get()

    async def do(self, key: str, function: Callable[[], Awaitable[T | None]]) -> T | None:
        """Return the result of *function*, or of the call for *key* that already runs.

        If the running call fails, those who wait for it get ``None``. If it is cancelled because
        its client has disconnected, one of them calls its own function.
        """
        loop = asyncio.get_running_loop()
        calls = self._loops.setdefault(loop, {})
        while (call := calls.get(key)) is not None:
            await asyncio.wait([call])
            if not call.cancelled():
                return call.result()
        call = calls[key] = loop.create_future()
        token = _computing.set(_computing.get() | {(id(self), key)})
        try:
            result = await function()
            call.set_result(result)
            return result
        except Exception:
            call.set_result(None)
            raise
        finally:
            _computing.reset(token)
            call.cancel()  # has no effect if the result is set
            del calls[key]


@dataclass(frozen=True, slots=True)
class FreshResult(Generic[T]):
    """A result that was just computed.

    Arguments:
        result: The result for the caller who has computed it.
        payload: The result for all other callers; ``None`` if they must not get it.
        store: Whether to store the payload. A stored ``None`` lets later callers compute their
            results at the same time, without waiting for each other.
    """

    result: T
    payload: Payload
    store: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A result from the store, or from another caller who has just computed it."""

    payload: Payload


@dataclass(slots=True)  # not frozen, because each hit creates one
class CacheRequest:
    """What to look up, and how to store it.

    Arguments:
        key: The cache key.
        fresh_seconds: For how long a stored result is fresh.
        stale_seconds: For how long it is served after that, while a new one is computed.
        versions: The versions that the result depends on, and for how many seconds to store each.
    """

    key: str
    fresh_seconds: float
    stale_seconds: float = 0.0
    versions: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def ttl(self) -> float:
        """Seconds after which the store drops the result."""
        return self.fresh_seconds + self.stale_seconds


class AppCache:
    """The cache of one application."""

    def __init__(self, app: Quart, settings: Settings, store: Store) -> None:
        self.app = app
        self.settings = settings
        self.store = store
        self.value_format = settings.value_format
        self._single_flight: SingleFlight[Hit] = SingleFlight()
        self._revalidating: set[str] = set()

    async def find(self, request: CacheRequest) -> Record | None:
        """Return the stored record, unless one of its versions was deleted."""
        record, tokens = await default_if_unavailable(
            self.store.get(request.key, request.versions), (None, (None,))
        )
        return record if record is not None and record.tokens == tokens else None

    async def get_or_compute(
        self,
        request: CacheRequest,
        compute: Callable[[], Awaitable[FreshResult[T]]],
        *,
        on_stale: Callable[[], None] | None = None,
    ) -> T | Hit:
        """Return the stored result as a :class:`Hit`, or compute and store it.

        Callers with the same key wait for the first one. If its computation fails, each computes
        the result itself; if it is cancelled, the next one does.

        Arguments:
            request: What to look up.
            compute: Computes the result if it is missing.
            on_stale: Starts a new computation in the background if the result is stale.
        """
        record = await self.find(request)
        if record is not None and record.payload is not None:
            if on_stale is not None and record.fresh_until <= self.store.now():
                self._revalidate_once(request.key, on_stale)
            return Hit(record.payload)
        if record is not None or self._single_flight.is_computing(request.key):
            return await self.compute_and_store(request, compute)
        own: FreshResult[T] | None = None

        async def compute_own() -> FreshResult[T]:
            nonlocal own
            own = await compute()
            return own

        hit = await self._single_flight.do(
            request.key, lambda: self._compute_in_one_process(request, compute_own)
        )
        if own is not None:
            return own.result
        if hit is not None:
            return hit
        return await self.compute_and_store(request, compute)

    async def compute_and_store(
        self, request: CacheRequest, compute: Callable[[], Awaitable[FreshResult[T]]]
    ) -> T:
        """Compute the result and store it, whatever is stored already."""
        return (await self._compute_and_store(request, compute)).result

    async def revalidate(
        self, request: CacheRequest, compute: Callable[[], Awaitable[object]]
    ) -> None:
        """Call *compute*, unless another worker has computed the result or is doing so."""
        owner = token_hex(8)
        try:
            locking = self.store.acquire_lock(request.key, owner, LOCK_SECONDS)
            if not await default_if_unavailable(locking, default=False):
                return
            async with self._extending_lock(request.key, owner):
                record = await self.find(request)
                if record is None or record.fresh_until <= self.store.now():
                    await compute()
        finally:
            self._revalidating.discard(request.key)

    def _revalidate_once(self, key: str, start: Callable[[], None]) -> None:
        if key not in self._revalidating:
            self._revalidating.add(key)
            start()

    async def _compute_in_one_process(
        self, request: CacheRequest, compute: Callable[[], Awaitable[FreshResult[T]]]
    ) -> Hit | None:
        """Compute the result under a lock, or return that of the process that holds the lock."""
        if not self.store.shared:
            return _hit(await self._compute_and_store(request, compute))
        owner = token_hex(8)
        if not await self._acquire_lock(request, owner):
            record = await self.find(request)
            if record is not None and record.payload is not None:
                return Hit(record.payload)
            return _hit(await self._compute_and_store(request, compute))
        async with self._extending_lock(request.key, owner):
            # Another process may have stored the result and released the lock since the lookup.
            record = await self.find(request)
            if record is not None:
                return Hit(record.payload) if record.payload is not None else None
            return _hit(await self._compute_and_store(request, compute))

    async def _acquire_lock(self, request: CacheRequest, owner: str) -> bool:
        """Wait for the lock; return False if there is a result, or after ``CACHE_LOCK_TIMEOUT``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.lock_timeout
        interval = MIN_POLL_INTERVAL
        # An unavailable store must not keep anybody from computing the result.
        while not await default_if_unavailable(
            self.store.acquire_lock(request.key, owner, LOCK_SECONDS), default=True
        ):
            await asyncio.sleep(interval)
            interval = min(interval * 1.5, MAX_POLL_INTERVAL)
            if await self.find(request) is not None or loop.time() > deadline:
                return False
        return True

    @asynccontextmanager
    async def _extending_lock(self, key: str, owner: str) -> AsyncGenerator[None]:
        """Extend the lock on *key* until the end of the context, and release it."""
        if not self.store.shared:
            yield
            return
        extending = asyncio.create_task(self._extend_lock(key))
        try:
            yield
        finally:
            extending.cancel()
            await asyncio.wait([extending])
            await default_if_unavailable(self.store.release_lock(key, owner), default=None)

    async def _extend_lock(self, key: str) -> None:
        while True:
            await asyncio.sleep(LOCK_SECONDS / 3)
            await default_if_unavailable(self.store.extend_lock(key, LOCK_SECONDS), default=None)

    async def _compute_and_store(
        self, request: CacheRequest, compute: Callable[[], Awaitable[FreshResult[T]]]
    ) -> FreshResult[T]:
        # Read the tokens before computing. If a version is deleted meanwhile, the record has the
        # old token and is invalid.
        tokens = await default_if_unavailable(
            self.store.get_or_create_tokens(request.versions), default=None
        )
        fresh = await compute()
        if fresh.store and tokens is not None:
            record = Record(fresh.payload, tokens, self.store.now() + request.fresh_seconds)
            storing = self.store.set(request.key, record, request.ttl, request.versions)
            await default_if_unavailable(storing, default=False)
        return fresh


def _hit(fresh: FreshResult[Any]) -> Hit | None:
    return None if fresh.payload is None else Hit(fresh.payload)


@dataclass(frozen=True, slots=True)
class ResultPolicy:
    """Which results of a function are stored.

    Arguments:
        cache_none: Whether ``None`` is stored.
        accepts: Gets the result and returns whether to store it.
        is_stale: Gets a stored result and returns whether to compute it nevertheless.
        on_private: Gets what the function has read that may tell visitors apart, and that is not
            part of the key. The result is not shared then.
        covered: Returns what is part of the key.
        args: The arguments of the function, which are part of the key.
    """

    cache_none: bool = False
    accepts: Callable[[Any], Awaitable[bool]] | None = None
    is_stale: Callable[[Any], Awaitable[bool]] | None = None
    on_private: Callable[[Iterable[str]], None] | None = None
    covered: Callable[[], Collection[str]] = frozenset
    args: Collection[Any] = ()


async def cached_result(
    app_cache: AppCache,
    request: CacheRequest,
    function: Callable[[], Awaitable[Any]],
    policy: ResultPolicy,
    *,
    forced: bool = False,
) -> tuple[Any, bool]:
    """Return the result of a function, and whether it comes from the cache.

    Arguments:
        app_cache: The cache.
        request: What to look up.
        function: Computes the result.
        policy: Which results to store.
        forced: Whether to compute it in any case.

    Raises:
        UncacheableError: The result can't be stored.
    """

    async def compute() -> FreshResult[Any]:
        covered = policy.covered()
        with watch_function() as reads, without_parts():
            result = await joined(await function())
        private = reads.private(covered, policy.args)
        if private:
            if policy.on_private is not None:
                policy.on_private(private)
            return FreshResult(result, None, store=True)
        store = (result is not None or policy.cache_none) and (
            policy.accepts is None or await policy.accepts(result)
        )
        # Callers who wait get the result even if it is not stored.
        payload = app_cache.value_format.encode(result)
        return FreshResult(result, payload, store)

    compute_and_store = partial(app_cache.compute_and_store, request, compute)
    if forced:
        return await compute_and_store(), False

    def revalidate() -> None:
        app: Any = app_cache.app
        app.add_background_task(app_cache.revalidate, request, compute_and_store)

    on_stale = revalidate if request.stale_seconds else None
    found = await app_cache.get_or_compute(request, compute, on_stale=on_stale)
    if not isinstance(found, Hit):
        return found, False
    try:
        if not isinstance(found.payload, StoredValue):
            return await compute_and_store(), False
        result = decode_value(found.payload, app_cache.value_format.serializer)
    except ValueError:
        # Another version of the program has stored something that this one can't read.
        return await compute_and_store(), False
    if policy.is_stale is not None and await policy.is_stale(result):
        return await compute_and_store(), False
    return result, True
