"""Synchronous functions and iterables in threads: ``StopIteration``, and one context."""

from __future__ import annotations

import asyncio
import decimal
import re
import sqlite3
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any

import pytest
from blinker import NamedSignal
from quart import Quart

import quartpatterns
from quartpatterns._shared.calling import call, signal_wrapper
from quartpatterns._shared.flash import FlashedMessage
from quartpatterns._shared.sqlite_thread import SQLiteConnection, SQLiteThread
from quartpatterns._shared.threads import (
    ThreadIterator,
    call_in_thread,
    error_for_future,
    iterate_in_threads,
    run_sync,
    to_thread,
)
from quartpatterns.streaming import coalesce, stream_with_context

variable: ContextVar[str] = ContextVar("variable", default="unset")


def stop(*args: Any, **kwargs: Any) -> Any:
    """Raise StopIteration, as ``next()`` of an empty iterator does."""
    return next(iter(()))


async def raises(awaitable: Awaitable[Any]) -> None:
    with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
        async with asyncio.timeout(20):
            await awaitable
    assert isinstance(caught.value.__cause__, StopIteration)


async def test_stop_iteration_of_a_function() -> None:
    await raises(run_sync(stop)())
    await raises(to_thread(stop))
    await raises(call(stop))
    with ThreadPoolExecutor(1) as executor:
        await raises(call_in_thread(executor, stop))


async def test_stop_iteration_with_an_application(app_class: type[Quart]) -> None:
    """Also where plain Quart runs the function."""
    app = app_class(__name__)
    async with app.app_context():
        await raises(call(stop))
        signal = NamedSignal("test")
        with signal.connected_to(stop):
            await raises(signal.send_async(app, _sync_wrapper=signal_wrapper(app)))


async def test_stop_iteration_of_a_receiver(app_class: type[Quart]) -> None:
    from quart import message_flashed

    app = app_class(__name__)
    with message_flashed.connected_to(stop, app):
        await raises(_await(FlashedMessage(app, "text", "message")))


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def test_stop_iteration_of_an_sqlite_function() -> None:
    thread = SQLiteThread(lambda: sqlite3.connect(":memory:"))
    await thread.open()
    connection = SQLiteConnection(thread)
    try:
        await raises(connection.run(stop))
    finally:
        await connection.close()


async def test_stop_iteration_of_close() -> None:
    class Closing:
        def __iter__(self) -> Iterator[int]:
            return iter((1,))

        close = stop

    await raises(ThreadIterator(Closing(), run_sync).aclose())


@pytest.mark.parametrize("error", [StopAsyncIteration, GeneratorExit, LookupError])
async def test_other_errors_pass(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error("why")

    with pytest.raises(error, match="why"):
        await to_thread(fail)
    raised = error("why")
    assert error_for_future(raised) is raised


def with_decimal_context() -> Iterator[str]:
    """Set a context variable before a ``yield`` and reset it afterwards."""
    with decimal.localcontext() as context:
        context.prec = 50
        yield f"{decimal.getcontext().prec} "
        yield f"{decimal.getcontext().prec} "
    token = variable.set("inside")
    yield f"{variable.get()} "
    variable.reset(token)
    yield variable.get()


EXPECTED = "50 50 inside unset"
ITERATED: list[Callable[[], Any]] = [
    lambda: call(with_decimal_context),
    lambda: run_sync(with_decimal_context)(),
    lambda: _await_value(ThreadIterator(with_decimal_context(), run_sync)),
    lambda: _await_value(iterate_in_threads(with_decimal_context(), run_sync)),
    lambda: _await_value(ThreadIterator(with_decimal_context(), run_sync, copy_context())),
    lambda: _await_value(coalesce(with_decimal_context(), size=1)),
    lambda: _await_value(stream_with_context(with_decimal_context())),
]


async def _await_value(value: Any) -> Any:
    return value


@pytest.mark.parametrize("make", ITERATED)
async def test_one_context(make: Callable[[], Any], app_class: type[Quart]) -> None:
    """All steps of a generator share one context, which is not that of the caller."""
    async with app_class(__name__).app_context():
        items: AsyncIterable[Any] = await make()
        text = "".join([item.decode() if isinstance(item, bytes) else item async for item in items])
        assert text == EXPECTED
        assert decimal.getcontext().prec == 28
        assert variable.get() == "unset"


async def test_the_context_is_a_copy_of_the_first_step() -> None:
    iterator = ThreadIterator((variable.get() for _ in range(2)), run_sync)
    variable.set("first")
    assert await anext(iterator) == "first"
    variable.set("second")
    assert await anext(iterator) == "first"


ALLOWED = {
    "_shared/threads.py",  # the one place
    "compare/pytest_plugin.py",  # a docstring
    # What the port writes into a project:
    "porting/calls.py",
    "porting/edits.py",
    "porting/threads.py",
    # What the report tells people to write:
    "porting/findings.py",
    "porting/oracle.py",
}


def test_one_place_passes_errors_through_futures() -> None:
    """Helpers start threads only by the functions that convert ``StopIteration``."""
    root = Path(quartpatterns.__file__).parent
    direct = re.compile(
        r"(?<!def )run_in_executor\(|asyncio\.to_thread\(|quart\.utils import run_sync"
    )
    found = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        if not {"example", "onhost", "skeleton"} & set(file.relative_to(root).parts)
        and direct.search(file.read_text())
    }
    assert found <= ALLOWED
