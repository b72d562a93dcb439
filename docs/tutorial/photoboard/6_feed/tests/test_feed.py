"""The live feed and the cache."""

from __future__ import annotations

from quart import Quart
from quart.typing import TestClientProtocol as Client
from quart.typing import TestHTTPConnectionProtocol as Connection
from test_albums import picture, upload


async def receive_event(connection: Connection) -> str:
    """Return the next event of a feed."""
    event = ""
    while not event.endswith("\n\n"):
        event += (await connection.receive()).decode()
    return event


async def test_feed(ada: Client) -> None:
    await upload(ada, picture())
    async with ada.request("/de/feed", method="GET") as connection:
        await connection.send_complete()
        first = await receive_event(connection)
        assert first.startswith("id: ")
        await ada.post("/en/photos/1", form={"text": "Hello"})
        event = await receive_event(connection)
        assert "Ada hat „Waves“ kommentiert." in event
        assert 'href="/de/photos/1"' in event
        await connection.disconnect()


async def test_invalid_id(client: Client) -> None:
    response = await client.get("/en/feed", headers={"Last-Event-ID": "$"})
    assert response.status_code == 400


async def test_cache(app: Quart, ada: Client) -> None:
    """Visitors get a stored page, until an album is added."""
    visitor = app.test_client()
    await visitor.get("/en/")
    await upload(ada, picture())
    assert "Sea" in await (await visitor.get("/en/")).get_data(as_text=True)
