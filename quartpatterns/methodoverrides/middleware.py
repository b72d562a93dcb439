"""The middleware: it replaces the method, and the body of a method that has none."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Field, MultipartDecoder, NeedData

__all__ = [
    "ALLOWED_METHODS",
    "BODYLESS_METHODS",
    "DROPPED_BODY",
    "HTTPMethodOverrideMiddleware",
]

ALLOWED_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
"""The methods that a client may override to; others are ignored."""

BODYLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""The methods for which the middleware drops the body, as on Flask's page."""

DROPPED_BODY = "quartpatterns.dropped_body"
"""The key of the ASGI scope that is true if the middleware has dropped the body."""

DRAIN_TIMEOUT = 2.0
"""Seconds for reading the rest of a dropped body."""

FORM_TIMEOUT = 60.0
"""Seconds for receiving the start of a form; the default of Quart's ``BODY_TIMEOUT``."""

HEADER = b"x-http-method-override"

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class HTTPMethodOverrideMiddleware:
    """Replaces the method of a request with that in the header ``X-HTTP-Method-Override``.

    As on Flask's page, the value is converted to upper case, values that are not in
    :data:`ALLOWED_METHODS` are ignored, and the body is dropped for :data:`BODYLESS_METHODS`.
    A subclass can set other ``allowed_methods`` and ``bodyless_methods``, as on Flask's page.
    Websockets and lifespan events are not changed.

    With *form_field*, the application can also read the form of a ``DELETE``. It contains the
    token of :class:`quartpatterns.wtforms.CSRFProtect`, for example.

    Arguments:
        app: The ASGI application.
        methods: The methods that may be overridden; ``None`` for all, as on Flask's page. Pass
            ``{"POST"}`` if you can: links and images on other sites cause ``GET`` requests,
            caches answer them, and protections against request forgery check only ``POST``.
        form_field: The name of a form field with the method, such as ``_method``, for HTML forms,
            which only send GET and POST. It is used for ``POST`` without the header, and only if
            it is complete within the first *peek* bytes, so put it first in the form.
        peek: The number of bytes of a form that are read and buffered before the application.
        bodyless_methods: The methods for which the body is dropped. The default is the attribute
            of the class; with *form_field* it is that without ``DELETE``.

    Raises:
        TypeError: *methods* or *bodyless_methods* is a string.
        ValueError: *peek* is less than 1.

    .. versionadded:: 0.1
    """

    allowed_methods: Collection[str] = ALLOWED_METHODS
    """The methods that a client may override to."""

    bodyless_methods: Collection[str] = BODYLESS_METHODS
    """The methods for which the body is dropped."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        methods: Collection[str] | None = None,
        form_field: str | None = None,
        peek: int = 4096,
        bodyless_methods: Collection[str] | None = None,
    ) -> None:
        if peek < 1:
            raise ValueError(f"peek must be a number of bytes of 1 or more, not {peek}.")
        self.app = app
        self.methods = None if methods is None else _upper("methods", methods)
        self.form_field = form_field
        self.peek = peek
        if bodyless_methods is not None:
            self.bodyless_methods = _upper("bodyless_methods", bodyless_methods)
        elif form_field is not None and self.bodyless_methods is BODYLESS_METHODS:
            # The page drops the body because a DELETE has no form. This one does.
            self.bodyless_methods = BODYLESS_METHODS - {"DELETE"}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (self.methods is None or scope["method"] in self.methods):
            try:
                method, receive = await self._read_override(scope, receive)
            except TimeoutError:
                await _send_timeout(send)
                return
            if method in self.allowed_methods:
                if method == "HEAD" and scope["method"] != "HEAD":
                    send = _without_response_body(send)
                if method in self.bodyless_methods:
                    dropped = _DroppedBody(receive)
                    receive = dropped.receive
                    if _can_have_body(scope):
                        send = dropped.drain_before_body(send)
                    headers = [*_without_length(scope["headers"]), (b"content-length", b"0")]
                    scope = scope | {"headers": headers, DROPPED_BODY: True}
                scope = scope | {"method": method}
        await self.app(scope, receive, send)

    async def _read_override(self, scope: Any, receive: Receive) -> tuple[str, Receive]:
        """Return the value of the header or the form field, and a *receive* for the application.

        Raises:
            TimeoutError: The start of the form does not arrive.
        """
        values = [value for name, value in scope["headers"] if name == HEADER]
        # As in WSGI, repeated headers are joined; the result is then not a valid method.
        value = b",".join(values).decode("latin-1")
        if not values and self.form_field and scope["method"] == "POST":
            async with asyncio.timeout(FORM_TIMEOUT):
                receive, start, complete = await _peek_form(scope, receive, self.peek)
            value = _field_in_form(scope, start, self.form_field, complete=complete)
        return value.upper(), receive


def _upper(name: str, methods: Collection[str]) -> frozenset[str]:
    if isinstance(methods, str):
        raise TypeError(f"{name} must be a collection of methods: write {{{methods!r}}}.")
    return frozenset(map(str.upper, methods))


def _without_length(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(k, v) for k, v in headers if k not in (b"content-length", b"transfer-encoding")]


class _DroppedBody:
    """Gives the application an empty body, and reads and discards the real one.

    The real body is read to its end before the first part of the response's body is sent, for at
    most :data:`DRAIN_TIMEOUT` seconds. If a server closes a connection with unread bytes, it resets
    the connection, and the client may lose the response. Granian closes it as soon as it has sent
    as many bytes as the ``Content-Length`` of the response says.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._lock = asyncio.Lock()
        self._started = False
        self._complete = False
        self._disconnect: Any = None  # the message after the body

    async def receive(self) -> Any:
        """Return the empty body, then the message that follows the real one."""
        if not self._started:
            self._started = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._drain()
        if self._disconnect is None:
            self._disconnect = await self._receive()
        return self._disconnect

    def drain_before_body(self, send: Send) -> Send:
        """Return a *send* that reads the real body before it sends that of the response."""
        drained = False

        async def draining_send(message: Any) -> None:
            nonlocal drained
            if message["type"] == "http.response.body" and not drained:
                drained = True
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DRAIN_TIMEOUT):
                        await self._drain()
            await send(message)

        return draining_send

    async def _drain(self) -> None:
        async with self._lock:
            while not self._complete:
                message = await self._receive()
                disconnected = message["type"] != "http.request"
                self._disconnect = message if disconnected else None
                self._complete = disconnected or not message.get("more_body", False)


def _can_have_body(scope: Any) -> bool:
    """Return whether the request can have a body. In HTTP/1, a header announces it."""
    headers = dict(scope["headers"])
    return (
        headers.get(b"content-length", b"0").strip(b"0") != b""
        or b"transfer-encoding" in headers
        or not scope.get("http_version", "").startswith("1")
    )


async def _send_timeout(send: Send) -> None:
    """Send a 408, as the application would for a body that does not arrive."""
    body = str(RequestTimeout().get_body()).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 408, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _without_response_body(send: Send) -> Send:
    """Return a *send* for the response to HEAD, where client and server expect one to POST.

    With the ``Content-Length`` of the response to GET, the client would wait for the body.
    """

    async def empty_send(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [*_without_length(message.get("headers", ())), (b"content-length", b"0")]
            message = message | {"headers": headers}
        elif message["type"] == "http.response.body":
            message = message | {"body": b""}
        await send(message)

    return empty_send


async def _peek_form(scope: Any, receive: Receive, size: int) -> tuple[Receive, bytes, bool]:
    """Return a *receive* that repeats what was read, and the first *size* bytes of the form.

    The third value is whether these are the whole form. A body that is not a form is not read.
    """
    forms = ("application/x-www-form-urlencoded", "multipart/form-data")
    if _content_type(scope)[0] not in forms:
        return receive, b"", False
    messages: deque[Any] = deque()
    start = bytearray()
    complete = False
    while len(start) < size and not complete:
        messages.append(message := await receive())
        start += message.get("body", b"")
        complete = message["type"] == "http.request" and not message.get("more_body", False)
        if message["type"] != "http.request":
            break

    async def replay() -> Any:
        return messages.popleft() if messages else await receive()

    return replay, bytes(start[:size]), complete and len(start) <= size


def _field_in_form(scope: Any, start: bytes, name: str, *, complete: bool) -> str:
    """Return the value of a field, or ``""`` if it is not complete in the *start* of the form."""
    content_type, options = _content_type(scope)
    if content_type == "multipart/form-data":
        return _multipart_field(start, options.get("boundary", ""), name)
    length = dict(scope["headers"]).get(b"content-length", b"")
    if not complete and not (length.isdigit() and int(length) <= len(start)):
        start = start.rpartition(b"&")[0]  # the field after the last & may be incomplete
    return next((value for key, value in parse_qsl(start.decode("latin-1")) if key == name), "")


def _multipart_field(start: bytes, boundary: str, name: str) -> str:
    value, is_field = b"", False
    try:
        decoder = MultipartDecoder(boundary.encode("latin-1"))
        decoder.receive_data(start)
        while not isinstance(event := decoder.next_event(), NeedData):
            if not isinstance(event, Data):
                is_field = isinstance(event, Field) and event.name == name
            elif is_field:
                value += event.data
                if not event.more_data:
                    return value.decode("latin-1")
    except (RequestEntityTooLarge, ValueError):
        pass  # a malformed form: the application finds that when it reads it
    return ""


def _content_type(scope: Any) -> tuple[str, dict[str, str]]:
    value = dict(scope["headers"]).get(b"content-type", b"")
    return parse_options_header(value.decode("latin-1"))
