"""When the parts of the port's responses arrive, which a comparison of responses can't see."""

from __future__ import annotations

import asyncio
import time

import pytest
from quart import Quart

from quartpatterns.streaming.example.port import MOST_ROWS, create_app
from tests.serving import served

pytestmark = pytest.mark.wire


@pytest.fixture
def app() -> Quart:
    return create_app({"TIMELINE_PAUSE": 0.02, "RESPONSE_TIMEOUT": 0.05})


@pytest.mark.checks("ST-1")
async def test_very_large_csv(app: Quart) -> None:
    """Ten million rows start at once, and stop when the client disconnects."""
    async with served(app) as server:
        start = time.monotonic()
        async with server.client.stream("GET", f"/large.csv?rows={MOST_ROWS}") as response:
            chunks = response.aiter_raw()
            head = b"".join([await anext(chunks) for _ in range(20)])
        assert head.startswith(b"0,item 0,0.00\n1,item 1,0.07\n")
        assert (await server.client.get("/stream?name=other")).text == "<p>Hello other!</p>"
        assert time.monotonic() - start < 5  # all of it takes more than ten seconds


@pytest.mark.checks("ST-2")
async def test_timeline(app: Quart) -> None:
    """Each event arrives before the next one happens, and no time limit ends the stream."""
    seen: list[float] = []
    async with served(app) as server, server.client.stream("GET", "/timeline") as response:
        async for chunk in response.aiter_raw():
            seen += [time.monotonic()] * chunk.count(b":00")
    assert len(seen) == 10
    assert seen[-1] - seen[0] > 0.15


@pytest.mark.checks("ST-1", "ST-3")
async def test_many_clients(app: Quart) -> None:
    """Concurrent large tables and small streams are complete and correct."""
    async with served(app) as server:
        csv = (await server.client.get("/large.csv?rows=20000")).text
        tables = [server.client.get("/large.csv?rows=20000") for _ in range(10)]
        names = [f"/stream?name={number}" for number in range(50)]
        answers = await asyncio.gather(*tables, *map(server.client.get, names))
    assert csv.count("\n") == 20_000
    assert [answer.text for answer in answers[:10]] == [csv] * 10
    expected = [f"<p>Hello {number}!</p>" for number in range(50)]
    assert [answer.text for answer in answers[10:]] == expected
