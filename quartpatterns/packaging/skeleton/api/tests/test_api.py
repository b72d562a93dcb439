"""The JSON API."""

from __future__ import annotations

from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
# {% if login %}
from quartpatterns.pytest_plugin import CSRFPost
# {% endif %}

pytestmark = pytest.mark.usefixtures("rolled_back_database")
PROBLEM = "application/problem+json"


# {% if login %}
async def test_add(author: Client, csrf_post: CSRFPost) -> None:
    """A note is added, and can be read."""
    response = await csrf_post(author, "/api/notes", json={"text": "Milk"})
    assert response.status_code == 201
    note = await response.get_json()
    assert note["text"] == "Milk"
    assert await (await author.get(f"/api/notes/{note['id']}")).get_json() == note
    notes = await (await author.get("/api/notes")).get_json()
    assert notes == {"notes": [note], "next": None}


@pytest.mark.parametrize("body", [{"text": ""}, {"text": "a" * 201}, {}, {"text": "a", "id": 1}])
async def test_invalid(author: Client, csrf_post: CSRFPost, body: dict[str, Any]) -> None:
    """An invalid note is a problem document that names the field."""
    response = await csrf_post(author, "/api/notes", json=body)
    assert (response.status_code, response.mimetype) == (400, PROBLEM)
    assert (await response.get_json())["errors"][0]["pointer"] in ("#/text", "#/id")


async def test_visitor(app_client: Client) -> None:
    """A visitor can read notes, and gets a problem document for a new one."""
    assert (await app_client.get("/api/notes")).status_code == 200
    response = await app_client.post("/api/notes", json={"text": "Milk"})
    assert (response.status_code, response.mimetype) == (401, PROBLEM)
# {% else %}
async def test_add(app_client: Client) -> None:
    """A note is added, and can be read."""
    response = await app_client.post("/api/notes", json={"text": "Milk"})
    assert response.status_code == 201
    note = await response.get_json()
    assert note["text"] == "Milk"
    assert await (await app_client.get(f"/api/notes/{note['id']}")).get_json() == note
    notes = await (await app_client.get("/api/notes")).get_json()
    assert notes == {"notes": [note], "next": None}


@pytest.mark.parametrize("body", [{"text": ""}, {"text": "a" * 201}, {}, {"text": "a", "id": 1}])
async def test_invalid(app_client: Client, body: dict[str, Any]) -> None:
    """An invalid note is a problem document that names the field."""
    response = await app_client.post("/api/notes", json=body)
    assert (response.status_code, response.mimetype) == (400, PROBLEM)
    assert (await response.get_json())["errors"][0]["pointer"] in ("#/text", "#/id")
# {% endif %}


async def test_unknown(app_client: Client) -> None:
    """An unknown note and an unknown address are problem documents."""
    for path in ("/api/notes/99", "/api/nope"):
        response = await app_client.get(path)
        assert (response.status_code, response.mimetype) == (404, PROBLEM)


@pytest.mark.parametrize("page", ["x", "0"])
async def test_invalid_page(app_client: Client, page: str) -> None:
    """An invalid parameter is a problem document that names it."""
    response = await app_client.get("/api/notes", query_string={"page": page})
    assert (response.status_code, response.mimetype) == (400, PROBLEM)
    assert (await response.get_json())["errors"][0]["parameter"] == "page"


async def test_documentation(app_client: Client) -> None:
    """The API is documented, without files of other hosts."""
    assert "/api/notes" in (await (await app_client.get("/openapi.json")).get_json())["paths"]
    page = await (await app_client.get("/api/docs")).get_data(as_text=True)
    assert "swagger" in page and "https://" not in page
