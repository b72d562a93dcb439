"""The first chunk decides the status on a plain ``Quart`` as well.

``FaithfulQuart`` takes the first chunk before it sends the status. Quart sends the status as soon
as the context of the view has ended, and has only a signal for that moment.
"""

# The types of Quart's scopes are not complete.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from quart import Quart, Response
from quart.ctx import AppContext
from quart.signals import appcontext_popped, request_finished
from quart.typing import ResponseTypes
from quart.wrappers import Request
from quart.wrappers.response import DataBody, ResponseBody

from quartpatterns._shared.first_chunk import END, error_response, first_chunk
from quartpatterns._shared.loop_bound import current_context

__all__ = ["take_first_chunk_early"]

_watched: WeakSet[Quart] = WeakSet()
_started: ContextVar[_Started | None] = ContextVar("quartpatterns.streaming.started", default=None)


def take_first_chunk_early(app: Quart, request: Request, context: Context) -> None:
    """Take the first chunk of the current response after its context has ended.

    Arguments:
        app: The application, a plain ``Quart``.
        request: The request.
        context: The context of the view, for the handlers of an error.
    """
    if app not in _watched:
        _watched.add(app)
        request_finished.connect(_note_response, app)
        appcontext_popped.connect(_context_has_ended, app)
    _started.set(_Started(app, request, context, current_context()))


@dataclass(slots=True)
class _Started:
    """A response that will be streamed."""

    app: Quart
    request: Request
    context: Context
    app_context: AppContext | None
    response: Response | None = None

    async def decide(self, response: Response) -> None:
        """Take the first chunk, or make *response* the response to the error."""
        body = response.response
        limit = response.timeout
        try:
            async with asyncio.timeout(None if limit is ... else limit):
                items, first = await first_chunk(body)
        except Exception as error:
            _replace(response, await error_response(self.app, error, self.context))
        else:
            begun = _continue(body, items, first)
            # The body is closed from here on, whether it is sent or not.
            await anext(begun)
            response.response = response.iterable_body_class(begun)


async def _continue(
    body: ResponseBody, items: AsyncIterator[Any], first: Any
) -> AsyncGenerator[Any, None]:
    async with AsyncExitStack() as stack:
        stack.push_async_exit(body)  # type: ignore[type-var]  # Quart's types have no None
        yield None
        if first is not END:
            yield first
            async for item in items:
                yield item


def _replace(response: Response, other: ResponseTypes) -> None:
    """Give *response* the content of *other*: Quart sends the first of them."""
    response.status = other.status
    response.headers = other.headers
    if isinstance(other, Response):
        response.response = other.response
        response.timeout = other.timeout
    else:
        response.response = DataBody(other.get_data())
        response.timeout = ...


async def _note_response(app: Quart, response: ResponseTypes, **_: Any) -> None:
    """Receive the signal ``request_finished``, after which nobody changes the response."""
    started = _started.get()
    if started is None or started.app is not app:
        return
    if not isinstance(response, Response) or isinstance(response.response, DataBody):
        _started.set(None)
    elif started.request.scope.get("_quart._preserve_context"):
        # For a test client that keeps the context, which then does not end.
        _started.set(None)
        await started.decide(response)
    else:
        started.response = response


async def _context_has_ended(app: Quart, **_: Any) -> None:
    """Receive the signal ``appcontext_popped``."""
    started = _started.get()
    if started is None or started.response is None or started.app is not app:
        return
    if current_context() is started.app_context:
        return  # Another context has ended, which the code of the request had pushed.
    _started.set(None)
    await started.decide(started.response)
