"""Running a task: its function in the application's context, with its retries."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any

from quart import Quart

from quartpatterns._shared.calling import is_async, maybe_await
from quartpatterns._shared.threads import call_in_new_thread
from quartpatterns.tasks.arq_format import ArqRetry
from quartpatterns.tasks.jobs import Retry, RunningJob, retry_delay, running_job
from quartpatterns.tasks.queue import Queue
from quartpatterns.tasks.task import Task

__all__ = ["Runner", "escape_surrogates", "own_cancellation", "retries"]


class Runner:
    """Runs tasks of one application.

    A synchronous task has a thread of its own: a task that hangs does not take a thread away from
    others, and the time that a task has does not start before its thread.

    Arguments:
        app: The application.
        queue: Its queue.
        call_sync: Calls the function of a synchronous task; by default in a thread of its own.
    """

    def __init__(
        self,
        app: Quart,
        queue: Queue,
        call_sync: Callable[[Callable[[], Any]], Awaitable[Any]] | None = None,
    ) -> None:
        self._app = app
        self._queue = queue
        self._call_sync = call_sync
        self._threads: dict[threading.Thread, str] = {}

    def running_job(
        self, task: Task[..., Any] | None, id: str, tries: int, deliveries: int
    ) -> RunningJob:
        """Return what *task* sees as ``current_job``."""
        max_tries = (task and task.max_tries) or self._queue.settings.max_tries
        return RunningJob(id, tries, max_tries, deliveries)

    async def call(
        self,
        task: Task[..., Any],
        job: RunningJob,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Run *task* and return what its function returned.

        Arguments:
            task: The task.
            job: The job that it belongs to.
            args: The positional arguments.
            kwargs: The keyword arguments.

        Raises:
            ArqRetry: The task is to be started again.
            BaseException: What the function raised.
        """
        running_job.set(job)
        with retries(job, task.autoretry_for):
            async with self._app.app_context():
                if is_async(task.function):
                    with _no_generator_exit():
                        coroutine = task.function(*args, **kwargs)
                        # FaithfulQuart can load lazily from a database in tasks as well.
                        run = getattr(self._app, "await_as_view", None)
                        return await (run(coroutine) if run is not None else coroutine)

                def function() -> Any:
                    return self._in_thread(job.id, task, args, kwargs)

                if self._call_sync is not None:
                    return await maybe_await(await self._call_sync(function))
                call = call_in_new_thread(function, name=f"task {task.name}")
                return await maybe_await(await call)

    def in_thread(self, id: str) -> bool:
        """Return whether the function of the job *id* still runs in a thread."""
        return id in list(self._threads.values())

    def _in_thread(
        self, id: str, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        thread = threading.current_thread()
        self._threads[thread] = id
        try:
            with _no_generator_exit():
                return task.function(*args, **kwargs)
        finally:
            del self._threads[thread]


@contextlib.contextmanager
def _no_generator_exit() -> Generator[None]:
    """Turn a ``GeneratorExit`` into an error: it would close coroutines that wait for the task."""
    try:
        yield
    except GeneratorExit as error:
        raise RuntimeError("the task raised GeneratorExit") from error


@contextlib.contextmanager
def retries(job: RunningJob, errors: tuple[type[Exception], ...]) -> Generator[None]:
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


def own_cancellation(error: asyncio.CancelledError) -> asyncio.CancelledError:
    """Return the error of a job that nobody has cancelled: its task has raised *error* itself."""
    text = str(error) or "the task raised it"
    cause = error.__cause__ or error.__context__
    return asyncio.CancelledError(f"{text} ({cause!r})" if cause else text)


def escape_surrogates(record: logging.LogRecord) -> bool:
    """Make a log record encodable: the text of a task's error may have lone surrogates.

    A log handler that encodes UTF-8 would fail and lose the record.
    """

    def escaped(text: str) -> str:
        return text.encode(errors="backslashreplace").decode()

    record.msg, record.args = escaped(record.getMessage()), None
    if record.exc_info:
        record.exc_text = escaped(logging.Formatter().formatException(record.exc_info))
    return True
