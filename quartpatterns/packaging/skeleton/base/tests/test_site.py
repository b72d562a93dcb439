"""The front page, the health check and error pages."""

from __future__ import annotations

from quart import url_for
from quart.typing import TestClientProtocol as Client

from yourapplication import __version__, create_app


async def test_index(client: Client) -> None:
    """The front page is rendered, and its static files are served."""
    response = await client.get("/")
    assert response.status_code == 200
    assert "The application is running." in await response.get_data(as_text=True)
    for name in ("style.css", "icon.svg"):
        assert (await client.get(f"/static/{name}")).status_code == 200


async def test_health(client: Client) -> None:
    """The health check contains the version."""
    response = await client.get("/health")
    assert response.status_code == 200
    assert await response.get_json() == {"status": "ok", "version": __version__}


async def test_proxies() -> None:
    """Behind a proxy, the scheme is the one that the proxy has received."""
    for proxies, location in ((0, "http://localhost/health"), (1, "https://localhost/health")):
        app = create_app({"TESTING": True, "PROXIES": proxies})

        @app.get("/links")
        async def links() -> str:
            return url_for("site.health", _external=True)

        headers = {"X-Forwarded-Proto": "https"}
        response = await app.test_client().get("/links", headers=headers)
        assert await response.get_data(as_text=True) == location


async def test_not_found(client: Client) -> None:
    """An error is rendered with the templates of the application."""
    response = await client.get("/nope", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "<h1>Not Found</h1>" in await response.get_data(as_text=True)
