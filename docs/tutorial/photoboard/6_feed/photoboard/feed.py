"""What happens on the board, in a stream of Redis that all processes read and write."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from quart import current_app
from redis.asyncio import Redis

STREAM = "photoboard:feed"
Event = tuple[str, dict[str, str]]


def connect() -> Redis:
    """Return a connection to Redis, for ``async with``."""
    url = current_app.config["REDIS_URL"]
    redis: Redis = Redis.from_url(url, decode_responses=True)
    return redis


async def publish(kind: str, photo: int, title: str, name: str) -> None:
    """Add an event. The stream keeps the last thousand."""
    async with connect() as redis:
        event = {"kind": kind, "photo": photo, "title": title, "name": name}
        await redis.xadd(STREAM, event, maxlen=1000)  # type: ignore[arg-type]


async def events(after: str | None) -> AsyncGenerator[Event]:
    """Yield the id and the content of each event after an id; by default, new events.

    First, and after 15 seconds without an event, it yields the last id without content.
    """
    async with connect() as redis:
        last = after or "0-0"
        if after is None and (newest := await redis.xrevrange(STREAM, count=1)):
            last = newest[0][0]
        while True:
            yield last, {}
            for _, found in await redis.xread({STREAM: last}, block=15_000):
                for event in found:
                    yield event
                    last = event[0]
