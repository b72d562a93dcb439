"""The front page, the health check, error pages and the factory."""

from __future__ import annotations

from typing import Any

# {% if forms or tasks %}
import pytest
# {% endif %}
from quart import url_for
from quart.typing import TestClientProtocol as Client

from yourapplication import __version__, create_app


async def test_index(app_client: Client) -> None:
    """The front page is rendered, and its static files are served."""
    response = await app_client.get("@{english}/")
    assert response.status_code == 200
    assert "The application is running." in await response.get_data(as_text=True)
    for name in ("style.css", "icon.svg"):
        assert (await app_client.get(f"/static/{name}")).status_code == 200


# {% if tasks %}
@pytest.mark.usefixtures("eager_tasks")
# {% endif %}
async def test_health(app_client: Client) -> None:
    """The health check contains the version."""
    response = await app_client.get("/health")
    assert response.status_code == 200
    assert await response.get_json() == {"status": "ok", "version": __version__}
# {% if sqlalchemy %}


async def test_not_migrated(config: dict[str, Any]) -> None:
    """With an empty database, the health check fails."""
    app = create_app({**config, "SQLALCHEMY_DATABASE_URI": "sqlite:///empty.db"})
    async with app.test_app():
        assert (await app.test_client().get("/health")).status_code >= 500
# {% endif %}
# {% if caching %}


async def test_no_cache(config: dict[str, Any]) -> None:
    """Without its Redis, the application works, and the health check says so."""
    redis = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "redis://127.0.0.1:1/0"}
# {% if tasks %}
    app = create_app({**config, **redis, "TASKS_EAGER": True})
# {% else %}
    app = create_app({**config, **redis})
# {% endif %}
    async with app.test_app():
        response = await app.test_client().get("/health")
    assert (await response.get_json())["status"] == "the cache is not available"
# {% endif %}
# {% if tasks %}


async def test_no_queue(config: dict[str, Any]) -> None:
    """Without its Redis, the health check fails."""
    app = create_app({**config, "REDIS_URL": "redis://127.0.0.1:1/0"})
    async with app.test_app():
        assert (await app.test_client().get("/health")).status_code == 503
# {% endif %}


async def test_proxies(config: dict[str, Any]) -> None:
    """Behind a proxy, the scheme is the one that the proxy has received."""
    for proxies, location in ((0, "http://localhost/health"), (1, "https://localhost/health")):
        app = create_app({**config, "PROXIES": proxies})

        @app.get("/links")
        async def links() -> str:
            return url_for("site.health", _external=True)

        headers = {"X-Forwarded-Proto": "https"}
        response = await app.test_client().get("/links", headers=headers)
        assert await response.get_data(as_text=True) == location


async def test_prefix(config: dict[str, Any]) -> None:
    """With a prefix, links contain it, and other paths do not exist."""
    app = create_app({**config, "PREFIX": "/shop"})

    @app.get("/links")
    async def links() -> str:
        return url_for("site.health")

    client = app.test_client()
    assert await (await client.get("/shop/links")).get_data(as_text=True) == "/shop/health"
    assert (await client.get("/links")).status_code == 404


async def test_not_found(app_client: Client) -> None:
    """An error is rendered with the templates of the application."""
    response = await app_client.get("@{english}/nope", headers={"Accept": "text/html"})
    assert response.status_code == 404
# {% if i18n %}
    assert "<h1>Page not found</h1>" in await response.get_data(as_text=True)
# {% else %}
    assert "<h1>Not Found</h1>" in await response.get_data(as_text=True)
# {% endif %}
# {% if forms %}


def test_secret_key(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a secret key the application does not start, and says what to set."""
    monkeypatch.delenv("QUART_SECRET_KEY", raising=False)
    del config["SECRET_KEY"]
    for invalid in (config, {**config, "SECRET_KEY": ""}):
        with pytest.raises(ValueError, match="set QUART_SECRET_KEY"):
            create_app(invalid)
# {% endif %}
