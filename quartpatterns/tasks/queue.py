"""The queue of an application in Redis: the jobs, their results and their progress."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from arq.connections import ArqRedis
from arq.constants import abort_jobs_ss, job_key_prefix, result_key_prefix
from arq.jobs import deserialize_result
from arq.utils import timestamp_ms
from quart import Quart
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.unavailable import ServiceUnavailableError
from quartpatterns._shared.urls import display_address
from quartpatterns.tasks.settings import Settings, read_settings

if TYPE_CHECKING:
    from quartpatterns.tasks.task import Task

__all__ = [
    "REDIS_ERRORS",
    "Queue",
    "Result",
    "TasksUnavailableError",
    "connect",
    "decode",
    "encode",
    "queue_of",
]

logger = logging.getLogger("quartpatterns.tasks")

REDIS_ERRORS = (RedisError, OSError)
"""What the client raises when it cannot reach Redis; a ``TimeoutError`` is an ``OSError``."""

PROGRESS_KEY_PREFIX = "arq:progress:"


class TasksUnavailableError(ServiceUnavailableError):
    """Redis cannot be reached. Without an error handler, Quart responds with 503.

    The cause is the error of the Redis client. The description, which clients see, does not
    contain the address of Redis.

    .. versionadded:: 0.1
    """

    description = (
        "The task queue can't be reached. Start Redis or Valkey, or set REDIS_URL to one that runs."
    )


@dataclass(frozen=True, slots=True)
class Result:
    """The state of a job at one moment. The attributes have the names of Celery's ``AsyncResult``.

    For an unknown id the result is the same as for a job that waits in the queue, as in Celery.

    Arguments:
        id: The id of the job.
        ready: Whether the job has ended.
        successful: Whether it has ended without an error.
        value: What the task returned, or the text of its error, such as ``ValueError: too large``.
            It is ``None`` until the job has ended.
        progress: The last value that the task passed to ``current_job.update_progress()``.

    .. versionadded:: 0.1
    """

    id: str
    ready: bool = False
    successful: bool = False
    value: Any = None
    progress: Any = None


class Queue:
    """The queue of one application, with one Redis client for each event loop.

    Its coroutines raise :exc:`TasksUnavailableError` if Redis cannot be reached.

    Arguments:
        app: The application.
        tasks: The tasks that its worker runs, by name.
        schedule: The tasks that its worker queues at fixed times, each with the arguments of
            arq's ``cron()``.
    """

    def __init__(
        self,
        app: Quart,
        tasks: Mapping[str, Task[..., Any]],
        schedule: Sequence[tuple[Task[..., Any], dict[str, Any]]],
    ) -> None:
        self.settings = settings = read_settings(app)
        self.tasks = tasks
        self.schedule = schedule
        self._clients = LoopBound(
            lambda: connect(settings), lambda client: client.aclose(close_connection_pool=True)
        )
        app.after_serving(self._clients.close)

    async def enqueue(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        task_id: str | None = None,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | None = None,
    ) -> str:
        """Queue a call of the task *name*, and return the id of the job."""
        id = task_id or str(uuid4())
        arq_id = self.arq_id(id)
        async with self._redis() as redis:
            queued = await redis.enqueue_job(
                name,
                *args,
                _job_id=arq_id,
                _defer_by=countdown,
                _defer_until=eta,
                _expires=expires,
                **kwargs,
            )
            # arq returns None if the job exists, and also if the connection broke.
            keys = job_key_prefix + arq_id, result_key_prefix + arq_id
            if queued is None and not await redis.exists(*keys):
                raise ConnectionError("the connection broke before the job was queued")
        return id

    async def result(self, id: str, *, must_exist: bool = False) -> Result:
        """Return the state of the job *id*.

        Raises:
            LookupError: The job does not exist, and *must_exist* is true.
        """
        arq_id = self.arq_id(id)
        async with self._redis() as redis, redis.pipeline(transaction=True) as pipe:
            pipe.mget(result_key_prefix + arq_id, PROGRESS_KEY_PREFIX + arq_id)
            pipe.zscore(self.settings.queue_name, arq_id)
            (data, progress_data), score = cast("Any", await pipe.execute())
        progress = json.loads(progress_data) if progress_data else None
        if data:
            job = deserialize_result(data, deserializer=decode)
            return Result(id, True, job.success, job.result, progress)
        if must_exist and score is None:
            raise LookupError(
                f"no job {id!r}: the id is wrong, or the result has expired (TASKS_KEEP_RESULT)"
            )
        return Result(id, progress=progress)

    async def revoke(self, id: str) -> bool:
        """Ask the workers to cancel the job *id*; return False if it is not in the queue."""
        arq_id, queue_name = self.arq_id(id), self.settings.queue_name
        async with self._redis() as redis:
            if await redis.zscore(queue_name, arq_id) is None:
                return False
            async with redis.pipeline(transaction=True) as pipe:
                pipe.zadd(abort_jobs_ss, {arq_id: timestamp_ms()})
                # A worker takes up a job with a countdown now, and finds that it is revoked.
                pipe.zadd(queue_name, {arq_id: 1}, xx=True)
                await pipe.execute()
        return True

    async def update_progress(self, id: str, value: object) -> None:
        """Store *value* as the progress of the job *id*."""
        data = json.dumps(value, allow_nan=False)
        key, milliseconds = PROGRESS_KEY_PREFIX + self.arq_id(id), self.settings.expires * 1000
        async with self._redis() as redis:
            await redis.set(key, data, px=round(milliseconds))

    def arq_id(self, id: str) -> str:
        """Return arq's id of the job *id*; it differs between applications on the same Redis."""
        return f"{self.settings.queue_name}:{id}"

    @contextlib.asynccontextmanager
    async def _redis(self) -> AsyncGenerator[ArqRedis]:
        try:
            async with asyncio.timeout(self.settings.redis_timeout):
                yield self._clients.get()
        except REDIS_ERRORS as error:
            address = display_address(self.settings.redis_url, default_port=6379)
            logger.warning("Redis at %s: %s", address, str(error) or "no answer in time")
            raise TasksUnavailableError from error


def queue_of(app: Quart) -> Queue:
    """Return the queue of *app*.

    Raises:
        RuntimeError: The application has no queue.
    """
    try:
        return cast("Queue", app.extensions["tasks"])
    except KeyError:
        raise RuntimeError(
            f"the application {app.name!r} has no tasks: call Tasks(app), or tasks.init_app(app)"
        ) from None


def connect(settings: Settings, *, max_connections: int = 0) -> ArqRedis:
    """Return a client for Redis; it connects when it is first used.

    It has no ``socket_timeout``: with one redis-py waits in ``asyncio.wait_for``, which swallows
    cancellations before Python 3.12. The callers use ``asyncio.timeout`` instead.
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


def encode(job: dict[str, Any]) -> bytes:
    """Return arq's data of a job as JSON; an exception becomes its text.

    arq's default is pickle, which runs code when it is read.
    """
    return json.dumps(job, default=_error_text, allow_nan=False).encode()


def decode(data: bytes) -> dict[str, Any]:
    """Return arq's data of a job from JSON."""
    return cast("dict[str, Any]", json.loads(data))


_REASONS: dict[type[BaseException], str] = {
    asyncio.CancelledError: "the job was revoked",
    TimeoutError: "the task ran longer than its timeout",
}


def _error_text(value: object) -> str:
    """Return the value of a failed job: ``ValueError: too large``."""
    if not isinstance(value, BaseException):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    text = str(value) or _REASONS.get(type(value), "")
    return f"{type(value).__name__}: {text}" if text else type(value).__name__
