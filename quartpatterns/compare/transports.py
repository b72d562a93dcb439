"""HTTPX clients for a WSGI callable, for an ASGI callable with its lifespan, and for a server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
from werkzeug.datastructures import Headers
from werkzeug.test import run_wsgi_app

from quartpatterns._shared.threads import call_in_new_thread, to_thread
from quartpatterns.compare.applications import Application, interface
from quartpatterns.compare.asgi import ApplicationStartError, ASGICall, Message, lifespan
from quartpatterns.compare.cookies import CookieReader, keys_of

DELIVERY = "quartpatterns.delivery"
"""The response extension of an application that is called in process, an :class:`Delivery`."""

TARGET = "target"
"""The request extension of HTTPX for the request target: path and query, sent unchanged."""

STREAMED = "quartpatterns.streamed"
"""The request extension of a body that is read while other requests are sent."""

PAGE = "page"
"""The request extension of HTTPX for the URL that decides which cookies are stored and sent.

HTTPX would take the URL of the server, which has neither the path nor the host of the request. The
scheme is ``https``: browsers send ``Secure`` cookies to ``localhost`` without encryption, too.
"""

HEADERS = {
    "Host": "localhost",
    "User-Agent": "quartpatterns",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
TIMEOUT = 60.0  # seconds for each of connect, read and write
_CHUNKS = 16  # of a WSGI application, that wait to be read


@dataclass(slots=True)
class Delivery:
    """Whether the whole body was produced, and the exception that the application raised.

    It is final when the body has been read.
    """

    complete: bool = True
    error: str | None = None


class ComparisonClient(httpx.AsyncClient):
    """An HTTPX client that can send a request without parsing the ``Location`` of the response.

    HTTPX parses ``Location`` even if it does not follow redirects, and fails if it is not a valid
    URL. A comparison treats such a response as any other.

    Attributes:
        reader: Reads the signed cookies of the responses.
    """

    transport: httpx.AsyncBaseTransport
    reader: CookieReader

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Send *request* and store the cookies of the response; its body is not read yet."""
        response = await self.transport.handle_async_request(request)
        response.request = request
        self.store_cookies(response.status_code, response.headers, request)
        return response

    def store_cookies(self, status: int, headers: httpx.Headers, request: httpx.Request) -> None:
        """Store the cookies in the *headers* of the response to *request*."""
        page = httpx.Request("GET", request.extensions.get(PAGE, request.url))
        self.cookies.extract_cookies(httpx.Response(status, headers=headers, request=page))


@contextlib.asynccontextmanager
async def client(
    target: Application | str, name: str = "the application"
) -> AsyncIterator[ComparisonClient]:
    """Yield a client for *target*: an ASGI or WSGI application, or the URL of a server.

    An ASGI application that supports lifespan is started first and shut down at the end. Every
    application receives the same headers, including ``Host: localhost``.

    Arguments:
        target: The application.
        name: What an error calls it.

    Raises:
        ApplicationStartError: It failed at its start.
    """
    async with contextlib.AsyncExitStack() as stack:
        transport: httpx.AsyncBaseTransport
        if isinstance(target, str):
            # Each request has its own connection, so that no response affects the next one.
            limits = httpx.Limits(max_keepalive_connections=0)
            transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        elif interface(target) == "asgi":
            try:
                state = await stack.enter_async_context(lifespan(target))
            except ApplicationStartError as error:
                raise ApplicationStartError(f"{name} {error}") from error.__cause__
            transport = ASGITransport(target, state)
        else:
            transport = WSGITransport(target)
        base_url = target if isinstance(target, str) else "http://localhost"
        http = ComparisonClient(
            base_url=base_url, transport=transport, timeout=TIMEOUT, trust_env=False
        )
        http.transport = transport
        http.reader = CookieReader(lambda: keys_of(target))
        http.headers = httpx.Headers(HEADERS)
        yield await stack.enter_async_context(http)


class ASGITransport(httpx.AsyncBaseTransport):
    """Calls an ASGI application, with the behaviour of a server if it fails.

    A response is returned as soon as it has begun.

    Arguments:
        app: The application.
        state: The state of its lifespan.
    """

    def __init__(self, app: Application, state: dict[str, Any]) -> None:
        self.app = app
        self.state = state

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        connection = ASGICall(self.app, asgi_scope(request, "http", self.state))
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for chunk in request.stream:
            connection.send({"type": "http.request", "body": chunk, "more_body": True})
        connection.send({"type": "http.request", "body": b"", "more_body": False})
        stream = _ASGIStream(connection, has_body=request.method != "HEAD")
        try:
            status, headers = await stream.start()
        except asyncio.CancelledError:
            await stream.aclose()
            raise
        return httpx.Response(
            status, headers=headers, stream=stream, extensions={DELIVERY: stream.delivery}
        )


class _ASGIStream(httpx.AsyncByteStream):
    """The body of a response of an ASGI application."""

    def __init__(self, connection: ASGICall, *, has_body: bool) -> None:
        self.delivery = Delivery(complete=False)
        self._connection = connection
        self._has_body = has_body
        self._started = False

    async def start(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Wait for the status and the headers, and return them; 500 if the application failed."""
        message = await self._connection.receive()
        if message is None:
            return 500, []
        self._started = True
        return message["status"], list(message.get("headers", ()))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = self._started
        while more and (message := await self._connection.receive()) is not None:
            if message["type"] != "http.response.body":
                continue
            more = message.get("more_body", False)
            if chunk := message.get("body", b"") if self._has_body else b"":
                yield chunk
        self.delivery.complete = not self._started or not more
        await self.aclose()

    async def aclose(self) -> None:
        self._connection.send({"type": "http.disconnect"})
        await self._connection.end()
        if error := self._connection.error:
            self.delivery.error = f"{type(error).__name__}: {error}"


class WSGITransport(httpx.AsyncBaseTransport):
    """Calls a WSGI application in a thread, as a threaded server does.

    As in a server, a response begins with the first chunk of its body.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        stream = _WSGIStream(self.app, request)
        try:
            status, headers = await stream.start()
        except asyncio.CancelledError:
            await stream.aclose()
            raise
        return httpx.Response(
            status, headers=headers, stream=stream, extensions={DELIVERY: stream.delivery}
        )


class _WSGIStream(httpx.AsyncByteStream):
    """The response of a WSGI application, which runs in a thread.

    A body that is read in time has a thread of its own, since it can wait for ever. Other requests
    use the threads of asyncio, which are few, so that what belongs to a thread is used again.
    """

    def __init__(self, app: Application, request: httpx.Request) -> None:
        self.delivery = Delivery()
        self._app = app
        self._request = request
        self._closed = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._start: asyncio.Future[tuple[int, Any]] = self._loop.create_future()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS)
        streamed = request.extensions.get(STREAMED, False)
        run = call_in_new_thread(self._run, name="wsgi") if streamed else to_thread(self._run)
        self._task = asyncio.ensure_future(run)

    async def start(self) -> tuple[int, Any]:
        """Wait for the status and the headers, and return them; 500 if the application failed."""
        return await self._start

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk
        await self._task

    async def aclose(self) -> None:
        """Let the application stop at its next chunk; the client does not wait for that."""
        self._closed.set()
        while not self._chunks.empty():
            self._chunks.get_nowait()

    def _run(self) -> None:
        chunks: Any = ()
        begun = False
        try:
            chunks, status, headers = run_wsgi_app(self._app, wsgi_environ(self._request))
            for chunk in chunks:
                if not begun:
                    self._begin(status, headers)
                    begun = True
                # As a server does, even if the application answers HEAD with a body.
                self._put(b"" if self._request.method == "HEAD" else chunk)
                if self._closed.is_set():
                    break
            if not begun:
                self._begin(status, headers)
        except (Exception, SystemExit) as raised:  # whatever the application raises
            self.delivery.complete = not begun
            self.delivery.error = f"{type(raised).__name__}: {raised}"
            if not begun:
                self._begin("500", Headers())
        finally:
            try:
                getattr(chunks, "close", lambda: None)()
            except (Exception, SystemExit) as raised:  # The response has been sent.
                self.delivery.error = f"{type(raised).__name__}: {raised}"
            finally:
                self._put(None)

    def _begin(self, status: str, headers: Headers) -> None:
        encoded = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
        self._loop.call_soon_threadsafe(self._set_start, (int(status.split()[0]), encoded))

    def _set_start(self, start: tuple[int, Any]) -> None:
        if not self._start.done():  # It is cancelled if nobody waits any more.
            self._start.set_result(start)

    def _put(self, chunk: bytes | None) -> None:
        if not self._closed.is_set():
            asyncio.run_coroutine_threadsafe(self._chunks.put(chunk), self._loop).result()


def _target(request: httpx.Request) -> bytes:
    target: bytes = request.extensions.get(TARGET, request.url.raw_path)
    return target


def asgi_scope(request: httpx.Request, kind: str, state: dict[str, Any]) -> Message:
    """Return the ASGI scope of *request*.

    Arguments:
        request: The request.
        kind: ``http`` or ``websocket``.
        state: The state of the lifespan.
    """
    raw_path, _, query = _target(request).partition(b"?")
    scope = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws" if kind == "websocket" else "http",
        "path": unquote_to_bytes(raw_path).decode(errors="replace"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 40000),
        "server": ("localhost", 80),
        "state": state.copy(),
    }
    if kind == "http":
        return scope | {"method": request.method, "extensions": {}}
    protocols = request.headers.get("Sec-WebSocket-Protocol", "")
    return scope | {
        "subprotocols": [name for part in protocols.split(",") if (name := part.strip())],
        "extensions": {"websocket.http.response": {}},
    }


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
