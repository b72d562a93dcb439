"""When the parts of the port's responses arrive, which a comparison of responses can't see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from quart import Quart

from quartpatterns.streaming.example.port import MOST_ROWS, create_app
from tests.serving import TIMEOUT, eventually, served
from tests.streaming.websockets import RefusedError, Version, open_websocket

pytestmark = pytest.mark.wire


@pytest.fixture
def app() -> Quart:
    return create_app({"TIMELINE_PAUSE": 0.02, "RESPONSE_TIMEOUT": 0.05})


async def until(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    """Yield *lines* until one is *last*."""
    async for line in lines:
        yield line
        if line == last:
            return


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


@pytest.mark.checks("ST-9")
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_websocket(app: Quart, version: Version) -> None:
    """A message reaches the websockets and the event streams, whichever way it was published."""
    async with (
        served(app) as server,
        open_websocket(server.port, "/feed/live", version) as first,
        open_websocket(server.port, "/feed/live", version) as second,
        server.client.stream("GET", "/feed/events") as response,
    ):
        lines = response.aiter_lines()
        assert await anext(lines) == "retry: 1000"
        await eventually(lambda: app.extensions["broadcaster"].subscribers == 3)
        await first.send(" <b>one</b> ")
        for websocket in (first, second):
            assert await websocket.receive() == "<b>one</b>"
        assert (await server.client.post("/feed", data={"text": "two"})).status_code == 303
        for websocket in (first, second):
            assert await websocket.receive() == "two"
        texts = [line async for line in until(lines, "data: two") if line.startswith("data")]
        assert texts == ["data: <b>one</b>", "data: two"]
        await second.close()
        await eventually(lambda: app.extensions["broadcaster"].subscribers == 2)


@pytest.mark.checks("ST-9")
@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("text", ["", "  ", "x" * 201])
async def test_invalid_message(app: Quart, version: Version, text: str) -> None:
    """A websocket that sends what is no message is closed, and nobody gets it."""
    async with served(app) as server:
        async with open_websocket(server.port, "/feed/live", version) as other:
            async with open_websocket(server.port, "/feed/live", version) as websocket:
                await websocket.send("x" * 200)
                assert await websocket.receive() == "x" * 200
                await websocket.send(text)
                assert await websocket.receive() == 1008
            await other.send("last")
            assert [await other.receive(), await other.receive()] == ["x" * 200, "last"]
        await eventually(lambda: app.extensions["broadcaster"].subscribers == 0)


@pytest.mark.checks("ST-9")
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_other_sites(app: Quart, version: Version) -> None:
    """Pages of other sites can neither publish nor listen."""
    async with served(app) as server:
        with pytest.raises(RefusedError, match="403"):
            async with open_websocket(
                server.port, "/feed/live", version, {"origin": "http://evil.example"}
            ):
                pass
        own = {"origin": f"http://127.0.0.1:{server.port}"}
        async with open_websocket(server.port, "/feed/live", version, own) as websocket:
            await websocket.send("hello")
            assert await websocket.receive() == "hello"
        form, foreign = {"text": "bad"}, {"Origin": "http://evil.example"}
        response = await server.client.post("/feed", data=form, headers=foreign)
        assert response.status_code == 403


@pytest.mark.checks("ST-9")
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_websocket_at_shutdown(app: Quart, version: Version) -> None:
    """A server that stops closes the websockets at once."""
    async with (
        served(app, graceful_timeout=TIMEOUT) as server,
        open_websocket(server.port, "/feed/live", version) as websocket,
    ):
        await websocket.send("hello")
        assert await websocket.receive() == "hello"
        server.stop.set()
        assert await websocket.receive() == 1001
