"""A synchronous stream holds a thread for a step, and never for the whole stream."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from quart import Quart

from quartpatterns.streaming import coalesce, stream_with_context
from tests.serving import TIMEOUT, served

pytestmark = pytest.mark.wire

CLIENTS = 40
STEP = 0.05  # seconds; 1 KiB in each is a source of 20 kB/s


@pytest.fixture
async def small_pool() -> AsyncIterator[None]:
    """Two threads for the synchronous code of this event loop."""
    with ThreadPoolExecutor(2) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        yield


@pytest.mark.slow
@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["coalesced", "plain"])
@pytest.mark.parametrize("size", [None, 2, 1])
async def test_slow_sources(app: Quart, small_pool: None, kind: str, size: int | None) -> None:
    """40 slow synchronous streams all begin, and a synchronous view is answered beside them."""
    app.config["SYNC_THREADS"] = size
    ended = False

    @app.get("/")
    async def view() -> Any:
        def steps() -> Generator[bytes, None, None]:
            give_up = time.monotonic() + TIMEOUT
            while not ended and time.monotonic() < give_up:
                yield bytes(1024)
                time.sleep(STEP)

        return stream_with_context(coalesce(steps()) if kind == "coalesced" else steps())

    @app.get("/sync")
    def sync_view() -> str:
        return "answered"

    async with served(app) as server, contextlib.AsyncExitStack() as stack:
        start = time.monotonic()
        requests = [server.client.stream("GET", "/") for _ in range(CLIENTS)]
        responses = await asyncio.gather(*map(stack.enter_async_context, requests))
        chunks = [response.aiter_raw() for response in responses]
        assert all(await asyncio.gather(*map(anext, chunks)))
        assert (await server.client.get("/sync")).text == "answered"
        # A thread for each stream would take until the streams give up.
        assert time.monotonic() - start < TIMEOUT / 2
        ended = True
