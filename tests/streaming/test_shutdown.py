"""When feeds end because the server stops, without a server of another process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from quart import Quart

from quartpatterns.streaming import (
    is_shutting_down,
    stream_with_context,
    until_shutdown,
    wait_for_shutdown,
)
from tests.serving import TIMEOUT, eventually, served

mark = ContextVar("mark", default=0)


async def items(log: list[str]) -> AsyncIterator[int]:
    try:
        for number in range(3):
            mark.set(mark.get() + 1)
            yield number
    finally:
        log.append("closed")


async def test_no_shutdown() -> None:
    """All items are passed on, in the context of the consumer, and the source is closed."""
    log: list[str] = []
    assert [number async for number in until_shutdown(items(log))] == [0, 1, 2]
    assert log == ["closed"]
    assert mark.get() == 3
    assert list(until_shutdown(range(3))) == [0, 1, 2]
    assert not is_shutting_down()


async def test_early_end() -> None:
    """A consumer that stops early closes the source."""
    log: list[str] = []
    stream = until_shutdown(items(log))
    assert await anext(stream) == 0
    await stream.aclose()
    assert log == ["closed"]


async def test_errors() -> None:
    """Errors of the source are raised, also a TimeoutError of its own."""

    async def failing(error: Exception) -> AsyncIterator[int]:
        yield 1
        raise error

    for error in (TimeoutError("its own"), ValueError("wrong")):
        with pytest.raises(type(error), match=str(error)):
            async for _ in until_shutdown(failing(error)):
                pass
    with pytest.raises(TypeError, match="takes an iterable, not int"):
        until_shutdown(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_no_loop() -> None:
    with pytest.raises(RuntimeError, match="call it in an 'async def' view"):
        until_shutdown([1])
    with pytest.raises(RuntimeError, match="call it in an 'async def' view"):
        is_shutting_down()


async def test_iterator_without_close() -> None:
    """An object with only ``__anext__`` is enough."""

    class Count:
        def __init__(self) -> None:
            self.number = 0

        def __aiter__(self) -> Count:
            return self

        async def __anext__(self) -> int:
            self.number += 1
            if self.number > 2:
                raise StopAsyncIteration
            return self.number

    assert [number async for number in until_shutdown(Count())] == [1, 2]


@pytest.mark.wire
async def test_sync(app_class: type[Quart]) -> None:
    """A synchronous generator in a thread ends after its current item, and is closed."""
    app = app_class(__name__)
    log: list[str] = []

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            log.append("closed")

    @app.get("/")
    async def view() -> Any:
        source = until_shutdown(endless())
        log.append("began")

        def parts() -> Iterator[str]:
            yield from source
            yield "farewell"

        return stream_with_context(parts())

    async with served(app, graceful_timeout=TIMEOUT) as server:
        async with server.client.stream("GET", "/") as response:
            server.stop.set()
            content = b"".join([part async for part in response.aiter_bytes()])
    assert content.endswith(b"farewell")
    assert log == ["began", "closed"]


@pytest.mark.wire
async def test_many(app_class: type[Quart]) -> None:
    """100 feeds end at once; a view that waits for the end of the server is answered."""
    app = app_class(__name__)
    began: list[int] = []

    async def silent() -> AsyncIterator[str]:
        began.append(1)
        yield "first"
        await asyncio.Event().wait()

    @app.get("/")
    async def feed() -> Any:
        @stream_with_context
        async def parts() -> AsyncIterator[str]:
            async for part in until_shutdown(silent()):
                yield part
            yield "farewell"

        return parts()

    @app.get("/poll")
    async def poll() -> str:
        began.append(1)
        await wait_for_shutdown()
        return "stopping"

    async with served(app, graceful_timeout=TIMEOUT) as server:
        gets = [server.client.get("/") for _ in range(100)] + [server.client.get("/poll")]
        tasks = [asyncio.create_task(get) for get in gets]
        await eventually(lambda: len(began) == 101)
        server.stop.set()
        texts = [(await task).text for task in tasks]
    assert texts == ["firstfarewell"] * 100 + ["stopping"]


def test_signal() -> None:
    """A signal is noticed and still reaches the handler of the server, which is put back."""
    log: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda *_: log.append("server"))
    handler = signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        assert not is_shutting_down()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(wait_for_shutdown(), TIMEOUT)
        assert is_shutting_down()
        assert [item async for item in until_shutdown(items(log))] == []

    try:
        asyncio.run(main())
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert log == ["server"]


def test_signal_twice() -> None:
    """A second signal does not disturb a source that is still being closed."""
    log: list[str] = []
    problems: list[dict[str, Any]] = []
    before = signal.signal(signal.SIGTERM, lambda *_: log.append("server"))

    async def slow(waits: asyncio.Event, closes: asyncio.Event) -> AsyncIterator[int]:
        try:
            waits.set()
            await asyncio.Event().wait()
            yield 1
        finally:
            closes.set()
            await eventually(lambda: log.count("server") == 2)
            await asyncio.sleep(0)  # the callback of the signal
            log.append("closed")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, one: problems.append(one))
        waits, closes = asyncio.Event(), asyncio.Event()

        async def read() -> list[int]:
            return [item async for item in until_shutdown(slow(waits, closes))]

        reader = asyncio.create_task(read())
        for event in (waits, closes):
            await asyncio.wait_for(event.wait(), TIMEOUT)
            signal.raise_signal(signal.SIGTERM)
        assert await asyncio.wait_for(reader, TIMEOUT) == []

    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert log == ["server", "server", "closed"]
    assert problems == []


def test_no_handler() -> None:
    """Where nothing handles a signal, nothing is changed."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)

    async def main() -> None:
        assert not is_shutting_down()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_lifespan(app_class: type[Quart]) -> None:
    """The application's own shutdown counts as well."""
    app = app_class(__name__)
    async with app.test_app(), app.app_context():
        assert not is_shutting_down()
        await app.shutdown()
        assert is_shutting_down()
        await app.startup()
