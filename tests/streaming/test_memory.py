"""Nothing is left behind after many streams that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
import weakref
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from quart import Quart, request

from quartpatterns.streaming import coalesce, stream_with_context
from tests.serving import TIMEOUT, eventually, served

pytestmark = pytest.mark.wire

STREAMS = 1000
AT_A_TIME = 50
IDLE_TASKS = 5  # of the test, and of a server without connections


@pytest.fixture(autouse=True)
def no_log() -> Generator[None, None, None]:
    """Pytest keeps what is logged, with the frames of each traceback."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.checks("ST-3", "ST-5", "ST-6")
async def test_thousand_streams(app: Quart) -> None:
    """Streams that end, fail or lose their client leave no request, generator, task or timer."""
    requests: weakref.WeakSet[Any] = weakref.WeakSet()
    opened: list[int] = []
    closed: list[int] = []

    @contextlib.contextmanager
    def counted(number: int) -> Generator[None, None, None]:
        opened.append(number)
        try:
            yield
        finally:
            closed.append(number)

    async def steps(number: int) -> AsyncGenerator[str, None]:
        with counted(number):
            if number % 5 == 0:
                raise LookupError
            yield "first"
            if number % 5 == 1:
                raise LookupError
            if number % 5 == 2:
                await asyncio.Event().wait()
            yield "last"

    def sync_steps(number: int) -> Generator[str, None, None]:
        with counted(number):
            if number % 5 == 0:
                raise LookupError
            yield "first"
            yield "last"

    @app.get("/<int:number>")
    async def view(number: int) -> Any:
        requests.add(request._get_current_object())  # type: ignore[attr-defined]
        source: Any = steps(number) if number % 3 else sync_steps(number)
        return stream_with_context(coalesce(source, delay=0) if number % 2 else source)

    async def client(port: int, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /%d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % number)
        async with asyncio.timeout(TIMEOUT):
            await reader.readuntil(b"\r\n\r\n" if number % 5 == 0 else b"first")
            if number % 5 != 2:
                await reader.read()
        writer.transport.abort()

    async with served(app) as server:
        loop: Any = asyncio.get_running_loop()
        for begin in range(0, STREAMS, AT_A_TIME):
            numbers = range(begin, begin + AT_A_TIME)
            await asyncio.gather(*(client(server.port, number) for number in numbers))
        await eventually(lambda: len(closed) == STREAMS)
        assert sorted(opened) == sorted(closed) == list(range(STREAMS))
        await eventually(lambda: len(asyncio.all_tasks()) <= IDLE_TASKS)
        await eventually(lambda: gc.collect() >= 0 and not requests)
        # A timer that was cancelled stays until its time, without its function.
        timers = [handle for handle in loop._scheduled if not handle.cancelled()]
        assert len(timers) < 10
        steps_threads = [one for one in threading.enumerate() if "steps" in one.name]
        assert len(steps_threads) <= 40
