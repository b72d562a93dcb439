"""Long computations on the event loop, in slices, so that other tasks run in between.

A thread does not help: C code such as that of :mod:`json` holds Python's global lock until it
returns, and Python code in a thread makes the event loop wait for the lock.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

__all__ = ["SLICE", "TimeSlices"]

SLICE = 0.005
"""The seconds that a computation runs before it lets other tasks run."""

# Of all computations of an event loop, only one runs in each iteration of the loop.
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class TimeSlices:
    """The time slices of one computation.

    .. code-block:: python

        async with TimeSlices() as slices:
            for item in items:
                compute(item)
                if slices.over:
                    await slices.pause()
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        if (lock := _locks.get(loop)) is None:
            lock = _locks[loop] = asyncio.Lock()
        self._lock = lock
        self._running = False
        self._end = 0.0

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._running:  # not if it was cancelled while it waited for its turn
            self._lock.release()

    @property
    def over(self) -> bool:
        """Whether the time slice is over."""
        return perf_counter() >= self._end

    async def pause(self) -> None:
        """Let other tasks run, and then begin the next time slice."""
        # The lock is still held: no other computation begins before the other tasks have run.
        await asyncio.sleep(0)
        self._running = False
        self._lock.release()
        await self._begin()

    async def _begin(self) -> None:
        await self._lock.acquire()
        self._running = True
        self._end = perf_counter() + SLICE
