"""Background tasks with asyncio and arq, in place of Celery on Flask's page.

.. code-block:: python

    tasks = Tasks(app)


    @tasks.task
    async def add_together(a: int, b: int) -> int:
        return a + b

In a view ``job = await add_together.delay(23, 42)`` queues the call for a worker, and
``await tasks.result(job.id)`` returns its state. ``quartpatterns worker MODULE:APP`` runs a worker.

The errors are :exc:`TasksUnavailableError`, a 503, and :exc:`TaskFailedError`.
"""

from __future__ import annotations

from quartpatterns._shared.extras import requires_extra

with requires_extra("tasks"):
    from quartpatterns.tasks.arq_worker import worker_settings
    from quartpatterns.tasks.canvas import (
        CanvasStep,
        Chain,
        Group,
        GroupJob,
        Signature,
        chain,
        chord,
        group,
    )
    from quartpatterns.tasks.extension import Tasks
    from quartpatterns.tasks.inspection import (
        Inspector,
        JobInfo,
        JobPage,
        JobState,
        NoSuchJobError,
        QueueStats,
    )
    from quartpatterns.tasks.job_runs import WorkerLostError
    from quartpatterns.tasks.jobs import Job, Retry, RunningJob, TaskFailedError, current_job
    from quartpatterns.tasks.processes import ProcessLostError
    from quartpatterns.tasks.queue import Result
    from quartpatterns.tasks.redis_clients import TasksUnavailableError
    from quartpatterns.tasks.settings import SETTINGS
    from quartpatterns.tasks.signals import (
        task_failed,
        task_retried,
        task_revoked,
        task_started,
        task_succeeded,
    )
    from quartpatterns.tasks.signing import JobSignatureError
    from quartpatterns.tasks.task import Task
    from quartpatterns.tasks.worker import run_worker

__all__ = [
    "SETTINGS",
    "CanvasStep",
    "Chain",
    "Group",
    "GroupJob",
    "Inspector",
    "Job",
    "JobInfo",
    "JobPage",
    "JobSignatureError",
    "JobState",
    "NoSuchJobError",
    "ProcessLostError",
    "QueueStats",
    "Result",
    "Retry",
    "RunningJob",
    "Signature",
    "Task",
    "TaskFailedError",
    "Tasks",
    "TasksUnavailableError",
    "WorkerLostError",
    "chain",
    "chord",
    "current_job",
    "group",
    "run_worker",
    "task_failed",
    "task_retried",
    "task_revoked",
    "task_started",
    "task_succeeded",
    "worker_settings",
]
