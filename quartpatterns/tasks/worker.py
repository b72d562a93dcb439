"""arq's worker for the tasks of an application, made to outlive what it can't prevent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
from arq.constants import in_progress_key_prefix
from arq.worker import Worker as ArqWorker
from quart import Quart

from quartpatterns.tasks.connection import ERRORS
from quartpatterns.tasks.errors import TasksUnavailableError
from quartpatterns.tasks.functions import worker_settings
from quartpatterns.tasks.queue import queue_of
from quartpatterns.tasks.settings import address

__all__ = ["Worker", "run_worker"]

logger = logging.getLogger("quartpatterns.tasks")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Worker(ArqWorker):
    """arq's worker, with what its users miss.

    * A job holds a lease that a thread renews. When the worker dies, however it dies, the lease
      lapses after ``TASKS_LEASE`` seconds and another worker starts the job (arq#343).
    * When Redis goes away the worker waits for it, keeps the results of jobs that end meanwhile,
      and goes on when it is back (arq#386, arq#435).
    * A signal lets running jobs end for ``TASKS_SHUTDOWN_TIMEOUT`` seconds, then queues them
      again; a second signal ends the process at once.

    Arguments:
        app: The application whose tasks it runs.
        burst: End when the queue is empty.
    """

    def __init__(self, app: Quart, *, burst: bool = False) -> None:
        super().__init__(**worker_settings(app), burst=burst, handle_signals=False)
        self.settings = queue_of(app).settings
        self.in_progress_timeout_s = self.settings.lease
        self._redis_is_gone = False
        self._stopping: asyncio.Task[None] | None = None
        self._ended = threading.Event()

    async def serve(self, *, handle_signals: bool = True) -> None:
        """Run jobs until a signal comes, or the queue is empty in a burst."""
        signals = SIGNALS if handle_signals else ()
        self.main_task = asyncio.create_task(self.main())
        for sign in signals:
            self.loop.add_signal_handler(sign, self._stop, signals)
        try:
            await self.main_task
        except asyncio.CancelledError:
            if self._stopping is None:
                raise
        finally:
            await self.close()
            for sign in signals:
                self.loop.remove_signal_handler(sign)

    async def main(self) -> None:
        """Wait for Redis, then look for jobs until cancelled."""
        while not await self._reaches_redis(self.pool.exists(self.health_check_key)):
            pass
        threading.Thread(target=self._renew_leases, daemon=True).start()
        await super().main()

    async def close(self) -> None:
        """Let jobs end, end the application and the connections, with or without Redis."""
        await self._let_jobs_end()
        self._ended.set()
        with contextlib.suppress(*ERRORS):
            async with asyncio.timeout(self.settings.redis_timeout):
                await self.pool.delete(self.health_check_key)
        try:
            if self.on_shutdown:
                await self.on_shutdown(self.ctx)
        finally:
            await self.pool.aclose(close_connection_pool=True)

    async def start_jobs(self, job_ids: Sequence[bytes]) -> None:
        """Start each job; a place taken for one that Redis' absence prevents is given back."""
        for job_id in job_ids:
            try:
                await super().start_jobs([job_id])
            except BaseException:
                # What happened meanwhile, a time-out included, happened before the job was begun.
                self._release_sem_dec_counter_on_complete()
                raise

    async def finish_job(self, *args: Any, **kwargs: Any) -> None:
        """Write down that a job has ended, or is to be tried again."""
        await self._insist(super().finish_job, *args, **kwargs)

    async def finish_failed_job(self, *args: Any, **kwargs: Any) -> None:
        """Write down that a job could not even start."""
        await self._insist(super().finish_failed_job, *args, **kwargs)

    async def _poll_iteration(self) -> None:
        await self._reaches_redis(super()._poll_iteration())

    async def _insist(
        self, write: Callable[..., Awaitable[None]], *args: Any, **kwargs: Any
    ) -> None:
        while not await self._reaches_redis(write(*args, **kwargs)):
            if not self.allow_pick_jobs:
                return  # The worker is ending; the job's lease lapses, and another runs it again.

    async def _reaches_redis(self, work: Awaitable[object]) -> bool:
        """Whether *work* could be done; where it couldn't, after a pause. Only changes are told."""
        where = address(self.settings.redis_url)
        try:
            async with asyncio.timeout(self.settings.redis_timeout):
                await work
        except ERRORS as error:
            if self.burst:
                raise TasksUnavailableError from error
            if not self._redis_is_gone:
                problem = str(error) or "no answer in time"
                logger.warning("Redis at %s: %s; waiting for it", where, problem)
            self._redis_is_gone = True
            await asyncio.sleep(1.0)
            return False
        if self._redis_is_gone:
            logger.warning("Redis at %s is back", where)
        self._redis_is_gone = False
        return True

    def _renew_leases(self) -> None:
        """In a thread: a task that blocks the event loop doesn't lose its job to another worker."""
        pause = self.settings.lease / 3
        client: Any = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  untyped
            self.settings.redis_url, socket_timeout=pause, socket_connect_timeout=pause
        )
        while not self._ended.wait(pause):
            with contextlib.suppress(*ERRORS), client.pipeline(transaction=False) as pipe:
                for job_id in list(self.tasks):
                    pipe.pexpire(in_progress_key_prefix + job_id, round(self.settings.lease * 1000))
                pipe.execute()
        client.close()

    def _stop(self, signals: Sequence[signal.Signals]) -> None:
        for sign in signals:
            self.loop.remove_signal_handler(sign)
            signal.signal(sign, signal.SIG_DFL)
        logger.warning("stopping; %d jobs are running", len(self.tasks))
        self._stopping = asyncio.create_task(self._end())

    async def _end(self) -> None:
        await self._let_jobs_end()
        if self.main_task:
            self.main_task.cancel()

    async def _let_jobs_end(self) -> None:
        self.allow_pick_jobs = False
        if jobs := list(self.tasks.values()):
            _, late = await asyncio.wait(jobs, timeout=self.settings.shutdown_timeout)
            while late:
                for job in late:
                    job.cancel()
                _, late = await asyncio.wait(late, timeout=1.0)


async def run_worker(app: Quart, *, burst: bool = False, handle_signals: bool = True) -> None:
    """Run a worker for the tasks of *app* until a signal comes, or until it is cancelled.

    Arguments:
        app: The application.
        burst: End when the queue is empty.
        handle_signals: End by SIGINT and SIGTERM, which only the main thread can. A program that
            does that itself cancels the worker instead.

    Raises:
        RuntimeError: The application has no tasks.
        TasksUnavailableError: Redis can't be reached, in a burst; else it is waited for.
    """
    await Worker(app, burst=burst).serve(handle_signals=handle_signals)
