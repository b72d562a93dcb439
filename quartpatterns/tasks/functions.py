"""What arq is told: the tasks of an application as its functions, and its settings."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from typing import Any

from arq.connections import RedisSettings
from arq.cron import CronJob, cron
from arq.worker import Function, func
from arq.worker import Retry as ArqRetry
from quart import Quart
from redis.asyncio.connection import parse_url

from quartpatterns.tasks.codec import decode, encode, ensure_json
from quartpatterns.tasks.connection import connect
from quartpatterns.tasks.queue import Queue, queue_of
from quartpatterns.tasks.running import Retry, RunningJob, backoff, running
from quartpatterns.tasks.task import Task

__all__ = ["worker_settings"]

logger = logging.getLogger("quartpatterns.tasks")


def worker_settings(app: Quart) -> dict[str, Any]:
    """arq's settings for a worker of *app*: its tasks, its queue, JSON, its start and shutdown.

    Raises:
        RuntimeError: The application has no tasks.
    """
    queue = queue_of(app)
    if not queue.tasks:
        raise RuntimeError(
            f"the application {app.name!r} has no task: decorate a function with @tasks.task, and"
            " import its module where the application is made"
        )
    settings = queue.settings

    async def start(ctx: dict[Any, Any]) -> None:
        await app.startup()
        ctx["app"] = app
        logger.info("ready for the jobs of %s", settings.queue_name)

    async def stop(ctx: dict[Any, Any]) -> None:
        if ctx.pop("app", None):
            await app.shutdown()

    return {
        "functions": [_function(app, queue, task) for task in queue.tasks.values()],
        "cron_jobs": [_cron_job(app, queue, task, when) for task, when in queue.schedule],
        "queue_name": settings.queue_name,
        "redis_pool": connect(settings, max_connections=settings.max_jobs + 5),
        # Only `arq --check` looks at this one.
        "redis_settings": _redis_settings(settings.redis_url),
        "on_startup": start,
        "on_shutdown": stop,
        "job_serializer": encode,
        "job_deserializer": decode,
        "job_timeout": settings.timeout,
        "max_tries": settings.max_tries,
        "max_jobs": settings.max_jobs,
        "keep_result": settings.keep_result,
        "poll_delay": settings.poll_delay,
        "job_completion_wait": settings.shutdown_timeout,
        "health_check_interval": 10,
        "allow_abort_jobs": True,
    }


def _redis_settings(url: str) -> RedisSettings:
    """*url* in the form arq wants; its own reader takes passwords and databases too literally."""
    given = parse_url(url)
    return RedisSettings(
        host=given.get("host", "localhost"),
        port=given.get("port", 6379),
        unix_socket_path=given.get("path"),
        database=given.get("db", 0),
        username=given.get("username"),
        password=given.get("password"),
        ssl=url.startswith("rediss:"),
    )


def _function(app: Quart, queue: Queue, task: Task[..., Any]) -> Function:
    options = task.options
    max_tries = options.max_tries or queue.settings.max_tries
    call = app.ensure_async(task.function)

    async def run(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> Any:
        id = str(ctx["job_id"]).removeprefix(queue.key(""))
        running.set(job := RunningJob(id, ctx["job_try"], max_tries))
        with _retries(job, options.autoretry_for):
            async with app.app_context():
                result = await call(*args, **kwargs)
        ensure_json(result, f"the result of task {task.name}", "return an id, or text and numbers")
        return result

    return func(
        run,
        name=task.name,
        timeout=options.timeout,
        max_tries=options.max_tries,
        keep_result=options.keep_result,
    )


def _cron_job(app: Quart, queue: Queue, task: Task[..., Any], when: dict[str, Any]) -> CronJob:
    """A cron job that only queues the task, which thereby has its own time-out and retries."""

    async def enqueue(ctx: dict[Any, Any]) -> None:
        async with app.app_context():
            await task.apply_async(task_id=str(ctx["job_id"]))

    return cron(enqueue, name=queue.key(f"cron:{task.name}"), **when)


@contextlib.contextmanager
def _retries(job: RunningJob, errors: tuple[type[Exception], ...]) -> Generator[None]:
    """Let a :class:`Retry` pass with its pause; without a try left, raise what it was for."""
    try:
        try:
            yield
        except ArqRetry:
            raise
        except errors as error:
            raise Retry() from error
    except ArqRetry as retry:
        cause = retry.__cause__ or retry.__context__
        if job.tries >= job.max_tries and cause is not None:
            raise cause from None
        if retry.defer_score is None and isinstance(retry, Retry):
            retry.defer_score = round(backoff(job.tries) * 1000)
        raise
