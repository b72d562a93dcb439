"""Cleanup runs to its end, whatever is cancelled meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from quartpatterns._shared.cleanup import finish


class Cleanup:
    """A cleanup that waits until the test lets it go on."""

    def __init__(self, error: Exception | None = None) -> None:
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = 0
        self.error = error

    async def run(self) -> str:
        self.started.set()
        await self.go_on.wait()
        self.ended += 1
        if self.error:
            raise self.error
        return "done"


async def cancelled_repeatedly(task: asyncio.Task[str], cleanup: Cleanup) -> None:
    await cleanup.started.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
    cleanup.go_on.set()
    await asyncio.wait([task])


async def test_it_returns_the_result() -> None:
    cleanup = Cleanup()
    cleanup.go_on.set()
    assert await finish(cleanup.run) == "done"


async def test_cancellations_wait_for_the_end() -> None:
    cleanup = Cleanup()
    task = asyncio.create_task(finish(cleanup.run))
    await cancelled_repeatedly(task, cleanup)
    assert task.cancelled()
    assert cleanup.ended == 1


async def test_an_error_is_raised() -> None:
    cleanup = Cleanup(OSError("broken"))
    cleanup.go_on.set()
    with pytest.raises(OSError, match="broken"):
        await finish(cleanup.run)


async def test_a_cancellation_wins_over_an_error(caplog: pytest.LogCaptureFixture) -> None:
    cleanup = Cleanup(OSError("broken"))
    causes: list[BaseException | None] = []

    async def call() -> str:
        try:
            return await finish(cleanup.run)
        except asyncio.CancelledError as cancelled:
            causes.append(cancelled.__cause__)
            raise

    task = asyncio.create_task(call())
    await cancelled_repeatedly(task, cleanup)
    assert task.cancelled()
    assert causes == [cleanup.error]
    assert "OSError: broken" in caplog.text


async def test_a_timeout_comes_after_the_end() -> None:
    cleanup = Cleanup()
    asyncio.get_running_loop().call_later(0.01, cleanup.go_on.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await finish(cleanup.run)
    assert cleanup.ended == 1


async def test_a_future_is_not_cancelled() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(finish(lambda: future))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not future.cancelled()
    future.set_result("done")
    await asyncio.wait([task])
    assert task.cancelled()


async def test_where_nothing_is_left_nothing_is_awaited() -> None:
    running = finish(lambda: None)
    with pytest.raises(StopIteration):
        running.send(None)


def test_a_cleanup_that_asyncio_run_cancels_is_started_again() -> None:
    calls: list[str] = []

    async def clean() -> None:
        calls.append("started")
        for _ in range(5):
            await asyncio.sleep(0)
        calls.append("ended")

    async def main() -> None:
        asyncio.get_running_loop().cleaning = asyncio.create_task(finish(clean))  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    asyncio.run(main())
    assert calls == ["started", "started", "ended"]
