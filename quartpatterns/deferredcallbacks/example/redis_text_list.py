"""A list of the last texts in Redis, which all server processes share."""

from __future__ import annotations

from typing import Any

from quart import Quart, current_app
from redis.asyncio import Redis
from redis.exceptions import RedisError

from quartpatterns.deferredcallbacks.example.text_list import TextList

__all__ = ["RedisTextList"]

TIMEOUT = 5.0  # seconds


class RedisTextList(TextList):
    """The last texts, in Redis.

    Arguments:
        app: The application, which answers 503 if Redis fails.
        url: The URL of the Redis.
        name: The name of the list among those of the application.
        limit: The number of texts; the oldest are removed.
    """

    def __init__(self, app: Quart, url: str, name: str, limit: int) -> None:
        self._limit, self._key = limit, f"{app.import_name}:{name}"
        # Untyped: redis-py's annotations mix synchronous and asynchronous results.
        self._redis: Any = Redis.from_url(
            url, decode_responses=True, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )
        app.after_serving(self._redis.aclose)
        app.register_error_handler(RedisError, unavailable)

    async def append(self, text: str) -> None:
        """Add *text*. Redis executes both commands as one step."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.rpush(self._key, text)
            pipe.ltrim(self._key, -self._limit, -1)
            await pipe.execute()

    async def all(self) -> list[str]:
        """Return the texts, from the oldest to the newest."""
        texts: list[str] = await self._redis.lrange(self._key, 0, -1)
        return texts


async def unavailable(error: Exception) -> tuple[str, int]:
    """Return the answer while Redis fails."""
    current_app.logger.warning("Redis failed: %s", error)
    return "This page is not available. Try again later.", 503
