"""HTTPX clients for a WSGI callable, an ASGI callable with its lifespan, and a running server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from collections.abc import AsyncIterator, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
from asgi_lifespan import LifespanManager, LifespanNotSupported
from werkzeug.test import run_wsgi_app

from quartpatterns.compare.loading import interface

__all__ = ["ENDING", "TARGET", "Client", "Ending", "client", "wsgi_environ"]

ENDING = "quartpatterns.ending"
"""The response extension, an :class:`Ending`, of an application that is called in process."""

TARGET = "target"
"""HTTPX's request extension for the request target, sent to the byte: path and query."""

HEADERS = {
    "Host": "localhost",
    "User-Agent": "quartpatterns",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
TIMEOUT = 30.0  # seconds for each of connect, read, write
START = 60.0  # seconds for an application's start-up, and for its shutdown

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended: whether all of its body came, and what the application raised."""

    complete: bool = True
    error: str | None = None


class Client(httpx.AsyncClient):
    """HTTPX's client, and a way to send a request without a look at where it redirects.

    HTTPX parses each ``Location`` even where it follows none, and fails for one that is no URL to
    it: an answer like any other here.
    """

    wire: httpx.AsyncBaseTransport

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, keep the cookies of the answer, and leave its body to be read."""
        response = await self.wire.handle_async_request(request)
        response.request = request
        self.cookies.extract_cookies(response)
        return response


@contextlib.asynccontextmanager
async def client(target: Callable[..., Any] | str) -> AsyncIterator[Client]:
    """A client for *target*: an ASGI or WSGI application, or the URL of a server.

    An ASGI application is started before and shut down after, if it knows lifespan. Whichever
    it is, the application sees the same headers, ``Host: localhost`` among them.
    """
    async with contextlib.AsyncExitStack() as stack:
        # A connection a request: what one answer leaves behind must not touch the next.
        limits = httpx.Limits(max_keepalive_connections=0)
        transport: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(
            limits=limits, trust_env=False
        )
        if callable(target) and interface(target) == "asgi":
            transport = _ASGI(await _started(target, stack))
        elif callable(target):
            transport = _WSGI(target)
        base_url = target if isinstance(target, str) else "http://localhost"
        http = Client(base_url=base_url, transport=transport, timeout=TIMEOUT, trust_env=False)
        http.wire = transport
        http.headers = httpx.Headers(HEADERS)
        yield await stack.enter_async_context(http)


async def _started(app: Callable[..., Any], stack: contextlib.AsyncExitStack) -> Callable[..., Any]:
    with contextlib.suppress(LifespanNotSupported):
        manager = LifespanManager(app, startup_timeout=START, shutdown_timeout=START)
        return (await stack.enter_async_context(manager)).app
    return app


class _ASGI(httpx.AsyncBaseTransport):
    """HTTPX's own transport, and what a server does where the application fails."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        error: str | None = None
        started = finished = False

        async def served(scope: Message, receive: Any, send: Any) -> None:
            nonlocal error
            raw_path, _, query = _target(request).partition(b"?")
            path = unquote_to_bytes(raw_path).decode(errors="replace")
            scope.update(path=path, raw_path=raw_path, query_string=query)

            async def noted(message: Message) -> None:
                nonlocal started, finished
                started = started or message["type"] == "http.response.start"
                body = message["type"] == "http.response.body"
                finished = finished or (body and not message.get("more_body", False))
                await send(message)

            try:
                await self.app(scope, receive, noted)
            except Exception as raised:  # as a server: whatever an application raises
                error = f"{type(raised).__name__}: {raised}"
            if not started:
                await send({"type": "http.response.start", "status": 500, "headers": []})
            if not finished:
                await send({"type": "http.response.body", "body": b""})

        response = await httpx.ASGITransport(served).handle_async_request(request)
        response.extensions[ENDING] = Ending(finished or not started, error)
        return response


class _WSGI(httpx.AsyncBaseTransport):
    """A WSGI application in a thread, as a threaded server runs it."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await asyncio.to_thread(self._respond, request)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        body = io.BytesIO()
        try:
            chunks, status, headers = run_wsgi_app(self.app, wsgi_environ(request))
        except Exception as raised:  # as a server: whatever an application raises
            ending = Ending(error=f"{type(raised).__name__}: {raised}")
            return httpx.Response(500, stream=httpx.ByteStream(b""), extensions={ENDING: ending})
        ending = Ending()
        try:
            for chunk in chunks:
                body.write(chunk)
        except Exception as raised:  # the same, when the status is already sent
            ending = Ending(complete=False, error=f"{type(raised).__name__}: {raised}")
        finally:
            getattr(chunks, "close", lambda: None)()
        return httpx.Response(
            int(status.split()[0]),
            headers=[(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers],
            stream=httpx.ByteStream(body.getvalue()),
            extensions={ENDING: ending},
        )


def _target(request: httpx.Request) -> bytes:
    target: bytes = request.extensions.get(TARGET, request.url.raw_path)
    return target


def wsgi_environ(request: httpx.Request) -> dict[str, Any]:
    """The WSGI environment of *request*, whose body has been read (PEP 3333).

    Repeated headers are joined by a comma. ``wsgi.input`` is said to end by itself where the body
    is chunked, as Werkzeug's server says it; gunicorn says it of every body.
    """
    target = _target(request)
    raw_path, _, query = target.partition(b"?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
        "RAW_URI": target.decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.content),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if "Transfer-Encoding" in request.headers:
        environ["wsgi.input_terminated"] = True
    for raw_name, raw_value in request.headers.raw:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        key = name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
