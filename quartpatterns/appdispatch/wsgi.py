"""A WSGI application as an ASGI application, to run Flask beside Quart."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import io
import queue
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any

from quartpatterns._shared.threads import call_in_thread

from .asgi import Receive, Scope, Send, encode_headers, local_path, normalize, not_found

__all__ = ["WSGIApp", "WSGIMiddleware"]

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A WSGI application, such as ``flask_app.wsgi_app``."""

READ_AHEAD = 8
"""How many chunks of a request body, each of about 64 KiB, are received before they are read."""


class WSGIMiddleware:
    """Run a WSGI application, in threads, as an ASGI application.

    Request and response bodies of any size are streamed, with backpressure in both directions.
    When the client disconnects, reading the request body raises ``ConnectionResetError``, and the
    response is closed at its next chunk. Websockets are refused, because WSGI does not have them.

    Arguments:
        app: The WSGI application.
        threads: The maximum number of requests that it answers at the same time. Others wait.

    .. versionadded:: 0.1
    """

    def __init__(self, app: WSGIApp, *, threads: int = 32) -> None:
        self.app = app
        self.threads = threads
        self._executor: ThreadPoolExecutor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["type"] == "websocket" or local_path(scope := normalize(scope)) is None:
            await not_found(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._executor is not None:
            # Idle threads end now, the others after their requests.
            self._executor.shutdown(wait=False)
            self._executor = None
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="wsgi")
        loop = asyncio.get_running_loop()
        body = _RequestBody(loop)
        response = _Response(loop, send)
        environ = _environ(scope, io.BufferedReader(body, 2**16))
        run = partial(response.run, self.app, environ)
        receiving = asyncio.create_task(_receive_body(receive, body, response))
        try:
            await call_in_thread(self._executor, run)
            # Hypercorn's last send blocks until the rest of the request body is received.
            body.discard()
            await response.finish()
        finally:
            # If this was cancelled, the task disconnects, which ends the thread.
            receiving.cancel()
            await asyncio.wait({receiving})


async def _receive_body(receive: Receive, body: _RequestBody, response: _Response) -> None:
    """Receive the request body, and then wait until the client disconnects."""
    try:
        while (message := await receive())["type"] == "http.request":
            await body.feed(message.get("body", b""), last=not message.get("more_body", False))
    finally:
        body.disconnect()
        response.disconnect()


class _RequestBody(io.RawIOBase):
    """A request body, which is received on the event loop and read in a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._capacity = asyncio.Semaphore(READ_AHEAD)
        # An empty chunk is the end of the body; None means that the client has disconnected.
        self._chunks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._chunk = memoryview(b"")
        self._ended = False
        self._discarding = False

    async def feed(self, chunk: bytes, *, last: bool) -> None:
        if chunk and not self._discarding:
            await self._capacity.acquire()
            self._chunks.put(chunk)
        if last:
            self._chunks.put(b"")

    def discard(self) -> None:
        """Receive the rest of the body without storing it."""
        self._discarding = True
        self._capacity.release()

    def disconnect(self) -> None:
        self._chunks.put(None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._chunk and not self._ended:
            self._next_chunk()
        size = min(len(buffer), len(self._chunk))
        buffer[:size] = self._chunk[:size]
        self._chunk = self._chunk[size:]
        return size

    def _next_chunk(self) -> None:
        chunk = self._chunks.get()
        if chunk is None:
            self._chunks.put(None)  # for the next call
            raise ConnectionResetError("the client disconnected before its request was complete")
        self._chunk = memoryview(chunk)
        self._ended = not chunk
        if chunk:
            self._loop.call_soon_threadsafe(self._capacity.release)


class _ClientDisconnected(Exception):  # noqa: N818 - not an error: it ends a response
    """The client has disconnected."""


class _Response:
    """A response, which is made in a thread and sent on the event loop, chunk by chunk."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Send) -> None:
        self._loop = loop
        self._send = send
        self._start: dict[str, Any] | None = None
        self._started = False
        self._disconnected = False
        self._sending: concurrent.futures.Future[None] | None = None

    def run(self, app: WSGIApp, environ: dict[str, Any]) -> None:
        """Call *app* and send its response. This runs in a thread."""
        with contextlib.suppress(_ClientDisconnected):
            chunks = app(environ, self._start_response)
            try:
                for chunk in chunks:
                    self._write(chunk)
            finally:
                if close := getattr(chunks, "close", None):
                    close()

    def disconnect(self) -> None:
        """End the response at its next chunk, or at the one that is being sent."""
        self._disconnected = True
        if self._sending is not None:
            self._sending.cancel()

    async def finish(self) -> None:
        """Send the end of the response, and its start if it has no body."""
        if not self._disconnected:
            await self._send_chunk(b"", more=False)

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | None = None,
    ) -> Callable[[bytes], None]:
        if exc_info is not None and self._started:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self._start is not None:
            raise AssertionError("start_response was called twice without an exception")
        self._start = {
            "type": "http.response.start",
            "status": int(status.split(" ", 1)[0]),
            "headers": encode_headers(headers),
        }
        return self._write

    def _write(self, chunk: bytes) -> None:
        """Send a chunk, and wait until the server has accepted it."""
        if self._disconnected:
            raise _ClientDisconnected
        if not chunk:
            return
        self._sending = asyncio.run_coroutine_threadsafe(self._send_chunk(chunk), self._loop)
        if self._disconnected:  # since the check above: disconnect() may have missed this one
            self._sending.cancel()
        try:
            self._sending.result()
        except (OSError, concurrent.futures.CancelledError) as error:
            # Servers of ASGI 2.4 or newer raise OSError after a disconnect.
            self._disconnected = True
            raise _ClientDisconnected from error

    async def _send_chunk(self, chunk: bytes, *, more: bool = True) -> None:
        if self._start is None:
            raise RuntimeError("the WSGI application sent a body without calling start_response")
        if not self._started:
            self._started = True
            await self._send(self._start)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": more})


def _environ(scope: Scope, body: io.BufferedReader) -> dict[str, Any]:
    """Return the WSGI environment of a request, as :pep:`3333` defines it."""
    root_path: str = scope.get("root_path", "")
    query = scope["query_string"].decode("latin-1")
    target = (scope.get("raw_path") or b"").decode("latin-1") + (f"?{query}" if query else "")
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _latin1(root_path),
        "PATH_INFO": _latin1(scope["path"].removeprefix(root_path)),
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "asgi.scope": scope,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").upper(), raw_value.decode("latin-1")
        if "_" in name:
            continue  # X_Real_IP would become X-Real-IP, which a proxy filters
        key = name.replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        # HTTP/2 may split the Cookie header, whose separator is a semicolon.
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    if "CONTENT_LENGTH" not in environ:
        # A chunked or HTTP/2 request: wsgi.input ends where the body does.
        environ["wsgi.input_terminated"] = True
    return environ


def _latin1(text: str) -> str:
    """Return a path as WSGI has it: each byte as one character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
