"""Greenlets that are used again, because making one takes as long as reading a row.

SQLAlchemy calls its synchronous code in a new greenlet each time. There the code waits for the
database with ``await_only()``, which passes the awaitable to the parent of its greenlet. Here that
is the coroutine of :func:`spawn`. Code can wait like this in any greenlet that has the attribute
``__sqlalchemy_greenlet_provider__``.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, ParamSpec, TypeVar, overload

from greenlet import GreenletExit, getcurrent, greenlet  # type: ignore[import-untyped]
from sqlalchemy.util import await_only

__all__ = ["spawn", "wait", "wait_in_greenlet"]

P = ParamSpec("P")
T = TypeVar("T")

MAX_IDLE = 16
"""Greenlets of one thread that wait for their next call. Each keeps about 17 KiB."""

_ENDED: Any = object()


class _Worker(greenlet):  # type: ignore[misc]
    """A greenlet that calls one function after the other.

    Attributes:
        result: The result of the last call.
        failure: Its error, or ``None``.
    """

    __sqlalchemy_greenlet_provider__ = True

    result: Any = None
    failure: BaseException | None = None

    def run(  # pyright: ignore[reportIncompatibleMethodOverride] - a property in its types
        self, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> None:
        """Call *function*, tell the parent that it has ended, and wait for the next function."""
        while True:
            try:
                self.result = function(*args, **kwargs)
            except GreenletExit:  # Nobody refers to this greenlet any more.
                raise
            except BaseException as error:
                self.failure = error
            # Keep no row and no value while waiting.
            del function, args, kwargs
            parent: Any = self.parent
            function, args, kwargs = parent.switch(_ENDED)


class _Idle(threading.local):
    """The idle greenlets of a thread, to which they belong."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []


_idle = _Idle()


async def spawn(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a synchronous *function* that can wait for coroutines.

    It does what :func:`sqlalchemy.util.greenlet_spawn` does.

    Arguments:
        function: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """
    idle, current = _idle.workers, getcurrent()
    worker: Any = idle.pop() if idle else _Worker()
    worker.parent = current
    worker.gr_context = current.gr_context
    awaitable: Any = worker.switch(function, args, kwargs)
    while awaitable is not _ENDED:
        try:
            value: Any = await awaitable
        except BaseException:
            awaitable = worker.throw(*sys.exc_info())
        else:
            awaitable = worker.switch(value)
    result, failure = worker.result, worker.failure
    worker.result = worker.failure = worker.gr_context = None
    if len(idle) < MAX_IDLE:
        idle.append(worker)
    if failure is None:
        return result  # type: ignore[no-any-return]
    try:
        raise failure
    finally:
        del failure  # The traceback of an error must not refer to the error.


def wait(future: asyncio.Future[T]) -> T:
    """Return the result of *future*; in a greenlet, which waits for it if it is not done."""
    if future.done() and type(getcurrent()) is _Worker:
        return future.result()
    # SQLAlchemy's own greenlets insist on waiting.
    result: T = await_only(future)
    return result


@overload
def wait_in_greenlet(awaitable: Awaitable[T]) -> T: ...


@overload
def wait_in_greenlet(awaitable: T) -> T: ...


def wait_in_greenlet(awaitable: Any) -> Any:
    """Return the result of an awaitable, in code that cannot await, such as ``__init__``.

    It works where relationships load lazily, see
    :class:`~quartpatterns.sqlalchemy.LazySQLAlchemy`. Other requests are handled in the meantime.

    Arguments:
        awaitable: An awaitable, such as ``User.query.all()``, or the result itself.

    Raises:
        sqlalchemy.exc.MissingGreenlet: The code runs elsewhere.

    .. versionadded:: 0.1
    """
    if isawaitable(awaitable):
        return await_only(awaitable)
    return awaitable  # Inside of SQLAlchemy's own code, a query returns its result.
