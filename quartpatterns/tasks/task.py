"""A function that can be called here, or handed to a worker."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, ParamSpec, TypeVar, cast

from arq.connections import ArqRedis
from quart import current_app

from quartpatterns.tasks.codec import ensure_json
from quartpatterns.tasks.queue import Job, queue_of

__all__ = ["Options", "Task"]

P = ParamSpec("P")
R = TypeVar("R")

# These would be taken by arq and never reach the task.
TAKEN = {"ctx", *inspect.signature(ArqRedis.enqueue_job).parameters} - {"args", "kwargs"}


@dataclass(frozen=True, slots=True)
class Options:
    """How a task is run; ``None`` leaves a value to the application's configuration.

    Arguments:
        timeout: The seconds it may run.
        max_tries: How often it is started at most.
        keep_result: The seconds its result is kept; 0 keeps none.
        autoretry_for: Errors that mean another try, after a growing pause.

    Raises:
        ValueError: A number makes no sense.
    """

    timeout: float | None = None
    max_tries: int | None = None
    keep_result: float | None = None
    autoretry_for: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        least = {"timeout": 0.001, "max_tries": 1, "keep_result": 0}
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise ValueError(f"a task's {name} is {minimum} at least, not {value!r}")


class Task(Generic[P, R]):
    """A function, and ways to have it called by a worker; ``Tasks.task`` makes one.

    A call is a call of the function, here and now. What goes to a worker is JSON: an id, not the
    object, as the object may have changed until the task runs.
    """

    __name__: str

    def __init__(self, function: Callable[P, R], name: str | None, options: Options) -> None:
        self.function = function
        self.origin = f"{function.__module__}.{function.__qualname__}"
        self.name = name or self.origin
        self.options = options
        self._signature = inspect.signature(function)
        if taken := TAKEN & self._signature.parameters.keys():
            raise ValueError(
                f"task {self.name}: rename the parameter {min(taken)!r}, arq has one too"
            )
        functools.update_wrapper(cast(Callable[P, R], self), function)
        if inspect.iscoroutinefunction(function):
            _mark_coroutine_function(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    async def delay(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Have a worker call the function; needs an application context.

        Raises:
            TypeError: The function takes no such arguments, or one isn't JSON.
            TasksUnavailableError: Redis can't be reached.
        """
        return await self.apply_async(args, kwargs)

    async def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | None = None,
    ) -> Job:
        """Have a worker call the function, with a say in how; needs an application context.

        Arguments:
            args: Its positional arguments.
            kwargs: Its keyword arguments.
            task_id: The id of the job. While one of this id is queued or has a result, no second
                one is queued, and the handle is on the first.
            countdown: The seconds until it may start.
            eta: The moment from which it may start, in place of *countdown*.
            expires: The seconds after which it fails instead of starting.

        Raises:
            TypeError: The function takes no such arguments, or one isn't JSON.
            TasksUnavailableError: Redis can't be reached.
        """
        kwargs = kwargs or {}
        for name, value in self._signature.bind(*args, **kwargs).arguments.items():
            advice = "pass an id, and load the object in the task"
            ensure_json(value, f"argument {name!r} of task {self.name}", advice)
        return await queue_of(current_app).enqueue(
            self.name,
            args,
            kwargs,
            task_id=task_id,
            countdown=countdown,
            eta=eta,
            expires=expires,
        )


def _mark_coroutine_function(instance: object) -> None:
    """Let ``app.ensure_async`` and its like see that calling *instance* makes a coroutine."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(instance)
    else:
        instance._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
