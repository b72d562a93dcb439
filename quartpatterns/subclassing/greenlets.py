"""Requests that are handled in a greenlet, so that SQLAlchemy can load lazily.

Reading a relationship that is not loaded needs I/O. Attributes can't be awaited, so under asyncio
SQLAlchemy raises ``MissingGreenlet``, except in code that runs in one of its greenlets.
"""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import types
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import aclosing
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, TypeVar, cast

from quart import Quart
from quart.typing import ResponseTypes
from quart.wrappers import Request, Websocket
from quart.wrappers.response import IterableBody

from quartpatterns._shared.greenlet_views import RUNS_COROUTINE, greenlet_functions
from quartpatterns._shared.settings import SettingsReader
from quartpatterns._shared.settings_of.subclassing import SETTINGS

__all__ = ["GreenletViews", "in_greenlet", "runs_in_greenlet"]

T = TypeVar("T")


class GreenletViews(Quart):
    """With ``GREENLET_VIEWS = True``, each request and websocket is handled in a greenlet.

    Then ``user.posts`` works in asynchronous views, hooks, error handlers, templates, streamed
    generators, commands and tasks of :mod:`quartpatterns.tasks`, also if the relationship is not
    loaded. It does not work in synchronous views, which run in threads, and in background tasks
    that a view starts.

    It is off by default, because each ``await`` that really waits costs some microseconds more,
    and because a lazy load in a loop is one query for each object, which nothing in the code shows.
    """

    loads_lazily = True
    """Whether ``GREENLET_VIEWS`` has an effect."""

    async def startup(self) -> None:
        """Start as Quart does.

        Raises:
            SettingError: ``GREENLET_VIEWS`` is not a bool.
        """
        SettingsReader(self.config, SETTINGS.defaults).boolean("GREENLET_VIEWS")
        await super().startup()

    # Without "async", each is one coroutine less for a request. Pyright expects a subclass.
    def handle_request(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, request: Request
    ) -> Coroutine[Any, Any, ResponseTypes]:
        """Return the response to *request*."""
        handling = super().handle_request(request)
        return self._with_body(handling) if self.config.get("GREENLET_VIEWS") else handling

    def handle_websocket(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, websocket: Websocket
    ) -> Coroutine[Any, Any, ResponseTypes | None]:
        """Handle *websocket*."""
        handling = super().handle_websocket(websocket)
        return in_greenlet(handling) if self.config.get("GREENLET_VIEWS") else handling

    async def await_as_view(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await *coroutine* as a view: in a greenlet with ``GREENLET_VIEWS``.

        Workers of :mod:`quartpatterns.tasks` do this with each asynchronous task.

        .. versionadded:: 0.1
        """
        in_one = bool(cast("dict[str, Any]", self.config).get("GREENLET_VIEWS"))
        return await (in_greenlet(coroutine) if in_one else coroutine)

    async def _with_body(self, handling: Coroutine[Any, Any, ResponseTypes]) -> ResponseTypes:
        response = await in_greenlet(handling)
        body: Any = getattr(response, "response", None)
        if isinstance(body, IterableBody):
            body.iter = _iterate(body.iter)
        return response


async def _iterate(items: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Yield *items*; each step and the closing run in a greenlet."""
    end = object()

    async def step() -> Any:
        return await anext(items, end)

    try:
        while (item := await in_greenlet(step())) is not end:
            yield item
    finally:
        if close := getattr(items, "aclose", None):
            await in_greenlet(close())


async def in_greenlet(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await *coroutine* so that all of its code runs in one of SQLAlchemy's greenlets.

    It stays in the task that awaits it, with its context variables. Cancellation and time limits
    reach it.

    Raises:
        MissingExtraError: SQLAlchemy or greenlet is not installed.
    """
    try:
        spawn, wait, getcurrent = greenlet_functions("GREENLET_VIEWS")
    except BaseException:
        coroutine.close()
        raise
    result: T = await spawn(_run, coroutine, wait, getcurrent)
    return result


def runs_in_greenlet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine function, or one of an asynchronous generator, that runs in a greenlet.

    Other functions are returned as they are.
    """
    if isasyncgenfunction(function):

        @wraps(function)
        async def generate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            async with aclosing(_iterate(function(*args, **kwargs))) as items:
                async for item in items:
                    yield item

        return generate
    if iscoroutinefunction(function):

        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await in_greenlet(function(*args, **kwargs))

        return call
    return function


def _run(
    coroutine: Coroutine[Any, Any, T],
    wait: Callable[[Any], Any],
    getcurrent: Callable[[], object],
) -> T:
    """Run *coroutine*. The greenlet waits for what it waits for."""
    setattr(getcurrent(), RUNS_COROUTINE, True)
    resume: Callable[[Any], Any] = coroutine.send
    value: Any = None
    try:
        while True:
            try:
                future = resume(value)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                resume, value = coroutine.send, wait(_wait_for(future))
            except BaseException as error:  # such as a cancellation
                resume, value = coroutine.throw, error
    finally:
        value = None  # The traceback of an error must not refer to the error.


@types.coroutine
def _wait_for(future: Any) -> Generator[Any, Any, Any]:
    """Pass what a coroutine waits for to the task."""
    return (yield future)
