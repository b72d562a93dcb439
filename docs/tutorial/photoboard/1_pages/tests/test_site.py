"""The front page and error pages."""

from __future__ import annotations

from quart.typing import TestClientProtocol as Client


async def test_index(client: Client) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    assert "Photo board" in await response.get_data(as_text=True)


async def test_not_found(client: Client) -> None:
    response = await client.get("/nowhere", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "<h1>Not Found</h1>" in await response.get_data(as_text=True)
