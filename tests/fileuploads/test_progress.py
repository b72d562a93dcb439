"""The progress of an upload, sent to a browser by the server."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import redis  # noqa: F401 - before the loop runs, as it reads the disk
from quart import Quart, request

from quartpatterns._shared.settings import SettingError
from quartpatterns.compare.processes import free_port
from quartpatterns.fileuploads import State, UploadProgress, stream_multipart
from quartpatterns.fileuploads import progress as progress_module
from quartpatterns.fileuploads.progress import UPDATE_INTERVAL, MemoryStateStore
from tests.fileuploads.multipart_bodies import connected, file, form, post
from tests.serving import TIMEOUT, served

BODY = form(file("a.dat", b"x" * 1_000_000))


def make(app_class: type[Quart], **config: Any) -> Quart:
    """Create an application that receives uploads and sends their progress."""
    app = app_class("tests.uploading")
    app.config.update(config)
    progress = UploadProgress(app)

    @app.post("/<upload_id>")
    async def upload(upload_id: str) -> str:
        async with progress.track(upload_id) as report:
            async for part in stream_multipart(request, on_progress=report):
                await part.skip()
        return "done"

    @app.get("/<upload_id>")
    async def events(upload_id: str) -> Any:
        return progress.events(upload_id)

    return app


@pytest.fixture(params=["one process", "redis"])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "one process":
        return {}
    return {"REDIS_URL": request.getfixturevalue("redis_url")}


def new_id() -> str:
    return secrets.token_hex(16)


async def states_of(client: httpx.AsyncClient, upload_id: str) -> AsyncIterator[dict[str, Any]]:
    """Iterate over the events of an upload."""
    async with client.stream("GET", f"/{upload_id}") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


@pytest.mark.checks("UP-9")
async def test_events(app_class: type[Quart], config: dict[str, Any]) -> None:
    """A client sees the upload wait, grow and end; then the stream ends.

    With Redis, another application sends the events, as another worker would.
    """
    upload_id, seen = new_id(), []
    async with (
        served(make(app_class, **config)) as receiving,
        served(make(app_class, **config)) as other,
    ):
        watching_server = other if config else receiving
        async with (
            asyncio.timeout(TIMEOUT),
            connected(receiving.port, f"/{upload_id}", length=len(BODY)) as (reader, writer),
        ):
            async for state in states_of(watching_server.client, upload_id):
                seen.append(state)
                await asyncio.sleep(2 * UPDATE_INTERVAL)  # the interval between two states
                sent = len(BODY) * (len(seen) - 1) // 3
                writer.write(BODY[sent : len(BODY) * len(seen) // 3])
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    first, *between, last = [state["status"] for state in seen]
    assert (first, {*between}, last) == ("waiting", {"receiving"}, "done")
    received = [state["received"] for state in seen]
    assert received == sorted(received) and received[-1] == len(BODY)
    assert seen[-1]["total"] == len(BODY)


@pytest.mark.checks("UP-9")
@pytest.mark.parametrize("how", ["disconnects", "sends a malformed form"])
async def test_failed(app_class: type[Quart], config: dict[str, Any], how: str) -> None:
    """If the client disconnects, or the form is malformed, the upload has failed."""
    upload_id, seen = new_id(), []
    async with served(make(app_class, **config)) as server, asyncio.timeout(TIMEOUT):
        async with connected(server.port, f"/{upload_id}", length=len(BODY)) as (_, writer):
            watching = states_of(server.client, upload_id)
            seen.append(await anext(watching))
            writer.write(BODY[:1000] if how == "disconnects" else b"\0" * len(BODY))
            if how == "disconnects":
                seen.append(await anext(watching))
        seen += [state async for state in watching]
    assert seen[-1]["status"] == "failed"


@pytest.mark.checks("UP-9")
async def test_finished_upload(app_class: type[Quart], config: dict[str, Any]) -> None:
    """A client that connects after the upload sees how it ended."""
    upload_id, app = new_id(), make(app_class, **config)
    async with served(app) as server:
        headers = {"Content-Type": "multipart/form-data; boundary=----boundary"}
        response = await server.client.post(f"/{upload_id}", content=BODY, headers=headers)
        assert response.text == "done"
        assert [state["status"] async for state in states_of(server.client, upload_id)] == ["done"]


@pytest.mark.checks("UP-9")
async def test_invalid_ids(app_class: type[Quart]) -> None:
    """An id that is too short or invalid is a 400; without an id nothing is recorded."""
    client = make(app_class).test_client()
    for upload_id in ("1", "x" * 65, "a%20b" * 8):
        assert (await client.get(f"/{upload_id}")).status_code == 400
        assert (await post(client, BODY, f"/{upload_id}")).status_code == 400
    app = app_class(__name__)
    async with UploadProgress(app).track(None) as report:
        assert report is None


@pytest.mark.checks("UP-9")
async def test_unavailable_redis(app_class: type[Quart], caplog: pytest.LogCaptureFixture) -> None:
    """If Redis is unavailable, an upload goes on, and asks Redis only once."""
    app = make(app_class, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    async with app.test_app():
        response = await post(app.test_client(), BODY, f"/{new_id()}")
    assert response.status_code == 200
    assert len([one for one in caplog.records if "Redis failed" in one.getMessage()]) == 1


@pytest.mark.checks("UP-9")
async def test_keep_alive(app_class: type[Quart], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream without changes sends comments, and ends after a while."""
    clock = itertools.count()
    monkeypatch.setattr(progress_module, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress_module, "UPDATE_INTERVAL", 0)
    response = await make(app_class).test_client().get(f"/{new_id()}")
    text = await response.get_data(as_text=True)
    assert text.count("data: ") == 1
    # A comment after each 10 seconds of silence, for 60 seconds.
    assert text.count(": keep-alive") == 5


async def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The states in memory are limited in time and number."""
    store = MemoryStateStore()
    monkeypatch.setattr(progress_module, "MAX_STATES", 3)
    for number in range(5):
        await store.put(str(number), State("done", number))
    forgotten = [await store.get(str(number)) == State() for number in range(5)]
    assert forgotten == [True, True, False, False, False]
    monkeypatch.setattr(progress_module, "STATE_LIFETIME", -1)
    for number in (5, 6):
        await store.put(str(number), State("done"))
    assert await store.get("4") == await store.get("5") == State()


async def test_without_init_app(app_class: type[Quart]) -> None:
    async with app_class(__name__).app_context():
        with pytest.raises(RuntimeError, match="init_app"):
            UploadProgress().events(new_id())


@pytest.mark.parametrize("address", ["localhost:70000", "localhost:x", "localhost:0", "[::1"])
def test_invalid_redis_url(app_class: type[Quart], address: str) -> None:
    """An invalid port is an error at the start, and not in each upload. It hides the password."""
    app = app_class(__name__)
    app.config["REDIS_URL"] = f"redis://:hunter2@{address}"
    with pytest.raises(SettingError, match="REDIS_URL must be a URL .* up to 65535") as raised:
        UploadProgress(app)
    assert "hunter2" not in str(raised.value)
