"""The live feed and the cache."""

from __future__ import annotations

from quart import Quart
from quart.typing import TestClientProtocol as Client
from quart.typing import TestHTTPConnectionProtocol as Connection
from quartpatterns.pytest_plugin import CSRFPost
from test_albums import album as album
from test_albums import text


async def receive_event(connection: Connection) -> str:
    """Return the next event of a feed."""
    event = ""
    while not event.endswith("\n\n"):
        event += (await connection.receive()).decode()
    return event


async def test_feed(ada: Client, album: str, csrf_post: CSRFPost) -> None:
    async with ada.request("/de/feed", method="GET") as connection:
        await connection.send_complete()
        assert (await receive_event(connection)).startswith("id: ")
        await csrf_post(ada, "/en/photos/1", form={"text": "Hello"})
        event = await receive_event(connection)
        assert "Ada hat „Waves“ kommentiert." in event
        assert 'href="/de/photos/1"' in event
        await connection.disconnect()


async def test_invalid_id(app_client: Client) -> None:
    response = await app_client.get("/en/feed", headers={"Last-Event-ID": "$"})
    assert response.status_code == 400


async def test_cache(app: Quart, ada: Client, csrf_post: CSRFPost) -> None:
    """Visitors get a stored page, until an album is added."""
    visitor = app.test_client()
    assert "There are no albums yet." in await text(visitor, "/en/")
    await csrf_post(ada, "/en/albums/new", form={"title": "Sea"})
    assert "Sea" in await text(visitor, "/en/")


async def test_cached_for_all(app: Quart, ada: Client) -> None:
    """All visitors share the stored page, except for what is theirs."""
    app.debug = True  # for the header Cache-Status
    assert "Log in" in await text(app.test_client(), "/en/")
    response = await ada.get("/en/")
    assert response.headers["Cache-Status"] == "quartpatterns; hit"
    page = await response.get_data(as_text=True)
    assert "<span>Ada</span>" in page
    assert "Log in" not in page
