"""Changes of the queue. Redis makes several of them in one step and in one round trip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Change",
    "CreateJoin",
    "Enqueue",
    "ExpectJob",
    "ReportError",
    "ReportValue",
    "StoreResult",
    "arguments",
]

WIDTH = 12
"""Arguments that a script gets for each change: its name, and eleven more."""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Queue a job, unless its id is in use.

    Arguments:
        queue: The queue, as Redis has it.
        id: The id of the job.
        arq_id: Its id in Redis.
        data: Its data.
        start: The milliseconds of its start.
        kind: Whether *start* is a time (``at``) or a delay (``in``).
        wait: Milliseconds that it may wait: from now if the caller has set them, otherwise from its
            start.
        expires: The seconds that the caller has set for this wait.
        unique: Milliseconds in which no other job may use the id, even if this one has ended.
        linked: Whether other jobs depend on it, so that its data has to outlast its time to wait.
        once: A key in Redis, and milliseconds after which it is forgotten. While a job that was
            queued with the key waits or runs, this one is not queued.
    """

    queue: str
    id: str
    arq_id: str
    data: bytes
    start: float = 0
    kind: str = "in"
    wait: int = 0
    expires: float | None = None
    unique: int = 0
    linked: bool = False
    once: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class CreateJoin:
    """Let a job wait for the values of others.

    Arguments:
        arq_id: The id of the join in Redis.
        members: The number of values.
        job: The job, which starts at once.
        with_values: Whether the job gets the values; if not, it only waits for them.
    """

    arq_id: str
    members: int
    job: Enqueue
    with_values: bool


@dataclass(frozen=True, slots=True)
class ReportValue:
    """Give a value, which is JSON, to a join."""

    join: str
    index: int
    value: bytes


@dataclass(frozen=True, slots=True)
class ReportError:
    """Let a join fail with the text of an error, which is JSON."""

    join: str
    error: bytes


@dataclass(frozen=True, slots=True)
class StoreResult:
    """Store the result of a job that will not run.

    Arguments:
        id: The id of the job.
        arq_id: Its id in Redis.
        data: The data of the result.
        keep: Milliseconds to keep it.
        error: The text of the error.
    """

    id: str
    arq_id: str
    data: bytes
    keep: int
    error: str


@dataclass(frozen=True, slots=True)
class ExpectJob:
    """Note that a job will be queued later, so that one can wait for it."""

    id: str
    arq_id: str
    keep: int


Change = Enqueue | CreateJoin | ReportValue | ReportError | StoreResult | ExpectJob


def arguments(changes: Iterable[Change]) -> list[Any]:
    """Return *changes* as the arguments of a script."""
    flat: list[Any] = []
    for change in changes:
        row = _row(change)
        flat += row
        flat += [""] * (WIDTH - len(row))
    return flat


def _row(change: Change) -> list[Any]:
    if isinstance(change, Enqueue):
        job = change
        row: list[Any] = ["enqueue", job.queue, job.arq_id, job.data, job.start, job.kind]
        wait_from = "start" if job.expires is None else "now"
        row += [job.wait, wait_from, job.unique, int(job.linked)]
        return [*row, *job.once] if job.once else row
    if isinstance(change, CreateJoin):
        # What a member sends back is short, so everything about the job is kept in the join.
        job, values = change.job, int(change.with_values)
        row = ["join", change.arq_id, change.members, values, job.queue, job.arq_id]
        return [*row, job.data, job.wait]
    if isinstance(change, ReportValue):
        return ["value", change.join, change.index, change.value]
    if isinstance(change, ReportError):
        return ["error", change.join, change.error]
    if isinstance(change, StoreResult):
        return ["result", change.arq_id, change.data, change.keep]
    return ["expect", change.arq_id, change.keep]
