"""Coroutines without a task."""

from __future__ import annotations

import asyncio

import pytest

from quartpatterns._shared.untasked import UntaskedCoroutine
from tests.serving import TIMEOUT


@pytest.mark.parametrize("when", ["waiting", "about to go on", "one turn"])
async def test_stop(when: str) -> None:
    """It ends, also if what it awaited is done and it has not gone on yet."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    log: list[str] = []

    async def receive() -> None:
        try:
            if when == "one turn":
                await asyncio.sleep(0)
            while True:
                log.append(await queue.get())
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    running = UntaskedCoroutine(receive())
    if when == "about to go on":
        queue.put_nowait("item")
    async with asyncio.timeout(TIMEOUT):
        await running.stop()
        await running.stop()
    assert log == ["cleaned up"]


async def test_end() -> None:
    """It runs to its end, and to stop it then does nothing."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    log: list[str] = []

    async def receive() -> None:
        for _ in range(2):
            log.append(await queue.get())

    running = UntaskedCoroutine(receive())
    for item in ("one", "two"):
        queue.put_nowait(item)
        await asyncio.sleep(0)
    assert log == ["one", "two"]
    await running.stop()
