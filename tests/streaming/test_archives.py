"""ZIP archives, read by Python's zipfile and by other programs."""

from __future__ import annotations

import asyncio
import io
import os
import random
import shutil
import subprocess
import threading
import time
import zipfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from quart import Quart, Response, g, request

from quartpatterns.streaming import ZipMember, zip_response
from tests.serving import TIMEOUT, eventually, served, unread_response

LARGE = random.Random(1).randbytes(1_000_000)


async def chunks(*parts: bytes) -> AsyncGenerator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def archive(
    app: Quart, members: Callable[[], Iterable[ZipMember] | AsyncGenerator[ZipMember]]
) -> zipfile.ZipFile:
    async def view() -> Response:
        g.name = "ä"
        return zip_response(members(), filename="all.zip")

    app.add_url_rule("/", "export", view)
    response = await app.test_client().get("/")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"] == "attachment; filename=all.zip"
    data = await response.get_data(as_text=False)
    found = zipfile.ZipFile(io.BytesIO(data))
    assert found.testzip() is None
    return found


async def test_members(app: Quart, tmp_path: Path) -> None:
    """Bytes, iterables of both kinds and files; names and contents of any kind."""
    file = tmp_path / "file"
    file.write_bytes(LARGE)
    os.utime(file, (1_000_000_000, 1_000_000_000))

    def steps() -> Generator[bytes]:
        yield f"{g.name} {threading.current_thread() is threading.main_thread()}".encode()

    found = await archive(
        app,
        lambda: [
            ZipMember("a.txt", b"text" * 1000),
            ZipMember("folder/ü 报告.txt", chunks(b"one, ", b"", b"two")),
            ZipMember("steps.txt", steps()),
            ZipMember("file.bin", file),
            ZipMember("stored.bin", file, compress=False),
            ZipMember("empty", b""),
            ZipMember("view", memoryview(b"view"), mode=0o600),
            ZipMember("list", [LARGE, LARGE]),
        ],
    )
    assert found.read("a.txt") == b"text" * 1000
    assert found.getinfo("a.txt").compress_size < 100
    assert found.read("folder/ü 报告.txt") == b"one, two"
    assert found.read("steps.txt") == "ä False".encode()
    assert found.read("file.bin") == found.read("stored.bin") == LARGE
    assert found.read("list") == LARGE * 2
    assert (found.read("empty"), found.read("view")) == (b"", b"view")
    assert found.getinfo("view").external_attr >> 16 == 0o100600
    assert found.getinfo("a.txt").external_attr >> 16 == 0o100644
    local = time.localtime(1_000_000_000)
    assert found.getinfo("file.bin").date_time == (*local[:5], local[5] // 2 * 2)


async def test_times(app: Quart) -> None:
    """The times of members, also those that a ZIP archive can't have."""
    zone = timezone(timedelta(hours=5))
    found = await archive(
        app,
        lambda: [
            ZipMember("zone", b"", datetime(2026, 1, 2, 3, 4, 6, tzinfo=zone)),
            ZipMember("naive", b"", datetime(2026, 1, 2, 3, 4, 6)),
            ZipMember("early", b"", datetime(1970, 1, 1, tzinfo=UTC)),
            ZipMember("late", b"", datetime(2200, 1, 1, tzinfo=UTC)),
            ZipMember("now", b""),
        ],
    )
    times = {info.filename: info.date_time for info in found.infolist()}
    assert times["zone"] == times["naive"] == (2026, 1, 2, 3, 4, 6)
    assert times["early"] == (1980, 1, 1, 0, 0, 0)
    assert times["late"] == (2038, 1, 19, 0, 0, 0)
    assert abs(time.mktime((*times["now"], 0, 0, -1)) - time.time()) < 3600


async def test_many_members(app: Quart) -> None:
    """The members are asked for one after the other."""
    open_members = 0

    async def one() -> AsyncGenerator[bytes]:
        nonlocal open_members
        open_members += 1
        assert open_members == 1
        yield b"x"
        open_members -= 1

    async def members() -> AsyncGenerator[ZipMember]:
        for number in range(2000):
            yield ZipMember(f"{number}.txt", one())

    found = await archive(app, members)
    assert len(found.namelist()) == 2000


async def test_no_members(app: Quart) -> None:
    assert (await archive(app, list)).namelist() == []


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
async def test_other_program(app: Quart, tmp_path: Path) -> None:
    """Info-ZIP reads the archive, with and without known sizes."""
    found = await archive(
        app, lambda: [ZipMember("ä/a", chunks(LARGE)), ZipMember("b", LARGE, compress=False)]
    )
    file = tmp_path / "all.zip"

    def unzip() -> str:
        file.write_bytes(found.fp.getvalue())  # type: ignore[union-attr]
        command = ["unzip", "-t", str(file)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "No errors detected" in await asyncio.to_thread(unzip)


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", ".", "a\\b", "C:/a", "a\nb", "\0"],
)
def test_invalid_names(name: str) -> None:
    """A name never leads out of the folder of the archive."""
    with pytest.raises(ValueError, match="the name of a member"):
        ZipMember(name, b"")


def test_long_name() -> None:
    with pytest.raises(ValueError, match="at most 65,535 bytes"):
        ZipMember("ä" * 40_000, b"")


def test_text() -> None:
    with pytest.raises(TypeError, match="not text"):
        ZipMember("a", "text")  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", ["first", "later", "same name", "missing file"])
@pytest.mark.wire
async def test_errors(app: Quart, broken: str) -> None:
    """An error before the first chunk is an error page; a later one cuts the archive off."""
    closed: list[str] = []

    async def fails() -> AsyncGenerator[bytes]:
        try:
            raise LookupError
            yield b"x"
        finally:
            closed.append("source")

    async def members() -> AsyncGenerator[ZipMember]:
        try:
            if broken != "first":
                yield ZipMember("a", LARGE)
            if broken == "same name":
                yield ZipMember("a", b"")
            if broken == "missing file":
                yield ZipMember("b", Path("/missing"))
            yield ZipMember("b", fails())
        finally:
            closed.append("members")

    @app.get("/")
    async def view() -> Response:
        return zip_response(members())

    app.config["PROPAGATE_EXCEPTIONS"] = False
    async with served(app) as server:
        if broken == "first":
            response = await server.client.get("/")
            assert response.status_code == 500
            assert closed == ["source", "members"]
        else:
            async with server.client.stream("GET", "/") as response:
                assert response.status_code == 200
                with pytest.raises(Exception, match="peer closed connection"):
                    await response.aread()
            await eventually(lambda: closed[-1:] == ["members"])


@pytest.mark.wire
async def test_clients_that_stop_reading(app: Quart) -> None:
    """A client that reads nothing stops the members; one that leaves closes them."""
    read = 0
    closed: list[str] = []

    async def steps() -> AsyncGenerator[bytes]:
        nonlocal read
        try:
            while True:
                read += 1
                yield LARGE[:50_000]
                await asyncio.sleep(0)
        finally:
            closed.append("steps")

    async def members() -> AsyncGenerator[ZipMember]:
        try:
            yield ZipMember("endless", steps(), compress=False)
        finally:
            closed.append("members")

    @app.get("/")
    async def view() -> Response:
        return zip_response(members())

    async with served(app) as server:
        async with unread_response(server.port, "/") as reader:
            await reader.read(12)
            before = -1
            while before != read:
                before = read
                await asyncio.sleep(0.5)
            assert read < 200
            assert not closed
        await eventually(lambda: closed == ["steps", "members"])


@pytest.mark.wire
async def test_slow_members_hold_no_thread(app: Quart) -> None:
    """Members that wait leave the threads free, however many there are."""
    go_on = asyncio.Event()

    async def slow() -> AsyncGenerator[bytes]:
        yield b"begin "
        await go_on.wait()
        yield b"end"

    @app.get("/")
    async def view() -> Response:
        return zip_response([ZipMember("a", slow())])

    @app.get("/sync")
    def synchronous() -> str:
        return "answered"

    async with served(app) as server:
        tasks = [asyncio.create_task(server.client.get("/")) for _ in range(100)]
        async with asyncio.timeout(TIMEOUT):
            assert (await server.client.get("/sync")).text == "answered"
        go_on.set()
        for response in await asyncio.gather(*tasks):
            found = zipfile.ZipFile(io.BytesIO(response.content))
            assert found.read("a") == b"begin end"


async def test_event_loop_is_not_blocked(app: Quart) -> None:
    """Compression and files are the work of threads."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)

    task = asyncio.create_task(watch())
    began = time.perf_counter()
    await archive(app, lambda: [ZipMember("a", LARGE * 20)])
    task.cancel()
    assert longest < (time.perf_counter() - began) / 2


async def test_short_lines_cost_little(app: Quart) -> None:
    """Many short lines cost a few times as much as the same bytes at once, and not a hundred."""
    lines = [f"line {number}\n".encode() for number in range(30_000)]
    members: list[ZipMember] = []

    @app.get("/")
    async def view() -> Response:
        return zip_response([members[-1]])

    async def seconds(member: ZipMember) -> float:
        members.append(member)
        began = time.process_time()
        response = await app.test_client().get("/")
        data = await response.get_data(as_text=False)
        taken = time.process_time() - began
        assert zipfile.ZipFile(io.BytesIO(data)).read("a") == b"".join(lines)
        return taken

    await seconds(ZipMember("a", b"".join(lines)))
    at_once = min([await seconds(ZipMember("a", b"".join(lines))) for _ in range(3)])
    in_lines = min([await seconds(ZipMember("a", (line for line in lines))) for _ in range(3)])
    assert in_lines < 20 * at_once, (in_lines, at_once)


async def test_uploads(app: Quart) -> None:
    """Uploaded files can be the members, also large ones: they stay open until the end."""

    @app.post("/")
    async def view() -> Response:
        files = (await request.files).getlist("files")
        return zip_response([ZipMember(file.filename or "", file.stream) for file in files])

    small = b"line\n" * 1000
    async with served(app) as server:
        parts = [("files", ("small", small)), ("files", ("large", LARGE))]
        response = await server.client.post("/", files=parts)
        found = zipfile.ZipFile(io.BytesIO(response.content))
        assert (found.read("small"), found.read("large")) == (small, LARGE)
