"""The JSON API and the export."""

from __future__ import annotations

from quart.typing import TestClientProtocol as Client
from quartpatterns.pytest_plugin import CSRFPost
from test_albums import album as album

PROBLEM = "application/problem+json"


async def test_read(app_client: Client, album: str) -> None:
    albums = await (await app_client.get("/api/albums")).get_json()
    assert albums == {
        "albums": [{"id": 1, "title": "Sea", "owner_id": 1}],
        "next": None,
    }
    photo = await (await app_client.get("/api/photos/1")).get_json()
    assert photo["title"] == "Waves"


async def test_comment(ada: Client, album: str, csrf_post: CSRFPost) -> None:
    response = await csrf_post(ada, "/api/photos/1/comments", json={"text": "Hello"})
    assert response.status_code == 201
    assert (await response.get_json())["author_id"] == 1


async def test_problems(
    app_client: Client, ada: Client, album: str, csrf_post: CSRFPost
) -> None:
    """Errors are problem documents (RFC 9457)."""
    response = await app_client.get("/api/photos/2")
    assert (response.status_code, response.mimetype) == (404, PROBLEM)
    response = await csrf_post(ada, "/api/photos/1/comments", json={"text": "x" * 501})
    assert (response.status_code, response.mimetype) == (400, PROBLEM)
    assert [error["pointer"] for error in (await response.get_json())["errors"]] == [
        "#/text"
    ]
    response = await app_client.post("/api/photos/1/comments", json={"text": "Hello"})
    assert (response.status_code, response.mimetype) == (401, PROBLEM)


async def test_export(app_client: Client, album: str) -> None:
    response = await app_client.get(f"{album}/photos.csv")
    lines = (await response.get_data(as_text=True)).splitlines()
    assert lines[0] == '"id","title","created"'
    assert lines[1].startswith('1,"Waves",')
