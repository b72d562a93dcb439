"""What happens on the board, in a stream of Redis that all processes read and write."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from quart import Quart, current_app
from redis.asyncio import Redis

STREAM = "photoboard:feed"


def init_app(app: Quart) -> None:
    """Connect to Redis while the application runs."""

    @app.while_serving
    async def connect() -> AsyncGenerator[None]:
        async with Redis.from_url(app.config["REDIS_URL"], decode_responses=True) as redis:
            app.extensions["feed"] = redis
            yield


def feed() -> Redis:
    """Return the connections of the current application."""
    redis: Redis = current_app.extensions["feed"]
    return redis


async def publish(kind: str, photo: int, title: str, name: str) -> None:
    """Add an event. The stream keeps the last thousand."""
    await feed().xadd(
        STREAM, {"kind": kind, "photo": photo, "title": title, "name": name}, maxlen=1000
    )


async def last_id() -> str:
    """Return the id of the newest event."""
    newest = await feed().xrevrange(STREAM, count=1)
    return newest[0][0] if newest else "0-0"


async def events(after: str) -> list[tuple[str, dict[str, str]]]:
    """Wait for events after an id, at most 15 seconds. Return them with their ids."""
    found = await feed().xread({STREAM: after}, block=15_000, count=50)
    return found[0][1] if found else []
