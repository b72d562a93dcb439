"""Running comparisons and measurements, one at a time, in the worker.

The database has the runs in their order. Only the oldest one that has not ended is given to the
queue of the tasks, by :func:`start_next`. So at most one runs, however many server processes and
workers there are. The worker calls the function again when a run has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Mapping
from functools import partial
from typing import Any

from quart import Quart, current_app

from quartpatterns._shared.cleanup import finish
from quartpatterns.compare.processes import StartError
from quartpatterns.gallery.results import (
    UNFINISHED,
    Run,
    RunState,
    change_state,
    db,
    delete_old_runs,
    next_run,
    now,
)
from quartpatterns.gallery.run_output import (
    ARGUMENTS,
    OutputError,
    Progress,
    RunResult,
    read_result,
)
from quartpatterns.gallery.run_process import OutputLimitError, run_command
from quartpatterns.gallery.settings import gallery_settings
from quartpatterns.streaming import Broadcaster, BroadcasterUnavailableError
from quartpatterns.tasks import NoSuchJobError, Tasks, TasksUnavailableError, current_job

__all__ = [
    "ALL_RUNS",
    "QUEUE",
    "TASK_SETTINGS",
    "cancel_run",
    "has_results",
    "init_runs",
    "job_id",
    "missing_service",
    "publish",
    "run_topic",
    "start_next",
    "tasks",
]

log = logging.getLogger(__name__)

QUEUE = "runs"
TASK_SETTINGS = {
    # The queue of the example, so that one worker and one page are enough for both.
    "TASKS_QUEUE_NAME": "tasks:quartpatterns.tasks.example.port",
    "TASKS_QUEUES": ["default", QUEUE],
}
ALL_RUNS = "runs"
"""The topic of all changes of states."""
LONGEST_TIMEOUT = 86_400.0
"""Seconds. ``GALLERY_RUN_TIMEOUT`` ends a run; this is the limit of its task."""
REPORT_INTERVAL = 0.25
"""Seconds between two reports of the progress."""
LONGEST_MESSAGE = 1_000
TERMINATED = 128 + signal.SIGTERM
"""The exit code of a command that SIGTERM has ended."""
STOP_TIMEOUT = 10.0
"""Seconds in which a worker that stops cancels its tasks; TASKS_SHUTDOWN_TIMEOUT is less."""

tasks = Tasks()


def has_results(config: Mapping[str, Any]) -> bool:
    """Return whether there is a database for results."""
    return bool(config.get("SQLALCHEMY_DATABASE_URI"))


def missing_service(config: Mapping[str, Any]) -> str | None:
    """Return which setting is missing for runs, in one line; ``None`` if none is."""
    if not has_results(config):
        return "There is no database for results: set DATABASE_URL, and start again."
    if not config.get("REDIS_URL"):
        return "There is no Redis, so nothing can run here: set REDIS_URL, and start again."
    return None


def init_runs(app: Quart) -> None:
    """Prepare *app*, a gallery or its worker, for runs, as far as it has the services."""
    if has_results(app.config):
        db.init_app(app)
    if missing_service(app.config) is None:
        app.config.update(TASK_SETTINGS)
        Broadcaster(app, redis_url=app.config["REDIS_URL"], name="gallery")


def run_topic(id: int) -> str:
    """Return the topic of what happens to one run."""
    return f"run:{id}"


def job_id(run: Run) -> str:
    """Return the id of the job of *run*. The same database can have the same id again."""
    return f"gallery-run-{run.id}-{run.created:%Y%m%d%H%M%S}"


async def publish(run_id: int, event: str, data: object, *, everywhere: bool = True) -> None:
    """Tell those who look at a run, or at the list of runs, what has happened."""
    broadcaster: Broadcaster = current_app.extensions["broadcaster"]
    # Nobody sees the progress while Redis fails. The run goes on.
    with contextlib.suppress(BroadcasterUnavailableError):
        await broadcaster.publish(run_topic(run_id), data, event=event)
        if everywhere:
            await broadcaster.publish(ALL_RUNS, data, event=event)


async def start_next() -> None:
    """Give the oldest run that has not ended to the worker, unless the worker has it.

    It also ends runs whose jobs are gone, such as those of a Redis that has lost its data.

    Raises:
        TasksUnavailableError: Redis cannot be reached.
    """
    while (run := await next_run()) is not None:
        try:
            job = await tasks.inspect.job(job_id(run))
        except NoSuchJobError:
            if run.state == "queued":
                await execute.apply_async((run.id,), task_id=job_id(run))
                return
            state: RunState = "cancelled" if run.state == "stopping" else "error"
            message = "the worker has lost it"
        else:
            if job.state in ("queued", "scheduled", "running"):
                return
            state = "cancelled" if job.state == "revoked" else "error"
            message = job.error or "the worker has ended it"
        # The worker may have ended it since the query.
        if await change_state(run.id, run.state, state, ended=now(), message=message[:1000]):
            await publish(run.id, "state", {"id": run.id, "state": state})


async def cancel_run(run: Run) -> None:
    """Cancel a run that waits or runs.

    Raises:
        TasksUnavailableError: Redis cannot be reached.
    """
    if await change_state(run.id, "queued", "cancelled", ended=now()):
        await publish(run.id, "state", {"id": run.id, "state": "cancelled"})
    elif await change_state(run.id, "running", "stopping"):
        await publish(run.id, "state", {"id": run.id, "state": "stopping"})
    await tasks.job(job_id(run)).revoke()
    await start_next()


@tasks.task(name="gallery.run", queue=QUEUE, timeout=LONGEST_TIMEOUT, max_tries=1, keep_result=0)
async def execute(id: int) -> None:
    """Run the command of the run *id*, and store its result."""
    started = await change_state(id, ("queued", "running"), "running", started=now(), message=None)
    run = await db.session.get(Run, id)
    await db.session.commit()
    if run is not None and started:
        await publish(id, "state", {"id": id, "state": "running"})
        result = await _result(run)
        await finish(partial(_store, run, result))
    with contextlib.suppress(TasksUnavailableError):
        await start_next()


async def _result(run: Run) -> RunResult:
    """Run the command of *run*, and return its result."""
    settings = gallery_settings(current_app)
    limit, memory = settings.run_timeout, settings.run_memory
    arguments = (*ARGUMENTS[run.kind], run.pattern)
    name = f"run-{run.id}"
    try:
        async with asyncio.timeout(limit):
            output = await run_command(name, arguments, _Reporter(run.id), memory=memory)
        try:
            return read_result(run.kind, output.output)
        except OutputError as error:
            if output.code == TERMINATED:
                # Whoever stops the worker may send the signal to all of its processes. The worker
                # then cancels this task, so that the run starts again.
                await asyncio.sleep(STOP_TIMEOUT)
            lines = output.last_lines.strip().splitlines()
            text = lines[-1] if lines else str(error)
            if memory is not None and text.startswith("MemoryError"):
                return _error(
                    f"a process needed more than {memory:,} bytes of memory, the limit of"
                    " GALLERY_RUN_MEMORY"
                )
            return _error(f"exit code {output.code}: {text}")
    except asyncio.CancelledError:
        await finish(partial(_interrupt, run))
        raise
    except TimeoutError:
        return _error(f"stopped after {limit:g} seconds, the limit of GALLERY_RUN_TIMEOUT")
    except (OSError, OutputLimitError, StartError) as error:
        log.exception("run %d failed", run.id)
        return _error(str(error))


def _error(message: str) -> RunResult:
    return RunResult("error", message[:LONGEST_MESSAGE], {}, [])


async def _store(run: Run, result: RunResult) -> None:
    values: dict[str, Any] = {"message": result.message and result.message[:LONGEST_MESSAGE]}
    values |= {"summary": result.summary, "cases": result.cases, "ended": now()}
    await change_state(run.id, UNFINISHED, result.state, **values)
    await delete_old_runs(run.kind, run.pattern, keep=gallery_settings(current_app).keep_runs)
    await publish(run.id, "state", {"id": run.id, "state": result.state})


async def _interrupt(run: Run) -> None:
    """Note that *run* was cancelled, or that it starts again because the worker stops."""
    state: RunState = "cancelled"
    if not await change_state(run.id, "stopping", "cancelled", ended=now()):
        state = "queued"
        await change_state(
            run.id, "running", "queued", message="The worker was stopped; the run starts again."
        )
    await publish(run.id, "state", {"id": run.id, "state": state})
    if state == "cancelled":
        with contextlib.suppress(TasksUnavailableError):
            await start_next()


class _Reporter:
    """Reports the progress of a run, not too often."""

    def __init__(self, id: int) -> None:
        self._id = id
        self._progress = Progress()
        self._next = 0.0

    async def __call__(self, line: str) -> None:
        """Note a line of the command."""
        loop = asyncio.get_running_loop()
        if not self._progress.read(line) or loop.time() < self._next:
            return
        self._next = loop.time() + REPORT_INTERVAL
        progress = self._progress
        data: dict[str, Any] = {"id": self._id, "done": progress.done, "total": progress.total}
        data["line"] = progress.line
        with contextlib.suppress(TasksUnavailableError):
            await current_job.update_progress(data)
        await publish(self._id, "progress", data)
