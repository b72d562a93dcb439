"""Keep request, session and ``g`` while a response is streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeGuard, TypeVar, overload

from quart import (
    Quart,
    Response,
    after_this_request,
    current_app,
    has_app_context,
    has_request_context,
)
from quart.globals import request_ctx
from quart.typing import ResponseTypes
from quart.wrappers import Request

from quartpatterns.streaming.steps import async_steps, sync_steps, within

__all__ = ["stream_with_context"]

P = ParamSpec("P")
Chunk = TypeVar("Chunk", bound=str | bytes)

_streaming = ContextVar("quartpatterns.streaming", default=False)


@overload
def stream_with_context(
    generator_or_function: AsyncIterable[Chunk] | Iterable[Chunk],
) -> AsyncGenerator[Chunk, None]: ...


@overload
def stream_with_context(
    generator_or_function: Callable[P, AsyncIterable[Chunk] | Iterable[Chunk]],
) -> Callable[P, AsyncGenerator[Chunk, None]]: ...


def stream_with_context(generator_or_function: Any) -> Any:
    """Keep the context of the view in a generator that runs after the view has returned.

    ``request``, ``session``, ``g`` (the same object), ``current_app`` and ``url_for`` work in
    the generator as in the view. It is a decorator for a function that returns a generator, or
    a wrapper around a generator:

    .. code-block:: python

        @app.get("/stream")
        async def streamed():
            @stream_with_context
            async def generate():
                yield "<p>Hello "
                yield escape(request.args["name"])
                yield "!</p>"

            return generate()

    The generator, or any other iterable, is asynchronous or synchronous. A synchronous one is
    stepped in threads. It is closed when the client goes away, and when the server stops.

    The response that it makes is not cut by ``RESPONSE_TIMEOUT``, unless the view gives it a
    ``timeout`` of its own; in answer to ``HEAD`` the generator is not run. When the stream ends,
    the teardown functions run a second time, as in Flask 3.1.

    In a websocket handler or an application context the context is kept too; whoever pushed it
    tears it down.

    Arguments:
        generator_or_function: The generator, or the function that makes one. As a decorator
            it keeps the context in which the function is called.

    Raises:
        RuntimeError: No context is active.
        TypeError: There is nothing to iterate over.
    """
    if _is_async(generator_or_function) or _is_sync(generator_or_function):
        return _stream(generator_or_function)
    if not callable(generator_or_function):
        raise _not_iterable(generator_or_function)

    @wraps(generator_or_function)
    def decorated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        return _stream(generator_or_function(*args, **kwargs))

    return decorated


def _stream(source: object) -> AsyncGenerator[Any, None]:
    if not has_app_context():
        raise RuntimeError(
            "stream_with_context keeps the context that is active: call it in a view function,"
            " or in 'async with app.app_context():'"
        )
    context = copy_context()
    steps = _steps(source, context)
    if not has_request_context():
        return steps
    kept = _Kept(context, request_ctx.app, request_ctx.request)
    after_this_request(kept.answer)
    return _torn_down(steps, kept)


def _steps(source: object, context: Context) -> AsyncGenerator[Any, None]:
    if _is_async(source):
        return async_steps(source, context)
    if _is_sync(source):
        return sync_steps(source, context, current_app.sync_to_async)
    raise _not_iterable(source)


def _is_async(source: object) -> TypeGuard[AsyncIterable[Any]]:
    return isinstance(source, AsyncIterable)


def _is_sync(source: object) -> TypeGuard[Iterable[Any]]:
    return isinstance(source, Iterable)


def _not_iterable(given: object) -> TypeError:
    return TypeError(
        "stream_with_context takes a generator or another iterable, or a function that returns"
        f" one, not {type(given).__name__}"
    )


async def _torn_down(steps: AsyncGenerator[Any, None], kept: _Kept) -> AsyncGenerator[Any, None]:
    async with kept, aclosing(steps):
        async for chunk in steps:
            yield chunk


@dataclass(slots=True)
class _Kept:
    """A request and the context it had; left, it runs the teardown functions there.

    Nothing is pushed or popped: that would fail as soon as another task takes the next step.
    """

    context: Context
    app: Quart
    request: Request
    answered: bool = False

    async def answer(self, response: ResponseTypes) -> ResponseTypes:
        """Lift the time limit of a streamed response, and send no body in answer to ``HEAD``."""
        self.answered = True
        if not isinstance(response, Response):
            return response
        if not isinstance(response.response, response.iterable_body_class):
            return response
        if response.timeout is Ellipsis:
            response.timeout = None
        if self.request.method == "HEAD":
            async with response.response:  # leaving it closes the generator
                response.response = response.iterable_body_class([])
        return response

    async def __aenter__(self) -> None:
        self.context.run(_streaming.set, True)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        consumed_in_view = not self.answered and has_request_context()
        if consumed_in_view or _streaming.get():
            return  # The teardown of the view, or of the stream around this one, is yet to come.
        # A copy, as a thread that a cancellation left alone may still be in the context itself.
        await within(self.context.copy(), self._tear_down(error))

    async def _tear_down(self, error: BaseException | None) -> None:
        try:
            await self.app.do_teardown_request(error)
            await self.request.close()
        finally:
            await self.app.do_teardown_appcontext(error)
