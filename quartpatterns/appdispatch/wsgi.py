"""A WSGI application as an ASGI application, to run Flask beside Quart."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any

from werkzeug.exceptions import HTTPException

from quartpatterns._shared.threads import call_in_thread
from quartpatterns._shared.wsgi_environ import wsgi_environ

from .asgi import Receive, Scope, Send, encode_headers, local_path, normalize, not_found
from .spooled_body import BodyLimits, ClientLeftError, receive_body, refuse

__all__ = ["WSGIApp", "WSGIMiddleware"]

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A WSGI application, such as ``flask_app.wsgi_app``."""

BODY_MEMORY = 256 * 1024
"""The most bytes of a request body that are kept in memory."""

log = logging.getLogger(__name__)


class WSGIMiddleware:
    """Run a WSGI application, in threads, as an ASGI application.

    A request takes a thread when its whole body has been received, so that slow clients hold none.
    A body of more than 256 KiB is stored in a temporary file. Responses of any size are streamed,
    with backpressure. When the client disconnects, or takes nothing for some time, the response is
    closed at its next chunk. Websockets are refused, because WSGI does not have them.

    Arguments:
        app: The WSGI application.
        threads: The maximum number of requests that it answers at the same time. Others wait.
        max_body_size: The most bytes of a request body, 1 GiB by default; ``None`` for no limit.
            The answer to a larger one is 413.
        body_timeout: The seconds in which the client must send the next part of its body; ``None``
            for no limit. The answer to a slower one is 408.
        send_timeout: The seconds after which a client that takes nothing of the response is cut
            off; ``None`` for no limit.

    Raises:
        ValueError: One of the numbers is invalid.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        threads: int = 32,
        max_body_size: int | None = 2**30,
        body_timeout: float | None = 60.0,
        send_timeout: float | None = 60.0,
    ) -> None:
        for name, number in (
            ("threads", threads),
            ("max_body_size", max_body_size),
            ("body_timeout", body_timeout),
            ("send_timeout", send_timeout),
        ):
            if number is not None and not number > 0:
                raise ValueError(f"{name} must be a number, more than 0, not {number!r}")
        self.app = app
        self.threads = threads
        self.send_timeout = send_timeout
        self._limits = BodyLimits(max_body_size, body_timeout, BODY_MEMORY)
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
        try:
            body = await receive_body(scope, receive, self._limits)
        except HTTPException as error:
            await refuse(error, scope, receive, send)
            return
        except ClientLeftError:
            return
        try:
            await self._run(scope, receive, send, body)
        finally:
            body.close()

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, body: SpooledTemporaryFile[bytes]
    ) -> None:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="wsgi")
        response = _Response(asyncio.get_running_loop(), scope, send, self.send_timeout)
        root_path: str = scope.get("root_path", "")
        environ = wsgi_environ(scope, root_path, scope["path"].removeprefix(root_path))
        run = partial(response.run, self.app, environ | {"wsgi.input": body})
        watching = asyncio.create_task(_watch(receive, response))
        try:
            try:
                await call_in_thread(self._executor, run)
            except Exception:
                await response.flush()
                raise
            await response.flush()
            await response.finish()
        finally:
            # If this was cancelled, the task disconnects, which ends the thread.
            watching.cancel()
            await asyncio.wait({watching})


async def _watch(receive: Receive, response: _Response) -> None:
    """Wait until the client disconnects, or until this is cancelled."""
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        response.disconnect()


class _ClientDisconnected(Exception):  # noqa: N818 - not an error: it ends a response
    """The client has disconnected."""


class _Response:
    """A response, which is made in a thread and sent on the event loop, chunk by chunk."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        scope: Scope,
        send: Send,
        send_timeout: float | None,
    ) -> None:
        self._loop = loop
        self._scope = scope
        self._send = send
        self._send_timeout = send_timeout
        self._start: dict[str, Any] | None = None
        self._started = False
        self._disconnected = False
        self._sending: concurrent.futures.Future[None] | None = None

    def run(self, app: WSGIApp, environ: dict[str, Any]) -> None:
        """Call *app* and send its response. This runs in a thread."""
        with contextlib.suppress(_ClientDisconnected):
            if self._disconnected:  # while the request waited for a thread
                return
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

    async def flush(self) -> None:
        """Wait until the server has accepted the last chunk."""
        if self._sending is not None:
            with contextlib.suppress(OSError, _ClientDisconnected):
                await asyncio.wrap_future(self._sending)
            if self._sending.cancelled() or self._sending.exception() is not None:
                self._disconnected = True

    async def finish(self) -> None:
        """Send the end of the response, and its start if it has no body."""
        if not self._disconnected:
            with contextlib.suppress(OSError):  # a client that has left, or takes nothing
                await self._send_chunk(b"", more=False)

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | None = None,
    ) -> Callable[[bytes], None]:
        if exc_info is not None and self._sending is not None:
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
        """Send a chunk when the server has accepted the one before it.

        So a response of one chunk, as most are, gives the thread back before the client takes it.
        """
        self._wait()
        if not chunk:
            return
        self._sending = asyncio.run_coroutine_threadsafe(self._send_chunk(chunk), self._loop)
        if self._disconnected:  # since the check in _wait(): disconnect() may have missed this one
            self._sending.cancel()

    def _wait(self) -> None:
        if self._sending is not None:
            try:
                self._sending.result()
            except (OSError, concurrent.futures.CancelledError) as error:
                # Servers of ASGI 2.4 or newer raise OSError after a disconnect.
                self._disconnected = True
                raise _ClientDisconnected from error
        if self._disconnected:
            raise _ClientDisconnected

    async def _send_chunk(self, chunk: bytes, *, more: bool = True) -> None:
        if self._start is None:
            raise RuntimeError("the WSGI application sent a body without calling start_response")
        limit = asyncio.timeout(self._send_timeout)
        try:
            async with limit:
                if not self._started:
                    self._started = True
                    await self._send(self._start)
                await self._send({"type": "http.response.body", "body": chunk, "more_body": more})
        except TimeoutError:
            self._disconnected = True
            if limit.expired():
                log.warning(
                    "%s %s: the client took nothing for %g s, so its response was cut",
                    self._scope["method"],
                    self._scope["path"],
                    self._send_timeout,
                )
            raise
