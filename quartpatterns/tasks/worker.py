"""The worker: arq's, with the application's tasks, leases, and tolerance for a lost Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any

import redis
from arq.connections import RedisSettings
from arq.constants import in_progress_key_prefix
from arq.cron import CronJob, cron
from arq.worker import Function, func
from arq.worker import Retry as ArqRetry
from arq.worker import Worker as ArqWorker
from quart import Quart
from redis.asyncio.connection import parse_url

from quartpatterns._shared.calling import call
from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.urls import display_address
from quartpatterns.tasks.jobs import Retry, RunningJob, retry_delay, running_job
from quartpatterns.tasks.queue import (
    REDIS_ERRORS,
    Queue,
    TasksUnavailableError,
    connect,
    decode,
    encode,
    queue_of,
)
from quartpatterns.tasks.task import Task, require_json

__all__ = ["run_worker", "serve_jobs", "worker_settings"]

logger = logging.getLogger("quartpatterns.tasks")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run_worker(app: Quart, *, burst: bool = False, handle_signals: bool = True) -> None:
    """Run a worker for the tasks of *app* until a signal arrives or the caller is cancelled.

    Arguments:
        app: The application.
        burst: Whether to stop as soon as the queue is empty.
        handle_signals: Whether SIGINT and SIGTERM stop the worker. Only the main thread can handle
            signals. A program that handles signals itself cancels the worker instead.

    Raises:
        RuntimeError: The application has no tasks.
        TasksUnavailableError: *burst* is true, and Redis cannot be reached. If *burst* is false,
            the worker waits for Redis.

    .. versionadded:: 0.1
    """
    await _Worker(app, burst=burst).serve(handle_signals=handle_signals)


async def serve_jobs(app: Quart) -> None:
    """Run a worker inside of an application that was started, until the caller is cancelled."""
    worker = _Worker(app)
    worker.on_startup = worker.on_shutdown = None
    await worker.serve(handle_signals=False)


def worker_settings(app: Quart) -> dict[str, Any]:
    """Return the settings of arq's worker for the tasks of *app*.

    Raises:
        RuntimeError: The application has no tasks, or ``TASKS_EAGER`` is set.

    .. versionadded:: 0.1
    """
    queue = queue_of(app)
    if not queue.tasks:
        raise RuntimeError(
            f"the application {app.name!r} has no tasks: decorate a function with @tasks.task, and"
            " import its module where the application is made"
        )
    settings = queue.settings
    if settings.eager:
        raise RuntimeError(
            f"the application {app.name!r} runs its jobs itself and needs no worker: remove"
            " TASKS_EAGER from its settings"
        )
    logging.getLogger("arq.worker").addFilter(_escape_surrogates)

    async def start(ctx: dict[Any, Any]) -> None:
        await app.startup()
        ctx["app"] = app
        logger.info("ready for the jobs of %s", settings.queue_name)

    async def stop(ctx: dict[Any, Any]) -> None:
        if ctx.pop("app", None):
            await app.shutdown()

    return {
        "functions": [_function(app, queue, task) for task in queue.tasks.values()],
        "cron_jobs": [_cron_job(app, queue, task, times) for task, times in queue.schedule],
        "queue_name": settings.queue_name,
        "redis_pool": connect(settings, max_connections=settings.max_jobs + 5),
        # Only `arq --check` reads this.
        "redis_settings": _redis_settings(settings.redis_url),
        "on_startup": start,
        "on_shutdown": stop,
        "job_serializer": encode,
        "job_deserializer": decode,
        "job_timeout": settings.timeout,
        "max_tries": settings.max_tries,
        "max_jobs": settings.max_jobs,
        "keep_result": settings.keep_result,
        "poll_delay": settings.poll_delay,
        "job_completion_wait": settings.shutdown_timeout,
        "health_check_interval": 10,
        "allow_abort_jobs": True,
    }


def _redis_settings(url: str) -> RedisSettings:
    """Return *url* as arq's settings; arq's own parser does not decode ``%40`` in a password."""
    parts = parse_url(url)
    return RedisSettings(
        host=parts.get("host", "localhost"),
        port=parts.get("port", 6379),
        unix_socket_path=parts.get("path"),
        database=parts.get("db", 0),
        username=parts.get("username"),
        password=parts.get("password"),
        ssl=url.startswith("rediss:"),
    )


def _function(app: Quart, queue: Queue, task: Task[..., Any]) -> Function:
    """Return arq's function for *task*."""
    max_tries = task.max_tries or queue.settings.max_tries

    async def run(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> Any:
        id = str(ctx["job_id"]).removeprefix(queue.arq_id(""))
        job = RunningJob(id, ctx["job_try"], max_tries)
        running_job.set(job)
        with _retries(job, task.autoretry_for):
            async with app.app_context():
                result = await call(task.function, *args, **kwargs)
        require_json(result, f"the result of task {task.name}", "return an id, or text and numbers")
        return result

    return func(
        run,
        name=task.name,
        timeout=task.timeout,
        max_tries=task.max_tries,
        keep_result=task.keep_result,
    )


def _cron_job(app: Quart, queue: Queue, task: Task[..., Any], times: dict[str, Any]) -> CronJob:
    """Return a cron job that queues *task*, which then has its own timeout and retries."""

    async def enqueue(ctx: dict[Any, Any]) -> None:
        async with app.app_context():
            await task.apply_async(task_id=str(ctx["job_id"]))

    return cron(enqueue, name=queue.arq_id(f"cron:{task.name}"), **times)


@contextlib.contextmanager
def _retries(job: RunningJob, errors: tuple[type[Exception], ...]) -> Generator[None]:
    """Turn *errors* into a retry, and a retry without tries left into the error behind it."""
    try:
        try:
            yield
        except ArqRetry:
            raise
        except errors as error:
            raise Retry() from error
    except ArqRetry as retry:
        cause = retry.__cause__ or retry.__context__
        if job.tries >= job.max_tries and cause is not None:
            raise cause from None
        if retry.defer_score is None and isinstance(retry, Retry):
            retry.defer_score = round(retry_delay(job.tries) * 1000)
        raise


def _escape_surrogates(record: logging.LogRecord) -> bool:
    """Make a log record of arq encodable: the text of a task's error may have lone surrogates.

    A log handler that encodes UTF-8 would fail and lose the record.
    """

    def escaped(text: str) -> str:
        return text.encode(errors="backslashreplace").decode()

    record.msg, record.args = escaped(record.getMessage()), None
    if record.exc_info:
        record.exc_text = escaped(logging.Formatter().formatException(record.exc_info))
    return True


class _Worker(ArqWorker):
    """arq's worker, with three additions.

    * A job has a lease that a thread renews. When the worker dies, the lease expires after
      ``TASKS_LEASE`` seconds, and another worker starts the job (arq#343).
    * When Redis is lost the worker waits for it, and writes the results of jobs that have ended
      when it is back (arq#386, arq#435).
    * After a signal running jobs have ``TASKS_SHUTDOWN_TIMEOUT`` seconds to end, and are then
      queued again. A second signal ends the process at once.
    """

    def __init__(self, app: Quart, *, burst: bool = False) -> None:
        super().__init__(**worker_settings(app), burst=burst, handle_signals=False)
        self.settings = queue_of(app).settings
        self.in_progress_timeout_s = self.settings.lease
        self._redis_lost = False
        self._stopping: asyncio.Task[None] | None = None
        self._closed = threading.Event()

    async def serve(self, *, handle_signals: bool = True) -> None:
        """Run jobs until a signal arrives, or until the queue is empty in a burst."""
        signals = SIGNALS if handle_signals else ()
        self.main_task = asyncio.create_task(self.main())
        for number in signals:
            self.loop.add_signal_handler(number, self._handle_signal, signals)
        try:
            await self.main_task
        except asyncio.CancelledError:
            if self._stopping is None:
                raise
        finally:
            await finish(self.close)
            for number in signals:
                self.loop.remove_signal_handler(number)

    async def main(self) -> None:
        """Wait for Redis, then poll the queue until cancelled."""
        while not await self._try_redis(self.pool.exists(self.health_check_key)):
            pass
        threading.Thread(target=self._renew_leases, daemon=True).start()
        await super().main()

    async def close(self) -> None:
        """Finish jobs, shut down the application and close the connections, even without Redis."""
        await self._finish_jobs()
        self._closed.set()
        with contextlib.suppress(*REDIS_ERRORS):
            async with asyncio.timeout(self.settings.redis_timeout):
                await self.pool.delete(self.health_check_key)
        try:
            if self.on_shutdown:
                await self.on_shutdown(self.ctx)
        finally:
            await self.pool.aclose(close_connection_pool=True)

    async def start_jobs(self, job_ids: Sequence[bytes]) -> None:
        """Start jobs. If Redis is lost, release the slot that arq has reserved for the job."""
        for job_id in job_ids:
            try:
                await super().start_jobs([job_id])
            except BaseException:
                # arq awaits Redis only after it has reserved the slot, before the job starts.
                self.job_counter -= 1
                self.sem.release()
                raise

    async def finish_job(self, *args: Any, **kwargs: Any) -> None:
        """Store that a job has ended or is to be retried."""
        await self._write(super().finish_job, *args, **kwargs)

    async def finish_failed_job(self, *args: Any, **kwargs: Any) -> None:
        """Store that a job could not be started."""
        await self._write(super().finish_failed_job, *args, **kwargs)

    async def _poll_iteration(self) -> None:
        await self._try_redis(super()._poll_iteration())

    async def _write(
        self, write: Callable[..., Awaitable[None]], *args: Any, **kwargs: Any
    ) -> None:
        """Write to Redis, and try again until it succeeds or the worker is stopping."""
        while not await self._try_redis(write(*args, **kwargs)):
            if not self.allow_pick_jobs:
                return  # The lease expires, and another worker runs the job again.

    async def _try_redis(self, operation: Awaitable[object]) -> bool:
        """Return whether *operation* succeeded; if not, after a second.

        It logs when Redis is lost and when it is back, and not every attempt.
        """
        address = display_address(self.settings.redis_url, default_port=6379)
        try:
            async with asyncio.timeout(self.settings.redis_timeout):
                await operation
        except REDIS_ERRORS as error:
            if self.burst:
                raise TasksUnavailableError from error
            if not self._redis_lost:
                reason = str(error) or "no answer in time"
                logger.warning("Redis at %s: %s; waiting for it", address, reason)
            self._redis_lost = True
            await asyncio.sleep(1.0)
            return False
        if self._redis_lost:
            logger.warning("Redis at %s is back", address)
        self._redis_lost = False
        return True

    def _renew_leases(self) -> None:
        """Renew the leases of the running jobs, in a thread.

        A task that blocks the event loop must not lose its job to another worker.
        """
        interval = self.settings.lease / 3
        client: Any = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  untyped
            self.settings.redis_url, socket_timeout=interval, socket_connect_timeout=interval
        )
        milliseconds = round(self.settings.lease * 1000)
        while not self._closed.wait(interval):
            with (
                contextlib.suppress(*REDIS_ERRORS),
                client.pipeline(transaction=False) as pipe,
            ):
                for job_id in list(self.tasks):
                    pipe.pexpire(in_progress_key_prefix + job_id, milliseconds)
                pipe.execute()
        client.close()

    def _handle_signal(self, signals: Sequence[signal.Signals]) -> None:
        for number in signals:
            self.loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        logger.warning("stopping; %d jobs are running", len(self.tasks))
        self._stopping = asyncio.create_task(self._stop())

    async def _stop(self) -> None:
        await self._finish_jobs()
        if self.main_task:
            self.main_task.cancel()

    async def _finish_jobs(self) -> None:
        """Start no more jobs, wait for running ones, then cancel them, which queues them again."""
        self.allow_pick_jobs = False
        if running := list(self.tasks.values()):
            _, pending = await asyncio.wait(running, timeout=self.settings.shutdown_timeout)
            while pending:
                for task in pending:
                    task.cancel()
                _, pending = await asyncio.wait(pending, timeout=1.0)
