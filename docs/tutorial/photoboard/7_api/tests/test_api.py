"""The JSON API and the export."""

from __future__ import annotations

from quart.typing import TestClientProtocol as Client
from test_albums import picture, upload


async def test_read(ada: Client) -> None:
    await upload(ada, picture())
    response = await ada.get("/api/albums")
    albums = {"albums": [{"id": 1, "title": "Sea", "owner_id": 1}], "next": None}
    assert await response.get_json() == albums
    photo = await (await ada.get("/api/photos/1")).get_json()
    assert photo["title"] == "Waves"


async def test_comment(ada: Client) -> None:
    await upload(ada, picture())
    response = await ada.post("/api/photos/1/comments", json={"text": "Hello"})
    assert response.status_code == 201
    assert (await response.get_json())["author_id"] == 1


async def test_problems(ada: Client) -> None:
    """Errors are problem documents (RFC 9457)."""
    await upload(ada, picture())
    response = await ada.get("/api/photos/2")
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    response = await ada.post("/api/photos/1/comments", json={"text": "x" * 501})
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    await ada.post("/en/logout")
    response = await ada.post("/api/photos/1/comments", json={"text": "Hello"})
    assert response.status_code == 401


async def test_export(ada: Client) -> None:
    await upload(ada, picture())
    response = await ada.get("/en/albums/1/photos.csv")
    lines = (await response.get_data(as_text=True)).splitlines()
    assert lines[0] == "id,title,created"
    assert lines[1].startswith("1,Waves,")
