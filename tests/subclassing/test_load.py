"""Large bodies and a thousand clients that disconnect, for both classes, in another process.

``python -m pytest tests/subclassing/test_load.py -s`` prints the measurements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from quartpatterns.compare.servers import serve
from tests.subclassing.serving import chunk, post

pytestmark = [pytest.mark.wire, pytest.mark.slow]

MIB = 2**20
SIZE = 64 * MIB
CLIENTS = 1000
TIMEOUT = 60.0  # seconds


class Server:
    """The served application and its counts."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.port = httpx.URL(url).port or 0
        # One connection, because Hypercorn keeps a few tasks for some time after each has ended.
        self.client = httpx.Client(base_url=url, timeout=TIMEOUT)

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self.client.get("/counts").json()
        return found

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def print(self, *words: object) -> None:
        print(f"\n{self.name}:", *words)  # noqa: T201


@pytest.fixture(params=["Quart", "FaithfulQuart"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    name: str = request.param
    spec = f'tests.subclassing.load_application:create_app("{name}")'
    with serve(spec, "hypercorn", folder=tmp_path) as running:
        server = Server(name, running.url)
        with server.client:
            yield server


async def test_slow_view(server: Server) -> None:
    """64 MiB wait in the client's socket while the view is slow. Quart keeps them in memory."""
    before = server.counts()["peak"]
    reader, writer = await server.connect()
    writer.write(post("/slow", f"Content-Length: {SIZE}", "Connection: close"))
    for _ in range(SIZE // 65536):
        writer.write(b"x" * 65536)
        await writer.drain()
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(str(SIZE).encode())
    after = server.counts()["peak"]
    server.print(f"64 MiB to a slow view: peak {before / MIB:.0f} -> {after / MIB:.0f} MiB")
    if server.name == "FaithfulQuart":
        assert after - before < 8 * MIB
    else:
        assert after - before > SIZE


async def test_chunked_limit(server: Server) -> None:
    """Of 20 MB in chunks, 1.5 MB are answered 413 with a limit of 1 MB. Quart reads everything."""
    reader, writer = await server.connect()
    head = ("Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=b")
    writer.write(post("/form", *head))
    writer.write(chunk(b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'))
    answer = asyncio.ensure_future(reader.readuntil(b"\r\n"))
    if server.name == "FaithfulQuart":
        # 1.5 MB: the answer comes although the body has not ended, and nothing more is sent.
        for _ in range(30):
            writer.write(chunk(b"x" * 50_000))
            await writer.drain()
    else:
        for _ in range(400):
            writer.write(chunk(b"x" * 50_000))
            await writer.drain()
        writer.write(chunk(b"\r\n--b--\r\n") + b"0\r\n\r\n")
    async with asyncio.timeout(TIMEOUT):
        status = (await answer).decode().strip()
    received = server.counts()["received"]
    writer.close()
    server.print(f"chunks, limit 1 MB: {status}, {received:,} bytes received")
    if server.name == "FaithfulQuart":
        assert status == "HTTP/1.1 413"
    else:
        assert status.startswith("HTTP/1.1 200")
        assert received > 20_000_000


async def test_disconnecting_clients(server: Server) -> None:
    """When 1,000 clients disconnect from streams, all generators end and no task remains."""
    before = server.counts()
    writers = []
    for _ in range(CLIENTS):
        reader, writer = await server.connect()
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"xxxx")
        writers.append(writer)
    during = await asyncio.to_thread(server.counts)
    for writer in writers:
        writer.transport.abort()
    async with asyncio.timeout(TIMEOUT):
        while True:
            after = await asyncio.to_thread(server.counts)
            if after["ended"] == CLIENTS and after["tasks"] <= before["tasks"]:
                break
            await asyncio.sleep(0.1)
    server.print(
        f"{CLIENTS} clients disconnect: {after['ended']} of {after['started']} generators ended,"
        f" tasks {before['tasks']} -> {during['tasks']} -> {after['tasks']},"
        f" memory {_mib(before)} -> {_mib(during)} -> {_mib(after)} MiB"
    )
    assert after["started"] == CLIENTS


def _mib(counts: dict[str, Any]) -> str:
    return f"{counts['resident'] / MIB:.0f}"
