"""spawn(): synchronous code that waits, in greenlets that are used again."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from contextvars import ContextVar
from typing import Any

import pytest
from greenlet import getcurrent  # type: ignore[import-untyped]
from sqlalchemy.util import await_only, greenlet_spawn

from quartpatterns.sqlalchemy import greenlets
from quartpatterns.sqlalchemy.greenlets import spawn, wait


async def slowly(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("missing")


async def test_arguments_and_result() -> None:
    def add(a: int, *, b: int) -> int:
        result: int = a + await_only(slowly(b))
        return result

    assert await spawn(add, 1, b=2) == 3


async def test_one_greenlet_for_calls_one_after_the_other() -> None:
    first = await spawn(getcurrent)
    assert await spawn(getcurrent) is first


async def test_own_greenlet_for_each_call_that_waits() -> None:
    def work(number: int) -> tuple[Any, list[int]]:
        return getcurrent(), [await_only(slowly(number)) for _ in range(3)]

    found = await asyncio.gather(*(spawn(work, number) for number in range(40)))
    assert len({greenlet for greenlet, _ in found}) == 40
    assert [numbers for _, numbers in found] == [[number] * 3 for number in range(40)]
    assert len(greenlets._idle.workers) == greenlets.MAX_IDLE


async def test_errors() -> None:
    def raise_it() -> None:
        raise LookupError("at once")

    def handle() -> str:
        with pytest.raises(LookupError, match="missing"):
            await_only(fail())
        return str(await_only(slowly("handled")))

    with pytest.raises(LookupError, match="at once"):
        await spawn(raise_it)
    with pytest.raises(LookupError, match="missing"):
        await spawn(await_only, fail())
    assert await spawn(handle) == "handled"


async def test_cancellation_reaches_the_function() -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            await_only(asyncio.Event().wait())
        except asyncio.CancelledError:
            seen.append(await_only(slowly("cleaned up")))
            raise

    task = asyncio.create_task(spawn(work))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cleaned up"]
    assert await spawn(str, 1) == "1"


async def test_context_variables_are_those_of_the_task() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)

    def change(value: int) -> int:
        before = variable.get()
        variable.set(value)
        await_only(slowly(None))
        return before

    async def task(value: int) -> tuple[int, int]:
        variable.set(value)
        return await spawn(change, -value), variable.get()

    for value in (1, 2):
        assert await asyncio.create_task(task(value)) == (value, -value)
    assert variable.get() == 0


async def test_nothing_is_kept() -> None:
    class Row:
        pass

    def work(row: Row) -> Row:
        return row

    def fail_with(row: Row) -> None:
        raise LookupError(row)

    row = Row()
    known = weakref.ref(row)
    gc.disable()
    try:
        assert await spawn(work, row) is row
        with pytest.raises(LookupError) as caught:
            await spawn(fail_with, row)
        del caught, row
        assert known() is None
    finally:
        gc.enable()


async def test_inside_of_another_greenlet() -> None:
    def inner() -> Any:
        return await_only(slowly(getcurrent()))

    def outer() -> tuple[Any, Any]:
        return getcurrent(), await_only(spawn(inner))

    for call in (spawn, greenlet_spawn):
        first, second = await call(outer)
        assert first is not second


async def test_wait_takes_a_result_that_is_there() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    future.set_result("there")
    assert await spawn(wait, future) == "there"
    # SQLAlchemy's own function insists on waiting.
    assert await greenlet_spawn(wait, future, _require_await=True) == "there"


def test_several_threads() -> None:
    found: list[Any] = []

    async def main() -> None:
        found.extend([await spawn(getcurrent), await spawn(await_only, slowly("done"))])

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count("done") == 3
    assert len(set(map(id, found))) == 4
