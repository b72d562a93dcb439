"""What must be done to its end is waited for, whoever is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from quartpatterns.sqlite3.waiting import completed


async def test_cancelled() -> None:
    """The cancellation comes when the work is done, however often it was asked for."""
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(completed(future))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done() and not future.done()
    future.set_exception(LookupError())
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert isinstance(caught.value.__cause__, LookupError)


async def test_done() -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_result(42)
    assert await completed(future) == 42
