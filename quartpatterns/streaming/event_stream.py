"""A response that sends events while they happen."""

# What an iterable of any kind yields is not known.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import random
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any

from quart import Response, current_app, has_request_context, request
from quart.globals import request_ctx
from quart.wrappers import Request
from quart.wrappers.response import ResponseBody
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable
from werkzeug.http import parse_accept_header

from quartpatterns._shared.calling import maybe_await
from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.send_timeout import (
    MAX_PART,
    Seconds,
    SendTimeout,
    configured_send_timeout,
    divide,
)
from quartpatterns._shared.shared_timers import SharedTimer, shared_timers
from quartpatterns._shared.shutdown import current_shutdown
from quartpatterns.streaming.context import stream_with_context
from quartpatterns.streaming.event_sources import WAIT, EventSource, SteppedSource
from quartpatterns.streaming.events import (
    EVENT_STREAM,
    Separator,
    ServerSentEvent,
    check_separator,
)
from quartpatterns.streaming.subscriptions import Message, SlowSubscriberError, Subscription

__all__ = ["EventStream"]

# Events that wait at the same time are sent together, up to about this number of bytes.
MAX_CHUNK = 65_536
_NOTHING: Iterator[bytes] = iter(())

Events = AsyncIterable[Any] | Iterable[Any]
Callback = Callable[[], Awaitable[object] | object]


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="heartbeat")


def _farewell() -> ServerSentEvent:
    # Spread over two seconds, so that not all clients connect to the new server at once.
    return ServerSentEvent(retry=random.randint(500, 2500))


class EventStream(Response):
    """A response of server-sent events, for ``EventSource`` in a browser.

    .. code-block:: python

        @app.get("/clock")
        async def clock():
            async def ticks():
                while True:
                    yield ServerSentEvent(datetime.now().isoformat(), event="tick")
                    await asyncio.sleep(1)

            return EventStream(ticks())

    The headers and the first line are sent at once. Events are sent when they happen; those that
    happen while the client reads slowly are sent together. The response is not cached, compressed
    or buffered by a proxy, and ``RESPONSE_TIMEOUT`` does not limit it.

    A generator has the context of the view, runs in the task of the response, and is closed when
    the client disconnects and when the server begins to stop. Then the client gets *farewell*, and
    the response ends within a moment.

    A browser connects again whenever a response ends. To end for good, return status 204 then.

    .. versionadded:: 0.1

    Arguments:
        events: A subscription, or an asynchronous or synchronous iterable of events: objects of
            :class:`ServerSentEvent`, str as data, bytes that are encoded already, or other values
            as JSON.
        status: The status.
        headers: More headers. ``Cache-Control`` replaces the usual ``no-store``.
        heartbeat: The seconds of silence after which a comment is sent, so that proxies keep the
            connection open and a lost client is noticed. ``None`` sends none.
        heartbeat_event: Returns what is sent then, in place of the comment.
        retry: The milliseconds that the browser waits before it connects again after an error.
        farewell: What is sent last if the server stops, or a function that returns it. By default
            it is a ``retry`` between 0.5 and 2.5 seconds.
        grace: The seconds that *events* may go on when the server begins to stop, for a farewell
            of their own.
        send_timeout: The seconds after which a client that takes nothing is cut off; by default
            the setting ``STREAM_SEND_TIMEOUT``. ``None`` means no limit.
        separator: What ends each line: ``"\\n"``, ``"\\r\\n"`` or ``"\\r"``.
        on_disconnect: A function, synchronous or asynchronous, that is called if the client
            disconnects before the stream ends.
        negotiate: Whether a client whose ``Accept`` excludes ``text/event-stream`` gets a 406.

    Raises:
        werkzeug.exceptions.NotAcceptable: The client does not accept ``text/event-stream``.
        TypeError: *events* can't be iterated over.
        ValueError: Another argument is invalid.
    """

    automatically_set_content_length = False

    def __init__(
        self,
        events: Events,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        heartbeat: float | timedelta | None = 15.0,
        heartbeat_event: Callable[[], ServerSentEvent] = _heartbeat,
        retry: int | None = 3000,
        farewell: ServerSentEvent | Callable[[], ServerSentEvent] | None = _farewell,
        grace: float = 0.0,
        send_timeout: Seconds = ...,
        separator: Separator = "\n",
        on_disconnect: Callback | None = None,
        negotiate: bool = True,
    ) -> None:
        check_separator(separator)
        seconds = heartbeat.total_seconds() if isinstance(heartbeat, timedelta) else heartbeat
        if seconds is not None and not seconds > 0:
            raise ValueError(f"heartbeat must be more than 0 seconds or None, not {heartbeat}")
        if not grace >= 0:
            raise ValueError(f"grace must be 0 or more seconds, not {grace}")
        # A comment ends in an empty line like an event, and is nothing to a browser.
        first = ServerSentEvent(retry=retry) if retry is not None else ServerSentEvent(comment="")
        options = _Options(
            first.encode(separator),
            seconds,
            heartbeat_event,
            farewell,
            grace,
            separator,
            on_disconnect,
        )
        body = _EventBody(_source(events), options)
        super().__init__(body, status)  # pyright: ignore[reportUnknownMemberType] (Quart's)
        if has_request_context():
            # request.accept_mimetypes would stay in memory for as long as the stream.
            accept = parse_accept_header(request.headers.get("Accept"), MIMEAccept)
            if negotiate and accept and not accept.quality(EVENT_STREAM):
                raise NotAcceptable(f"This URL has a response of the type {EVENT_STREAM}.")
            if request.method == "HEAD":
                self.response = _EmptyBody()
                if isinstance(events, Subscription):
                    events.close()
            self.send_timeout = configured_send_timeout(current_app.config, send_timeout)
            # FaithfulQuart limits the sending of all streams itself.
            if not getattr(current_app.asgi_http_class, "handles_streams", False):
                body.limit_sending(self.send_timeout, request_ctx.request)
        self.mimetype = EVENT_STREAM
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"
        self.headers.update(headers or {})
        if negotiate:
            self.vary.add("Accept")
        self.timeout = None


def _source(events: Any) -> EventSource:
    if isinstance(events, Subscription):
        return events
    if not isinstance(events, AsyncIterable | Iterable) or isinstance(events, str | bytes):
        raise TypeError(
            "EventStream takes a subscription, a generator or another iterable of events, not"
            f" {type(events).__name__}"
        )
    return SteppedSource(stream_with_context(events))


def _encode(item: Any, separator: Separator) -> bytes:
    """Return an item of a stream as it is sent."""
    if isinstance(item, bytes):
        return item
    event = item if isinstance(item, Message | ServerSentEvent) else ServerSentEvent(item)
    return event.encode(separator)


@dataclass(frozen=True, slots=True)
class _Options:
    first: bytes
    heartbeat: float | None
    heartbeat_event: Callable[[], ServerSentEvent]
    farewell: ServerSentEvent | Callable[[], ServerSentEvent] | None
    grace: float
    separator: Separator
    on_disconnect: Callback | None

    def last(self) -> bytes:
        """Return what is sent last if the server stops."""
        event = self.farewell() if callable(self.farewell) else self.farewell
        return b"" if event is None else event.encode(self.separator)


class _OpenStreams:
    """The event streams of one event loop. They share one callback at the end of the server."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.shutdown = current_shutdown()
        self.timers = shared_timers()
        self._streams: set[_EventBody] = set()
        self.shutdown.add_callback(self._wake_all)

    def add(self, stream: _EventBody) -> None:
        self._streams.add(stream)

    def discard(self, stream: _EventBody) -> None:
        self._streams.discard(stream)

    def _wake_all(self) -> None:
        for stream in self._streams:
            stream.wake()

    async def close(self) -> None:
        """Forget the callback."""
        self.shutdown.remove_callback(self._wake_all)


_open_streams = LoopBound(_OpenStreams, _OpenStreams.close)


class _EmptyBody(ResponseBody):
    """The body for ``HEAD``, which has no length."""

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Do nothing."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


class _EventBody(ResponseBody):
    """The chunks of an event stream. It waits in one place for all that can happen."""

    __slots__ = (
        *("_end", "_grace_over", "_idle", "_limit", "_limited", "_options", "_rest"),
        *("_silent_since", "_source", "_stopped", "_streams", "_timer", "_waiter"),
    )

    def __init__(self, source: EventSource, options: _Options) -> None:
        self._source = source
        self._options = options
        self._limited: tuple[float, Request] | None = None
        self._limit: SendTimeout | None = None
        self._streams: _OpenStreams | None = None
        self._end: BaseException | None = None
        self._silent_since: float | None = None  # None: nothing was sent yet
        self._grace_over: bool | None = None  # None: the server does not stop
        self._rest: Iterator[bytes] = _NOTHING  # of a chunk that is sent in parts
        self._stopped = False
        self._idle = False  # Nothing has happened since the source had no more.
        self._waiter: asyncio.Future[None] | None = None
        # It has one timer. If it sends an event meanwhile, it wakes for nothing, and sets the next.
        self._timer: SharedTimer | None = None

    def limit_sending(self, seconds: float | None, request: Request) -> None:
        """Cut a client off that takes nothing for *seconds*."""
        if seconds is not None:
            self._limited = seconds, request

    async def __aenter__(self) -> AsyncIterator[bytes]:
        self._streams = _open_streams.get()
        self._streams.add(self)
        if self._limited is not None:
            self._limit = SendTimeout(*self._limited)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._streams is not None:
            self._streams.discard(self)
        if self._timer is not None:
            self._timer.discard(self)
        if self._limit is not None:
            self._limit.close()
        try:
            await self._source.aclose()
        finally:
            disconnected = self._end is None or isinstance(self._end, asyncio.CancelledError)
            callback = self._options.on_disconnect
            if callback is not None and disconnected:
                await maybe_await(callback())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        streams = self._streams
        if streams is None:
            raise StopAsyncIteration
        if self._limit is not None:
            self._limit.sent()
        if (part := next(self._rest, b"")) != b"":
            chunk = part
        elif self._silent_since is None:
            # A client that is connected receives what is published from then on.
            if isinstance(self._source, Subscription):
                await self._source.wait_until_joined()
            chunk = self._options.first
        else:
            chunk = b"" if self._idle and self._end is None else self._chunk(streams)
        while not chunk:
            # A coroutine of its own for the wait would take memory in each stream.
            waiter = self._prepare_wait(streams)
            try:
                await waiter
            except asyncio.CancelledError:
                if not self._source.cancel():
                    raise
            finally:
                self._waiter = None
            chunk = self._chunk(streams)
        self._silent_since = streams.loop.time()
        if self._limit is not None:
            if len(chunk) > MAX_PART:
                self._rest = divide(chunk)
                chunk = next(self._rest)
            self._limit.sending()
        return chunk

    def _chunk(self, streams: _OpenStreams) -> bytes:
        """Return what can be sent now, if anything; raise what has ended the source."""
        parts = self._take()
        if streams.shutdown.started.is_set() and not self._stopped:
            parts.append(self._stop(streams))
        if chunk := b"".join(parts):
            return chunk
        if self._end is not None:
            raise self._end
        due = self._next_heartbeat
        if due is not None and streams.loop.time() >= due:
            return self._options.heartbeat_event().encode(self._options.separator)
        return b""

    def _take(self) -> list[bytes]:
        """Take events from the source until it has none, or until they fill a chunk."""
        parts: list[bytes] = []
        size = 0
        try:
            while self._end is None and size < MAX_CHUNK:
                if (item := self._source.poll(self.wake)) is WAIT:
                    self._idle = True
                    break
                parts.append(_encode(item, self._options.separator))
                size += len(parts[-1])
        except SlowSubscriberError:
            # The client connects again, and gets from the history what it has missed.
            self._end = StopAsyncIteration()
        except BaseException as error:
            # What came before it is sent first.
            self._end = error
        return parts

    def _stop(self, streams: _OpenStreams) -> bytes:
        """End the source if the server stops, after the grace that it has; return the farewell."""
        if self._grace_over is None:
            self._grace_over = not self._options.grace
            streams.loop.call_later(self._options.grace, self._end_grace)
        if self._grace_over and self._end is None:
            self._end = StopAsyncIteration()
        self._stopped = isinstance(self._end, StopAsyncIteration)
        return self._options.last() if self._stopped else b""

    def _end_grace(self) -> None:
        self._grace_over = True
        self.wake()

    @property
    def _next_heartbeat(self) -> float | None:
        if self._options.heartbeat is None or self._silent_since is None:
            return None
        return self._silent_since + self._options.heartbeat

    def _prepare_wait(self, streams: _OpenStreams) -> asyncio.Future[None]:
        """Return what is done when the source has something, for a heartbeat, or at the end."""
        self._waiter = waiter = streams.loop.create_future()
        if self._timer is None and (due := self._next_heartbeat) is not None:
            self._timer = streams.timers.add(self, due)
        return waiter

    def time_reached(self) -> None:
        """Look whether a heartbeat is due."""
        self._timer = None
        self.wake()

    def wake(self) -> None:
        """End the wait."""
        self._idle = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
