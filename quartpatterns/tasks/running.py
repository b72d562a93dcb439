"""What a task may know and say while it runs: its job, its progress, and that it wants a retry."""

from __future__ import annotations

import random
from contextvars import ContextVar
from dataclasses import dataclass
from typing import cast

from arq.worker import Retry as ArqRetry
from quart import current_app
from werkzeug.local import LocalProxy

from quartpatterns.tasks.queue import queue_of

__all__ = ["Retry", "RunningJob", "backoff", "current_job", "running"]

LONGEST_BACKOFF = 600.0  # seconds, as in Celery


@dataclass(frozen=True, slots=True)
class RunningJob:
    """The job that the running task was started for.

    Arguments:
        id: Its id.
        tries: How often it has been started, this time included.
        max_tries: How often it may be started.
    """

    id: str
    tries: int
    max_tries: int

    async def update_progress(self, value: object) -> None:
        """Let whoever asks for the result see *value*, which is JSON, as its ``progress``.

        Raises:
            TasksUnavailableError: Redis can't be reached.
        """
        await queue_of(current_app).update_progress(self.id, value)


running: ContextVar[RunningJob] = ContextVar("quartpatterns.tasks.running")

#: The job of the running task, as ``current_app`` is the running application.
current_job = cast(
    RunningJob, LocalProxy(running, unbound_message="There is no current job: no worker runs this.")
)


class Retry(ArqRetry):
    """Raised by a task that is to be started again later.

    When the task has no try left, it fails with the error that this one was raised from.

    Arguments:
        countdown: The seconds until then; by default they double with every try, from about one
            second up to ten minutes, and vary at random so that retries don't come in a crowd.
    """

    def __init__(self, countdown: float | None = None) -> None:
        super().__init__(countdown)


def backoff(tries: int) -> float:
    """The seconds to wait after try number *tries*."""
    return min(LONGEST_BACKOFF, 2.0 ** (tries - 1)) * random.uniform(0.5, 1.0)
