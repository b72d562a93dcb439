"""HTTPX clients for a WSGI callable, for an ASGI callable with its lifespan, and for a server."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
from asgi_lifespan import LifespanManager, LifespanNotSupported
from werkzeug.datastructures import Headers
from werkzeug.test import run_wsgi_app

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.applications import Application, interface

DELIVERY = "quartpatterns.delivery"
"""The response extension of an application that is called in process, an :class:`Delivery`."""

TARGET = "target"
"""The request extension of HTTPX for the request target: path and query, sent unchanged."""

HEADERS = {
    "Host": "localhost",
    "User-Agent": "quartpatterns",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
TIMEOUT = 60.0  # seconds for each of connect, read and write
STARTUP_TIMEOUT = 60.0  # seconds for the start of an application, and for its shutdown

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether the whole body was produced, and the exception that the application raised."""

    complete: bool = True
    error: str | None = None


class ComparisonClient(httpx.AsyncClient):
    """An HTTPX client that can send a request without parsing the ``Location`` of the response.

    HTTPX parses ``Location`` even if it does not follow redirects, and fails if it is not a valid
    URL. A comparison treats such a response as any other.
    """

    transport: httpx.AsyncBaseTransport

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Send *request* and store the cookies of the response; its body is not read yet."""
        response = await self.transport.handle_async_request(request)
        response.request = request
        self.cookies.extract_cookies(response)
        return response


@contextlib.asynccontextmanager
async def client(target: Application | str) -> AsyncIterator[ComparisonClient]:
    """Yield a client for *target*: an ASGI or WSGI application, or the URL of a server.

    An ASGI application that supports lifespan is started first and shut down at the end. Every
    application receives the same headers, including ``Host: localhost``.
    """
    async with contextlib.AsyncExitStack() as stack:
        transport: httpx.AsyncBaseTransport
        if isinstance(target, str):
            # Each request has its own connection, so that no response affects the next one.
            limits = httpx.Limits(max_keepalive_connections=0)
            transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        elif interface(target) == "asgi":
            transport = _ASGITransport(await _start(target, stack))
        else:
            transport = _WSGITransport(target)
        base_url = target if isinstance(target, str) else "http://localhost"
        http = ComparisonClient(
            base_url=base_url, transport=transport, timeout=TIMEOUT, trust_env=False
        )
        http.transport = transport
        http.headers = httpx.Headers(HEADERS)
        yield await stack.enter_async_context(http)


async def _start(app: Application, stack: contextlib.AsyncExitStack) -> Application:
    with contextlib.suppress(LifespanNotSupported):
        manager = LifespanManager(
            app, startup_timeout=STARTUP_TIMEOUT, shutdown_timeout=STARTUP_TIMEOUT
        )
        return (await stack.enter_async_context(manager)).app
    return app


class _ASGITransport(httpx.AsyncBaseTransport):
    """The transport of HTTPX, with the behaviour of a server if the application fails."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        error: str | None = None
        started = finished = False

        async def server(scope: Message, receive: Any, send: Any) -> None:
            nonlocal error
            raw_path, _, query = _target(request).partition(b"?")
            path = unquote_to_bytes(raw_path).decode(errors="replace")
            scope.update(path=path, raw_path=raw_path, query_string=query)

            async def observe(message: Message) -> None:
                nonlocal started, finished
                started = started or message["type"] == "http.response.start"
                body = message["type"] == "http.response.body"
                finished = finished or (body and not message.get("more_body", False))
                await send(message)

            try:
                await self.app(scope, receive, observe)
            except Exception as raised:  # as a server does, whatever the application raises
                error = f"{type(raised).__name__}: {raised}"
            if not started:
                await send({"type": "http.response.start", "status": 500, "headers": []})
            if not finished:
                await send({"type": "http.response.body", "body": b""})

        response = await httpx.ASGITransport(server).handle_async_request(request)
        response.extensions[DELIVERY] = Delivery(finished or not started, error)
        return response


class _WSGITransport(httpx.AsyncBaseTransport):
    """Calls a WSGI application in a thread, as a threaded server does."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await to_thread(self._respond, request)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        """Call the application; as in a server, the status is sent with the first chunk."""
        chunks: Any = ()
        body = io.BytesIO()
        begun, delivery = False, Delivery()
        try:
            chunks, status, headers = run_wsgi_app(self.app, wsgi_environ(request))
            for chunk in chunks:
                begun = True
                body.write(chunk)
        except Exception as raised:  # as a server does, whatever the application raises
            delivery = Delivery(not begun, f"{type(raised).__name__}: {raised}")
            if not begun:
                status, headers = "500", Headers()
        finally:
            getattr(chunks, "close", lambda: None)()
        return httpx.Response(
            int(status.split()[0]),
            headers=[(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers],
            stream=httpx.ByteStream(body.getvalue()),
            extensions={DELIVERY: delivery},
        )


def _target(request: httpx.Request) -> bytes:
    target: bytes = request.extensions.get(TARGET, request.url.raw_path)
    return target


def wsgi_environ(request: httpx.Request) -> dict[str, Any]:
    """Return the WSGI environment of *request*, whose body has been read (PEP 3333).

    Repeated headers are joined by a comma. If the body is chunked, ``wsgi.input_terminated`` is
    set, as Werkzeug's server does; gunicorn sets it for every body.
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
