"""Sending files: large files, slow clients, clients that disconnect."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart

from quartpatterns.singlepageapplications import SinglePageApp
from quartpatterns.singlepageapplications.files import FileBody
from tests.examples import examples
from tests.serving import eventually, served

SIZE = 20_000_000


@pytest.fixture
def app(app_class: type[Quart], tmp_path: Path) -> Quart:
    app = app_class(__name__, static_folder=None)
    (tmp_path / "index.html").write_text("index")
    with (tmp_path / "large.bin").open("wb") as file:
        file.write(os.urandom(1_000_000) * 20)
    SinglePageApp(app, tmp_path)
    return app


@pytest.mark.checks("SP-6")
@settings(max_examples=examples(100))
@given(st.integers(0, 400_000), st.integers(0, 400_000))
def test_parts(tmp_path_factory: pytest.TempPathFactory, start: int, stop: int) -> None:
    """Every range of the file is right."""
    path = tmp_path_factory.getbasetemp() / "parts"
    if not path.exists():
        path.write_bytes(os.urandom(400_000))
    start, stop = min(start, stop), max(start, stop)

    async def read() -> bytes:
        body = FileBody(str(path), start, stop)
        async with body as blocks:
            return b"".join([block async for block in blocks])

    assert asyncio.run(read()) == path.read_bytes()[start:stop]


@pytest.mark.wire
@pytest.mark.checks("SP-6")
async def test_on_the_wire(app: Quart, tmp_path: Path) -> None:
    """A large file, its end, and its headers arrive."""
    data = (tmp_path / "large.bin").read_bytes()
    async with served(app) as server:
        whole = await server.client.get("/large.bin")
        assert whole.content == data
        assert len(whole.headers.get_list("Date")) == 1
        part = await server.client.get("/large.bin", headers={"Range": "bytes=-100000"})
        assert (part.status_code, part.content) == (206, data[-100_000:])
        head = await server.client.head("/large.bin")
        assert (head.headers["Content-Length"], head.content) == (str(SIZE), b"")
        same = await server.client.get(
            "/large.bin", headers={"If-None-Match": whole.headers["ETag"]}
        )
        assert (same.status_code, same.content) == (304, b"")
        assert "Content-Length" not in same.headers
        assert (await server.client.get("/any")).text == "index"


@pytest.mark.wire
@pytest.mark.checks("SP-6")
async def test_slow_client(app: Quart) -> None:
    """A client that takes longer than RESPONSE_TIMEOUT gets all of the file."""
    app.config["RESPONSE_TIMEOUT"] = 0.2
    async with served(app) as server:
        async with server.client.stream("GET", "/large.bin") as response:
            received = 0
            async for block in response.aiter_raw(1_000_000):
                received += len(block)
                if received < 3_000_000:
                    await asyncio.sleep(0.3)
        assert received == SIZE


@pytest.mark.wire
@pytest.mark.checks("SP-6")
async def test_client_disconnects(app: Quart, tmp_path: Path) -> None:
    """The file is closed when the client disconnects, and the server goes on."""

    def is_open() -> bool:
        links = (os.path.join("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd"))
        return any(os.path.realpath(link) == str(tmp_path / "large.bin") for link in links)

    async with served(app) as server:
        async with server.client.stream("GET", "/large.bin") as response:
            await anext(response.aiter_raw())
            assert is_open()
        await eventually(lambda: not is_open())
        assert (await server.client.get("/")).status_code == 200
