"""Signatures, chains, groups and chords, with the names of Celery's canvas."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, cast, overload
from uuid import uuid4

from quart import current_app

from quartpatterns.tasks import links
from quartpatterns.tasks.call_options import Schedule, check_option_names
from quartpatterns.tasks.changes import Change
from quartpatterns.tasks.jobs import FIRST_WAIT, LONGEST_WAIT, Job, TaskFailedError
from quartpatterns.tasks.links import Node
from quartpatterns.tasks.queue import Queue, Result, queue_of

if TYPE_CHECKING:
    from quartpatterns.tasks.task import Task

__all__ = ["Chain", "Group", "GroupJob", "Signature", "CanvasStep", "chain", "chord", "group"]

A = TypeVar("A")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LARGEST_STEP = 10_000
"""Jobs that are queued in one round trip. More would block Redis for too long."""


class CanvasStep(ABC, Generic[T_co]):
    """What can be a step of a chain, or a member of a group: a signature, a chain or a group.

    .. versionadded:: 0.1
    """

    @abstractmethod
    def node(self, queue: Queue, *, has_value: bool) -> Node:
        """Return the step as JSON, for the data of a job.

        Arguments:
            queue: The queue of the application.
            has_value: Whether it gets the value of a step before it.

        Raises:
            TypeError: The arguments of a task do not fit, or are not JSON.
            ValueError: A step is missing.
        """

    @abstractmethod
    def queue(self) -> Queue:
        """Return the queue of the application, as :meth:`Task.sync_queue` does."""

    def __or__(self, other: CanvasStep[A]) -> Chain[A]:
        """Return a chain, as ``a.s(1) | b.s()``."""
        if not isinstance(cast("object", other), CanvasStep):
            return NotImplemented
        return Chain([*_steps(self), *_steps(other)])

    async def delay(self) -> Job[T_co]:
        """Queue the step. It needs an application context.

        Returns:
            The job whose result is the value of the last step.

        Raises:
            TypeError: The arguments of a task do not fit, or are not JSON.
            TasksUnavailableError: Redis cannot be reached.
        """
        return (await enqueue([self]))[0]

    def delay_sync(self) -> Job[T_co]:
        """Do the same in a synchronous view, in a thread, or in a script.

        Raises:
            RuntimeError: The thread runs an event loop.
        """
        return enqueue_sync([self])[0]


class Signature(CanvasStep[T_co]):
    """A call of a task that is not queued yet; :meth:`Task.s` and :meth:`Task.si` return one.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        task: Task[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        *,
        immutable: bool = False,
        options: Schedule | None = None,
    ) -> None:
        self.task = task
        self.args = tuple(args)
        self.kwargs = kwargs
        self.immutable = immutable
        self.options = options or {}

    def __repr__(self) -> str:
        arguments = [repr(value) for value in self.args]
        arguments += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"{self.task.name}({', '.join(arguments)})"

    def queue(self) -> Queue:
        return self.task.sync_queue()

    def set(self, **options: Unpack[Schedule]) -> Signature[T_co]:
        """Return a copy with options of :meth:`Task.apply_async`, such as ``countdown=5``."""
        return Signature(
            self.task,
            self.args,
            self.kwargs,
            immutable=self.immutable,
            options={**self.options, **options},
        )

    def node(self, queue: Queue, *, has_value: bool) -> Node:
        if self.task.unique is not False:
            raise ValueError(
                f"the task {self.task.name} has unique, so it can be neither a step of a chain nor"
                " a part of a chord: remove unique, or queue it alone"
            )
        check_option_names(self.options)
        value = [None] if has_value and not self.immutable else []
        self.task.check_arguments([*value, *self.args], self.kwargs)
        options: dict[str, Any] = {
            key: value for key, value in self.options.items() if value is not None
        }
        if self.task.queue is not None:
            options.setdefault("queue", self.task.queue)
        # An error of an option belongs to the caller, and not to the job before this one.
        call = queue.call(self.task.name, [], {}, **options)
        options.pop("task_id", None)
        if "eta" in options:
            options["eta"] = options["eta"].isoformat()
        return {
            "f": self.task.name,
            "a": list(self.args),
            "k": self.kwargs,
            "id": call.id,
            "im": self.immutable,
            "o": options,
        }


class Chain(CanvasStep[T_co]):
    """Steps that run one after the other; :func:`chain` returns one.

    .. versionadded:: 0.1
    """

    def __init__(self, steps: Sequence[CanvasStep[Any]]) -> None:
        self.steps = tuple(steps)

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, self.steps))})"

    def queue(self) -> Queue:
        return _queue(self.steps)

    def node(self, queue: Queue, *, has_value: bool) -> Node:
        if not self.steps:
            raise ValueError("a chain needs a step")
        nodes = [
            step.node(queue, has_value=has_value or number > 0)
            for number, step in enumerate(self.steps)
        ]
        if "group" in nodes[-1]:
            nodes.append(_collect())
        return {"chain": nodes}


class Group(CanvasStep[list[T]], Generic[T]):
    """Members that run side by side; :func:`group` returns one. Its value is a list of theirs.

    .. versionadded:: 0.1
    """

    def __init__(self, members: Iterable[CanvasStep[T]]) -> None:
        self.members = tuple(members)

    def __repr__(self) -> str:
        return f"group([{', '.join(map(repr, self.members))}])"

    def queue(self) -> Queue:
        return _queue(self.members)

    def node(self, queue: Queue, *, has_value: bool) -> Node:
        members = [
            _with_one_end(member.node(queue, has_value=has_value)) for member in self.members
        ]
        return {"group": members, "id": str(uuid4())}

    async def delay(self) -> GroupJob[T]:  # type: ignore[override]
        """Queue the members, in one round trip. It needs an application context.

        Raises:
            TypeError: The arguments of a task do not fit, or are not JSON.
            TasksUnavailableError: Redis cannot be reached.
        """
        return GroupJob(await enqueue(self.members))

    def delay_sync(self) -> GroupJob[T]:  # type: ignore[override]
        """Do the same in a synchronous view, in a thread, or in a script.

        Raises:
            RuntimeError: The thread runs an event loop.
        """
        return GroupJob(enqueue_sync(self.members))


@dataclass(frozen=True, slots=True)
class GroupJob(Generic[T]):
    """A handle for the jobs of a group that was queued.

    Its methods need an application context. They raise :exc:`TasksUnavailableError` if Redis
    cannot be reached.

    Arguments:
        jobs: The jobs of the members, in their order.

    .. versionadded:: 0.1
    """

    jobs: Sequence[Job[T]]

    async def results(self) -> list[Result]:
        """Return the states of the jobs now, in the order of the members."""
        ids = [job.id for job in self.jobs]
        return await queue_of(current_app).results(ids) if ids else []

    async def wait(self, timeout: float | None = None) -> list[T]:  # noqa: ASYNC109 - as Job.wait
        """Wait until all members have ended, and return the list of their results.

        Arguments:
            timeout: The seconds to wait; ``None`` sets no limit.

        Raises:
            TaskFailedError: A member failed. The others go on.
            LookupError: A job is not in the queue, and its result is not stored.
            TimeoutError: The jobs did not end in time.
        """
        queue, delay = queue_of(current_app), FIRST_WAIT
        values: dict[str, T] = {}
        async with asyncio.timeout(timeout):
            while missing := [job.id for job in self.jobs if job.id not in values]:
                for result in await queue.results(missing, must_exist=True):
                    if result.successful:
                        values[result.id] = cast("T", result.value)
                    elif result.ready:
                        raise TaskFailedError(result.value)
                if len(values) < len({job.id for job in self.jobs}):
                    await asyncio.sleep(delay)
                    delay = min(delay * 1.5, LONGEST_WAIT)
        return [values[job.id] for job in self.jobs]

    async def revoke(self) -> int:
        """Cancel the jobs; return how many of them had not ended."""
        return sum([await job.revoke() for job in self.jobs])


@overload
def chain(a: CanvasStep[Any], b: CanvasStep[T], /) -> Chain[T]: ...
@overload
def chain(a: CanvasStep[Any], b: CanvasStep[Any], c: CanvasStep[T], /) -> Chain[T]: ...
@overload
def chain(
    a: CanvasStep[Any], b: CanvasStep[Any], c: CanvasStep[Any], d: CanvasStep[T], /
) -> Chain[T]: ...
@overload
def chain(*steps: CanvasStep[Any]) -> Chain[Any]: ...
def chain(*steps: CanvasStep[Any]) -> Chain[Any]:
    """Return a chain: each step gets the value of the step before it as its first argument.

    ``chain(load.s(7), resize.s(100), store.s())`` is the same as
    ``load.s(7) | resize.s(100) | store.s()``. The job that its ``delay`` returns has the value of
    the last step. If a step fails, the later ones do not run, and the job has the error of that
    step. A group in a chain starts when the step before it has ended, and gives a list of values
    to the step after it.

    .. versionadded:: 0.1
    """
    return Chain([part for step in steps for part in _steps(step)])


def group(members: Iterable[CanvasStep[T]]) -> Group[T]:
    """Return a group: its members run side by side.

    .. versionadded:: 0.1
    """
    return Group(members)


def chord(header: Iterable[CanvasStep[Any]] | Group[Any], body: CanvasStep[T]) -> Chain[T]:
    """Return a chord: *body* gets the list of the values of *header*, in order.

    If a member of the header fails, the body does not run, and its job has that error.
    ``chord([add.s(1, 1), add.s(2, 2)], total.s())`` is the same as
    ``group([add.s(1, 1), add.s(2, 2)]) | total.s()``.

    .. versionadded:: 0.1
    """
    return Chain([header if isinstance(header, Group) else Group(header), *_steps(body)])


async def enqueue(steps: Iterable[CanvasStep[T]]) -> list[Job[T]]:
    """Queue *steps* in one round trip, and return the job of each."""
    queue = queue_of(current_app)
    ids, parts = _changes(queue, list(steps))
    same: dict[str, str] = {}
    for part in parts:
        same |= await queue.apply(part)
    return [Job(same.get(id, id)) for id in ids]


def enqueue_sync(steps: Iterable[CanvasStep[T]]) -> list[Job[T]]:
    """Do the same in a thread, or without an event loop."""
    steps = list(steps)
    if not steps:
        return []
    queue = steps[0].queue()
    ids, parts = _changes(queue, steps)
    same: dict[str, str] = {}
    for part in parts:
        same |= queue.apply_sync(part)
    return [Job(same.get(id, id)) for id in ids]


def _changes(
    queue: Queue, steps: Sequence[CanvasStep[Any]]
) -> tuple[list[str], list[list[Change]]]:
    """Return the ids of the jobs of *steps*, and the changes that start them, in parts."""
    ids: list[str] = []
    parts: list[list[Change]] = [[]]
    for step in steps:
        changes: list[Change] = []
        if isinstance(step, Signature):
            call = step.task.call(queue, step.args, step.kwargs, step.options)
            id = call.id
            changes.append(call)
        else:
            node = _with_one_end(step.node(queue, has_value=False))
            last = node["chain"][-1]
            while "chain" in last:
                last = last["chain"][-1]
            id = last["id"]
            changes += [links.expect(queue, id), *links.start(queue, node, [], [])]
        ids.append(id)
        if parts[-1] and len(parts[-1]) + len(changes) > LARGEST_STEP:
            parts.append([])
        parts[-1] += changes
    return ids, parts if parts[0] else []


def _steps(step: CanvasStep[Any]) -> Sequence[CanvasStep[Any]]:
    return step.steps if isinstance(step, Chain) else [step]


def _queue(steps: Sequence[CanvasStep[Any]]) -> Queue:
    return steps[0].queue() if steps else queue_of(current_app)


def _with_one_end(node: Node) -> Node:
    """Return *node* so that the value of one job is its value."""
    return {"chain": [node, _collect()]} if "group" in node else node


def _collect() -> Node:
    return {"f": links.COLLECT, "a": [], "k": {}, "id": str(uuid4()), "im": False, "o": {}}
