"""A WSGI application as an ASGI one, so that Flask mounts beside Quart."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import io
import queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any

from .asgi import Receive, Scope, Send, local_path, not_found, tidy
from .environ import build_environ

__all__ = ["WSGIApp", "WSGIMiddleware"]

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A WSGI application, such as ``flask_app.wsgi_app``."""

# Messages of a request body that are read ahead of the application, each at most 64 KiB or so.
READ_AHEAD = 8


class WSGIMiddleware:
    """Run a WSGI application, in threads, as an ASGI application.

    Bodies pass in both directions as they come, whatever their size: the client waits where
    the application reads slowly, and the application where the client does. When the client
    goes away, reading its body raises ``ConnectionResetError``, and a streamed response is
    closed at its next piece, so that no thread works for nobody. Websockets are refused: WSGI
    has none.

    Arguments:
        app: The WSGI application.
        threads: How many requests it answers at once; further ones wait.
    """

    def __init__(self, app: WSGIApp, *, threads: int = 32) -> None:
        self.app = app
        self.threads = threads
        self._executor: ThreadPoolExecutor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["type"] == "websocket" or local_path(scope := tidy(scope)) is None:
            await not_found(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._executor is not None:
            # Idle threads end; one that still works for a request ends after it.
            self._executor.shutdown(wait=False)
            self._executor = None
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="wsgi")
        body = _Body(asyncio.get_running_loop())
        response = _Response(asyncio.get_running_loop(), send)
        environ = build_environ(scope, io.BufferedReader(body, 2**16))
        run = partial(response.run, self.app, environ)
        listening = asyncio.create_task(_listen(receive, body, response))
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._executor, contextvars.copy_context().run, run
            )
            # What is unread is still taken in: Hypercorn's last send waits for that.
            body.discard()
            await response.finish()
        finally:
            # It hangs up as it ends: a thread that still runs, as we were cancelled, ends too.
            listening.cancel()
            await asyncio.wait({listening})


async def _listen(receive: Receive, body: _Body, response: _Response) -> None:
    """Take in the request body until the client goes away."""
    try:
        while (message := await receive())["type"] == "http.request":
            await body.feed(message.get("body", b""), last=not message.get("more_body", False))
    finally:
        body.hang_up()
        response.hang_up()


class _Body(io.RawIOBase):
    """A request body: fed on the event loop, read in a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._room = asyncio.Semaphore(READ_AHEAD)
        # Its end is an empty piece; None says that the client is gone.
        self._pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._piece = memoryview(b"")
        self._ended = False
        self._discarding = False

    async def feed(self, piece: bytes, *, last: bool) -> None:
        if piece and not self._discarding:
            await self._room.acquire()
            self._pieces.put(piece)
        if last:
            self._pieces.put(b"")

    def discard(self) -> None:
        """Take in the rest for nobody."""
        self._discarding = True
        self._room.release()

    def hang_up(self) -> None:
        self._pieces.put(None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece and not self._ended:
            self._next()
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def _next(self) -> None:
        piece = self._pieces.get()
        if piece is None:
            self._pieces.put(None)  # for whoever reads again
            raise ConnectionResetError("the client went away before its request was complete")
        self._piece = memoryview(piece)
        self._ended = not piece
        if piece:
            self._loop.call_soon_threadsafe(self._room.release)


class _HungUp(Exception):  # noqa: N818  no error: it ends a response that nobody reads
    """The client went away."""


class _Response:
    """A response: made in a thread, sent on the event loop, a piece at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Send) -> None:
        self._loop = loop
        self._send = send
        self._start: dict[str, Any] | None = None
        self._started = False
        self._gone = False
        self._sending: concurrent.futures.Future[None] | None = None

    def run(self, app: WSGIApp, environ: dict[str, Any]) -> None:
        """Call *app* and send what it yields. Runs in a thread."""
        with contextlib.suppress(_HungUp):
            pieces = app(environ, self._start_response)
            try:
                for piece in pieces:
                    self._write(piece)
            finally:
                if close := getattr(pieces, "close", None):
                    close()

    def hang_up(self) -> None:
        """End the response: nobody reads it."""
        self._gone = True
        if self._sending is not None:
            self._sending.cancel()

    async def finish(self) -> None:
        """Send the end of the response, and its beginning where it has no body."""
        if not self._gone:
            await self._send_piece(b"", more=False)

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | None = None,
    ) -> Callable[[bytes], None]:
        if exc_info is not None and self._started:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self._start is not None:
            raise AssertionError("start_response was called twice, and without an exception")
        self._start = {
            "type": "http.response.start",
            "status": int(status.split(" ", 1)[0]),
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers],
        }
        return self._write

    def _write(self, piece: bytes) -> None:
        """Send *piece* and wait until the server has taken it."""
        if self._gone:
            raise _HungUp
        if not piece:
            return
        self._sending = asyncio.run_coroutine_threadsafe(self._send_piece(piece), self._loop)
        if self._gone:  # set since it was asked above: hang_up() may have missed this one
            self._sending.cancel()
        try:
            self._sending.result()
        except (OSError, concurrent.futures.CancelledError) as error:
            # OSError: how a server of ASGI 2.4 or newer says it.
            self._gone = True
            raise _HungUp from error

    async def _send_piece(self, piece: bytes, *, more: bool = True) -> None:
        if self._start is None:
            raise RuntimeError("the WSGI application sent a body without calling start_response")
        if not self._started:
            self._started = True
            await self._send(self._start)
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})
