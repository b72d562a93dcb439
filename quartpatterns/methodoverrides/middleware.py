"""The middleware: which method is meant, and what is left of the body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from quartpatterns.methodoverrides.forms import PEEK, field_in_form, peeked

__all__ = ["ALLOWED_METHODS", "BODYLESS_METHODS", "HTTPMethodOverrideMiddleware"]

ALLOWED_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
"""The methods that may be meant; others are ignored."""

BODYLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods whose body is dropped where they are meant by an override."""

HEADER = b"x-http-method-override"
LINGER = 2.0  # seconds that a client may take to stop sending what is thrown away

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class HTTPMethodOverrideMiddleware:
    """Take the request's method from ``X-HTTP-Method-Override`` where a client sends it.

    As on Flask's page the value is compared in upper case, anything but :data:`ALLOWED_METHODS`
    is ignored, and the body is dropped where the method meant has none. Websockets and lifespan
    pass unchanged.

    Restrict *carriers* to ``POST`` where you can: a link or an image on another site makes a
    browser send ``GET``, caches answer it, and protections against forgery look at ``POST``.

    Arguments:
        app: The ASGI application.
        carriers: The methods that may carry another; ``None`` for any, as on the page.
        form_field: The name of a form field, such as ``_method``, that says it too, for HTML
            forms, whose only methods are GET and POST. It counts for ``POST`` alone, where the
            header is absent, and only when it stands whole in the first *peek* bytes: put it
            first in the form.
        peek: How many bytes of a form are looked at, and kept, before the application reads it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        carriers: Collection[str] | None = None,
        form_field: str | None = None,
        peek: int = PEEK,
    ) -> None:
        self.app = app
        self.carriers = None if carriers is None else frozenset(map(str.upper, carriers))
        self.form_field = form_field
        self.peek = peek

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._carries(scope["method"]):
            await self.app(scope, receive, send)
            return
        values = [value for name, value in scope["headers"] if name == HEADER]
        # Repeated headers are one, as in WSGI: two methods are none.
        meant = b",".join(values).decode("latin-1")
        if not values and self.form_field and scope["method"] == "POST":
            receive, beginning = await peeked(scope, receive, self.peek)
            meant = field_in_form(scope, beginning, self.form_field)
        await self._call(meant.strip().upper(), scope, receive, send)

    def _carries(self, method: str) -> bool:
        return self.carriers is None or method in self.carriers

    async def _call(self, meant: str, scope: Any, receive: Receive, send: Send) -> None:
        if meant not in ALLOWED_METHODS:
            await self.app(scope, receive, send)
            return
        if meant == "HEAD" and scope["method"] != "HEAD":
            send = _headless(send)
        if meant in BODYLESS_METHODS:
            headers = [*_without_body(scope["headers"]), (b"content-length", b"0")]
            dropped = _DroppedBody(receive)
            scope, receive, send = scope | {"headers": headers}, dropped.receive, dropped.end(send)
        await self.app(scope | {"method": meant}, receive, send)


def _without_body(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(k, v) for k, v in headers if k not in (b"content-length", b"transfer-encoding")]


class _DroppedBody:
    """An empty body for the application, while the real one is read and thrown away.

    It is read to its end before the answer ends, for at most :data:`LINGER` seconds: a server that
    closes a connection with bytes unread resets it, and the client may lose the answer.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._reading = asyncio.Lock()
        self._told = False
        self._after: Any = None  # what came behind the body
        self._complete = False

    async def receive(self) -> Any:
        """The empty body, then what happens after the real one: the client goes away."""
        if not self._told:
            self._told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._drain()
        if self._after is None:
            self._after = await self._receive()
        return self._after

    def end(self, send: Send) -> Send:
        """*send*, with the real body read before the last message."""

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                if not self._complete and message.get("body"):
                    await send(message | {"more_body": True})
                    message = message | {"body": b""}
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER):
                        await self._drain()
            await send(message)

        return sent

    async def _drain(self) -> None:
        async with self._reading:
            while not self._complete:
                message = await self._receive()
                gone = message["type"] != "http.request"
                self._after = message if gone else None
                self._complete = gone or not message.get("more_body", False)


def _headless(send: Send) -> Send:
    """Send no body: the client, and the server, expect one in answer to the method on the wire.

    With the ``Content-Length`` of the answer to GET the client would wait for bytes to come.
    """

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [*_without_body(message.get("headers", ())), (b"content-length", b"0")]
            message = message | {"headers": headers}
        elif message["type"] == "http.response.body":
            message = message | {"body": b""}
        await send(message)

    return sent
