"""Timers that many objects share."""

from __future__ import annotations

import asyncio
from typing import Any

from quartpatterns._shared.shared_timers import SharedTimer, shared_timers
from tests.serving import eventually


class Waiting:
    """Waits once, or again and again."""

    def __init__(self, *, again: bool = False) -> None:
        self.again = again
        self.reached: list[float] = []
        self.timer: SharedTimer | None = None

    def wait(self, seconds: float) -> None:
        self.timer = shared_timers().add(self, asyncio.get_running_loop().time() + seconds)

    def time_reached(self) -> None:
        self.timer = None
        self.reached.append(asyncio.get_running_loop().time())
        if self.again:
            self.wait(0)


async def test_never_early() -> None:
    loop = asyncio.get_running_loop()
    waiting = [Waiting() for _ in range(20)]
    begin = loop.time()
    for number, one in enumerate(waiting):
        one.wait(number / 50)
    await eventually(lambda: all(one.reached for one in waiting))
    # The clock of a timer has a resolution.
    assert all(one.reached[0] - begin >= number / 50 - 0.001 for number, one in enumerate(waiting))


async def test_shared() -> None:
    """Thousands of objects need a few timers of the loop, and none once all have cancelled."""
    waiting = [Waiting() for _ in range(5000)]
    for one in waiting:
        one.wait(100)
    timers = {one.timer for one in waiting}
    assert len(timers) < 50
    for one in waiting:
        assert one.timer is not None
        one.timer.discard(one)
    loop: Any = asyncio.get_running_loop()
    assert not [
        handle
        for handle in loop._scheduled
        if "SharedTimer" in repr(handle) and not handle.cancelled()
    ]


async def test_again_while_others_cancel() -> None:
    """What waits again, or cancels another one, does not disturb the rest."""
    again, other, last = Waiting(again=True), Waiting(), Waiting()
    again.wait(0)
    other.wait(0)
    last.wait(0.2)
    assert other.timer is not None
    other.timer.discard(other)
    await eventually(lambda: len(again.reached) > 2 and bool(last.reached))
    again.again = False
    assert not other.reached
