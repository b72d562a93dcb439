"""Connections to Redis."""

from __future__ import annotations

from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

from quartpatterns.tasks.codec import decode, encode
from quartpatterns.tasks.settings import Settings

__all__ = ["ERRORS", "connect"]

# What a client of Redis raises when it can't do its work, from a refused connection to a time-out.
ERRORS = (RedisError, OSError)


def connect(settings: Settings, *, max_connections: int = 0) -> ArqRedis:
    """A client of the Redis in *settings*; it connects when it is first used.

    It has no ``socket_timeout``: with one the client waits by ``asyncio.wait_for``, which swallows
    cancellations before Python 3.12. Who uses it puts ``asyncio.timeout`` around.
    """
    pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]  untyped
        settings.redis_url,
        max_connections=max(settings.max_connections, max_connections),
        timeout=settings.redis_timeout,
        socket_connect_timeout=settings.redis_timeout,
        encoding_errors="surrogatepass",
    )
    return ArqRedis(
        pool,
        job_serializer=encode,
        job_deserializer=decode,
        default_queue_name=settings.queue_name,
        expires_extra_ms=round(settings.expires * 1000),
    )
