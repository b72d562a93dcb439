"""Single flight: of all who want the same at the same time, one makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["Flights"]

T = TypeVar("T")

# Where a fragment contains itself, or a function calls itself, it must not wait for itself.
_under_way: ContextVar[frozenset[tuple[int, str]]] = ContextVar("under_way", default=frozenset())


class Flights(Generic[T]):
    """What is being made, by key; on each event loop by itself."""

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[str, asyncio.Future[T | None]]
        ] = WeakKeyDictionary()

    def within(self, key: str) -> bool:
        """Whether the caller is part of making what has this *key*."""
        return (id(self), key) in _under_way.get()

    async def together(self, key: str, fly: Callable[[], Awaitable[T | None]]) -> T | None:
        """What *fly* returns, called once for all who ask for *key* while it runs.

        Where it fails those who waited get ``None``; where it is cancelled, as its client has
        left, the next of them flies.
        """
        loop = asyncio.get_running_loop()
        flights = self._loops.setdefault(loop, {})
        while (flight := flights.get(key)) is not None:
            await asyncio.wait([flight])
            if not flight.cancelled():
                return flight.result()
        flight = flights[key] = loop.create_future()
        token = _under_way.set(_under_way.get() | {(id(self), key)})
        try:
            result = await fly()
            flight.set_result(result)
            return result
        except Exception:
            flight.set_result(None)
            raise
        finally:
            _under_way.reset(token)
            flight.cancel()  # does nothing to one that has landed
            del flights[key]
