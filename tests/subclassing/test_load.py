"""Large bodies, and a thousand clients that leave: both classes, each in a process of its own.

``python -m pytest tests/subclassing/test_load.py -s`` prints what is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from quartpatterns.compare.servers import serve
from tests.subclassing.load_application import LIMIT
from tests.subclassing.serving import chunk, post

pytestmark = pytest.mark.wire

MIB = 2**20
SIZE = 64 * MIB
CLIENTS = 1000


class Loaded:
    """The served application, and what it says of itself."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.port = httpx.URL(url).port or 0
        # One connection for all: Hypercorn keeps a few tasks for each, some time after its end.
        self.client = httpx.Client(base_url=url)

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self.client.get("/counts").json()
        return found

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def say(self, *words: object) -> None:
        print(f"\n{self.name}:", *words)  # noqa: T201  the numbers of README.md


@pytest.fixture(params=["Quart", "FaithfulQuart"])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loaded]:
    name: str = request.param
    spec = f'tests.subclassing.load_application:create_app("{name}")'
    with serve(spec, "hypercorn", folder=tmp_path) as running:
        loaded = Loaded(name, running.url)
        with loaded.client:
            yield loaded


async def test_slow_view(loaded: Loaded) -> None:
    """64 MiB wait in the client's socket while the view is slow; Quart takes them into memory."""
    before = loaded.counts()["peak"]
    reader, writer = await loaded.connect()
    writer.write(post("/slow", f"Content-Length: {SIZE}", "Connection: close"))
    for _ in range(SIZE // 65536):
        writer.write(b"x" * 65536)
        await writer.drain()
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(str(SIZE).encode())
    after = loaded.counts()["peak"]
    loaded.say(f"64 MiB to a slow view: peak {before / MIB:.0f} -> {after / MIB:.0f} MiB")
    if loaded.name == "FaithfulQuart":
        assert after - before < 8 * MIB
    else:
        assert after - before > SIZE


async def test_chunked_limit(loaded: Loaded) -> None:
    """20 MB in chunks of a limit of 1 MB: 413, when 1 MB has been received; Quart reads it all."""
    reader, writer = await loaded.connect()
    head = ("Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=b")
    writer.write(post("/form", *head))
    writer.write(chunk(b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'))
    answer = asyncio.ensure_future(reader.readuntil(b"\r\n"))
    for _ in range(400):
        writer.write(chunk(b"x" * 50_000))
        await writer.drain()
        await asyncio.wait([answer], timeout=0.001)
        if answer.done():
            break
    else:
        writer.write(chunk(b"\r\n--b--\r\n") + b"0\r\n\r\n")
    status = (await answer).decode().strip()
    received = loaded.counts()["received"]
    writer.close()
    loaded.say(f"20 MB in chunks, limit 1 MB: {status}, {received:,} bytes received")
    if loaded.name == "FaithfulQuart":
        assert status == "HTTP/1.1 413"
        assert received < 2 * LIMIT
    else:
        assert status.startswith("HTTP/1.1 200")
        assert received > 20_000_000


async def test_leaving(loaded: Loaded) -> None:
    """1,000 clients leave in the middle of a stream: 1,000 generators end, no task stays."""
    before = loaded.counts()
    writers = []
    for _ in range(CLIENTS):
        reader, writer = await loaded.connect()
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"xxxx")
        writers.append(writer)
    during = await asyncio.to_thread(loaded.counts)
    for writer in writers:
        writer.transport.abort()
    after = during
    for _ in range(100):
        await asyncio.sleep(0.1)
        after = await asyncio.to_thread(loaded.counts)
        if after["ended"] == CLIENTS and after["tasks"] <= before["tasks"]:
            break
    loaded.say(
        f"{CLIENTS} clients leave: {after['ended']} of {after['begun']} generators ended,"
        f" tasks {before['tasks']} -> {during['tasks']} -> {after['tasks']},"
        f" memory {_mib(before)} -> {_mib(during)} -> {_mib(after)} MiB"
    )
    assert after["begun"] == after["ended"] == CLIENTS
    assert after["tasks"] <= before["tasks"]


def _mib(counts: dict[str, Any]) -> str:
    return f"{counts['resident'] / MIB:.0f}"
