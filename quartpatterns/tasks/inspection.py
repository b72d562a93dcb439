"""Looking at the jobs of an application, and changing them: lists, numbers, retry, revoke, purge.

Each call to Redis reads at most :data:`PAGE` jobs, so a long queue blocks neither Redis nor memory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from quart import Quart, current_app

from quartpatterns.tasks import arq_format
from quartpatterns.tasks.jobs import Job
from quartpatterns.tasks.queue import Queue, queue_of
from quartpatterns.tasks.redis_clients import Client, text
from quartpatterns.tasks.signing import JobSignatureError, JobSigner

__all__ = [
    "Inspector",
    "JobInfo",
    "JobPage",
    "JobState",
    "NoSuchJobError",
    "QueueStats",
    "job_data",
    "plain",
]

JobState = Literal["queued", "scheduled", "running", "failed", "done", "revoked"]
"""The state of a job. One that waits for its time or its next try is ``scheduled``."""

Purgeable = Literal["queued", "scheduled", "failed", "done"]

PAGE = 1000
"""Jobs that one call returns at most."""

LONGEST = 16 * 1024
"""Bytes of arguments or a result that a list shows; :meth:`Inspector.job` shows all."""

PURGE_STEP = 500

_REVOKED = "CancelledError"
_NAME = re.compile(rb'"f": ?"((?:[^"\\]|\\.)*)"')


class NoSuchJobError(LookupError):
    """No job has the id, or it cannot be changed in this state.

    .. versionadded:: 0.1
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """A job at one moment.

    Arguments:
        id: The id.
        queue: The name of its queue in Redis.
        state: ``queued``, ``scheduled``, ``running``, ``failed``, ``done`` or ``revoked``.
        task: The name of the task.
        args: The positional arguments, or ``None`` if a list leaves them out because they are
            long, or if they cannot be read.
        kwargs: The keyword arguments, or ``None`` likewise.
        enqueued: When it was queued.
        due: When it may start, if it is scheduled.
        started: When it was last started.
        ended: When it ended.
        worker: The worker that runs it or in which it failed.
        tries: How often it was started, without the times that its worker died or stopped.
        deliveries: How often it was started.
        progress: The last value that the task passed to ``current_job.update_progress()``.
        value: What the task returned.
        error: The text of the error with which it failed, or for which it is tried again.
        traceback: The traceback of a failed job.

    .. versionadded:: 0.1
    """

    id: str
    queue: str
    state: JobState
    task: str
    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None
    enqueued: datetime | None = None
    due: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    worker: str | None = None
    tries: int = 0
    deliveries: int = 0
    progress: Any = None
    value: Any = None
    error: str | None = None
    traceback: str | None = None

    @property
    def seconds(self) -> float | None:
        """The seconds that it has run, until now or until its end."""
        if self.started is None or self.state in ("queued", "scheduled"):
            return None
        return max(0.0, ((self.ended or datetime.now(UTC)) - self.started).total_seconds())

    @property
    def call(self) -> str:
        """The arguments as they are written in Python, such as ``1, b=2``."""
        if self.args is None or self.kwargs is None:
            return "..."
        items = [repr(each) for each in self.args]
        return ", ".join([*items, *(f"{key}={each!r}" for key, each in self.kwargs.items())])


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs of one state.

    Arguments:
        jobs: The jobs: the next ones first, or the newest first if they have ended.
        next_offset: The offset of the next page, or ``None`` if this is the last.

    .. versionadded:: 0.1
    """

    jobs: Sequence[JobInfo]
    next_offset: int | None = None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Numbers of jobs of one queue.

    Arguments:
        queue: The name of the queue in Redis.
        queued: Jobs that wait for a worker.
        scheduled: Jobs that wait for their time or their next try.
        running: Jobs that run.
        failed: Failed jobs that are kept; ``TASKS_KEEP_FAILED`` is the most.
        done: Jobs that have ended otherwise, at most the newest 1000.
        waiting: The seconds that the oldest queued job has waited.
        ended: How many jobs have ``succeeded``, ``failed`` and were ``revoked``, and how often a
            job was ``retried``, since the queue exists.

    .. versionadded:: 0.1
    """

    queue: str
    queued: int
    scheduled: int
    running: int
    failed: int
    done: int
    waiting: float
    ended: Mapping[str, int]


class Inspector:
    """The jobs of the current application: ``tasks.inspect``.

    The methods need an application context. They raise :exc:`TasksUnavailableError` if Redis cannot
    be reached, and a ``RuntimeError`` if the application runs its jobs itself (``TASKS_EAGER``).

    Jobs that arq's own worker runs are listed among the queued ones with the state ``running``,
    and are not listed when they have ended.

    Arguments:
        app: The application; by default the current one.

    .. versionadded:: 0.1
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._app = app

    def _queue(self) -> Queue:
        queue = queue_of(self._app or current_app)
        if queue.settings.eager:
            raise RuntimeError(
                "this application runs its jobs itself (TASKS_EAGER), so its queue is not in Redis:"
                " read the attribute `jobs` of the queue of eager_tasks()"
            )
        return queue

    async def stats(self) -> list[QueueStats]:
        """Return the numbers of jobs of each queue."""
        queue = self._queue()
        async with queue.client() as client:
            return [_stats(name, await client.stats([name])) for name in queue.names]

    async def jobs(
        self,
        state: JobState,
        *,
        queue: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> JobPage:
        """Return jobs of one state.

        Arguments:
            state: The state.
            queue: The name of the queue, as in ``TASKS_QUEUES`` or in Redis; by default the first
                of the application.
            limit: The most jobs to return, up to 1000.
            offset: Where to start: 0, or the ``next_offset`` of the page before.

        Raises:
            ValueError: An argument is invalid.
        """
        if state not in get_args(JobState):
            raise ValueError(f"state must be one of {', '.join(get_args(JobState))}, not {state!r}")
        if not 1 <= limit <= PAGE or offset < 0:
            raise ValueError(f"limit must be 1 to {PAGE}, and offset 0 or more")
        own = self._queue()
        name = _queue_name(own, queue)
        found: list[JobInfo] = []
        wanted = {state, "running"} if state == "queued" else {state}
        # Running jobs have a place among those that wait, so a page may need several reads.
        async with own.client() as client:
            for _ in range(10):
                rest = limit - len(found)
                time, looked, rows = await client.jobs([name], [state, offset, rest, LONGEST])
                jobs = [_info(own, row, float(time)) for row in rows]
                found += [job for job in jobs if job and job.state in wanted]
                offset += looked
                if looked < rest:
                    return JobPage(found)
                if len(found) >= limit:
                    break
        return JobPage(found, offset)

    async def job(self, id: str) -> JobInfo:
        """Return the job *id* with all that is known about it.

        Raises:
            NoSuchJobError: The id is unknown, or what was known about the job has expired.
        """
        queue = self._queue()
        async with queue.client() as client:
            job = await _find(queue, client, id)
        if job is None:
            raise NoSuchJobError(f"no job {id!r}: the id is wrong, or its result has expired")
        return job

    async def retry(self, id: str) -> None:
        """Queue a failed job again, with its id; or start one now that waits for its time.

        Raises:
            NoSuchJobError: The job runs, is unknown, has succeeded, or its arguments have expired.
        """
        queue = self._queue()
        reasons = {
            "running": f"job {id!r} runs: revoke it first",
            "lost": f"job {id!r} has expired with its arguments: queue it again",
            "unknown": f"no job {id!r} has failed or waits for its time",
        }
        arguments = [queue.arq_id(id), round(queue.settings.expires * 1000)]
        answer = "unknown"
        async with queue.client() as client:
            for name in queue.names:
                answer = text(await client.retry([name], arguments))
                if answer == "queued":
                    return
                if answer != "unknown":
                    break
        raise NoSuchJobError(reasons[answer])

    async def retry_failed(self, *, queue: str | None = None) -> int:
        """Queue all failed jobs again that have failed by now, and return their number.

        Arguments:
            queue: The name of the queue, as in ``TASKS_QUEUES`` or in Redis; by default all queues
                of the application.

        Raises:
            ValueError: The application does not have the queue.
        """
        number, own = 0, self._queue()
        for name in own.names if queue is None else [_queue_name(own, queue)]:
            offset: int | None = 0
            ids: list[str] = []
            while offset is not None:
                page = await self.jobs("failed", queue=name, limit=PAGE, offset=offset)
                ids += [job.id for job in page.jobs]
                offset = page.next_offset
            for id in reversed(ids):
                with contextlib.suppress(NoSuchJobError):
                    await self.retry(id)
                    number += 1
        return number

    async def revoke(self, id: str) -> None:
        """Cancel a job that waits or runs.

        Raises:
            NoSuchJobError: The job is unknown or has ended.
        """
        self._queue()
        job: Job[Any] = Job(id)
        if not await job.revoke():
            raise NoSuchJobError(f"no job {id!r} waits or runs")

    async def purge(self, state: Purgeable, *, queue: str | None = None) -> int:
        """Delete all jobs of one state, and return their number. Jobs that run stay.

        A step of a chain or a member of a chord is revoked, so that the jobs after it end too.

        Arguments:
            state: ``failed``, ``done`` (and revoked), ``queued`` or ``scheduled``.
            queue: The name of the queue, as in ``TASKS_QUEUES`` or in Redis; by default all queues
                of the application.

        Raises:
            ValueError: An argument is invalid.
        """
        if state not in get_args(Purgeable):
            raise ValueError(f"purge takes {', '.join(get_args(Purgeable))}, not {state!r}")
        own, deleted = self._queue(), 0
        for name in own.names if queue is None else [_queue_name(own, queue)]:
            skip, looked = 0, PURGE_STEP
            while looked == PURGE_STEP:
                async with own.client() as client:
                    answer = await client.purge([name], [state, PURGE_STEP, skip])
                looked, count = answer[0], answer[1] + await _end_linked(own, answer[2])
                deleted += count
                skip += looked - count
        return deleted

    async def forget(self, id: str) -> None:
        """Delete one job that waits or has ended, with its result.

        Raises:
            NoSuchJobError: The job is unknown or runs.
        """
        queue, deleted = self._queue(), 0
        for name in queue.names:
            async with queue.client() as client:
                answer = await client.purge([name], ["id", queue.arq_id(id), 0])
            deleted += answer[1] + await _end_linked(queue, answer[2])
        if not deleted:
            raise NoSuchJobError(f"no job {id!r} waits or has ended")


def job_data(job: JobInfo) -> dict[str, Any]:
    """Return what is known about *job*, for :func:`plain`."""
    return dataclasses.asdict(job) | {"seconds": job.seconds}


def plain(value: object) -> Any:
    """Return *value* for ``json.dumps`` and a reader: what JSON lacks becomes a list or text."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        mapping: dict[Any, Any] = cast("Any", value)
        return {
            key if isinstance(key, str) else _text(key): plain(item)
            for key, item in mapping.items()
        }
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in sorted(cast("set[Any]", value), key=repr)]
    return _text(value)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def _end_linked(queue: Queue, ids: Sequence[bytes]) -> int:
    """Revoke the jobs *ids*, so that those that depend on them end too; return how many ended."""
    revocations = [await queue.revoke(queue.plain_id(text(id))) for id in ids]
    return sum(one.ended for one in revocations)


def _queue_name(queue: Queue, name: str | None) -> str:
    if name is None:
        return queue.names[0]
    if name in queue.names:
        return name
    if name not in queue.settings.queues:
        names = ", ".join(queue.settings.queues)
        raise ValueError(f"no queue {name!r}: this application has {names}")
    return queue.settings.queue_key(name)


async def _find(queue: Queue, client: Client, id: str) -> JobInfo | None:
    size = 2 * queue.settings.max_size
    time, _, rows = await client.jobs(queue.names, ["id", queue.arq_id(id), 1, size])
    return _info(queue, rows[0], float(time)) if rows else None


def _stats(name: str, answer: Sequence[Any]) -> QueueStats:
    queued, scheduled, running, failed, done, waiting, counts = answer
    ended = {text(counts[i]): int(counts[i + 1]) for i in range(0, len(counts), 2)}
    for how in ("succeeded", "failed", "retried", "revoked"):
        ended.setdefault(how, 0)
    return QueueStats(name, queued, scheduled, running, failed, done, waiting / 1000, ended)


def _info(queue: Queue, row: Sequence[Any], now: float) -> JobInfo | None:
    """Return what the script ``JOBS`` tells about a job, or ``None`` if it has just gone."""
    arq_id, name, score, data, worker, started, deliveries, error = row[:8]
    tries, progress, lease, failure, result = row[8:]
    about: dict[str, Any] = {
        "id": queue.plain_id(text(arq_id)),
        "queue": text(name),
        "tries": int(tries or 0),
        "deliveries": int(deliveries or 0),
        "progress": _value(progress),
        "error": text(error) if error else None,
        **_call(data, queue.signer),
    }
    if score is not None:
        if lease:
            about |= {"state": "running", "started": _time(started), "tries": about["tries"] + 1}
            return JobInfo(**about, worker=text(worker) if worker else None)
        if float(score) > now:
            return JobInfo(**about, state="scheduled", due=_time(score))
        return JobInfo(**about, state="queued")
    if failure:
        known = cast("dict[str, Any]", arq_format.loads(failure))
        about |= {key: known[key] for key in ("task", "error", "traceback", "tries", "deliveries")}
        about |= {key: _time(known[key] * 1000) for key in ("started", "ended")}
        return JobInfo(**about, state="failed", worker=known["worker"])
    return _ended(about, result) if result else None


def _ended(about: dict[str, Any], data: bytes) -> JobInfo:
    """Return a job of which only the result is stored."""
    try:
        result = arq_format.decode(data)
    except ValueError:  # A list has cut it off.
        state: JobState = "failed" if b'"s":false' in data else "done"
        return JobInfo(**about | _call(data), state=state)
    success, value = result["s"], result["r"]
    about |= _call(data) | {"started": _time(result["st"]), "ended": _time(result["ft"])}
    about |= {"tries": result["t"], "deliveries": about["deliveries"] or result["t"]}
    if success:
        return JobInfo(**about, state="done", value=value)
    revoked = str(value).startswith(_REVOKED)
    return JobInfo(**about | {"error": value}, state="revoked" if revoked else "failed")


def _call(data: bytes | None, signer: JobSigner | None = None) -> dict[str, Any]:
    """Return the task and the arguments in the data of a job, or of a result (without signer)."""
    if not data:
        return {"task": "<unknown>"}
    try:
        job = arq_format.decode_job(data, None, signer)
    except (ValueError, JobSignatureError):
        name = _NAME.search(data)
        task = _value(b'"%s"' % name[1]) if name else None
        return {"task": str(task or "<unknown>")}
    enqueued = _time(job.enqueued)
    return {"task": job.name, "args": job.args, "kwargs": job.kwargs, "enqueued": enqueued}


def _value(data: bytes | None) -> Any:
    try:
        return arq_format.loads(data) if data else None
    except ValueError:
        return None


def _time(milliseconds: Any) -> datetime | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(float(milliseconds) / 1000, UTC)
