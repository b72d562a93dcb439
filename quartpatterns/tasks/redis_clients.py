"""Clients for Redis, and what their errors mean."""

from __future__ import annotations

import asyncio
from typing import Any

import redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from quartpatterns._shared.unavailable import ServiceUnavailableError, redis_problem
from quartpatterns.tasks import inspection_scripts, scripts
from quartpatterns.tasks.settings import Settings

__all__ = [
    "REDIS_ERRORS",
    "Client",
    "TasksUnavailableError",
    "connection_pool",
    "describe",
    "refuse_event_loop",
    "sync_client",
    "text",
]

REDIS_ERRORS = (RedisError, OSError)
"""What the client raises when it cannot reach Redis; a ``TimeoutError`` is an ``OSError``."""


class TasksUnavailableError(ServiceUnavailableError):
    """Redis cannot be reached. Without an error handler, Quart responds with 503.

    The cause is the error of the Redis client. The description, which clients see, does not
    contain the address of Redis.

    .. versionadded:: 0.1
    """

    description = (
        "The task queue can't be reached. Start Redis or Valkey, or set REDIS_URL to one that runs."
    )


class Client:
    """A client for Redis with its scripts, on one event loop."""

    def __init__(self, settings: Settings) -> None:
        # A script that was interrupted can run again: an id is queued only once.
        self.redis = Redis(connection_pool=connection_pool(settings, retries=1))
        self.enqueue: Any = self.redis.register_script(scripts.ENQUEUE)
        self.revoke: Any = self.redis.register_script(scripts.REVOKE)
        self.jobs: Any = self.redis.register_script(inspection_scripts.JOBS)
        self.stats: Any = self.redis.register_script(inspection_scripts.STATS)
        self.retry: Any = self.redis.register_script(inspection_scripts.RETRY)
        self.purge: Any = self.redis.register_script(inspection_scripts.PURGE)

    async def close(self) -> None:
        await self.redis.aclose(close_connection_pool=True)


def connection_pool(
    settings: Settings, *, max_connections: int = 0, retries: int = 0
) -> BlockingConnectionPool:
    """Return connections to Redis; each connects when it is first used.

    They have no ``socket_timeout``: with one redis-py waits in ``asyncio.wait_for``, which swallows
    cancellations before Python 3.12. The callers use ``asyncio.timeout`` instead.

    Arguments:
        settings: The settings.
        max_connections: The maximum number of connections, if the setting is lower.
        retries: How often a command is sent again if its connection breaks.
    """
    return BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]  untyped
        settings.redis_url,
        max_connections=max(settings.max_connections, max_connections),
        timeout=settings.redis_timeout,
        socket_connect_timeout=settings.redis_timeout,
        encoding_errors="surrogatepass",
        retry=Retry(NoBackoff(), retries),
        retry_on_error=[RedisConnectionError] if retries else [],
    )


def sync_client(settings: Settings, timeout: float) -> Any:
    """Return a synchronous client for Redis; it connects when it is first used.

    Arguments:
        settings: The settings.
        timeout: Seconds to wait for an answer.
    """
    # Untyped: redis-py's annotations mix synchronous and asynchronous results.
    client: Any = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        settings.redis_url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        encoding_errors="surrogatepass",
    )
    return client


def refuse_event_loop() -> None:
    """Raise an error if the thread runs an event loop.

    Raises:
        RuntimeError: It does.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "a function that ends with _sync would block the event loop: await the one without _sync"
    )


def text(data: bytes) -> str:
    """Return a string that Redis returned as bytes."""
    return data.decode(errors="surrogatepass")


def describe(error: BaseException) -> str | None:
    """Return what is wrong with a Redis that answers, or ``None`` for the usual description."""
    problem = redis_problem(error, "REDIS_URL")
    return f"The task queue can't be used. {problem}" if problem else None
