"""Jobs: a handle for the code that queued one, and its context for the task that runs it."""

from __future__ import annotations

import asyncio
import random
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from quart import current_app
from werkzeug.local import LocalProxy

from quartpatterns.tasks import signals
from quartpatterns.tasks.arq_format import ArqRetry
from quartpatterns.tasks.queue import Result, queue_of

__all__ = [
    "FIRST_WAIT",
    "LONGEST_WAIT",
    "Job",
    "Retry",
    "RunningJob",
    "TaskFailedError",
    "current_job",
    "retry_delay",
    "running_job",
]

MAX_RETRY_DELAY = 600.0
"""Seconds, as in Celery."""

FIRST_WAIT, LONGEST_WAIT = 0.002, 0.1
"""Seconds between two looks at a result, at first and at last."""

T_co = TypeVar("T_co", covariant=True)


class TaskFailedError(Exception):
    """The task failed. :meth:`Job.wait` raises this error; its message is the text of the cause.

    .. versionadded:: 0.1
    """


@dataclass(frozen=True, slots=True)
class Job(Generic[T_co]):
    """A handle for a job that was queued.

    Its methods need an application context. They raise :exc:`TasksUnavailableError` if Redis
    cannot be reached.

    Arguments:
        id: The id, which a client can send back to ask for the result.

    .. versionadded:: 0.1
    """

    id: str

    async def result(self) -> Result:
        """Return the state of the job now."""
        return await queue_of(current_app).result(self.id)

    async def wait(self, timeout: float | None = None) -> T_co:  # noqa: ASYNC109 - Celery's argument
        """Wait until the task has ended, and return its result.

        If no worker runs, the wait never ends. A request should not wait for a job.

        Arguments:
            timeout: The seconds to wait; ``None`` sets no limit.

        Raises:
            TaskFailedError: The task failed.
            LookupError: The job is not in the queue, and its result is not stored.
            TimeoutError: The job did not end in time.
        """
        queue, delay = queue_of(current_app), FIRST_WAIT
        async with asyncio.timeout(timeout):
            while True:
                result = await queue.result(self.id, must_exist=True)
                if result.successful:
                    return cast("T_co", result.value)
                if result.ready:
                    raise TaskFailedError(result.value)
                await asyncio.sleep(delay)
                delay = min(delay * 1.5, LONGEST_WAIT)

    async def revoke(self) -> bool:
        """Cancel the job, whether it waits or runs; return False if it has ended or is unknown.

        A job that waits ends at once; the worker cancels one that runs. The job then fails with a
        ``CancelledError``. The thread of a synchronous task cannot be stopped.
        """
        queue = queue_of(current_app)
        revocation = await queue.revoke(self.id)
        if revocation.ended:
            task = revocation.task
            max_tries = (task and task.max_tries) or queue.settings.max_tries
            app = cast("Any", current_app)._get_current_object()
            job = RunningJob(self.id, 0, max_tries, 0)
            await signals.send(signals.task_revoked, app, job=job, task=task)
        return revocation.found


@dataclass(frozen=True, slots=True)
class RunningJob:
    """The job that the current task belongs to; :data:`current_job` refers to it.

    Arguments:
        id: The id of the job.
        tries: The number of times that the job has been started, including this time. It does not
            count the times that the worker died or was stopped while the job ran.
        max_tries: The maximum number of tries.
        deliveries: The number of times that the job has been started, including this time.

    .. versionadded:: 0.1
    """

    id: str
    tries: int
    max_tries: int
    deliveries: int = 1

    async def update_progress(self, value: object) -> None:
        """Store the progress of the job, which :class:`Result` has as ``progress``.

        Arguments:
            value: A value that can be converted to JSON.

        Raises:
            TasksUnavailableError: Redis cannot be reached.
            TypeError: *value* has a type that cannot be converted to JSON.
            ValueError: *value* is larger than ``TASKS_MAX_SIZE``.
        """
        await queue_of(current_app).update_progress(self.id, value)

    def update_progress_sync(self, value: object) -> None:
        """Do the same in a synchronous task.

        Raises:
            RuntimeError: The thread runs an event loop, which this would block.
            TasksUnavailableError: Redis cannot be reached.
            TypeError: *value* has a type that cannot be converted to JSON.
            ValueError: *value* is larger than ``TASKS_MAX_SIZE``.
        """
        queue_of(current_app).update_progress_sync(self.id, value)


running_job: ContextVar[RunningJob] = ContextVar("quartpatterns.tasks.running_job")

#: A proxy for the :class:`RunningJob` of the current task, as ``current_app`` is a proxy.
current_job = cast(
    "RunningJob",
    LocalProxy(
        running_job,
        unbound_message="There is no current job: use current_job in a task that a worker runs.",
    ),
)


class Retry(ArqRetry):
    """A task raises this to be started again later.

    If the job has been started ``max_tries`` times, it fails with the cause of this error, which
    ``raise Retry() from error`` sets.

    Arguments:
        countdown: The seconds to wait. The default is about 1 second after the first try. It
            doubles with every try, up to 10 minutes. It varies at random, so that many jobs do not
            retry at the same moment.

    .. versionadded:: 0.1
    """

    def __init__(self, countdown: float | None = None) -> None:
        super().__init__(countdown)


def retry_delay(tries: int) -> float:
    """Return the seconds to wait after try number *tries*."""
    return min(MAX_RETRY_DELAY, 2.0 ** (tries - 1)) * random.uniform(0.5, 1.0)
