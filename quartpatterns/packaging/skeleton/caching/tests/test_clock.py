"""A cached page."""

from __future__ import annotations

from quart import Quart
from quart.typing import TestClientProtocol as Client

from yourapplication.cache import cache


async def test_cached(app: Quart, client: Client) -> None:
    """The page stays the same until the cache is cleared."""
    first = await (await client.get("/clock/")).get_data()
    assert await (await client.get("/clock/")).get_data() == first
    async with app.app_context():
        await cache.clear()
    assert await (await client.get("/clock/")).get_data() != first
