"""A task: a function that can be called directly, or by a worker."""

from __future__ import annotations

import functools
import hashlib
import inspect
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload

from quart import Quart, current_app, has_app_context

from quartpatterns._shared.calling import is_async, mark_async
from quartpatterns._shared.settings import SettingsReader
from quartpatterns.tasks.arq_format import NotJSONError, dumps
from quartpatterns.tasks.call_options import MAX_SECONDS, Schedule, check_option_names
from quartpatterns.tasks.canvas import Signature
from quartpatterns.tasks.changes import Enqueue
from quartpatterns.tasks.jobs import Job
from quartpatterns.tasks.links import COLLECT
from quartpatterns.tasks.queue import BUILT_IN, Queue, queue_of

__all__ = ["TaskOptions", "Task", "not_json_result"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class TaskOptions(TypedDict, total=False):
    """The options of a task; one that is missing or ``None`` stands for the application's."""

    timeout: float | timedelta | None
    max_tries: int | None
    keep_result: float | timedelta | None
    autoretry_for: tuple[type[Exception], ...]
    queue: str | None
    process: bool
    rate_limit: str | float | None
    unique: bool | float | timedelta | Callable[..., object]


class Task(Generic[P, R_co]):
    """A function that a worker can run. The decorator ``@tasks.task`` creates it.

    If you call the task, the function runs directly, without a worker. :meth:`delay` sends the
    arguments to a worker as JSON. Pass the id of a database object and not the object, because the
    object may have changed when the task runs.

    .. versionadded:: 0.1
    """

    __name__: str

    def __init__(
        self,
        function: Callable[P, R_co],
        name: str | None,
        options: TaskOptions,
        apps: Sequence[weakref.ref[Quart]] = (),
    ) -> None:
        self.function = function
        self.apps = apps
        self.origin = f"{function.__module__}.{function.__qualname__}"
        self.name = name or self.origin
        read = SettingsReader(options, dict.fromkeys(TaskOptions.__annotations__))
        self.timeout = read.optional(read.seconds, "timeout")
        self.max_tries = read.optional(read.count, "max_tries")
        self.keep_result = read.optional(read.seconds, "keep_result", zero=True)
        self.autoretry_for = options.get("autoretry_for", ())
        self.queue = read.optional(read.text, "queue")
        self.process = bool(options.get("process", False))
        if self.process and is_async(function):
            raise TypeError(
                f"the task {self.name} is async def: process=True is for synchronous functions"
            )
        self.interval = _interval(options.get("rate_limit"))
        self.unique = _valid_unique(read, options.get("unique", False))
        self._signature = inspect.signature(function)
        functools.update_wrapper(cast("Callable[P, R_co]", self), function)
        if is_async(function):
            mark_async(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function directly."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    @overload
    async def delay(
        self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Job[T]: ...
    @overload
    async def delay(self: Task[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]: ...
    async def delay(self: Task[P, Any], *args: P.args, **kwargs: P.kwargs) -> Job[Any]:
        """Queue a call of the function. It needs an application context.

        Raises:
            TypeError: The arguments do not fit the function, or one is not JSON.
            TasksUnavailableError: Redis cannot be reached.
        """
        return await self.apply_async(args, kwargs)

    @overload
    async def apply_async(
        self: Task[P, Coroutine[Any, Any, T]],
        args: Sequence[Any] = ...,
        kwargs: Mapping[str, Any] | None = ...,
        **when: Unpack[Schedule],
    ) -> Job[T]: ...
    @overload
    async def apply_async(
        self: Task[P, T],
        args: Sequence[Any] = ...,
        kwargs: Mapping[str, Any] | None = ...,
        **when: Unpack[Schedule],
    ) -> Job[T]: ...
    async def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **when: Unpack[Schedule],
    ) -> Job[Any]:
        """Queue a call of the function with options. It needs an application context.

        Arguments:
            args: The positional arguments of the function.
            kwargs: The keyword arguments of the function.
            when: ``task_id`` is the id of the job, up to 512 bytes. If a job with this id is in a
                queue or has a stored result, no second one is queued; the returned handle is for
                the first. ``countdown`` is the seconds until the job may start; a negative number
                means now. ``eta`` is the time at which the job may start, instead of a countdown; a
                past time means now. ``expires`` is the seconds from now, more than 0, in which the
                job must be started for the first time; otherwise it fails. ``queue`` is the name of
                a queue in ``TASKS_QUEUES``, instead of that of the task.

        Raises:
            TypeError: The arguments do not fit the function, or one is not JSON.
            ValueError: An option is invalid, such as a negative *expires* or an unknown queue.
            TasksUnavailableError: Redis cannot be reached.
        """
        queue = queue_of(current_app)
        call = self.call(queue, args, kwargs or {}, when)
        same = await queue.apply([call])
        return Job(same.get(call.id, call.id))

    @overload
    def delay_sync(
        self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Job[T]: ...
    @overload
    def delay_sync(self: Task[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]: ...
    def delay_sync(self: Task[P, Any], *args: P.args, **kwargs: P.kwargs) -> Job[Any]:
        """Do what :meth:`delay` does, in a synchronous view or task, in a thread, or in a script.

        Without an application context it uses the application of the :class:`Tasks` object.

        Raises:
            RuntimeError: The thread runs an event loop, which this would block; or there is no
                application context, and the number of applications is not one.
            TypeError: The arguments do not fit the function, or one is not JSON.
            TasksUnavailableError: Redis cannot be reached.
        """
        queue = self.sync_queue()
        call = self.call(queue, args, kwargs, {})
        same = queue.apply_sync([call])
        return Job(same.get(call.id, call.id))

    @overload
    def s(self: Task[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> Signature[T]: ...
    @overload
    def s(self: Task[..., T], *args: Any, **kwargs: Any) -> Signature[T]: ...
    def s(self: Task[..., Any], *args: Any, **kwargs: Any) -> Signature[Any]:
        """Return a signature: a call that a chain or a group can contain.

        In a chain the call gets the value of the step before it as its first argument.
        """
        return Signature(self, args, kwargs)

    @overload
    def si(
        self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Signature[T]: ...
    @overload
    def si(self: Task[P, T], *args: P.args, **kwargs: P.kwargs) -> Signature[T]: ...
    def si(self: Task[P, Any], *args: P.args, **kwargs: P.kwargs) -> Signature[Any]:
        """Return a signature that ignores the value of the step before it."""
        return Signature(self, args, kwargs, immutable=True)

    def sync_queue(self) -> Queue:
        """Return the queue of the current application, or else of the only one with this task.

        Raises:
            RuntimeError: There is no application context, and the number of applications is not
                one.
        """
        if has_app_context():
            return queue_of(current_app)
        apps = {app for reference in self.apps if (app := reference()) is not None}
        if len(apps) != 1:
            raise RuntimeError(
                f"{len(apps)} applications have the task {self.name}: without an application"
                " context, _sync functions need exactly one"
            )
        return queue_of(apps.pop())

    def call(
        self,
        queue: Queue,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: Schedule,
    ) -> Enqueue:
        """Return the change that queues a call of the function.

        Raises:
            TypeError: The arguments do not fit the function, one is not JSON, or an option is
                unknown.
            ValueError: An option is invalid.
        """
        check_option_names(options)
        bound = self._signature.bind(*args, **kwargs)
        try:
            return queue.call(self.name, args, kwargs, **options, once=self._once(bound))
        except NotJSONError:
            self.check_arguments(args, kwargs)
            raise

    def check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise an error if a call of the function cannot be queued with these arguments.

        Raises:
            TypeError: They do not fit the function, or one is not JSON.
        """
        for name, value in self._signature.bind(*args, **kwargs).arguments.items():
            require_json(
                value,
                f"argument {name!r} of task {self.name}",
                "pass an id, and load the object in the task",
            )

    def _once(self, bound: inspect.BoundArguments) -> tuple[str, float] | None:
        """Return a key that is the same for the same call, and how long it counts at most."""
        unique = self.unique
        if unique is False:
            return None
        if callable(unique):
            key = unique(*bound.args, **bound.kwargs)
        else:
            bound.apply_defaults()
            key = dict(bound.arguments)
        digest = hashlib.sha256(dumps(_sorted(key))).hexdigest()
        return digest, MAX_UNIQUE if unique is True or callable(unique) else unique


MAX_UNIQUE = 30 * 86400.0
"""Seconds after which a call may be queued again though the first job has not ended."""

_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _interval(rate: object) -> float | None:
    """Return the seconds between two starts for a rate such as ``10/s``, as Celery writes it.

    Raises:
        ValueError: It is no rate.
    """
    if rate is None:
        return None
    number, _, period = str(rate).partition("/")
    try:
        per_second = float(number) / _PERIODS[period.strip() or "s"]
        interval = 1 / per_second
    except (ValueError, KeyError, ZeroDivisionError):
        interval = 0.0
    if isinstance(rate, bool) or not 0 < interval <= MAX_SECONDS:
        raise ValueError(f"rate_limit must be like '10/s', '100/m' or '1000/h', not {rate!r}")
    return interval


def _valid_unique(read: SettingsReader, unique: object) -> bool | float | Callable[..., object]:
    """Return the option ``unique``, with seconds as a number."""
    if unique is None or isinstance(unique, bool):
        return bool(unique)
    return unique if callable(unique) else read.seconds("unique")


def _sorted(value: Any) -> Any:
    """Return *value* with its dictionaries and sets in one order."""
    if isinstance(value, dict):
        mapping: dict[Any, Any] = cast("Any", value)
        pairs = [[_sorted(key), _sorted(each)] for key, each in mapping.items()]
        return ["dict", sorted(pairs, key=repr)]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted((_sorted(each) for each in cast("set[Any]", value)), key=repr)]
    if isinstance(value, (list, tuple)):
        return ["list", *(_sorted(each) for each in cast("list[Any]", value))]
    return value


def require_json(value: object, what: str, advice: str) -> None:
    """Raise an error if *value* cannot be written as JSON.

    Arguments:
        value: The value to check.
        what: The name of the value, for the message.
        advice: What to do instead, for the message.

    Raises:
        TypeError: The value cannot be written as JSON.
    """
    try:
        dumps(value)
    except NotJSONError as error:
        raise TypeError(f"{what} is not JSON ({error}): {advice}") from error


def not_json_result(task: Task[..., Any] | None, error: Exception) -> TypeError:
    """Return the error of a job of *task* whose result cannot be written as JSON."""
    name = task.name if task else "<unknown>"
    return TypeError(
        f"the result of task {name} is not JSON ({error}): return an id, or text and numbers"
    )


async def _collect(values: list[Any]) -> list[Any]:
    """Return the values of a group, for the links that follow it."""
    return values


BUILT_IN[COLLECT] = Task(_collect, COLLECT, {})
