"""Eager tasks: the application runs its jobs itself, for tests without a worker and Redis.

Celery's eager mode runs a job inside ``delay``, in the middle of the view. Here a job that a
request, a websocket or another task queues runs when that has ended, as a worker's would: the
session of its database is closed, so no rollback of the view undoes what the task commits. The
test client returns after that. Elsewhere a job runs inside ``delay``.

A job runs in an empty :class:`contextvars.Context`: a worker has no request either.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
import weakref
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context, ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from quart import Quart, g, has_app_context, has_request_context, has_websocket_context
from quart.signals import (
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    request_tearing_down,
    websocket_tearing_down,
)

from quartpatterns.tasks import links, signals
from quartpatterns.tasks.arq_format import (
    ArqRetry,
    ErrorText,
    JobExecutionFailed,
    decode,
    decode_job,
    encode,
    error_text,
    loads,
    with_values,
)
from quartpatterns.tasks.changes import (
    Change,
    CreateJoin,
    Enqueue,
    ReportError,
    ReportValue,
    StoreResult,
)
from quartpatterns.tasks.execution import Runner, own_cancellation
from quartpatterns.tasks.links import Node
from quartpatterns.tasks.queue import Queue, Result, Revocation
from quartpatterns.tasks.redis_clients import refuse_event_loop
from quartpatterns.tasks.settings import read_settings
from quartpatterns.tasks.task import not_json_result

if TYPE_CHECKING:
    from quartpatterns.tasks.task import Task

__all__ = ["EagerJob", "EagerQueue"]

logger = logging.getLogger("quartpatterns.tasks")

MAX_DEPTH = 1000
MAX_JOBS = 100_000
"""Jobs that one request may cause, one by the other and in all.

More are taken for a task that queues itself for ever.
"""

KEPT_JOBS = 1000
"""Jobs that have ended that a process that is no test remembers."""

WARNING = (
    "TASKS_EAGER is set: this process runs its jobs itself, and loses them when it ends. It is"
    " meant for tests; remove it, and start a worker."
)


@dataclass(eq=False, slots=True)
class EagerJob:
    """A job of an application with eager tasks.

    Attributes:
        id: The id of the job.
        task: The name of the task, by default its module and function.
        args: The positional arguments, as a worker would get them.
        kwargs: The keyword arguments.
        seconds: The seconds until a worker might start it, of ``countdown`` or ``eta``.
        expires: The seconds after which a worker would no longer start it.
        tries: The number of times that it was started.
        result: Its state.
        error: The error with which it failed.

    .. versionadded:: 0.1
    """

    id: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    seconds: float = 0.0
    expires: float | None = None
    tries: int = 0
    result: Result = field(init=False)
    error: BaseException | None = None
    data: bytes = field(default=b"", repr=False)
    then: list[Node] = field(default_factory=list["Node"], repr=False)
    earlier_error: str | None = field(default=None, repr=False)
    depth: int = field(default=1, repr=False)
    once: str | None = field(default=None, repr=False)
    stored: bool = field(default=True, repr=False)
    seen: bool = field(default=False, repr=False)
    process: asyncio.Task[None] | None = field(default=None, repr=False)
    children: list[EagerJob] = field(default_factory=list["EagerJob"], repr=False)

    def __post_init__(self) -> None:
        self.result = Result(self.id)

    @property
    def is_scheduled(self) -> bool:
        """Whether it waits for its time."""
        return self.seconds > 0 and self.process is None and not self.result.ready


# The jobs that the current code belongs to: a job, and the jobs that wait for it.
_ancestors: ContextVar[tuple[EagerJob, ...]] = ContextVar(
    "quartpatterns.tasks.ancestors", default=()
)

# The jobs of the application context that is about to end.
_ending: ContextVar[tuple[EagerJob, ...]] = ContextVar("quartpatterns.tasks.ending", default=())


class EagerQueue(Queue):
    """The queue of an application with eager tasks. It keeps the jobs in memory.

    Attributes:
        jobs: All jobs, in the order in which they were queued.

    Arguments:
        app: The application.
        tasks: The tasks, by name.
        schedule: The tasks with fixed times, which never run here.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart,
        tasks: Mapping[str, Task[..., Any]],
        schedule: Sequence[tuple[Task[..., Any], dict[str, Any]]],
    ) -> None:
        # The queue in Redis would open connections.
        self.settings = replace(read_settings(app), eager=True)
        self.signer = None
        self.tasks = tasks
        self.schedule = schedule
        self.jobs: list[EagerJob] = []
        self._joins: dict[str, tuple[CreateJoin, dict[int, bytes]]] = {}
        # By id, whether the job was revoked before it is queued.
        self._expected: dict[str, bool] = {}
        self._app = weakref.ref(app)
        self._warned = False
        # By g, which the context of a request shares with its copies.
        self._deferred: weakref.WeakKeyDictionary[Any, list[EagerJob]] = weakref.WeakKeyDictionary()
        self._pushed_by: weakref.WeakKeyDictionary[Any, weakref.ref[asyncio.Task[Any]]] = (
            weakref.WeakKeyDictionary()
        )
        self._receivers = {
            appcontext_pushed: self._note_pushed,
            appcontext_tearing_down: self._end_context,
            appcontext_popped: self._run_ended,
            request_tearing_down: self._end_request,
            websocket_tearing_down: self._end_request,
        }

    @property
    def failed(self) -> list[EagerJob]:
        """The jobs that have failed. Whoever reads this has seen that they failed."""
        failed = [job for job in self.jobs if job.error is not None]
        for job in failed:
            job.seen = True
        return failed

    @property
    def unseen(self) -> list[EagerJob]:
        """The jobs that have failed, and nobody has asked for their result."""
        return [job for job in self.jobs if job.error is not None and not job.seen]

    @property
    def scheduled(self) -> list[EagerJob]:
        """The jobs that wait for their time, earliest first."""
        return sorted((job for job in self.jobs if job.is_scheduled), key=lambda job: job.seconds)

    async def run_scheduled(self) -> list[EagerJob]:
        """Run the jobs that wait for their time now, earliest first, and return them.

        Jobs that they schedule wait for the next call.
        """
        jobs = self.scheduled
        await self._run_all(jobs)
        return jobs

    def connect(self) -> None:
        """Notice the ends of requests and contexts."""
        for signal, receiver in self._receivers.items():
            signal.connect(receiver, self._app())

    def disconnect(self) -> None:
        """Undo :meth:`connect`."""
        for signal, receiver in self._receivers.items():
            signal.disconnect(receiver, self._app())

    def warn_outside_of_tests(self) -> None:
        """Log a warning, once, unless the application has ``TESTING``."""
        app = self._app()
        if app is not None and not app.testing and not self._warned:
            self._warned = True
            logger.warning(WARNING)

    async def apply(self, changes: Sequence[Change]) -> Mapping[str, str]:
        """Run the jobs that are queued now, or when the current request or task has ended."""
        self.warn_outside_of_tests()
        same: dict[str, str] = {}
        jobs: list[EagerJob] = []
        for change in changes:
            if isinstance(change, Enqueue) and (first := self._same_call(change)):
                same[change.id] = first.id
            else:
                jobs += self._add([change])
        if not jobs:
            return same
        # A task has an application context of its own, and no request.
        if has_request_context() or has_websocket_context() or _ancestors.get():
            self._deferred.setdefault(_current_g(), []).extend(jobs)
        else:
            await self._run_all(jobs)
        return same

    def apply_sync(self, changes: Sequence[Change]) -> Mapping[str, str]:
        """Do the same in a thread, or without an event loop."""
        refuse_event_loop()
        return asyncio.run(self.apply(changes))

    def _add(self, changes: Iterable[Change]) -> list[EagerJob]:
        """Make *changes*, and return the jobs that may run now."""
        jobs: list[EagerJob] = []
        for change in changes:
            if isinstance(change, Enqueue):
                jobs += self._add_job(change)
            elif isinstance(change, CreateJoin):
                self._joins[change.arq_id] = (change, {})
            elif isinstance(change, ReportValue):
                join, values = self._joins.get(change.join, (None, dict[int, bytes]()))
                values[change.index] = change.value
                if join and len(values) == join.members:
                    del self._joins[change.join]
                    jobs += self._end_join(join, [values[index] for index in sorted(values)])
            elif isinstance(change, ReportError):
                join, _ = self._joins.pop(change.join, (None, dict[int, bytes]()))
                if join:
                    jobs += self._end_join(join, [], loads(change.error))
            elif isinstance(change, StoreResult):
                job = decode(change.data)
                failed = EagerJob(change.id, job["f"], job["a"], job["k"])
                failed.error = ErrorText(change.error)
                failed.seen = self._expected.pop(change.id, None) is None
                failed.result = Result(change.id, True, False, change.error)
                self.jobs.append(failed)
            else:
                self._expected[change.id] = False
        self._forget_old()
        return [job for job in jobs if not job.is_scheduled]

    def _end_join(
        self, join: CreateJoin, values: Sequence[bytes], error: str | None = None
    ) -> list[EagerJob]:
        data = join.job.data
        if join.with_values:
            data = with_values(data, values)
        return self._add_job(replace(join.job, data=data), error)

    def _add_job(self, change: Enqueue, error: str | None = None) -> list[EagerJob]:
        call = decode_job(change.data)
        if self.task(call.name) is None:
            raise RuntimeError(
                f"no worker of this application knows the task {call.name!r}: register it on the"
                " Tasks object whose init_app() got the application"
            )
        if self._find(change.id) is not None:
            return []
        if self._expected.pop(change.id, False):
            error = error_text(asyncio.CancelledError())
        seconds = change.start / 1000 - (time.time() if change.kind == "at" else 0)
        job = EagerJob(
            change.id,
            call.name,
            call.args,
            call.kwargs,
            seconds,
            change.expires,
            data=change.data,
            once=change.once and change.once[0],
            then=call.then,
            earlier_error=error,
            depth=ancestors[-1].depth + 1 if (ancestors := _ancestors.get()) else 1,
        )
        self.jobs.append(job)
        return [job]

    async def result(self, id: str, *, must_exist: bool = False) -> Result:
        """Return the state of the job *id*. With *must_exist*, run the job first.

        Raises:
            LookupError: The job does not exist, and *must_exist* is true.
            RuntimeError: The job would wait for itself.
        """
        while must_exist and id in self._expected:
            # It is queued when the jobs before it have ended.
            before = next((one for one in self.jobs if not one.result.ready), None)
            if before is None:
                break
            await self._run(before)
            await self._run_children(before)
        job = self._find(id)
        if job is not None and must_exist:
            # Job.wait() asks like this. Its answer would never come otherwise.
            await self._run(job)
            await self._run_children(job)
            job = job if job.stored else None
        if job is None:
            if must_exist:
                raise LookupError(
                    f"no job {id!r}: the id is wrong, or its result is not kept (keep_result)"
                )
            return Result(id)
        job.seen = job.seen or job.error is not None
        return job.result

    async def results(self, ids: Sequence[str], *, must_exist: bool = False) -> list[Result]:
        """Return the states of the jobs *ids*. With *must_exist*, run them first."""
        return [await self.result(id, must_exist=must_exist) for id in ids]

    def update_progress_sync(self, id: str, value: object) -> None:
        """Store *value* as the progress of the job *id*."""
        refuse_event_loop()
        asyncio.run(self.update_progress(id, value))

    async def revoke(self, id: str) -> Revocation:
        """Cancel the job *id*."""
        if id in self._expected:
            self._expected[id] = True
            return Revocation(True, False, None)
        job = self._find(id)
        if job is None or job.result.ready:
            return Revocation(False, False, None)
        waited = job.process is None
        if job.process is None:
            self._end(job, asyncio.CancelledError())
            await self._run_children(job)
        else:
            job.process.cancel()
        job.seen = True
        return Revocation(True, waited, self.task(job.task))

    async def update_progress(self, id: str, value: object) -> None:
        """Store *value* as the progress of the job *id*."""
        _, data = self._progress(id, value)
        if (job := self._find(id)) is not None:
            job.result = replace(job.result, progress=loads(data))

    def _find(self, id: str) -> EagerJob | None:
        return next((job for job in reversed(self.jobs) if job.id == id and job.stored), None)

    def _same_call(self, change: Enqueue) -> EagerJob | None:
        """Return the job of the same unique call that has not ended."""
        if change.once is None:
            return None
        for job in self.jobs:
            if job.once == change.once[0] and not job.result.ready:
                return job
        return None

    def _forget_old(self) -> None:
        """Limit the memory of a process that is no test."""
        if len(self.jobs) > 10 * KEPT_JOBS:
            self.jobs[:] = [
                job for job in self.jobs[:-KEPT_JOBS] if not job.result.ready
            ] + self.jobs[-KEPT_JOBS:]

    async def _run_all(self, jobs: Iterable[EagerJob]) -> None:
        """Run *jobs* and the jobs that they queue, one after the other."""
        waiting, count = deque(jobs), 0
        while waiting:
            job = waiting.popleft()
            count += 1
            # A large group is many jobs, but none of them depends on many others.
            if job.depth > MAX_DEPTH or count > MAX_JOBS:
                raise RuntimeError(
                    f"{count} jobs have run without an end, the last one of task {job.task}: if"
                    " it queues itself again, give it a countdown"
                )
            await self._run(job)
            waiting += job.children
            job.children = []

    async def _run_children(self, job: EagerJob) -> None:
        """Run what *job* has queued, or let the job that waits for it do so at its end."""
        children, job.children = job.children, []
        if ancestors := _ancestors.get():
            ancestors[-1].children += children
        else:
            await self._run_all(children)

    async def _run(self, job: EagerJob) -> None:
        """Run *job*, or wait for its end if it runs."""
        if job.result.ready:
            return
        if job in _ancestors.get():
            raise RuntimeError(f"the job {job.id!r} of task {job.task} waits for itself")
        if (process := job.process) is not None:
            await asyncio.wait([process])
            return
        context = Context()
        context.run(_ancestors.set, (*_ancestors.get(), job))
        loop = asyncio.get_running_loop()
        process = job.process = loop.create_task(self._execute(job), context=context)
        try:
            await asyncio.wait([process])
        except asyncio.CancelledError:
            process.cancel()
            await asyncio.wait([process])
            raise

    async def _execute(self, job: EagerJob) -> None:
        """Run *job* until it has a result."""
        task = self.task(job.task)
        app = self._app()
        assert app is not None and task is not None
        runner = Runner(app, self)
        try:
            if job.earlier_error is not None:
                raise ErrorText(job.earlier_error)
            if job.expires is not None and job.seconds > job.expires:
                raise JobExecutionFailed("job expired")
            for job.tries in itertools.count(1):
                running = runner.running_job(task, job.id, job.tries, job.tries)
                if job.tries > running.max_tries:
                    raise JobExecutionFailed(f"max {running.max_tries} retries exceeded")
                call = decode_job(job.data)
                try:
                    # The time of a try, as a worker has it.
                    await signals.send(signals.task_started, app, job=running, task=task)
                    async with asyncio.timeout(task.timeout or self.settings.timeout):
                        value = await runner.call(task, running, call.args, call.kwargs)
                except ArqRetry as retry:
                    await signals.send(
                        signals.task_retried,
                        app,
                        job=running,
                        task=task,
                        error=retry.__cause__ or retry.__context__,
                        countdown=(retry.defer_score or 0) / 1000,
                    )
                    continue
                except asyncio.CancelledError as error:
                    if job.process is not None and job.process.cancelling():
                        raise
                    raise own_cancellation(error) from error.__cause__ or error.__context__
                try:
                    value = _as_json(value)
                except (TypeError, ValueError, RecursionError) as error:
                    raise not_json_result(task, error) from error
                self._end(job, None, value)
                await signals.send(signals.task_succeeded, app, job=running, task=task, value=value)
                return
        except KeyboardInterrupt:
            raise
        # SystemExit and a cancellation end a worker's job, and not the test.
        except BaseException as error:
            self._end(job, error)
            running = runner.running_job(task, job.id, job.tries, job.tries)
            if isinstance(error, asyncio.CancelledError) and job.seen:
                await signals.send(signals.task_revoked, app, job=running, task=task)
            else:
                await signals.send(signals.task_failed, app, job=running, task=task, error=error)

    def _end(self, job: EagerJob, error: BaseException | None, value: Any = None) -> None:
        if error is not None:
            job.error = error
            value = _as_json(error)
            # Callers have only the job at the end of its links, which fails too.
            job.seen = job.seen or bool(job.then)
            logger.error("job %s of task %s failed: %s", job.id, job.task, value, exc_info=error)
        job.result = Result(job.id, True, error is None, value, job.result.progress)
        job.stored = self.keep_result(self.task(job.task)) > 0
        if error is None:
            changes = links.after_value(self, job.then, value)
        else:
            changes = links.after_error(self, job.then, job.result.value)
        job.children += self._add(changes)

    async def _note_pushed(self, app: Quart, **_: object) -> None:
        if (task := asyncio.current_task()) is not None:
            self._pushed_by.setdefault(_current_g(), weakref.ref(task))

    async def _end_context(self, app: Quart, **_: object) -> None:
        """Take the jobs of this context: all its teardown functions have run."""
        jobs = self._deferred.pop(_current_g(), [])
        if ancestors := _ancestors.get():
            ancestors[-1].children += jobs
        else:
            _ending.set(tuple(jobs))

    async def _run_ended(self, app: Quart, **_: object) -> None:
        jobs = _ending.get()
        if jobs and not _ancestors.get():
            _ending.set(())
            await self._run_all(jobs)

    async def _end_request(self, app: Quart, **_: object) -> None:
        """Run the jobs of a request in the application context of the test, which does not end."""
        pushed_by = self._pushed_by.get(_current_g(), lambda: None)()
        is_own = pushed_by is None or pushed_by.done() or pushed_by is asyncio.current_task()
        if has_app_context() and not is_own:
            await self._run_all(self._deferred.pop(_current_g(), []))


def _as_json(value: object) -> Any:
    """Return *value* as one who reads it from the queue gets it."""
    return decode(encode({"value": value}))["value"]


def _current_g() -> Any:
    return cast("Any", g)._get_current_object()
