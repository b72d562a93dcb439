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
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from quart import Quart

from quartpatterns._shared.cleanup import finish
from quartpatterns.tasks import arq_format, scripts
from quartpatterns.tasks.connection import Claimed, LeaseConnection, WorkerConnection
from quartpatterns.tasks.execution import Runner, escape_surrogates
from quartpatterns.tasks.job_runs import PUT_BACK, JobOutcome, JobRun, JobRunner
from quartpatterns.tasks.processes import ProcessPool
from quartpatterns.tasks.queue import queue_with_tasks
from quartpatterns.tasks.redis_clients import REDIS_ERRORS, TasksUnavailableError
from quartpatterns.tasks.task import Task

__all__ = ["run_supervised_worker", "run_worker", "serve_jobs"]

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
        self._running: dict[str, JobRun] = {}
        self._active: set[str] = set()
        # A job that is tried again at once may run while its last outcome is being written.
        self._outcomes: dict[JobRun, JobOutcome] = {}
        self._ended = asyncio.Event()
        self._slot_free = asyncio.Event()
        self._job_runner = JobRunner(app, self._redis, self._runner, processes)
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
        running = self._running[job.id] = JobRun(job, time.time())
        self._active.add(job.id)
        running.task = asyncio.create_task(self._run(running))

    # Running jobs, and writing their outcomes

    async def _run(self, running: JobRun) -> None:
        """Run a job and note its outcome."""
        id = running.job.id
        try:
            outcome = await self._job_runner.outcome(running)
        finally:
            self._active.discard(id)
            self._slot_free.set()
        if outcome is PUT_BACK:
            self._forget(running)
        elif outcome is not None:
            self._outcomes[running] = outcome
            self._ended.set()

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
            self._forget(running)
        for id in lost:
            logger.warning("%s was run by another worker too, whose result counts", id)

    def _forget(self, running: JobRun) -> None:
        if self._running.get(running.job.id) is running:
            del self._running[running.job.id]

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
            counts = " ".join(
                f"j_{name}={count}" for name, count in self._job_runner.counts.items()
            )
            text = f"{datetime.now():%b-%d %H:%M:%S} {counts} j_ongoing={len(self._running)}"
            self._report_text = f"{text} worker={self._id}"
            seconds = HEALTH_INTERVAL + 1
            await self._redis.attempt(
                self._redis.report, self._queue_keys, self._report_text, seconds
            )
            await asyncio.sleep(HEALTH_INTERVAL)
