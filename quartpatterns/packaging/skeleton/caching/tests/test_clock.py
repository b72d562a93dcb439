"""A page is made once, and again when the cache is empty."""

from __future__ import annotations

from quart import Quart
from quart.typing import TestClientProtocol as Client

from yourapplication.cache import cache


async def test_made_once(app: Quart, client: Client) -> None:
    """Who asks later gets the same page."""
    first = await (await client.get("/clock/")).get_data()
    assert await (await client.get("/clock/")).get_data() == first
    async with app.app_context():
        await cache.clear()
    assert await (await client.get("/clock/")).get_data() != first
