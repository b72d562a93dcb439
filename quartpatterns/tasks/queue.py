"""The queue of one application: its connections to Redis, and the jobs it keeps there."""

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
from quart import Quart, current_app, g

from quartpatterns.tasks.codec import decode
from quartpatterns.tasks.connection import ERRORS, connect
from quartpatterns.tasks.errors import TaskFailedError, TasksUnavailableError
from quartpatterns.tasks.result import Result
from quartpatterns.tasks.settings import Settings, address

if TYPE_CHECKING:
    from quartpatterns.tasks.task import Task

__all__ = ["Job", "Queue", "queue_of"]

PROGRESS = "arq:progress:"

logger = logging.getLogger("quartpatterns.tasks")


@dataclass(frozen=True, slots=True)
class Job:
    """A handle on a job: hand its ``id`` to the client, who asks for the result with it."""

    id: str

    async def result(self) -> Result:
        """What is known of the job now."""
        return await queue_of(current_app).result(self.id)

    async def wait(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109  Celery's argument
        """Wait until the task has ended, and return what it returned.

        Without a worker that is never, so a request hardly wants this.

        Arguments:
            timeout: The seconds to wait at most; ``None`` is without end.

        Raises:
            TaskFailedError: The task failed; the message is the text of its error.
            LookupError: The job is neither queued nor is its result kept.
            TimeoutError: It took longer.
        """
        queue = queue_of(current_app)
        async with asyncio.timeout(timeout):
            while True:
                result = await queue.result(self.id, must_exist=True)
                if result.successful:
                    return result.value
                if result.ready:
                    raise TaskFailedError(result.value)
                await asyncio.sleep(queue.settings.poll_delay)

    async def revoke(self) -> bool:
        """Cancel the job, queued or running; false where it has ended or is unknown.

        A worker does it, in its next look at the queue: the job then fails with a
        ``CancelledError``. The thread of a synchronous task can't be stopped and runs to its end.
        """
        return await queue_of(current_app).revoke(self.id)


class Queue:
    """The queue of one application, and the connections to it.

    While the application serves, one pool of connections is shared. Anywhere else, as in a
    script, connections belong to the application context and end with it, for there is nobody
    else to close them.

    Arguments:
        app: The application.
        settings: Its settings.
        tasks: What its worker runs, by name.
        schedule: What its worker queues at set times, each with the times as arq takes them.
    """

    def __init__(
        self,
        app: Quart,
        settings: Settings,
        tasks: Mapping[str, Task[..., Any]],
        schedule: Sequence[tuple[Task[..., Any], dict[str, Any]]],
    ) -> None:
        self.settings = settings
        self.tasks = tasks
        self.schedule = schedule
        self._serving: tuple[asyncio.AbstractEventLoop, ArqRedis] | None = None
        app.before_serving(self._open)
        app.after_serving(self._close)
        app.teardown_appcontext(self._close_context)

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
    ) -> Job:
        """Put a call of the task *name* into the queue.

        Raises:
            TasksUnavailableError: Redis can't be reached.
        """
        job = Job(task_id or str(uuid4()))
        key = self.key(job.id)
        async with self._reached() as redis:
            queued = await redis.enqueue_job(
                name,
                *args,
                _job_id=key,
                _defer_by=countdown,
                _defer_until=eta,
                _expires=expires,
                **kwargs,
            )
            # arq takes a connection that broke off for a job that was there already.
            if not queued and not await redis.exists(job_key_prefix + key, result_key_prefix + key):
                raise ConnectionError("the connection broke off before the job was queued")
        return job

    async def result(self, id: str, *, must_exist: bool = False) -> Result:
        """What is known of the job *id*.

        Raises:
            TasksUnavailableError: Redis can't be reached.
            LookupError: The job must exist, and doesn't.
        """
        key = self.key(id)
        async with self._reached() as redis, redis.pipeline(transaction=True) as pipe:
            pipe.mget(result_key_prefix + key, PROGRESS + key)
            pipe.zscore(self.settings.queue_name, key)
            (data, progress), score = cast(Any, await pipe.execute())
        told = json.loads(progress) if progress else None
        if data:
            ended = deserialize_result(data, deserializer=decode)
            return Result(id, True, ended.success, ended.result, told)
        if must_exist and score is None:
            raise LookupError(
                f"no job {id!r}: the id is wrong, or the result was not kept so long"
                " (TASKS_KEEP_RESULT)"
            )
        return Result(id, progress=told)

    async def revoke(self, id: str) -> bool:
        """Have the job *id* cancelled by a worker; false where it isn't in the queue.

        Raises:
            TasksUnavailableError: Redis can't be reached.
        """
        key, name = self.key(id), self.settings.queue_name
        async with self._reached() as redis:
            if await redis.zscore(name, key) is None:
                return False
            async with redis.pipeline(transaction=True) as pipe:
                pipe.zadd(abort_jobs_ss, {key: timestamp_ms()})
                # One that waits for its time is looked at now.
                pipe.zadd(name, {key: 1}, xx=True)
                await pipe.execute()
        return True

    async def update_progress(self, id: str, value: object) -> None:
        """Keep *value* as the progress of the job *id*.

        Raises:
            TasksUnavailableError: Redis can't be reached.
        """
        data = json.dumps(value, allow_nan=False)
        async with self._reached() as redis:
            await redis.set(PROGRESS + self.key(id), data, px=round(self.settings.expires * 1000))

    def key(self, id: str) -> str:
        """The id under which arq knows the job: applications on one Redis don't meet in it."""
        return f"{self.settings.queue_name}:{id}"

    @contextlib.asynccontextmanager
    async def _reached(self) -> AsyncGenerator[ArqRedis]:
        try:
            async with asyncio.timeout(self.settings.redis_timeout):
                yield self._redis()
        except ERRORS as error:
            where = address(self.settings.redis_url)
            logger.warning("Redis at %s: %s", where, str(error) or "no answer in time")
            raise TasksUnavailableError from error

    def _redis(self) -> ArqRedis:
        if self._serving and self._serving[0] is asyncio.get_running_loop():
            return self._serving[1]
        if "_tasks_redis" not in g:
            g._tasks_redis = connect(self.settings)
        return cast(ArqRedis, g._tasks_redis)

    async def _open(self) -> None:
        self._serving = asyncio.get_running_loop(), connect(self.settings)

    async def _close(self) -> None:
        if self._serving:
            (_, redis), self._serving = self._serving, None
            await redis.aclose(close_connection_pool=True)

    async def _close_context(self, _: BaseException | None) -> None:
        if redis := g.pop("_tasks_redis", None):
            await redis.aclose(close_connection_pool=True)


def queue_of(app: Quart) -> Queue:
    """The queue of *app*.

    Raises:
        RuntimeError: It has none.
    """
    try:
        return cast(Queue, app.extensions["tasks"])
    except KeyError:
        raise RuntimeError(
            f"the application {app.name!r} has no tasks: call Tasks(app), or tasks.init_app(app)"
        ) from None
