"""The worker: it takes jobs from the queue, runs them, and writes their results."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from quart import Quart

from quartpatterns._shared.cleanup import finish
from quartpatterns.tasks import arq_format, links, scripts, signals
from quartpatterns.tasks.arq_format import (
    ArqRetry,
    ErrorText,
    JobData,
    JobExecutionFailed,
    NotJSONError,
    decode_job,
    encode_result,
)
from quartpatterns.tasks.changes import Change
from quartpatterns.tasks.connection import Claimed, LeaseConnection, WorkerConnection
from quartpatterns.tasks.execution import Runner, escape_surrogates, own_cancellation, retries
from quartpatterns.tasks.jobs import RunningJob
from quartpatterns.tasks.processes import ProcessPool
from quartpatterns.tasks.queue import (
    MAX_SECONDS,
    REDIS_ERRORS,
    TasksUnavailableError,
    queue_with_tasks,
)
from quartpatterns.tasks.task import Task, not_json_result

__all__ = ["WorkerLostError", "run_supervised_worker", "run_worker", "serve_jobs"]

logger = logging.getLogger("quartpatterns.tasks")
logger.addFilter(escape_surrogates)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
HEALTH_INTERVAL = 10.0
POP_WAIT = 5.0
"""Seconds after which a blocking read is repeated."""
CANCEL_TIMEOUT = 1.0
"""Seconds that a cancelled task has to end before the worker leaves without it."""
CRON_UNIQUE = 3600.0
"""Seconds in which a time of the schedule is queued only once."""
BATCH = 100
TRACEBACK_LENGTH, ERROR_LENGTH = 20_000, 2_000
"""The characters of a traceback and of an error that are kept."""
ESCAPE = "backslashreplace"


class WorkerLostError(Exception):
    """The worker died each time that it ran the job; the job is not started again.

    .. versionadded:: 0.1
    """


async def run_worker(
    app: Quart,
    *,
    queues: Sequence[str] | None = None,
    application: str | None = None,
    burst: bool = False,
    handle_signals: bool = True,
) -> None:
    """Run a worker for the tasks of *app* until a signal arrives or the caller is cancelled.

    Arguments:
        app: The application.
        queues: Names of queues, the most important first; by default all of ``TASKS_QUEUES``.
        application: The name of the application, such as ``shop:create_app()``. The processes of
            tasks with ``process=True`` load it.
        burst: Whether to stop as soon as the queues are empty.
        handle_signals: Whether SIGINT and SIGTERM stop the worker. Only the main thread can handle
            signals. A program that handles signals itself cancels the worker instead.

    Raises:
        RuntimeError: The application has no tasks; or a task has ``process=True``, and
            *application* is missing.
        ProcessLostError: The application cannot start in a process.
        ValueError: ``TASKS_QUEUES`` does not contain a queue, or that of a task.
        TasksUnavailableError: *burst* is true, and Redis cannot be reached. If *burst* is false,
            the worker waits for Redis.

    .. versionadded:: 0.1
    """
    pool = _process_pool(app, application)
    await _Worker(app, queues=queues, burst=burst, processes=pool).serve(
        handle_signals=handle_signals
    )


async def run_supervised_worker(
    app: Quart, id: str, *, queues: Sequence[str] | None, application: str, burst: bool
) -> None:
    """Run a worker whose id its supervisor has chosen, and which ends it at a second signal."""
    pool = _process_pool(app, application)
    worker = _Worker(app, id=id, queues=queues, burst=burst, processes=pool)
    await worker.serve(supervised=True)


def _process_pool(app: Quart, application: str | None) -> ProcessPool | None:
    """Return the processes for the tasks of *app* that need them."""
    queue = queue_with_tasks(app)
    names = sorted(name for name, task in queue.tasks.items() if task.process)
    if not names:
        return None
    if application is None:
        raise RuntimeError(
            f"{', '.join(names)} run in processes, which load the application by its name: pass"
            " application='module:app' to run_worker(), or start the command quartpatterns worker"
        )
    command = [sys.executable, "-m", "quartpatterns", "worker", application, "--process"]
    return ProcessPool(command, queue.settings.processes or os.cpu_count() or 1)


async def serve_jobs(app: Quart) -> None:
    """Run a worker inside of an application that was started, until the caller is cancelled.

    Tasks with ``process=True`` run in threads.
    """
    await _Worker(app, lifespan=False).serve(handle_signals=False)


@dataclass(slots=True, eq=False)
class _Running:
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
class _Outcome:
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


class _Worker:
    """Claims jobs, runs them, and writes their outcomes, several in one round trip.

    * It waits for jobs in a blocking read, which :data:`scripts.ENQUEUE` ends.
    * A job has a lease that a thread renews, so a task that blocks the event loop keeps it. When
      the worker dies, the lease expires after ``TASKS_LEASE`` seconds, and another worker starts
      the job. All jobs of the dead worker are suspects then. A worker runs only one suspect at a
      time, so that the next death tells which of them is to blame.
    * When Redis is lost the worker waits for it, and then writes the outcomes of jobs that have
      ended.
    * After a signal running jobs have ``TASKS_SHUTDOWN_TIMEOUT`` seconds to end, and are then
      queued again. A second signal ends the process at once.
    """

    def __init__(
        self,
        app: Quart,
        *,
        id: str | None = None,
        queues: Sequence[str] | None = None,
        burst: bool = False,
        lifespan: bool = True,
        processes: ProcessPool | None = None,
    ) -> None:
        self._app = app
        self._lifespan = lifespan
        self._processes = processes
        self._queue = queue_with_tasks(app)
        self._settings = settings = self._queue.settings
        self._queue_keys = settings.queue_keys(queues)
        for task in self._queue.tasks.values():
            settings.queue_key(task.queue)
        self._burst = burst
        self._id = id or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._redis = WorkerConnection(self._id, settings, burst=burst)
        self._runner = Runner(app, self._queue)
        self._running: dict[str, _Running] = {}
        self._active: set[str] = set()
        # A job that is tried again at once may run while its last outcome is being written.
        self._outcomes: dict[_Running, _Outcome] = {}
        self._ended = asyncio.Event()
        self._slot_free = asyncio.Event()
        self._counts = dict.fromkeys(("complete", "failed", "retried"), 0)
        self._report_text = ""
        self._stopping = False
        self._stop_requested = asyncio.Event()
        self._closed = threading.Event()

    # Starting and stopping

    async def serve(self, *, handle_signals: bool = True, supervised: bool = False) -> None:
        """Run jobs until a signal arrives, or until the queue is empty in a burst."""
        signals = SIGNALS if handle_signals else ()
        loop = asyncio.get_running_loop()
        for number in signals:
            again = () if supervised else signals
            loop.add_signal_handler(number, self._handle_signal, again)
        loops: list[asyncio.Task[None]] = []
        try:
            await self._until_stopped(self._connect())
            if not self._stop_requested.is_set():
                if self._lifespan:
                    await self._app.startup()
                if self._processes:
                    await self._processes.start()
                logger.info("ready for the jobs of %s", ", ".join(self._queue_keys))
                threading.Thread(
                    target=self._renew_leases, args=(loop,), name="task leases", daemon=True
                ).start()
                endless = [self._write, self._cancel_revoked, self._report]
                endless += [self._schedule] if self._queue.schedule else []
                loops += [asyncio.create_task(each()) for each in endless]
                await self._until_stopped(self._claim(), *loops)
        finally:
            await finish(lambda: self._close(loops))
            for number in signals:
                loop.remove_signal_handler(number)

    async def _until_stopped(self, work: Awaitable[None], *others: asyncio.Future[Any]) -> None:
        """Await *work*; stop it if a signal arrives, or one of the *others* fails."""
        task: asyncio.Future[Any] = asyncio.ensure_future(work)
        stop: asyncio.Future[Any] = asyncio.create_task(self._stop_requested.wait())
        try:
            done, _ = await asyncio.wait({task, stop, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (task, stop):
                each.cancel()
            await asyncio.wait({task, stop})
        for each in done - {stop}:
            each.result()

    async def _connect(self) -> None:
        while not await self._redis.attempt(self._redis.ping):
            pass

    async def _close(self, loops: Sequence[asyncio.Task[None]]) -> None:
        """Finish jobs, shut down the application and close the connections, even without Redis."""
        self._stopping = True
        try:
            await self._finish_jobs()
            for each in loops:
                each.cancel()
            if loops:
                await asyncio.wait(loops)
                with contextlib.suppress(*REDIS_ERRORS):
                    async with asyncio.timeout(self._settings.redis_timeout):
                        await self._redis.delete_report(self._queue_keys, self._report_text)
        finally:
            self._closed.set()
            try:
                if self._processes:
                    await self._processes.close()
                if loops and self._lifespan:
                    await self._app.shutdown()
            finally:
                await self._redis.close()

    async def _finish_jobs(self) -> None:
        """Wait for running jobs, then cancel them, which queues them again."""
        await self._wait_for_jobs(self._settings.shutdown_timeout)
        for id in list(self._running):
            self._cancel(id, "stopping")
        await self._wait_for_jobs(CANCEL_TIMEOUT)
        with contextlib.suppress(*REDIS_ERRORS):
            async with asyncio.timeout(self._settings.redis_timeout):
                while self._outcomes:
                    await self._write_outcomes()
                if left := list(self._running):
                    logger.warning("%d jobs still run; they start again when they end", len(left))
                    await self._redis.hand_over(left)

    async def _wait_for_jobs(self, seconds: float) -> None:
        running = [job.task for job in self._running.values() if job.task and not job.task.done()]
        if running:
            await asyncio.wait(running, timeout=seconds)

    def _handle_signal(self, signals: Sequence[signal.Signals]) -> None:
        """Stop; the next one of *signals* ends the process at once."""
        if self._stop_requested.is_set():
            return
        for number in signals:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        logger.warning("stopping; %d jobs are running", len(self._running))
        self._stop_requested.set()

    # Taking jobs from the queue

    async def _claim(self) -> None:
        """Start jobs; return when the queue is empty in a burst."""
        queues = self._queue_keys
        while True:
            free = self._settings.max_jobs - len(self._active)
            if free <= 0:
                self._slot_free.clear()
                await self._slot_free.wait()
                continue
            suspect = not any(running.job.suspect for running in self._running.values())
            claim = await self._redis.attempt(
                functools.partial(self._redis.claim, suspect=suspect), queues, free
            )
            if claim is None:
                continue
            for job in claim.jobs:
                self._start(job)
            if len(claim.jobs) == free:
                continue
            if self._burst and not self._running:
                if not await self._redis.attempt(self._redis.size, queues):
                    return
            await self._wait_for_wake(queues, claim.next_due)

    async def _wait_for_wake(self, queues: Sequence[str], next_due: float | None) -> None:
        """Wait until a job is queued, the next one is due, or it is time to look by oneself."""
        seconds = self._settings.poll_delay
        if next_due is not None:
            seconds = min(seconds, max(0.001, next_due))
        if self._burst and self._running:
            seconds = min(seconds, 0.01)
        keys = [scripts.wake_key(queue) for queue in queues]
        await self._redis.attempt(self._redis.pop, keys, seconds, wait=seconds)

    def _start(self, job: Claimed) -> None:
        running = self._running[job.id] = _Running(job, time.time())
        self._active.add(job.id)
        running.task = asyncio.create_task(self._run(running))

    # Running a job

    async def _run(self, running: _Running) -> None:
        """Run a job and note its outcome."""
        id = running.job.id
        try:
            outcome = await self._outcome(running)
        finally:
            self._active.discard(id)
            self._slot_free.set()
        if outcome is not None:
            self._outcomes[running] = outcome
            self._ended.set()

    async def _outcome(self, running: _Running) -> _Outcome | None:
        """Run a job and return its outcome, or ``None`` if its thread still runs."""
        job, task = running.job, None
        call = JobData("<unknown>", [], {}, round(running.started * 1000))
        try:
            if not job.data:
                raise JobExecutionFailed("job expired")
            call = decode_job(job.data, job.id, self._queue.signer)
            task = self._queue.task(call.name)
            if job.revoked:
                running.cancelled = "revoked"
                raise asyncio.CancelledError
            if job.expired:
                raise JobExecutionFailed("job expired")
            if call.error is not None:
                raise ErrorText(call.error)
            if task is None:
                raise JobExecutionFailed(f"function {call.name!r} not found")
            if job.crashes >= self._settings.max_crashes:
                raise WorkerLostError(f"{job.crashes} workers died while they ran this job")
            value = await self._call(running, task, call)
        except ArqRetry as retry:
            self._counts["retried"] += 1
            # A number that Redis cannot store would keep all outcomes from being written.
            delay = max(0, min(retry.defer_score or 0, round(MAX_SECONDS * 1000)))
            logger.info("%s (%s) is started again in %.2f s", job.id, call.name, delay / 1000)
            cause = retry.__cause__ or retry.__context__
            current = self._current(running, task)
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
            return _Outcome("retry", text[:ERROR_LENGTH].encode(errors=ESCAPE), delay)
        except _LimitedError as limited:
            logger.debug("%s (%s) waits %.2f s for its rate limit", job.id, call.name, limited.wait)
            if self._running.get(job.id) is running:
                del self._running[job.id]
            return None
        except _StoppedError:
            logger.info("%s (%s) is queued again", job.id, call.name)
            return (
                None if self._runner.in_thread(self._queue.plain_id(job.id)) else _Outcome("back")
            )
        except BaseException as error:
            return await self._done(running, task, call, error)
        return await self._done(running, task, call, None, value)

    async def _call(self, running: _Running, task: Task[..., Any], call: JobData) -> Any:
        """Call the function of *task* with its timeout.

        Raises:
            _StoppedError: The worker stops, or another one runs the job.
            _LimitedError: The rate limit of the task puts it off.
            CancelledError: The job was revoked.
            TimeoutError: The task ran longer than its timeout.
            BaseException: What the function raised.
        """
        id, current = self._queue.plain_id(running.job.id), self._current(running, task)
        if current.tries > current.max_tries:
            raise JobExecutionFailed(f"max {current.max_tries} retries exceeded")
        limit = asyncio.timeout(self._settings.timeout if task.timeout is None else task.timeout)
        try:
            if task.interval:
                await self._respect_rate(running.job, task, task.interval)
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
            if running.cancelled in ("stopping", "lost"):
                raise _StoppedError from error
            if running.cancelled == "revoked":
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

    def _current(self, running: _Running, task: Task[..., Any] | None) -> RunningJob:
        job, id = running.job, self._queue.plain_id(running.job.id)
        return self._runner.running_job(task, id, job.tries + 1, job.deliveries)

    async def _done(
        self,
        running: _Running,
        task: Task[..., Any] | None,
        call: JobData,
        error: BaseException | None,
        value: object = None,
    ) -> _Outcome:
        """Return the outcome of a job that has ended, and log it."""
        job, ended = running.job, time.time()

        def encode(error: BaseException | None) -> bytes:
            return encode_result(
                call,
                job.id,
                job.queue,
                tries=job.tries + 1,
                success=error is None,
                value=value if error is None else error,
                start=round(running.started * 1000),
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
        seconds = ended - running.started
        if error is None:
            logger.info("%s (%s) succeeded in %.3f s", job.id, call.name, seconds)
        elif type(error) is ErrorText:
            logger.info("%s (%s) is not run: an earlier job failed: %s", job.id, call.name, error)
        else:
            text = "%s (%s) failed after %.3f s: %r"
            logger.error(text, job.id, call.name, seconds, error, exc_info=error)
        self._counts["complete" if error is None else "failed"] += 1
        how = "succeeded" if error is None else "failed"
        if error is not None and running.cancelled == "revoked":
            how = "revoked"
        with contextlib.suppress(asyncio.CancelledError):
            await self._send_end(how, self._current(running, task), task, value, error)
        # A job that is not run, because an earlier one failed, is not worth another try.
        kept = how == "failed" and type(error) is not ErrorText
        return _Outcome(
            "done",
            data,
            round(self._queue.keep_result(task) * 1000),
            how,
            self._failure(running, call, error, ended) if kept and error is not None else b"",
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

    def _failure(
        self, running: _Running, call: JobData, error: BaseException, ended: float
    ) -> bytes:
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
                "tries": running.job.tries + 1,
                "deliveries": running.job.deliveries,
                "started": running.started,
                "ended": ended,
                "worker": self._id,
            }
        )

    # Writing outcomes

    async def _write(self) -> None:
        """Write the outcomes of jobs that have ended, many at once."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            while self._outcomes:
                await self._redis.attempt(self._write_outcomes)

    async def _write_outcomes(self) -> None:
        batch = list(self._outcomes.items())[:BATCH]
        lost = await self._redis.finish(
            [
                (
                    running.job.queue,
                    running.job.id,
                    running.job.deliveries,
                    one.action,
                    one.data,
                    one.milliseconds,
                    one.how,
                    one.info,
                    one.changes,
                )
                for running, one in batch
            ]
        )
        for running, _ in batch:
            self._outcomes.pop(running, None)
            if self._running.get(running.job.id) is running:
                del self._running[running.job.id]
        for id in lost:
            logger.warning("%s was run by another worker too, whose result counts", id)

    # Cancelling

    async def _cancel_revoked(self) -> None:
        """Cancel the jobs that are revoked while they run."""
        keys = [scripts.revoked_key(self._id)]
        while True:
            id = await self._redis.attempt(self._redis.pop, keys, POP_WAIT, wait=POP_WAIT)
            if id is not None:
                self._cancel(id, "revoked")

    def _cancel(self, id: str, reason: Literal["revoked", "stopping", "lost"]) -> None:
        running = self._running.get(id)
        if running and running.task and running.cancelled is None and not running.task.done():
            running.cancelled = reason
            running.task.cancel()

    # Leases

    def _renew_leases(self, loop: asyncio.AbstractEventLoop) -> None:
        """Renew the leases of the running jobs, in a thread.

        A task that blocks the event loop must not lose its job to another worker. Neither must one
        whose thread runs on when the worker has stopped: it is handed over when its thread ends.
        """
        interval = self._settings.lease / 3
        redis = LeaseConnection(self._id, self._settings, timeout=interval)
        while not self._closed.wait(interval) or self._running:
            jobs = [running.job for running in list(self._running.values())]
            with contextlib.suppress(*REDIS_ERRORS):
                for id in redis.renew([(job.queue, job.id) for job in jobs]):
                    logger.warning("another worker has started %s, whose lease had ended", id)
                    with contextlib.suppress(RuntimeError):  # The loop is closed.
                        loop.call_soon_threadsafe(self._cancel, id, "lost")
                if self._closed.is_set():
                    time.sleep(min(0.1, interval))
                    for job in jobs:
                        if not self._runner.in_thread(self._queue.plain_id(job.id)):
                            redis.give_back(job)
                            del self._running[job.id]
        redis.close()

    # Cron and health

    async def _schedule(self) -> None:
        """Queue the tasks of the schedule at their times."""
        now = datetime.now().astimezone()
        times = [arq_format.next_cron(now, **options) for _, options in self._queue.schedule]
        while True:
            due = min(times)
            await asyncio.sleep(max(0.0, due.timestamp() - time.time()))
            for index, (task, options) in enumerate(self._queue.schedule):
                if times[index] == due:
                    await self._queue_scheduled(task, due)
                    # Times that have passed while the process did not run are left out.
                    now = datetime.now().astimezone()
                    times[index] = arq_format.next_cron(max(due, now), **options)

    async def _queue_scheduled(self, task: Task[..., Any], due: datetime) -> None:
        id = f"cron:{task.name}:{arq_format.to_unix_ms(due)}"
        try:
            call = task.call(self._queue, [], {}, {"task_id": id})
            await self._queue.apply([replace(call, unique=round(CRON_UNIQUE * 1000))])
        except TasksUnavailableError:
            logger.error("task %s was not queued at %s: Redis cannot be reached", task.name, due)
        except (TypeError, ValueError) as error:
            logger.error("task %s was not queued at %s: %s", task.name, due, error)

    async def _report(self) -> None:
        """Store that the worker is alive, as arq does."""
        while True:
            counts = " ".join(f"j_{name}={count}" for name, count in self._counts.items())
            text = f"{datetime.now():%b-%d %H:%M:%S} {counts} j_ongoing={len(self._running)}"
            self._report_text = f"{text} worker={self._id}"
            seconds = HEALTH_INTERVAL + 1
            await self._redis.attempt(
                self._redis.report, self._queue_keys, self._report_text, seconds
            )
            await asyncio.sleep(HEALTH_INTERVAL)


class _LimitedError(Exception):
    """The rate limit of its task puts a job off, by ``wait`` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


class _StoppedError(Exception):
    """A job was cancelled because the worker stops, or because another worker runs it."""
