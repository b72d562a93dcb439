"""A cached page."""

from __future__ import annotations

from quart import Quart
from quart.typing import TestClientProtocol as Client

from yourapplication.caching import cache

PATH = "@{english}/clock/"


async def test_cached(app: Quart, app_client: Client) -> None:
    """The page stays the same until the cache is cleared."""
    first = await (await app_client.get(PATH)).get_data()
    assert await (await app_client.get(PATH)).get_data() == first
    async with app.app_context():
        await cache.clear()
    assert await (await app_client.get(PATH)).get_data() != first


async def test_shared(app: Quart, app_client: Client) -> None:
    """All visitors share the page."""
    app.debug = True  # for the header Cache-Status
    await app_client.get(PATH)
    response = await app.test_client().get(PATH)
    assert response.headers["Cache-Status"] == "quartpatterns; hit"
