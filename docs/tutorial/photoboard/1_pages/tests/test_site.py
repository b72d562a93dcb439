"""The front page and error pages."""

from __future__ import annotations

from quart.typing import TestClientProtocol as Client


async def test_index(app_client: Client) -> None:
    response = await app_client.get("/")
    assert response.status_code == 200
    assert "Photo board" in await response.get_data(as_text=True)


async def test_not_found(app_client: Client) -> None:
    response = await app_client.get("/nowhere", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "<h1>Not Found</h1>" in await response.get_data(as_text=True)
