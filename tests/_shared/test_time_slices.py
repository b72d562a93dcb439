"""Long computations in time slices."""

from __future__ import annotations

import asyncio
from time import perf_counter

import pytest

from quartpatterns._shared.time_slices import SLICE, TimeSlices


async def compute(slices: int, log: list[str], name: str) -> None:
    """Compute for some time slices."""
    async with TimeSlices() as time:
        for _ in range(slices):
            while not time.over:
                pass
            log.append(name)
            await time.pause()


async def test_computations_take_turns() -> None:
    """Between two turns of the event loop there is one slice, however many computations run."""
    log: list[str] = []
    tasks = [asyncio.create_task(compute(3, log, name)) for name in "abc"]
    while not all(task.done() for task in tasks):
        before = len(log)
        await asyncio.sleep(0)
        assert len(log) - before <= 1
    assert log == ["a", "b", "c"] * 3


async def test_a_slice_is_short() -> None:
    async with TimeSlices() as slices:
        assert not slices.over
        end = perf_counter() + SLICE
        while perf_counter() <= end:
            pass
        assert slices.over
        await slices.pause()
        assert not slices.over


async def test_cancellation() -> None:
    """A computation that is cancelled, in a pause or in its slice, lets the others go on."""
    log: list[str] = []
    tasks = [asyncio.create_task(compute(1000, log, name)) for name in "ab"]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task
    with pytest.raises(LookupError):
        async with TimeSlices():
            raise LookupError
    await asyncio.wait_for(compute(2, log, "c"), 20)
    assert log[-2:] == ["c", "c"]
