"""A job that a worker runs: from its data to the outcome that is written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quart import Quart

from quartpatterns.tasks import arq_format, links, signals
from quartpatterns.tasks.arq_format import (
    ArqRetry,
    ErrorText,
    JobData,
    JobExecutionFailed,
    NotJSONError,
    decode_job,
    encode_result,
)
from quartpatterns.tasks.call_options import MAX_SECONDS
from quartpatterns.tasks.changes import Change
from quartpatterns.tasks.connection import Claimed, WorkerConnection
from quartpatterns.tasks.execution import Runner, own_cancellation, retries
from quartpatterns.tasks.jobs import RunningJob
from quartpatterns.tasks.processes import ProcessPool
from quartpatterns.tasks.queue import queue_with_tasks
from quartpatterns.tasks.task import Task, not_json_result

__all__ = ["PUT_BACK", "JobRun", "JobRunner", "JobOutcome", "WorkerLostError"]

logger = logging.getLogger("quartpatterns.tasks")

TRACEBACK_LENGTH, ERROR_LENGTH = 20_000, 2_000
"""The characters of a traceback and of an error that are kept."""
ESCAPE = "backslashreplace"


class WorkerLostError(Exception):
    """The worker died each time that it ran the job; the job is not started again.

    .. versionadded:: 0.1
    """


@dataclass(slots=True, eq=False)
class JobRun:
    """A job that the worker runs, until its outcome is written.

    Arguments:
        job: The job as it was claimed.
        started: When it was claimed, in seconds since 1970.
        task: The asyncio task that runs it.
        cancelled: Why it was cancelled.
    """

    job: Claimed
    started: float
    task: asyncio.Task[None] | None = None
    cancelled: Literal["revoked", "stopping", "lost"] | None = None


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What to write when a job has ended, as the script ``FINISH`` takes it.

    Arguments:
        action: ``done``, ``retry`` or ``back``.
        data: The data of the result.
        milliseconds: How long to keep the result, or to wait for the next try.
        how: How the job has ended: ``succeeded``, ``failed`` or ``revoked``.
        info: What is kept of a failure.
        changes: What follows when the job has ended.
    """

    action: Literal["done", "retry", "back"]
    data: bytes = b""
    milliseconds: int = 0
    how: str = ""
    info: bytes = b""
    changes: Sequence[Change] = ()


PUT_BACK = JobOutcome("back")
"""The outcome of a job that its rate limit has put back in the queue. It is not written."""


class JobRunner:
    """Runs the jobs of one worker.

    Arguments:
        app: The application.
        redis: The connection of the worker.
        runner: Runs the functions of tasks.
        processes: The processes for tasks that need one, if there are such tasks.

    Attributes:
        counts: How many jobs have ended, by how they have.
    """

    def __init__(
        self,
        app: Quart,
        redis: WorkerConnection,
        runner: Runner,
        processes: ProcessPool | None,
    ) -> None:
        self._app = app
        self._queue = queue_with_tasks(app)
        self._settings = self._queue.settings
        self._redis = redis
        self._runner = runner
        self._processes = processes
        self.counts = dict.fromkeys(("complete", "failed", "retried"), 0)

    async def outcome(self, run: JobRun) -> JobOutcome | None:
        """Run a job and return its outcome, or ``None`` if its thread still runs."""
        job, task = run.job, None
        call = JobData("<unknown>", [], {}, round(run.started * 1000))
        try:
            if not job.data:
                raise JobExecutionFailed("job expired")
            call = decode_job(job.data, job.id, self._queue.signer)
            task = self._queue.task(call.name)
            if job.revoked:
                run.cancelled = "revoked"
                raise asyncio.CancelledError
            if job.expired:
                raise JobExecutionFailed("job expired")
            if call.error is not None:
                raise ErrorText(call.error)
            if task is None:
                raise JobExecutionFailed(f"function {call.name!r} not found")
            if job.crashes >= self._settings.max_crashes:
                raise WorkerLostError(f"{job.crashes} workers died while they ran this job")
            value = await self._call(run, task, call)
        except ArqRetry as retry:
            self.counts["retried"] += 1
            # A number that Redis cannot store would keep all outcomes from being written.
            delay = max(0, min(retry.defer_score or 0, round(MAX_SECONDS * 1000)))
            logger.info("%s (%s) is started again in %.2f s", job.id, call.name, delay / 1000)
            cause = retry.__cause__ or retry.__context__
            current = self._current(run, task)
            text = "" if cause is None else arq_format.error_text(cause)
            with contextlib.suppress(asyncio.CancelledError):
                await signals.send(
                    signals.task_retried,
                    self._app,
                    job=current,
                    task=task,
                    error=cause,
                    countdown=delay / 1000,
                )
            return JobOutcome("retry", text[:ERROR_LENGTH].encode(errors=ESCAPE), delay)
        except _LimitedError as limited:
            logger.debug("%s (%s) waits %.2f s for its rate limit", job.id, call.name, limited.wait)
            return PUT_BACK
        except _StoppedError:
            logger.info("%s (%s) is queued again", job.id, call.name)
            return (
                None if self._runner.in_thread(self._queue.plain_id(job.id)) else JobOutcome("back")
            )
        except BaseException as error:
            return await self._done(run, task, call, error)
        return await self._done(run, task, call, None, value)

    async def _call(self, run: JobRun, task: Task[..., Any], call: JobData) -> Any:
        """Call the function of *task* with its timeout.

        Raises:
            _StoppedError: The worker stops, or another one runs the job.
            _LimitedError: The rate limit of the task puts it off.
            CancelledError: The job was revoked.
            TimeoutError: The task ran longer than its timeout.
            BaseException: What the function raised.
        """
        id, current = self._queue.plain_id(run.job.id), self._current(run, task)
        if current.tries > current.max_tries:
            raise JobExecutionFailed(f"max {current.max_tries} retries exceeded")
        limit = asyncio.timeout(self._settings.timeout if task.timeout is None else task.timeout)
        try:
            if task.interval:
                await self._respect_rate(run.job, task, task.interval)
            await signals.send(signals.task_started, self._app, job=current, task=task)
            if task.process and self._processes:
                # The time of the task does not start before its process.
                with retries(current, task.autoretry_for):
                    async with self._processes.process() as process, limit:
                        return await process.call(task, current, call.args, call.kwargs)
            async with limit:
                return await self._runner.call(task, current, call.args, call.kwargs)
        except TimeoutError:
            if limit.expired() and self._runner.in_thread(id):
                logger.warning("the thread of %s (%s) runs on after its timeout", id, task.name)
            raise
        except asyncio.CancelledError as error:
            if run.cancelled in ("stopping", "lost"):
                raise _StoppedError from error
            if run.cancelled == "revoked":
                raise asyncio.CancelledError from None
            raise own_cancellation(error) from error.__cause__ or error.__context__

    async def _respect_rate(self, job: Claimed, task: Task[..., Any], interval: float) -> None:
        """Return if the rate limit of *task* lets *job* start now.

        Raises:
            _LimitedError: It does not. The job has been put back in the queue.
        """
        wait: float | None = None
        while wait is None:
            wait = await self._redis.attempt(
                self._redis.limit, job.queue, task.name, job.id, interval
            )
        if wait > 0:
            raise _LimitedError(wait)

    def _current(self, run: JobRun, task: Task[..., Any] | None) -> RunningJob:
        job, id = run.job, self._queue.plain_id(run.job.id)
        return self._runner.running_job(task, id, job.tries + 1, job.deliveries)

    async def _done(
        self,
        run: JobRun,
        task: Task[..., Any] | None,
        call: JobData,
        error: BaseException | None,
        value: object = None,
    ) -> JobOutcome:
        """Return the outcome of a job that has ended, and log it."""
        job, ended = run.job, time.time()

        def encode(error: BaseException | None) -> bytes:
            return encode_result(
                call,
                job.id,
                job.queue,
                tries=job.tries + 1,
                success=error is None,
                value=value if error is None else error,
                start=round(run.started * 1000),
                end=round(ended * 1000),
            )

        try:
            data = encode(error)
            self._queue.check_size(data, f"the arguments and the result of task {call.name}")
        except NotJSONError as not_json:
            error = not_json_result(task, not_json)
            data = encode(error)
        except ValueError as too_large:
            error = too_large
            data = encode(error)
        seconds = ended - run.started
        if error is None:
            logger.info("%s (%s) succeeded in %.3f s", job.id, call.name, seconds)
        elif type(error) is ErrorText:
            logger.info("%s (%s) is not run: an earlier job failed: %s", job.id, call.name, error)
        else:
            text = "%s (%s) failed after %.3f s: %r"
            logger.error(text, job.id, call.name, seconds, error, exc_info=error)
        self.counts["complete" if error is None else "failed"] += 1
        how = "succeeded" if error is None else "failed"
        if error is not None and run.cancelled == "revoked":
            how = "revoked"
        with contextlib.suppress(asyncio.CancelledError):
            await self._send_end(how, self._current(run, task), task, value, error)
        # A job that is not run, because an earlier one failed, is not worth another try.
        kept = how == "failed" and type(error) is not ErrorText
        return JobOutcome(
            "done",
            data,
            round(self._queue.keep_result(task) * 1000),
            how,
            self._failure(run, call, error, ended) if kept and error is not None else b"",
            self._links(call, error, value),
        )

    def _links(self, call: JobData, error: BaseException | None, value: object) -> list[Change]:
        """Return the changes that follow when a job has ended."""
        if not call.then:
            return []
        if error is None:
            try:
                return links.after_value(self._queue, call.then, value)
            except ValueError as wrong:
                logger.error("what follows %s cannot be queued: %s", call.name, wrong)
                error = wrong
        return links.after_error(self._queue, call.then, arq_format.error_text(error))

    async def _send_end(
        self,
        how: str,
        job: RunningJob,
        task: Task[..., Any] | None,
        value: object,
        error: BaseException | None,
    ) -> None:
        if how == "succeeded":
            await signals.send(signals.task_succeeded, self._app, job=job, task=task, value=value)
        elif how == "failed":
            await signals.send(signals.task_failed, self._app, job=job, task=task, error=error)
        else:
            await signals.send(signals.task_revoked, self._app, job=job, task=task)

    def _failure(self, run: JobRun, call: JobData, error: BaseException, ended: float) -> bytes:
        """Return what the queue keeps of a failed job, besides its data."""
        lines = traceback.format_exception(error)
        text = "".join(lines)
        if len(text) > TRACEBACK_LENGTH:
            text = f"... {text[-TRACEBACK_LENGTH:]}"
        return arq_format.dumps(
            {
                "task": call.name,
                "error": arq_format.error_text(error)[:ERROR_LENGTH],
                "traceback": text,
                "tries": run.job.tries + 1,
                "deliveries": run.job.deliveries,
                "started": run.started,
                "ended": ended,
                "worker": self._redis.worker,
            }
        )


class _LimitedError(Exception):
    """The rate limit of its task puts a job off, by ``wait`` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


class _StoppedError(Exception):
    """A job was cancelled because the worker stops, or because another worker runs it."""
