"""What happens on the board, in a stream of Redis that all processes read and write."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

from quart import current_app
from redis.asyncio import Redis

STREAM = "photoboard:feed"
Event = tuple[str, dict[str, str]]


def connect() -> AbstractAsyncContextManager[Redis]:
    """Return a connection to Redis, for ``async with``."""
    return Redis.from_url(current_app.config["REDIS_URL"], decode_responses=True)


async def publish(kind: str, photo: int, title: str, name: str) -> None:
    """Add an event. The stream keeps the last thousand."""
    async with connect() as redis:
        event = {"kind": kind, "photo": photo, "title": title, "name": name}
        await redis.xadd(STREAM, event, maxlen=1000)  # type: ignore[arg-type]


async def events(after: str | None) -> AsyncGenerator[Event]:
    """Yield the id and the content of each event that follows an id; by default, new events.

    Without content it is the id of the last event: first, and after 15 seconds without an event.
    """
    async with connect() as redis:
        if after is None:
            newest = await redis.xrevrange(STREAM, count=1)
            after = newest[0][0] if newest else "0-0"
        while True:
            yield after, {}
            for _, found in await redis.xread({STREAM: after}, block=15_000):
                for event in found:
                    yield event
                    after = event[0]
