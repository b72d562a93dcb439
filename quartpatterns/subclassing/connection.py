"""One request and its response over ASGI.

For each request Quart starts two tasks, waits for them and sends three messages. Here the view
runs in the task of the server, and a response that is not streamed is sent in two messages. A
task that watches whether the client disconnects is started only if the view runs for longer
than :data:`WATCH_INTERVAL`, or if the request's body has not been read when the response is sent.
"""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart.asgi import ASGIHTTPConnection
from quart.wrappers import Request
from quart.wrappers.response import DataBody, IterableBody, ResponseBody
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected

from quartpatterns._shared.first_chunk import END, error_response, first_chunk
from quartpatterns._shared.send_timeout import (
    MAX_PART,
    configured_send_timeout,
    divide,
    log_cut_stream,
)
from quartpatterns._shared.send_timeout import SETTING as SEND_TIMEOUT
from quartpatterns._shared.shared_timers import SharedTimer, shared_timers
from quartpatterns.subclassing.cancellation import failure_of, is_cancelled_on_disconnect
from quartpatterns.subclassing.context import VIEW_CONTEXT
from quartpatterns.subclassing.debugging import debug_response
from quartpatterns.subclassing.headers import encode_headers
from quartpatterns.subclassing.receiver import Receiver
from quartpatterns.subclassing.request import client_address, create_request
from quartpatterns.subclassing.response import FaithfulResponse, OnClose, call_on_close
from quartpatterns.subclassing.routing import path_inside_mount

__all__ = ["FaithfulHTTPConnection", "ResponseTimeoutError"]

# If a view has run for one to two times this number of seconds, a task starts to watch whether the
# client disconnects.
WATCH_INTERVAL = 0.025
TIMER = "subclassing.timer"
# Bytes in one message, so that RESPONSE_TIMEOUT limits the time for each MiB of a response.
MAX_CHUNK = 1024 * 1024


class ResponseTimeoutError(TimeoutError):
    """The client did not receive the response in time, so the response ends incomplete."""


class StreamCutError(Exception):
    """The client has taken nothing of a stream for some time, so the stream ends incomplete."""


@dataclass(slots=True)
class _Stream:
    """A response that is streamed: what is left of it when its request has been handled.

    Attributes:
        body: The body, which has been entered.
        items: Its chunks without the first.
        first: The first chunk, or ``END``.
        response: The response, or only its list of functions to call at the end.
    """

    body: ResponseBody
    items: AsyncIterator[Any]
    first: Any
    response: FaithfulResponse | list[OnClose]

    async def __aenter__(self) -> None:
        """Do nothing."""

    async def __aexit__(self, *error: Any) -> None:
        await self.body.__aexit__(*error)

    def forget_beginning(self) -> None:
        """Give up what has been sent, because a stream can last for hours."""
        self.first = None
        # Functions can still be added to the list while the body is sent.
        if isinstance(self.response, FaithfulResponse) and not self.response.on_close:
            self.response = self.response.on_close

    async def close(self) -> None:
        """Call the functions of the response."""
        if isinstance(self.response, list):
            await call_on_close(self.response)
        elif self.response.on_close:
            await self.response.close()


class ConnectionTimer:
    """Calls :meth:`FaithfulHTTPConnection.supervise` of connections that last for some time.

    All connections of an event loop share one timer. A timer for each request would take a
    measurable part of the time of a short request.

    Arguments:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._new: set[FaithfulHTTPConnection] = set()
        self._old: set[FaithfulHTTPConnection] = set()
        self._running = False

    def add(self, connection: FaithfulHTTPConnection) -> set[FaithfulHTTPConnection]:
        """Add *connection* to a set and return the set.

        A connection that is removed from the set in time is not supervised.
        """
        if not self._running:
            self._running = True
            self.loop.call_later(WATCH_INTERVAL, self._tick)
        self._new.add(connection)
        return self._new

    def _tick(self) -> None:
        due, self._old, self._new = self._old, self._new, set()
        if self._old:
            self.loop.call_later(WATCH_INTERVAL, self._tick)
        else:
            self._running = False
        while due:
            due.pop().supervise()


class FaithfulHTTPConnection(ASGIHTTPConnection):
    """A connection that sends the response in the task of the server.

    A view runs to its end if its client disconnects, unless it is to be cancelled: see
    :func:`~quartpatterns.subclassing.cancellation.cancel_on_disconnect`.

    .. versionadded:: 0.1

    Attributes:
        drain_timeout: Seconds to wait until a client has sent a body that the view does not read.
        handles_streams: Whether the connection takes the first chunk of a stream before it sends
            the status, and cuts a client that takes nothing.
    """

    drain_timeout = 2.0
    handles_streams = True

    # Defaults in the class need no assignment for each request.
    _reason: BaseException | None = None
    _view_ended = False
    _streaming = False
    _sent = False
    _supervised = False
    # When the sending of a message began, and how many seconds it may take.
    _send_started: float | None = None
    _send_timeout: float | None = None
    # When the response must have been sent, and how many seconds that may take.
    _deadline: float | None = None
    _timeout: float | None = None
    _timer: SharedTimer | None = None
    _stream: _Stream | None = None

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer the request.

        Raises:
            concurrent.futures.CancelledError: A stream, or another part of the application that
                no error handler covers, awaited something that was cancelled.
        """
        self._task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._loop = self._task.get_loop()
        request = create_request(self.app, self.scope, partial(self.send_push_promise, send))
        self._receiver = Receiver(request, receive, self)
        timer: ConnectionTimer | None = self.app.extensions.get(TIMER)
        if timer is None or timer.loop is not self._loop:
            timer = self.app.extensions[TIMER] = ConnectionTimer(self._loop)
        supervised = timer.add(self)
        handling = self.handle_request(request, send)
        # A stream can last for hours, and does not need them.
        del request, timer
        try:
            await handling
            if self._stream is not None:
                await self._send_stream(self._stream, send)
        except asyncio.CancelledError as error:
            if self._reason is None:
                raise failure_of(error) from error
            if self._task.uncancel():
                raise
            if isinstance(self._reason, StreamCutError):
                path = path_inside_mount(self.scope["path"], self.scope.get("root_path", ""))
                address = client_address(self.scope)
                log_cut_stream(self.scope["method"], path or "/", address, self._send_timeout or 0)
            elif not isinstance(self._reason, ClientDisconnected):
                raise self._reason from None
        finally:
            supervised.discard(self)
            if self._timer is not None:
                self._timer.discard(self)
            if self._receiver.watching:
                await self._receiver.stop()
            self._receiver.release_body()
            # Without this cycle, the objects of a request need no garbage collection.
            del self._receiver

    async def send_push_promise(self, send: ASGISendCallable, path: str, headers: Headers) -> None:
        """Send a push promise, if the server supports it."""
        if "http.response.push" in (self.scope.get("extensions") or {}):
            push: Any = {"type": "http.response.push", "path": path}
            await send(push | {"headers": encode_headers(headers)})

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Let the application handle the request, and send its response if it is no stream."""
        try:
            made = await self.app.handle_request(request)
        except Exception as error:
            made = await debug_response(self.app, self.scope, error)
        response = made if isinstance(made, FaithfulResponse) else FaithfulResponse.force_type(made)
        self._view_ended = True
        try:
            await self._send(request, response, send)
        except OSError:
            # A server's send() can raise it when the client has disconnected (ASGI 2.4).
            if not self._receiver.disconnected:
                raise
        finally:
            if response.on_close:
                await self._close_unless_streamed(response)

    async def _send(
        self, request: Request, response: FaithfulResponse, send: ASGISendCallable
    ) -> None:
        status = response.status_code
        body = response.response
        data: bytes | None = None  # of a body that is not streamed
        context: Context | None = vars(request).pop(VIEW_CONTEXT, None)
        if request.method == "HEAD" or status in {204, 304} or 100 <= status < 200:
            data = b""
            if isinstance(body, IterableBody):
                async with body:
                    pass  # Leaving it closes the generator.
        elif type(body) is DataBody:
            data = body.data[body.begin : body.end]
        else:
            self._streaming = True
            if self._receiver.disconnected:
                async with body:
                    return
        if body_pending := self._receiver.body_pending:
            await self._continue_receiving(request, response, streamed=data is None)
        self._limit_time(response, streamed=data is None)
        if data is None:
            try:
                items, first = await first_chunk(body)
            except (Exception, asyncio.CancelledError) as error:
                await self._send_error(request, error, context, send)
                return
            self._stream = _Stream(body, items, first, response)
            return
        await send(self._start_message(response))
        if len(data) > MAX_CHUNK:
            for begin in range(0, len(data), MAX_CHUNK):
                await self._send_chunk(send, data[begin : begin + MAX_CHUNK])
            data = b""
        if body_pending and self._receiver.body_pending:
            await self._send_chunk(send, data)
            data = b""
            await self._receiver.drain(self.drain_timeout)
        await send(self._end_message(data))
        self._send_timeout = self._deadline = None

    async def _send_stream(self, stream: _Stream, send: ASGISendCallable) -> None:
        """Send a stream, of which nothing was sent yet."""
        try:
            async with stream:
                await send(self._start_message(stream.response))
                if stream.first is not END:
                    for part in divide(stream.first):
                        await self._send_chunk(send, part)
                stream.forget_beginning()
                if self._supervised:
                    self._receiver.release_request()
                async for item in stream.items:
                    if len(item) <= MAX_PART:
                        await self._send_chunk(send, item)
                        continue
                    for part in divide(item):
                        await self._send_chunk(send, part)
            self._streaming = False
            if self._receiver.body_pending:
                await self._send_chunk(send, b"")
                await self._receiver.drain(self.drain_timeout)
            await send(self._end_message(b""))
            self._send_timeout = self._deadline = None
        except OSError:
            if not self._receiver.disconnected:
                raise
        finally:
            await stream.close()

    def _start_message(self, response: Any) -> Any:
        headers = encode_headers(response.wire_headers())
        return {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": headers,
        }

    def _end_message(self, data: bytes) -> Any:
        self._sent = True
        self._note_sending()
        return {"type": "http.response.body", "body": data, "more_body": False}

    async def _send_error(
        self,
        request: Request,
        error: Exception | asyncio.CancelledError,
        context: Context | None,
        send: ASGISendCallable,
    ) -> None:
        """Send the response to an error of a stream of which nothing was sent."""
        if isinstance(error, asyncio.CancelledError):
            error = failure_of(error)
        if context is None:
            raise error
        self._streaming = False
        self._send_timeout = self._deadline = self._timeout = None
        try:
            made = await error_response(self.app, error, context)
        except Exception as unhandled:
            made = await debug_response(self.app, self.scope, unhandled)
        response = FaithfulResponse.force_type(made)
        try:
            await self._send(request, response, send)
        finally:
            await self._close_unless_streamed(response)

    async def _close_unless_streamed(self, response: FaithfulResponse) -> None:
        if self._stream is None or self._stream.response is not response:
            await response.close()

    async def _send_chunk(self, send: ASGISendCallable, item: Any) -> None:
        data = item.encode() if isinstance(item, str) else item
        message: Any = {"type": "http.response.body", "body": data, "more_body": True}
        self._note_sending()
        await send(message)
        self._send_started = None

    def _note_sending(self) -> None:
        self._send_started = self._loop.time()
        if self._supervised and self._timer is None:
            self.time_reached()

    async def _continue_receiving(
        self, request: Request, response: FaithfulResponse, *, streamed: bool
    ) -> None:
        """Receive while the response is sent, and stop a client whose body is refused."""
        if streamed:
            self._receiver.watch()
            return
        self._receiver.discard()
        await asyncio.sleep(0)
        if response.status_code in {408, 413} and self._receiver.body_pending:
            if request.http_version < "2":
                response.headers["Connection"] = "close"

    def disconnect(self) -> None:
        """Handle the disconnection: end a stream, or cancel a view that is to be cancelled.

        A response that is not streamed is still sent, because a client that has only closed its
        sending side can receive it. Otherwise the server drops it.
        """
        if self._view_ended:
            ends = self._streaming
        else:
            ends = self._receiver.reader_would_hang or is_cancelled_on_disconnect(
                self.app, self._receiver.request
            )
        if ends:
            self.abort(ClientDisconnected())

    def abort(self, reason: BaseException) -> None:
        """Cancel the view or the sending because of *reason*, unless the response was sent."""
        if self._reason is None and not self._sent:
            self._reason = reason
            self._task.cancel()

    def _limit_time(self, response: FaithfulResponse, *, streamed: bool) -> None:
        config: Any = self.app.config
        if response.timeout is Ellipsis:
            self._send_timeout = config["RESPONSE_TIMEOUT"]
        elif response.timeout is not None:
            self._timeout = response.timeout
            self._deadline = self._loop.time() + response.timeout
        if streamed:
            own = response.send_timeout
            if own is not Ellipsis or self._send_timeout is None or SEND_TIMEOUT in config:
                self._send_timeout = configured_send_timeout(config, own)
        if self._supervised and self._deadline is not None:
            self.time_reached()

    def supervise(self) -> None:
        """Watch for the client's disconnection, and check the time limits when they end."""
        self._supervised = True
        if self._streaming:
            self._receiver.release_request()
        self._receiver.watch()
        self.time_reached()

    def time_reached(self) -> None:
        """Check the time limits now and when they end.

        There is no timer while nothing is sent: a stream that waits for events has none.
        """
        if self._timer is not None:
            self._timer.discard(self)
            self._timer = None
        now = self._loop.time()
        limits = [] if self._deadline is None else [self._deadline]
        if self._send_timeout is not None and (self._send_started is not None or limits):
            started = now if self._send_started is None else self._send_started
            limits.append(started + self._send_timeout)
        if not limits:
            return
        if min(limits) > now:
            self._timer = shared_timers().add(self, min(limits))
            return
        if self._streaming and (self._deadline is None or self._deadline > now):
            self.abort(StreamCutError())
            return
        # The last message can be stuck as well.
        self._sent = False
        seconds = self._send_timeout if self._timeout is None else self._timeout
        self.abort(
            ResponseTimeoutError(f"the client did not receive the response in {seconds:g} s")
        )
