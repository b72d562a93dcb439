"""Keeping the context of a view while its response is streamed."""

# What an iterable of any kind yields is not known.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from quart import (
    Quart,
    Response,
    after_this_request,
    has_app_context,
    has_request_context,
)
from quart.globals import request_ctx
from quart.typing import ResponseTypes
from quart.wrappers import Request
from quart.wrappers.response import IterableBody, ResponseBody

from quartpatterns._shared.in_context import await_in_context
from quartpatterns._shared.send_timeout import (
    Seconds,
    SendTimeout,
    configured_send_timeout,
    limit_sending,
)
from quartpatterns._shared.shutdown import outlive_sibling_workers
from quartpatterns._shared.threads import iterate_in_threads, step_runner
from quartpatterns.streaming.first_chunk import take_first_chunk_early
from quartpatterns.streaming.iterators import iterate_in_context

__all__ = ["stream_with_context"]

P = ParamSpec("P")
Chunk = TypeVar("Chunk", bound=str | bytes)

_streaming = ContextVar("quartpatterns.streaming", default=False)


@overload
def stream_with_context(
    generator_or_function: AsyncIterable[Chunk] | Iterable[Chunk], *, send_timeout: Seconds = ...
) -> AsyncGenerator[Chunk, None]: ...


@overload
def stream_with_context(
    generator_or_function: Callable[P, AsyncIterable[Chunk] | Iterable[Chunk]],
    *,
    send_timeout: Seconds = ...,
) -> Callable[P, AsyncGenerator[Chunk, None]]: ...


def stream_with_context(generator_or_function: Any, *, send_timeout: Seconds = ...) -> Any:
    """Keep the context of the view in a generator that runs after the view has returned.

    ``request``, ``session``, ``g`` (the same object), ``current_app`` and ``url_for`` work in
    the generator as in the view. This is a wrapper for a generator, or a decorator for a function
    that returns one:

    .. code-block:: python

        @app.get("/stream")
        async def streamed():
            @stream_with_context
            async def generate():
                yield "<p>Hello "
                yield escape(request.args["name"])
                yield "!</p>"

            return generate()

    A synchronous generator runs in threads. The generator is closed when the client disconnects,
    when it takes nothing for a minute, and when the server stops.

    ``RESPONSE_TIMEOUT`` does not limit the response, unless the view sets its ``timeout``. The
    generator does not run for ``HEAD``. When the stream ends, the teardown functions run a second
    time, as in Flask 3.1. A context of a websocket or an application is kept as well, and is torn
    down by the code that has pushed it.

    .. versionadded:: 0.1

    Arguments:
        generator_or_function: A generator or another iterable, or a function that returns one.
            The context is that of the call.
        send_timeout: The seconds after which a client that takes nothing is cut off; by default
            the setting ``STREAM_SEND_TIMEOUT``, one minute. ``None`` means no limit. A view can
            also set the attribute ``send_timeout`` of its response.

    Raises:
        RuntimeError: There is no current context.
        SettingError: The limit is invalid.
        TypeError: The argument, or the result of the function, can't be iterated over.
    """
    if send_timeout is not ...:
        send_timeout = configured_send_timeout({}, send_timeout)
    if isinstance(generator_or_function, AsyncIterable | Iterable) or not callable(
        generator_or_function
    ):
        return _stream(generator_or_function, send_timeout)

    @wraps(generator_or_function)
    def decorated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        return _stream(generator_or_function(*args, **kwargs), send_timeout)

    return decorated


def _stream(source: Any, send_timeout: Seconds) -> AsyncGenerator[Any, None]:
    if not has_app_context():
        raise RuntimeError(
            "stream_with_context keeps the current context: call it in a view function, or in"
            " 'async with app.app_context():'"
        )
    outlive_sibling_workers()
    context = copy_context()
    if isinstance(source, AsyncIterable):
        chunks = iterate_in_context(source, context)
    elif isinstance(source, Iterable):
        chunks = iterate_in_threads(source, step_runner(), context)
    else:
        raise TypeError(
            "stream_with_context takes a generator or another iterable, or a function that"
            f" returns one, not {type(source).__name__}"
        )
    if not has_request_context():
        return chunks
    request_stream = _RequestStream(context, request_ctx.app, request_ctx.request, send_timeout)
    after_this_request(request_stream.prepare_response)
    return request_stream.iterate(chunks)


class _LimitedBody(IterableBody):
    """A body of which each item has to be taken in time."""


async def _limit_sending(body: ResponseBody, limit: SendTimeout) -> AsyncGenerator[Any, None]:
    async with body as items, aclosing(limit_sending(items, limit)) as limited:
        async for item in limited:
            yield item


async def _keep_open() -> None:
    """Close a request later: an attribute of this name stands in front of the method."""


_ENDED = Context()


@dataclass(slots=True)
class _RequestStream:
    """The stream of a request, whose teardown functions run when it ends.

    No context is pushed or popped, because that fails if another task takes the next step.
    """

    context: Context
    app: Quart
    request: Request
    send_timeout: Seconds
    responded: bool = False

    async def prepare_response(self, response: ResponseTypes) -> ResponseTypes:
        """Replace the time limit of a streamed response, and remove the body for ``HEAD``."""
        self.responded = True
        if not isinstance(response, Response):
            return response
        # Data and files, which are no streams, have this method.
        if self.request.method != "HEAD" and not hasattr(response.response, "make_conditional"):
            # The context ends with the view and closes uploaded files. As in Flask they stay open.
            vars(self.request)["close"] = _keep_open
        if not isinstance(response.response, response.iterable_body_class):
            return response
        # There a limit is for each message, and not for the whole stream.
        handles_streams = getattr(self.app.asgi_http_class, "handles_streams", False)
        if response.timeout is Ellipsis and not handles_streams:
            response.timeout = None
        if self.request.method == "HEAD":
            async with response.response:  # Leaving it closes the generator.
                response.response = response.iterable_body_class([])
            return response
        own: Seconds = getattr(response, "send_timeout", ...)
        own = self.send_timeout if own is ... else own
        if handles_streams and own is ...:
            return response  # The connection has the limit of all streams.
        seconds = configured_send_timeout(self.app.config, own)
        if handles_streams:
            response.send_timeout = seconds  # type: ignore[attr-defined]
            return response
        take_first_chunk_early(self.app, self.request, self.context)
        if seconds is not None and not isinstance(response.response, _LimitedBody):
            limit = SendTimeout(seconds, self.request)
            response.response = _LimitedBody(_limit_sending(response.response, limit))
        return response

    async def iterate(self, chunks: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """Yield *chunks*, then run the teardown functions."""
        self.context.run(_streaming.set, True)
        failure: BaseException | None = None
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        except BaseException as error:
            failure = error
            raise
        finally:
            # If the view itself takes the chunks, or another stream of this request does, the
            # teardown functions run later anyway.
            taken_in_view = not self.responded and has_request_context()
            if not taken_in_view and not _streaming.get():
                # A copy, because an abandoned thread can still be in the context itself.
                await await_in_context(self.context.copy(), self._tear_down(failure))
                # The context refers to the request, and that to this object. A traceback refers
                # to the error. Without these cycles, a stream needs no garbage collection.
                self.context = _ENDED
            failure = None

    async def _tear_down(self, error: BaseException | None) -> None:
        vars(self.request).pop("close", None)
        try:
            await self.app.do_teardown_request(error)
            await self.request.close()
        finally:
            await self.app.do_teardown_appcontext(error)
