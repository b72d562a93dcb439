"""Timers that thousands of streams share, because one for each would take more memory."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

from quartpatterns._shared.loop_bound import LoopBound

__all__ = ["SharedTimer", "SharedTimers", "Timed", "shared_timers"]

STEPS = 8
"""How many times in a second a timer can end."""


class Timed(Protocol):
    """An object that waits for a time."""

    def time_reached(self) -> None:
        """Handle that the time has come."""
        ...


class SharedTimers:
    """The timers of one event loop. All that end in the same eighth of a second are one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timers: dict[int, SharedTimer] = {}

    def add(self, timed: Timed, due: float) -> SharedTimer:
        """Call ``timed.time_reached()`` at *due*, or up to an eighth of a second later.

        Arguments:
            timed: The object.
            due: A time of the event loop, in seconds.

        Returns:
            The timer. Remove *timed* from it to cancel.
        """
        step = math.ceil(due * STEPS)
        if (timer := self._timers.get(step)) is None:
            timer = self._timers[step] = SharedTimer(self._timers, step)
        timer.members.add(timed)
        return timer

    async def close(self) -> None:
        """Cancel all timers."""
        for timer in list(self._timers.values()):
            timer.cancel()


class SharedTimer:
    """What ends at the same time.

    Arguments:
        timers: All timers, by their time.
        step: The time, in eighths of a second.

    Attributes:
        members: The objects that wait for it.
    """

    __slots__ = ("_handle", "_step", "_timers", "members")

    def __init__(self, timers: dict[int, SharedTimer], step: int) -> None:
        self.members: set[Timed] = set()
        self._timers = timers
        self._step = step
        loop = asyncio.get_running_loop()
        self._handle = loop.call_at(step / STEPS, self._end)

    def discard(self, timed: Timed) -> None:
        """Cancel the timer for *timed*."""
        self.members.discard(timed)
        if not self.members:
            self.cancel()

    def cancel(self) -> None:
        """Cancel the timer for all."""
        self.members.clear()
        self._handle.cancel()
        self._forget()

    def _forget(self) -> None:
        if self._timers.get(self._step) is self:
            del self._timers[self._step]

    def _end(self) -> None:
        self._forget()
        while self.members:
            self.members.pop().time_reached()


_timers = LoopBound(SharedTimers, SharedTimers.close)


def shared_timers() -> SharedTimers:
    """Return the timers of the running event loop.

    Raises:
        RuntimeError: No event loop is running.
    """
    return _timers.get()
