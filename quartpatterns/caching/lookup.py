"""Find what is kept, or have it made: once, however many ask, in however many processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Generic, TypeVar

from quart import Quart

from quartpatterns.caching.flights import Flights
from quartpatterns.caching.records import Payload, Record
from quartpatterns.caching.settings import Settings
from quartpatterns.caching.stores import Store, lenient

__all__ = ["Kept", "Made", "Shelf", "Wanted", "look_up", "make_and_keep", "renew"]

T = TypeVar("T")

# Seconds after which the lock of a worker that died is given up; a living one prolongs it.
LEASE = 5.0
# Seconds between two looks at what another worker is making: short at first.
SHORTEST, LONGEST = 0.005, 0.1


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """What was made, and what may be done with it.

    Arguments:
        result: For the one who asked first.
        payload: For all the others; ``None`` where it is not for them.
        keep: Whether to keep it. Where there is no *payload*, that there is none: those who come
            later need not wait for each other.
    """

    result: T
    payload: Payload
    keep: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found, or what another one has just made."""

    payload: Payload


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for.

    Arguments:
        key: Where.
        seconds: How long it is kept when it is made.
        stale: Seconds beyond, in which it is still given out, and made anew meanwhile.
        versions: What it depends on, and for how many seconds that is to be remembered.
    """

    key: str
    seconds: float
    stale: float = 0.0
    versions: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def lifetime(self) -> float:
        """Seconds after which the store drops it."""
        return self.seconds + self.stale


class Shelf:
    """The cache of one application: its store, and what is being made for it."""

    def __init__(self, app: Quart, settings: Settings, store: Store) -> None:
        self.app = app
        self.settings = settings
        self.store = store
        self.flights: Flights[Kept] = Flights()
        self.renewing: set[str] = set()

    async def found(self, wanted: Wanted) -> Record | None:
        """The record of *wanted*, unless a version that it depends on is another one by now."""
        record, tokens = await lenient(
            self.store.read(wanted.key, wanted.versions), (None, (None,))
        )
        return record if record is not None and record.tokens == tokens else None


async def look_up(
    shelf: Shelf,
    wanted: Wanted,
    make: Callable[[], Awaitable[Made[T]]],
    *,
    on_stale: Callable[[], None] | None = None,
) -> T | Kept:
    """What is kept as *wanted*, or the result of *make*, which is kept then.

    Arguments:
        shelf: Where to look.
        wanted: For what.
        make: Called where there is nothing. Those who ask meanwhile wait for it; if it fails they
            call it for themselves, and if it is cancelled the next of them does.
        on_stale: Called where what was found should be made anew; it starts that.
    """
    record = await shelf.found(wanted)
    if record is not None and record.payload is not None:
        if on_stale is not None and record.fresh_until <= shelf.store.now():
            _once(shelf, wanted.key, on_stale)
        return Kept(record.payload)
    if record is not None or shelf.flights.within(wanted.key):
        return await make_and_keep(shelf, wanted, make)
    mine: Made[T] | None = None

    async def making() -> Made[T]:
        nonlocal mine
        mine = await make()
        return mine

    kept = await shelf.flights.together(wanted.key, lambda: _made_once(shelf, wanted, making))
    if mine is not None:
        return mine.result
    if kept is not None:
        return kept
    return await make_and_keep(shelf, wanted, make)


async def make_and_keep(shelf: Shelf, wanted: Wanted, make: Callable[[], Awaitable[Made[T]]]) -> T:
    """The result of *make*, which is kept, whatever was kept before."""
    return (await _made_and_kept(shelf, wanted, make)).result


async def renew(shelf: Shelf, wanted: Wanted, make: Callable[[], Awaitable[object]]) -> None:
    """Call *make*, unless another worker has renewed what is *wanted*, or is about to."""
    owner = token_hex(8)
    try:
        if not await lenient(shelf.store.lock(wanted.key, owner, LEASE), default=False):
            return
        async with _held(shelf.store, wanted.key, owner):
            record = await shelf.found(wanted)
            if record is None or record.fresh_until <= shelf.store.now():
                await make()
    finally:
        shelf.renewing.discard(wanted.key)


def _once(shelf: Shelf, key: str, start: Callable[[], None]) -> None:
    if key not in shelf.renewing:
        shelf.renewing.add(key)
        start()


async def _made_once(
    shelf: Shelf, wanted: Wanted, make: Callable[[], Awaitable[Made[T]]]
) -> Kept | None:
    """What another process has made meanwhile, or what *make* makes under the lock."""
    if not shelf.store.shared:
        return _for_others(await _made_and_kept(shelf, wanted, make))
    owner = token_hex(8)
    if not await _locked(shelf, wanted, owner):
        record = await shelf.found(wanted)
        if record is not None and record.payload is not None:
            return Kept(record.payload)
        return _for_others(await _made_and_kept(shelf, wanted, make))
    async with _held(shelf.store, wanted.key, owner):
        # Somebody may have had the lock, and been done, since the first look.
        record = await shelf.found(wanted)
        if record is not None:
            return Kept(record.payload) if record.payload is not None else None
        return _for_others(await _made_and_kept(shelf, wanted, make))


def _for_others(made: Made[T]) -> Kept | None:
    return None if made.payload is None else Kept(made.payload)


async def _locked(shelf: Shelf, wanted: Wanted, owner: str) -> bool:
    """Whether the lock is ours; else there is something to be found, or no patience left."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + shelf.settings.lock_timeout
    pause = SHORTEST
    # A store that is away locks nobody out.
    while not await lenient(shelf.store.lock(wanted.key, owner, LEASE), default=True):
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST)
        if await shelf.found(wanted) is not None or loop.time() > deadline:
            return False
    return True


@asynccontextmanager
async def _held(store: Store, key: str, owner: str) -> AsyncGenerator[None]:
    """Keep the lock on *key* until the end, however long that takes, and give it back."""
    if not store.shared:
        yield
        return
    prolonging = asyncio.create_task(_prolong(store, key))
    try:
        yield
    finally:
        prolonging.cancel()
        await asyncio.wait([prolonging])
        await lenient(store.unlock(key, owner), default=None)


async def _prolong(store: Store, key: str) -> None:
    while True:
        await asyncio.sleep(LEASE / 3)
        await lenient(store.prolong(key, LEASE), default=None)


async def _made_and_kept(
    shelf: Shelf, wanted: Wanted, make: Callable[[], Awaitable[Made[T]]]
) -> Made[T]:
    # The tokens come first: what is deleted while it is being made is out of date from the start.
    tokens = await lenient(shelf.store.tokens(wanted.versions), default=None)
    made = await make()
    if made.keep and tokens is not None:
        record = Record(made.payload, tokens, shelf.store.now() + wanted.seconds)
        writing = shelf.store.write(wanted.key, record, wanted.lifetime, wanted.versions)
        await lenient(writing, default=False)
    return made
