"""Calling functions of any kind: where they run, and what comes back."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any, assert_type

import pytest
from quart import Quart, request

from quartpatterns._shared.calling import call, call_inline, is_async, maybe_await
from quartpatterns.subclassing import FaithfulQuart

Where = tuple[int, threading.Thread]

variable: ContextVar[str] = ContextVar("variable", default="unset")


def sync(number: int = 0, *, plus: int = 0) -> Where:
    return number + plus, threading.current_thread()


async def coroutine(number: int = 0, *, plus: int = 0) -> Where:
    await asyncio.sleep(0)
    return number + plus, threading.current_thread()


@functools.wraps(coroutine)
def flask_style(*args: Any, **kwargs: Any) -> Awaitable[Where]:
    """A decorator that knows nothing of coroutines."""
    return coroutine(*args, **kwargs)


class Asynchronous:
    async def __call__(self, number: int = 0, *, plus: int = 0) -> Where:
        return await coroutine(number, plus=plus)

    async def method(self, number: int = 0, *, plus: int = 0) -> Where:
        return await coroutine(number, plus=plus)

    def plain(self, number: int = 0, *, plus: int = 0) -> Where:
        return sync(number, plus=plus)


ASYNC = [
    coroutine,
    Asynchronous(),
    Asynchronous().method,
    functools.partial(coroutine),
    functools.partial(functools.partial(Asynchronous()), plus=0),
]
SYNC = [sync, Asynchronous().plain, functools.partial(sync), lambda n, plus: sync(n, plus=plus)]


@pytest.mark.parametrize("function", ASYNC)
async def test_async_functions_run_on_the_loop(function: Callable[..., Any]) -> None:
    assert is_async(function)
    for way in (call, call_inline):
        assert await way(function, 1, plus=2) == (3, threading.current_thread())


@pytest.mark.parametrize("function", SYNC)
async def test_sync_functions_run_in_a_thread_or_inline(function: Callable[..., Any]) -> None:
    assert not is_async(function)
    number, thread = await call(function, 1, plus=2)
    assert number == 3 and thread is not threading.current_thread()
    assert await call_inline(function, 1, plus=2) == (3, threading.current_thread())


async def test_an_awaitable_that_a_sync_function_returns_is_awaited_on_the_loop() -> None:
    assert not is_async(flask_style)
    for way in (call, call_inline):
        assert await way(flask_style, 1, plus=2) == (3, threading.current_thread())


@pytest.mark.parametrize("kind", [Quart, FaithfulQuart])
async def test_the_application_and_the_context_are_there_in_the_thread(
    kind: type[Quart], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = kind(__name__)
    used: list[Any] = []
    original = app.ensure_async

    def ensure_async(function: Any) -> Any:
        used.append(function)
        return original(function)

    monkeypatch.setattr(app, "ensure_async", ensure_async)

    def look() -> tuple[str, str]:
        return request.path, variable.get()

    async with app.test_request_context("/path"):
        variable.set("set")
        used.clear()
        assert await call(look) == ("/path", "set")
        assert [each.__wrapped__ for each in used] == [look]
        assert await call(flask_style, 1) == (1, threading.current_thread())


async def test_errors_pass() -> None:
    def fail() -> None:
        raise LookupError("why")

    for way in (call, call_inline):
        with pytest.raises(LookupError, match="why"):
            await way(fail)


async def test_a_generator_comes_back_as_an_asynchronous_iterator() -> None:
    def numbers() -> Iterator[int]:
        yield from (1, 2)

    made: Any = await call(numbers)
    assert isinstance(made, AsyncIterator)
    assert [number async for number in made] == [1, 2]


async def test_a_class_is_called() -> None:
    assert not is_async(Asynchronous)
    assert isinstance(await call(Asynchronous), Asynchronous)


async def test_marked_functions_are_async() -> None:
    def marked() -> Awaitable[Where]:
        return coroutine(4)

    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(marked)
    else:
        marked._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    assert is_async(marked)
    assert await call(marked) == (4, threading.current_thread())


async def test_arguments_of_any_name_are_passed() -> None:
    def named(**kwargs: int) -> dict[str, int]:
        return kwargs

    assert await call(named, function=1, args=2) == {"function": 1, "args": 2}
    assert await call_inline(named, function=1) == {"function": 1}


async def test_maybe_await() -> None:
    async def three() -> int:
        return 3

    assert_type(await maybe_await(three()), int)
    assert await maybe_await(3) == 3
    assert await maybe_await(three()) == 3
    assert await maybe_await(asyncio.ensure_future(three())) == 3


async def test_types() -> None:
    assert_type(await call(sync, 1), Where)
    assert_type(await call(coroutine, 1, plus=2), Where)
    assert_type(await call_inline(sync), Where)
    assert_type(await call_inline(coroutine), Where)
