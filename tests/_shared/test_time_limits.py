"""await_within(): a time limit that has no timer before the coroutine waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quartpatterns._shared.time_limits import await_within


async def result(value: Any) -> Any:
    return value


def timers() -> int:
    loop: Any = asyncio.get_running_loop()
    return len(loop._scheduled)


async def test_no_timer_without_waiting() -> None:
    before = timers()
    assert await await_within(5, result("made")) == "made"
    assert timers() == before


async def test_error_without_waiting() -> None:
    async def fail() -> None:
        raise LookupError("at once")

    with pytest.raises(LookupError, match="at once"):
        await await_within(5, fail())


@pytest.mark.parametrize("seconds", [None, 60])
async def test_result_after_waiting(seconds: float | None) -> None:
    async def wait() -> tuple[str, asyncio.Task[Any] | None]:
        await asyncio.sleep(0)
        value = await asyncio.get_running_loop().run_in_executor(None, str, 1)
        return value, asyncio.current_task()

    assert await await_within(seconds, wait()) == ("1", asyncio.current_task())


async def test_error_of_what_is_awaited() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[BaseException] = []

    async def wait() -> str:
        try:
            await future
        except LookupError as error:
            seen.append(error)
            await asyncio.sleep(0)
        return "handled"

    asyncio.get_running_loop().call_soon(future.set_exception, LookupError("missing"))
    assert await await_within(60, wait()) == "handled"
    assert [str(error) for error in seen] == ["missing"]


async def test_over_the_limit() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    with pytest.raises(TimeoutError):
        await await_within(0.01, wait())
    assert ended == ["cancelled"]


async def test_limit_begins_with_the_call() -> None:
    loop: Any = asyncio.get_running_loop()
    blocked_until: list[float] = []

    async def block_and_wait() -> None:
        blocked_until.append(loop.time() + 0.01)
        while loop.time() < blocked_until[0]:
            pass
        await asyncio.Event().wait()

    task = asyncio.create_task(await_within(60, block_and_wait()))
    await asyncio.sleep(0)
    due = max(handle.when() for handle in loop._scheduled)
    task.cancel()
    assert due < blocked_until[0] + 60


async def test_cancellation_reaches_the_coroutine() -> None:
    seen: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0)
            seen.append("cleaned up")
            raise

    task = asyncio.create_task(await_within(60, wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled", "cleaned up"]


async def test_closing_closes_the_coroutine() -> None:
    closed: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("closed")

    coroutine = await_within(60, wait())
    coroutine.send(None)
    coroutine.close()
    assert closed == ["closed"]
