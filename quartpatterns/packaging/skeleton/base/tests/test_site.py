"""The front page and what is around it."""

from __future__ import annotations

from quart.typing import TestClientProtocol as Client

from yourapplication import __version__


async def test_index(client: Client) -> None:
    """The front page is rendered, and what it refers to is served."""
    response = await client.get("/")
    assert response.status_code == 200
    assert "It runs." in await response.get_data(as_text=True)
    for name in ("style.css", "icon.svg"):
        assert (await client.get(f"/static/{name}")).status_code == 200


async def test_health(client: Client) -> None:
    """Who watches it gets the version."""
    response = await client.get("/health")
    assert response.status_code == 200
    assert await response.get_json() == {"status": "ok", "version": __version__}


async def test_unknown_page(client: Client) -> None:
    """An error is a page of the application's own."""
    response = await client.get("/nope", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "<h1>Not Found</h1>" in await response.get_data(as_text=True)
