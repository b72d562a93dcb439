"""The queue of an application in Redis: the jobs, their results and their progress."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from quart import Quart

from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.unavailable import redis_message, redis_remedy
from quartpatterns._shared.urls import display_address
from quartpatterns.tasks import arq_format, links, scripts
from quartpatterns.tasks.arq_format import (
    JobData,
    decode,
    dumps,
    encode_job,
    encode_result,
    loads,
)
from quartpatterns.tasks.call_options import MAX_SECONDS, check_expires, check_id, job_start
from quartpatterns.tasks.changes import Change, Enqueue, arguments
from quartpatterns.tasks.redis_clients import (
    REDIS_ERRORS,
    Client,
    TasksUnavailableError,
    describe,
    refuse_event_loop,
    sync_client,
    text,
)
from quartpatterns.tasks.settings import read_settings
from quartpatterns.tasks.signing import JobSigner

if TYPE_CHECKING:
    from quartpatterns.tasks.task import Task

__all__ = ["BUILT_IN", "Queue", "Result", "Revocation", "queue_of", "queue_with_tasks"]

logger = logging.getLogger("quartpatterns.tasks")

BUILT_IN: dict[str, Task[..., Any]] = {}
"""Tasks that each worker knows; :mod:`quartpatterns.tasks.task` fills it."""


@dataclass(frozen=True, slots=True)
class Result:
    """The state of a job at one moment. The attributes have the names of Celery's ``AsyncResult``.

    For an unknown id the result is the same as for a job that waits in the queue, as in Celery.

    Arguments:
        id: The id of the job.
        ready: Whether the job has ended.
        successful: Whether it has ended without an error.
        value: What the task returned, or the text of its error, such as ``ValueError: too large``.
            It is ``None`` until the job has ended.
        progress: The last value that the task passed to ``current_job.update_progress()``.

    .. versionadded:: 0.1
    """

    id: str
    ready: bool = False
    successful: bool = False
    value: Any = None
    progress: Any = None

    @property
    def failed(self) -> bool:
        """Whether the job has ended with an error."""
        return self.ready and not self.successful

    @property
    def state(self) -> str:
        """``PENDING``, ``PROGRESS``, ``SUCCESS`` or ``FAILURE``.

        A job is in progress from the first ``current_job.update_progress()`` to its end.
        """
        if self.ready:
            return "SUCCESS" if self.successful else "FAILURE"
        return "PENDING" if self.progress is None else "PROGRESS"

    @property
    def info(self) -> Any:
        """The progress of a job that has not ended, and otherwise its value."""
        return self.value if self.ready else self.progress


@dataclass(frozen=True, slots=True)
class Revocation:
    """What the revocation of a job has done.

    Arguments:
        found: Whether the job was in the queue.
        ended: Whether it waited, and so has ended now. A worker cancels one that runs.
        task: Its task, if the application knows it.
    """

    found: bool
    ended: bool
    task: Task[..., Any] | None


class Queue:
    """The queue of one application, with one Redis client for each event loop.

    Its coroutines raise :exc:`TasksUnavailableError` if Redis cannot be reached.

    Arguments:
        app: The application.
        tasks: The tasks that its worker runs, by name.
        schedule: The tasks that its worker queues at fixed times, each with the arguments of
            arq's ``cron()``.
    """

    def __init__(
        self,
        app: Quart,
        tasks: Mapping[str, Task[..., Any]],
        schedule: Sequence[tuple[Task[..., Any], dict[str, Any]]],
    ) -> None:
        self.settings = settings = read_settings(app)
        self.signer = JobSigner(app) if settings.signed else None
        self.tasks = tasks
        self.schedule = schedule
        self._clients = LoopBound(lambda: Client(settings), Client.close)
        self._sync_client: Any = None
        self._sync_lock = threading.Lock()
        app.after_serving(self._clients.close)

    @property
    def names(self) -> Sequence[str]:
        """The names of the queues in Redis, the most important first."""
        return self.settings.queue_keys()

    def call(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        task_id: str | None = None,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | None = None,
        queue: str | None = None,
        then: Sequence[dict[str, Any]] = (),
        join: tuple[str, int] | None = None,
        once: tuple[str, float] | None = None,
    ) -> Enqueue:
        """Return the change that queues a call of the task *name*.

        Arguments:
            name: The name of the task.
            args: The positional arguments.
            kwargs: The keyword arguments.
            task_id: The id of the job, which is checked.
            countdown: Seconds until the job may start.
            eta: The time from which the job may start.
            expires: Seconds from now that the job may wait. By default it may wait for those of the
                setting, from its start.
            queue: The name of a queue; by default that of the task.
            then: What follows when the job has ended.
            join: The id of the join of which the job gets the values, and their number.
            once: A key. While a job that was queued with it waits or runs, no second one is
                queued; and the seconds after which the key is forgotten.

        Raises:
            NotJSONError: An argument cannot be written as JSON.
            ValueError: An option is invalid, or the arguments are too large.
        """
        id = str(uuid4()) if task_id is None else check_id(task_id)
        start, kind = job_start(countdown, eta)
        wait = self.settings.expires if expires is None else check_expires(expires)
        if queue is None and (task := self.task(name)) is not None:
            queue = task.queue
        now = round(time.time() * 1000)
        job = JobData(name, list(args), dict(kwargs), now, list(then), join)
        data = encode_job(job, self.arq_id(id), self.signer)
        self.check_size(data, f"the arguments of task {name}")
        if once is not None:
            key = scripts.unique_key(self.settings.queue_name, name, once[0])
            once = key, round(once[1] * 1000)
        return Enqueue(
            queue=self.settings.queue_key(queue),
            id=id,
            arq_id=self.arq_id(id),
            data=data,
            start=start,
            kind=kind,
            wait=round(wait * 1000),
            expires=expires,
            linked=bool(then),
            once=once,
        )

    async def apply(self, changes: Sequence[Change]) -> Mapping[str, str]:
        """Make *changes*, in one step and in one round trip.

        Returns:
            For the id of each job that was not queued because the same call (``once``) waits or
            runs, the id of that job.
        """
        async with self.client() as client:
            return self._same_calls(changes, await client.enqueue(self._keys, arguments(changes)))

    def apply_sync(self, changes: Sequence[Change]) -> Mapping[str, str]:
        """Make *changes* in a thread, or in a program without an event loop.

        Raises:
            RuntimeError: The thread runs an event loop, which this would block.
        """
        refuse_event_loop()
        with self._sync() as client:
            answers = client.register_script(scripts.ENQUEUE)(self._keys, arguments(changes))
        return self._same_calls(changes, answers)

    def _same_calls(self, changes: Sequence[Change], answers: Sequence[Any]) -> Mapping[str, str]:
        calls = [change for change in changes if isinstance(change, Enqueue)]
        return {
            call.id: self.plain_id(text(answer))
            for call, answer in zip(calls, answers, strict=True)
            if isinstance(answer, bytes)
        }

    @property
    def _keys(self) -> Sequence[str]:
        # The second key makes a cluster refuse all jobs at once, and not only some of them.
        return [*self.names, arq_format.ABORTED]

    def check_size(self, data: bytes, what: str) -> None:
        """Raise a ``ValueError`` if *data* is larger than ``TASKS_MAX_SIZE``."""
        if len(data) > self.settings.max_size:
            raise ValueError(
                f"{what} have {len(data)} bytes as JSON, and TASKS_MAX_SIZE is"
                f" {self.settings.max_size}: store them elsewhere, and pass an id"
            )

    async def result(self, id: str, *, must_exist: bool = False) -> Result:
        """Return the state of the job *id*.

        Raises:
            LookupError: The job does not exist, and *must_exist* is true.
        """
        return (await self.results([id], must_exist=must_exist))[0]

    async def results(self, ids: Sequence[str], *, must_exist: bool = False) -> list[Result]:
        """Return the states of the jobs *ids* at one moment.

        Raises:
            LookupError: One of them does not exist, and *must_exist* is true.
        """
        arq_ids = [self.arq_id(id) for id in ids]
        prefixes = (arq_format.RESULT_PREFIX, scripts.PROGRESS_PREFIX, scripts.EXPECTED_PREFIX)
        keys = [prefix + arq_id for arq_id in arq_ids for prefix in prefixes]
        async with self.client() as client, client.redis.pipeline(transaction=True) as pipe:
            pipe.mget(keys)
            for queue in self.names:
                pipe.zmscore(queue, arq_ids)
            found, *scores = cast("Any", await pipe.execute())
        results: list[Result] = []
        for index, (id, waits) in enumerate(zip(ids, zip(*scores, strict=True), strict=True)):
            data, progress_data, expected = found[3 * index : 3 * index + 3]
            progress = loads(progress_data) if progress_data else None
            if data:
                job = decode(data)
                results.append(Result(id, True, job["s"], job["r"], progress))
            elif must_exist and not expected and all(score is None for score in waits):
                raise LookupError(
                    f"no job {id!r}: the id is wrong, or the result has expired (TASKS_KEEP_RESULT)"
                )
            else:
                results.append(Result(id, progress=progress))
        return results

    async def revoke(self, id: str) -> Revocation:
        """Cancel the job *id*."""
        arq_id = self.arq_id(id)
        now = round(time.time() * 1000)
        async with self.client() as client:
            data = await client.redis.get(arq_format.JOB_PREFIX + arq_id)
            job = _readable_job(data) or JobData("", [], {}, now)
            error = asyncio.CancelledError()
            result = encode_result(job, arq_id, self.settings.queue_name, 0, False, error, now, now)
            task = self.task(job.name)
            keep = round(self.keep_result(task) * 1000)
            changes = links.after_error(self, job.then, arq_format.error_text(error))
            row = [arq_id, result, keep, *arguments(changes)]
            answer: int = await client.revoke(self.names, row)
        return Revocation(answer > 0, answer == 2, task)

    def task(self, name: str) -> Task[..., Any] | None:
        """Return the task *name* that a worker can run, or ``None``."""
        return self.tasks.get(name) or BUILT_IN.get(name)

    def keep_result(self, task: Task[..., Any] | None) -> float:
        """Return the seconds that the result of *task* is kept."""
        keep = task.keep_result if task else None
        return min(self.settings.keep_result if keep is None else keep, MAX_SECONDS)

    async def close(self) -> None:
        """Close the connections of this event loop, as the application does when it stops."""
        await self._clients.close()

    async def update_progress(self, id: str, value: object) -> None:
        """Store *value* as the progress of the job *id*."""
        key, data = self._progress(id, value)
        async with self.client() as client:
            await client.redis.set(key, data, px=round(self.settings.expires * 1000))

    def update_progress_sync(self, id: str, value: object) -> None:
        """Store *value* as the progress of the job *id*, in a thread."""
        refuse_event_loop()
        with self._sync() as client:
            client.set(*self._progress(id, value), px=round(self.settings.expires * 1000))

    def _progress(self, id: str, value: object) -> tuple[str, bytes]:
        """Return the key and the data of the progress of the job *id*."""
        data = dumps(value)
        self.check_size(data, f"the values of the progress of job {id!r}")
        return scripts.PROGRESS_PREFIX + self.arq_id(id), data

    def arq_id(self, id: str) -> str:
        """Return arq's id of the job *id*; it differs between applications on the same Redis."""
        return f"{self.settings.queue_name}:{id}"

    def plain_id(self, arq_id: str) -> str:
        """Return the id of the job that arq knows as *arq_id*."""
        return arq_id.removeprefix(self.arq_id(""))

    @contextlib.contextmanager
    def _sync(self) -> Generator[Any]:
        """Return a synchronous client, which all threads of the process share."""
        with self._sync_lock:
            if self._sync_client is None:
                self._sync_client = sync_client(self.settings, self.settings.redis_timeout)
            client = self._sync_client
        try:
            yield client
        except REDIS_ERRORS as error:
            raise self._unavailable(error) from error

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        """Return the client for Redis on this event loop.

        Raises:
            TasksUnavailableError: Redis cannot be reached, or refuses the command.
        """
        try:
            async with (
                asyncio.timeout(self.settings.redis_timeout),
                self._clients.using() as client,
            ):
                yield client
        except REDIS_ERRORS as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: BaseException) -> TasksUnavailableError:
        """Return the error for one of Redis, which is logged."""
        address = display_address(self.settings.redis_url, default_port=6379)
        reason = redis_message(error).rstrip(".") or "no answer in time"
        logger.warning("Redis at %s: %s. %s", address, reason, redis_remedy(error, "REDIS_URL"))
        return TasksUnavailableError(describe(error))


def queue_of(app: Quart) -> Queue:
    """Return the queue of *app*.

    Raises:
        RuntimeError: The application has no queue.
    """
    try:
        return cast("Queue", app.extensions["tasks"])
    except KeyError:
        raise RuntimeError(
            f"the application {app.name!r} has no tasks: call Tasks(app), or tasks.init_app(app)"
        ) from None


def queue_with_tasks(app: Quart) -> Queue:
    """Return the queue of *app* for a worker.

    Raises:
        RuntimeError: The application has no queue or no tasks, or ``TASKS_EAGER`` is set.
    """
    queue = queue_of(app)
    if not queue.tasks:
        raise RuntimeError(
            f"the application {app.name!r} has no tasks: decorate a function with @tasks.task, and"
            " import its module where the application is made"
        )
    if queue.settings.eager:
        raise RuntimeError(
            f"the application {app.name!r} runs its jobs itself and needs no worker: remove"
            " TASKS_EAGER from its settings"
        )
    return queue


def _readable_job(data: bytes | None) -> JobData | None:
    """Return the job in *data*, or ``None`` if there is none that can be read."""
    try:
        return arq_format.decode_job(data) if data else None
    except ValueError:
        return None
