"""arq's own worker: the settings with which the command ``arq`` runs the tasks."""

from __future__ import annotations

import logging
from typing import Any, cast

from arq.connections import ArqRedis, RedisSettings
from arq.cron import CronJob, cron
from arq.worker import Function, func
from quart import Quart
from redis.asyncio.connection import parse_url

from quartpatterns.tasks import signals
from quartpatterns.tasks.arq_format import (
    ArqRetry,
    ErrorText,
    NotJSONError,
    decode,
    decode_job,
    encode,
)
from quartpatterns.tasks.execution import Runner, escape_surrogates
from quartpatterns.tasks.queue import BUILT_IN, Queue, queue_with_tasks
from quartpatterns.tasks.redis_clients import connection_pool
from quartpatterns.tasks.task import Task, not_json_result

__all__ = ["worker_settings"]

logger = logging.getLogger("quartpatterns.tasks")


def worker_settings(app: Quart, queue_name: str | None = None) -> dict[str, Any]:
    """Return the settings of arq's worker for the tasks of *app*.

    Arguments:
        app: The application.
        queue_name: The name of a queue in ``TASKS_QUEUES``, by default the default queue.

    Raises:
        RuntimeError: The application has no tasks.
        ValueError: ``TASKS_QUEUES`` does not contain the queue.

    .. versionadded:: 0.1
    """
    queue = queue_with_tasks(app)
    settings = queue.settings
    queue_key = settings.queue_key(queue_name)
    if limited := [task.name for task in queue.tasks.values() if task.interval]:
        raise RuntimeError(
            f"arq's worker knows no rate_limit, which {', '.join(limited)} has: run the tasks with"
            " `quartpatterns worker`"
        )
    signer = queue.signer

    def encode_signed(data: dict[str, Any]) -> bytes:
        return encode(data) if signer is None or "s" in data else signer.sign(encode(data))

    def decode_signed(data: bytes) -> dict[str, Any]:
        job = decode_job(data, None, signer)
        if job.error is not None:
            raise ErrorText(job.error)
        return {"t": None, "f": job.name, "a": job.args, "k": job.kwargs, "et": job.enqueued}

    logging.getLogger("arq.worker").addFilter(escape_surrogates)

    async def start(ctx: dict[Any, Any]) -> None:
        await app.startup()
        ctx["app"] = app
        logger.info("ready for the jobs of %s", queue_key)

    async def stop(ctx: dict[Any, Any]) -> None:
        if ctx.pop("app", None):
            await app.shutdown()

    redis = ArqRedis(
        connection_pool(settings, max_connections=settings.max_jobs + 5),
        job_serializer=encode_signed,
        job_deserializer=decode,
        default_queue_name=queue_key,
        expires_extra_ms=round(settings.expires * 1000),
    )
    return {
        "functions": [
            _function(app, queue, task) for task in [*queue.tasks.values(), *BUILT_IN.values()]
        ],
        "cron_jobs": [_cron_job(app, queue, task, times) for task, times in queue.schedule],
        "queue_name": queue_key,
        "redis_pool": redis,
        # Only `arq --check` reads this.
        "redis_settings": _redis_settings(settings.redis_url),
        "on_startup": start,
        "on_shutdown": stop,
        "job_serializer": encode,
        "job_deserializer": decode_signed,
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
    """Return *url* as arq's settings; arq's own parser does not decode ``%40`` in a password."""
    parts = parse_url(url)
    return RedisSettings(
        host=parts.get("host", "localhost"),
        port=parts.get("port", 6379),
        unix_socket_path=parts.get("path"),
        database=parts.get("db", 0),
        username=parts.get("username"),
        password=parts.get("password"),
        ssl=url.startswith("rediss:"),
    )


def _function(app: Quart, queue: Queue, task: Task[..., Any]) -> Function:
    """Return arq's function for *task*."""
    runner = Runner(app, queue)

    async def run(ctx: dict[Any, Any], /, *args: Any, **kwargs: Any) -> Any:
        id = queue.plain_id(str(ctx["job_id"]))
        job = runner.running_job(task, id, ctx["job_try"], ctx["job_try"])
        about: dict[str, Any] = {"job": job, "task": task}
        await signals.send(signals.task_started, app, **about)
        try:
            result = await runner.call(task, job, args, kwargs)
            try:
                encode({"r": result})
            except NotJSONError as error:
                raise not_json_result(task, error) from error
        except ArqRetry as retry:
            about |= {"error": retry.__cause__ or retry.__context__}
            seconds = (retry.defer_score or 0) / 1000
            await signals.send(signals.task_retried, app, **about, countdown=seconds)
            raise
        except Exception as error:
            await signals.send(signals.task_failed, app, **about, error=error)
            raise
        await signals.send(signals.task_succeeded, app, **about, value=result)
        return result

    return func(
        cast("Any", run),
        name=task.name,
        timeout=task.timeout,
        max_tries=task.max_tries,
        keep_result=task.keep_result,
    )


def _cron_job(app: Quart, queue: Queue, task: Task[..., Any], times: dict[str, Any]) -> CronJob:
    """Return a cron job that queues *task*, which then has its own timeout and retries."""

    async def enqueue(ctx: dict[Any, Any]) -> None:
        async with app.app_context():
            await task.apply_async(task_id=str(ctx["job_id"]))

    return cron(enqueue, name=queue.arq_id(f"cron:{task.name}"), **times)
