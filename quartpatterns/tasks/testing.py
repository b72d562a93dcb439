"""Tests of an application with tasks: without a worker, and with one."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

from quart import Quart

from quartpatterns.tasks.eager import EagerJob, EagerQueue
from quartpatterns.tasks.jobs import TaskFailedError
from quartpatterns.tasks.queue import Queue, queue_of
from quartpatterns.tasks.worker import serve_jobs

__all__ = ["EagerJob", "EagerQueue", "eager_tasks", "running_worker"]


@contextlib.contextmanager
def eager_tasks(app: Quart) -> Generator[EagerQueue]:
    """Let *app* run its jobs itself, as with ``TASKS_EAGER``, and return its queue.

    ::

        with eager_tasks(app) as queue:
            await client.post("/albums/1/photos", form=form)
            assert [job.task for job in queue.jobs] == ["shop.tasks.make_thumbnail"]

    Redis is not contacted. A job runs when the request or the task that has queued it has ended,
    and before the test client returns; elsewhere it runs inside ``delay``. The page
    "Tests of tasks" says what else differs from a worker.

    Arguments:
        app: An application with tasks.

    Raises:
        RuntimeError: The application has no tasks.
        TaskFailedError: At the end, if a job has failed and the test has neither asked for its
            result nor read ``queue.failed``.

    .. versionadded:: 0.1
    """
    queue = queue_of(app)
    eager = EagerQueue(app, queue.tasks, queue.schedule)
    app.extensions["tasks"] = eager
    eager.connect()
    try:
        yield eager
    finally:
        eager.disconnect()
        app.extensions["tasks"] = queue
    if unseen := eager.unseen:
        texts = "; ".join(f"{job.task}: {job.result.value}" for job in unseen)
        raise TaskFailedError(
            f"{texts}. If the test expects it, read the result or the attribute `failed` of the"
            " eager tasks."
        ) from unseen[0].error


@contextlib.asynccontextmanager
async def running_worker(app: Quart, redis_url: str) -> AsyncGenerator[None]:
    """Run a worker for *app* in this event loop, with a queue of its own on *redis_url*.

    The worker does not run the start-up functions of *app*: the test has done so.

    Arguments:
        app: An application with tasks, which has not handled a request yet.
        redis_url: The URL of a Redis or Valkey for tests.

    Raises:
        RuntimeError: The application has no tasks.
        TasksUnavailableError: Redis cannot be reached.

    .. versionadded:: 0.1
    """
    queue = queue_of(app)
    config = cast("dict[str, Any]", app.config)
    changed = {
        "REDIS_URL": redis_url,
        "TASKS_EAGER": False,
        "TASKS_POLL_DELAY": 0.01,
        "TASKS_QUEUE_NAME": f"test:{secrets.token_hex(8)}",
        "TASKS_SHUTDOWN_TIMEOUT": 0,
    }
    before = {key: config[key] for key in changed}
    config.update(changed)
    try:
        app.extensions["tasks"] = own = Queue(app, queue.tasks, queue.schedule)
        await own.result("")  # An error here is clearer than one of the worker.
        worker = asyncio.create_task(serve_jobs(app))
        try:
            yield
        finally:
            if not worker.done():
                worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker
    finally:
        config.update(before)
        app.extensions["tasks"] = queue
