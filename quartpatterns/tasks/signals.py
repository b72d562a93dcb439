"""Signals about jobs, as Quart's signals about requests.

.. code-block:: python

    @task_failed.connect_via(app)
    async def report(app, *, job, task, error, **_):
        await mail_admins(f"{task.name} {job.id}: {error!r}")

The sender is the application. A receiver is a synchronous or asynchronous function, and runs in an
application context in the process that the job runs in. An error of a receiver is logged and does
not change the job. A receiver has 30 seconds.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from blinker import NamedSignal, Namespace
from quart import Quart

from quartpatterns._shared.calling import call

__all__ = [
    "send",
    "task_failed",
    "task_retried",
    "task_revoked",
    "task_started",
    "task_succeeded",
]

logger = logging.getLogger("quartpatterns.tasks")

RECEIVER_TIMEOUT = 30.0

_signals = Namespace()

#: Sent before the function of a task runs, with ``job`` (a :class:`RunningJob`) and ``task``.
task_started = _signals.signal("task-started")

#: Sent when a task has returned, with ``job``, ``task`` and ``value``.
task_succeeded = _signals.signal("task-succeeded")

#: Sent when a job has failed for good, with ``job``, ``task`` and ``error``. ``task`` is ``None``
#: if no task has the name in the queue, or if the data of the job cannot be read.
task_failed = _signals.signal("task-failed")

#: Sent when a job will be started again, with ``job``, ``task``, ``error`` (which may be ``None``)
#: and ``countdown``, in seconds.
task_retried = _signals.signal("task-retried")

#: Sent when a job was revoked, with ``job`` and ``task``: in the worker if the job ran, else in the
#: process that revoked it, where ``task`` may be ``None``.
task_revoked = _signals.signal("task-revoked")


async def send(signal: NamedSignal, app: Quart, **data: Any) -> None:
    """Call the receivers of *signal*, one after the other."""
    if not signal.receivers:
        return
    for receiver in list(signal.receivers_for(app)):
        try:
            async with asyncio.timeout(RECEIVER_TIMEOUT), app.app_context():
                await call(receiver, app, **data)
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            logger.error("a receiver of %s failed: %r", signal.name, error, exc_info=error)
