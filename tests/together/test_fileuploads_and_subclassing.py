"""Uploads, files and pages are answered while all threads of synchronous views are taken."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, render_template_string, request

from quartpatterns.errorpages import ErrorPages
from quartpatterns.favicon import add_favicon
from quartpatterns.fileuploads import UploadSet, configure_uploads, send_upload, stream_multipart
from quartpatterns.streaming import coalesce
from quartpatterns.streaming import stream_with_context as stream
from quartpatterns.subclassing import FaithfulQuart, send_from_directory
from tests.serving import TIMEOUT, eventually, served

pytestmark = pytest.mark.wire

VIEWS = 60  # more than any number of threads
LARGE = bytes(3_000_000)  # beyond what is kept in memory


@pytest.fixture
def waiting() -> set[int]:
    return set()


@pytest.fixture
def go_on() -> Generator[threading.Event, None, None]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def app(app_class: type[Quart], tmp_path: Path, waiting: set[int], go_on: threading.Event) -> Quart:
    """An application with slow synchronous views, and with all that works beside them."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "favicon.ico").write_bytes(b"icon")
    (tmp_path / "static" / "large.bin").write_bytes(LARGE)
    app = app_class("photos", root_path=str(tmp_path))
    app.config["UPLOADED_PHOTOS_DEST"] = str(tmp_path / "photos")
    photos = UploadSet("photos", ("bin",))
    configure_uploads(app, photos)
    add_favicon(app)
    ErrorPages(app)

    @app.get("/slow/<int:number>")
    def slow(number: int) -> str:
        waiting.add(number)
        go_on.wait(TIMEOUT)
        return "done"

    @app.post("/stream")
    async def streamed_upload() -> Any:
        async for part in stream_multipart(request):
            if part.filename:
                name = await photos.save(part)
                return {"name": name, "size": name.size}
        return "", 400

    @app.post("/form")
    async def form_upload() -> Any:
        file = (await request.files)["photo"]
        return {"name": await photos.save(file)}

    @app.post("/own")
    async def saved_by_the_view() -> Any:
        file = (await request.files)["photo"]
        await file.save(tmp_path / "own.bin")
        return {"name": "own.bin"}

    @app.get("/photos/<path:name>")
    async def photo(name: str) -> Any:
        return await send_upload(photos, name)

    @app.get("/sent")
    async def sent() -> Any:
        return await send_from_directory(tmp_path / "static", "large.bin")

    @app.get("/page")
    async def page() -> str:
        return await render_template_string("{{ 1 + 1 }}")

    @app.get("/rows")
    async def rows() -> Any:
        return stream(coalesce(f"{number}\n" for number in range(1000)))

    return app


def photo_of(content: bytes) -> dict[str, Any]:
    """Return the files of a form."""
    return {"photo": ("a.bin", content)}


async def test_beside_slow_views(app: Quart, waiting: set[int], go_on: threading.Event) -> None:
    """60 synchronous views take all threads, and nothing else waits for them."""
    async with served(app) as server:
        client = server.client
        slow = [asyncio.create_task(client.get(f"/slow/{number}")) for number in range(VIEWS)]
        threads = 40 if isinstance(app, FaithfulQuart) else 1
        await eventually(lambda: len(waiting) >= threads)
        async with asyncio.timeout(TIMEOUT / 2):
            response = await client.post("/stream", files=photo_of(LARGE))
            assert response.json() == {"name": "a.bin", "size": len(LARGE)}
            name = (await client.post("/form", files=photo_of(LARGE))).json()["name"]
            assert (await client.get(f"/photos/{name}")).content == LARGE
            assert (await client.get("/favicon.ico")).content == b"icon"
            assert (await client.get("/page")).text == "2"
            assert (await client.get("/missing")).status_code == 404
            assert len((await client.get("/rows")).text.splitlines()) == 1000
            if isinstance(app, FaithfulQuart):
                # Quart's own functions use the threads of synchronous views.
                response = await client.post("/own", files=photo_of(b"small"))
                assert response.json() == {"name": "own.bin"}
                assert (await client.get("/sent")).content == LARGE
                assert (await client.get("/static/large.bin")).content == LARGE
        assert not any(task.done() for task in slow)
        go_on.set()
        assert {response.text for response in await asyncio.gather(*slow)} == {"done"}


@pytest.mark.parametrize(("size", "expected"), [(None, None), (3, 3), (1, 1)])
async def test_number_of_threads(size: int | None, expected: int | None) -> None:
    """``SYNC_THREADS`` is the number of views at a time, and of steps of generators."""
    app = FaithfulQuart("threads")
    app.config["SYNC_THREADS"] = size
    threads: dict[str, set[threading.Thread]] = {"views": set(), "steps": set()}

    @app.get("/view")
    def view() -> str:
        threads["views"].add(threading.current_thread())
        return ""

    @app.get("/steps")
    def steps() -> Generator[str, None, None]:
        for _ in range(5):
            threads["steps"].add(threading.current_thread())
            yield "."

    async with served(app) as server:
        for path in ("/view", "/steps") * 3:
            assert (await server.client.get(path)).status_code == 200
    if expected is None:
        assert not any(thread.name.startswith("threads") for thread in threads["views"])
    else:
        assert len(threads["views"]) <= expected
        assert {thread.name.split("_")[0] for kind in threads.values() for thread in kind} == {
            "threads"
        }
    assert (threads["views"] == threads["steps"]) == (size == 1)
