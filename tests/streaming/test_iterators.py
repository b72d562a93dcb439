"""Awaiting and iterating in a context, and iterating in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import aclosing
from contextvars import Context, ContextVar, copy_context
from typing import Any

import pytest

from quartpatterns._shared.in_context import await_in_context
from quartpatterns._shared.threads import ThreadIterator, run_sync
from quartpatterns.streaming.iterators import iterate_in_context
from tests.serving import TIMEOUT, eventually

variable: ContextVar[str] = ContextVar("variable", default="outside")


@pytest.fixture
def context() -> Context:
    context = copy_context()
    context.run(variable.set, "inside")
    return context


async def test_await_in_context(context: Context) -> None:
    """The coroutine has the given context before and after each wait, the caller its own."""

    async def step() -> list[str]:
        seen = [variable.get()]
        await asyncio.sleep(0)
        seen.append(variable.get())
        await asyncio.sleep(0.001)
        variable.set("changed")
        return [*seen, variable.get()]

    assert await await_in_context(context, step()) == ["inside", "inside", "changed"]
    assert (variable.get(), context[variable]) == ("outside", "changed")


async def test_await_in_same_task(context: Context) -> None:
    async def step() -> Any:
        await asyncio.sleep(0)
        return asyncio.current_task()

    assert await await_in_context(context, step()) is asyncio.current_task()


async def test_await_error(context: Context) -> None:
    async def step() -> None:
        await asyncio.sleep(0)
        raise LookupError(variable.get())

    with pytest.raises(LookupError, match="inside"):
        await await_in_context(context, step())


async def test_await_cancelled(context: Context) -> None:
    """A cancellation reaches the coroutine, which can handle it."""

    async def step() -> str:
        try:
            await asyncio.sleep(TIMEOUT)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return variable.get()

    async def whole() -> str:
        return await await_in_context(context, step())

    task = asyncio.create_task(whole())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "inside"


def test_await_closed(context: Context) -> None:
    """A coroutine that is closed is closed in the context."""
    seen: list[str] = []

    class Forever:
        def __await__(self) -> Generator[None, None, None]:
            while True:
                yield

    async def step() -> None:
        try:
            await Forever()
        finally:
            seen.append(variable.get())

    async def whole() -> None:
        await await_in_context(context, step())

    coroutine = whole()
    coroutine.send(None)
    coroutine.close()
    assert seen == ["inside"]


async def test_iterator_without_close(context: Context) -> None:
    class Letters:
        def __init__(self) -> None:
            self.letters = iter("ab")

        def __aiter__(self) -> Letters:
            return self

        async def __anext__(self) -> str:
            for letter in self.letters:
                return letter + variable.get()
            raise StopAsyncIteration

    assert [item async for item in iterate_in_context(Letters(), context)] == ["ainside", "binside"]


async def test_closing_waits_for_the_step(context: Context) -> None:
    """A generator that still runs in a thread is closed when the step has ended."""
    inside, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def steps() -> Generator[int, None, None]:
        try:
            inside.set()
            go_on.wait(TIMEOUT)
            seen.append("left")
            yield 1
        finally:
            seen.append(f"closed {variable.get()}")

    async def whole() -> None:
        async with aclosing(ThreadIterator(steps(), run_sync, context)) as iterator:
            await iterator.call(next)

    task = asyncio.create_task(whole())
    await eventually(inside.is_set)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    assert not seen
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["left", "closed inside"]
