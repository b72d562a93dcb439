"""Tasks that a worker runs: what the page on Celery does, on asyncio and arq.

.. code-block:: python

    tasks = Tasks(app)


    @tasks.task
    async def add_together(a: int, b: int) -> int:
        return a + b

In a view ``job = await add_together.delay(23, 42)`` hands the call to a worker, and
``await tasks.result(job.id)`` tells what has become of it. ``quartpatterns worker MODULE:APP``
runs the worker.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("arq") is None:
    raise ModuleNotFoundError(
        "quartpatterns.tasks needs arq: pip install 'quartpatterns[tasks]'", name="arq"
    )

from quartpatterns.tasks.errors import TaskFailedError, TasksUnavailableError
from quartpatterns.tasks.extension import Tasks
from quartpatterns.tasks.functions import worker_settings
from quartpatterns.tasks.queue import Job
from quartpatterns.tasks.result import Result
from quartpatterns.tasks.running import Retry, RunningJob, current_job
from quartpatterns.tasks.settings import DEFAULTS
from quartpatterns.tasks.task import Task
from quartpatterns.tasks.worker import run_worker

__all__ = [
    "DEFAULTS",
    "Job",
    "Result",
    "Retry",
    "RunningJob",
    "Task",
    "TaskFailedError",
    "Tasks",
    "TasksUnavailableError",
    "current_job",
    "run_worker",
    "worker_settings",
]
