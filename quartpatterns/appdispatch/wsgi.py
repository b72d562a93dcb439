"""A WSGI application as an ASGI application, to run Flask beside Quart."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
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

__all__ = ["BaseWSGIMiddleware", "WSGIApp", "WSGIMiddleware", "WSGIResponse"]

WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A WSGI application, such as ``flask_app.wsgi_app``."""

BODY_MEMORY = 256 * 1024
"""The most bytes of a request body that are kept in memory."""

log = logging.getLogger(__name__)


class BaseWSGIMiddleware:
    """What all ways to run a WSGI application have in common.

    A request is answered when its whole body has been received, so that slow clients hold neither a
    thread nor a connection to the database.

    Arguments:
        app: The WSGI application.
        max_body_size: The most bytes of a request body, or ``None``.
        body_timeout: The seconds in which the client must send the next part, or ``None``.
        send_timeout: The seconds in which the client must take some of the response, or ``None``.

    Raises:
        ValueError: One of the numbers is invalid.
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        max_body_size: int | None,
        body_timeout: float | None,
        send_timeout: float | None,
    ) -> None:
        check_positive("max_body_size", max_body_size)
        check_positive("body_timeout", body_timeout)
        check_positive("send_timeout", send_timeout)
        self.app = app
        self.send_timeout = send_timeout
        self._limits = BodyLimits(max_body_size, body_timeout, BODY_MEMORY)

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
        self._shut_down()
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
        response = self._response(scope, send)
        root_path: str = scope.get("root_path", "")
        environ = wsgi_environ(scope, root_path, scope["path"].removeprefix(root_path))
        environ["wsgi.input"] = self._input(body)
        watching = asyncio.create_task(_watch(receive, response))
        try:
            try:
                await self._call(partial(response.run, self.app, environ))
            except Exception:
                await response.flush()
                raise
            await response.flush()
            await response.finish()
        finally:
            # If this was cancelled, the task disconnects, which ends the thread.
            watching.cancel()
            await asyncio.wait({watching})

    def _response(self, scope: Scope, send: Send) -> WSGIResponse:
        """Return the response to a request."""
        raise NotImplementedError

    def _input(self, body: SpooledTemporaryFile[bytes]) -> Any:
        """Return the body as the application reads it."""
        return body

    async def _call(self, run: Callable[[], None]) -> None:
        """Call *run*, which answers a request, with a copy of the context variables."""
        raise NotImplementedError

    def _shut_down(self) -> None:
        """Release what the requests have used, when the server shuts down."""


class WSGIMiddleware(BaseWSGIMiddleware):
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
        check_positive("threads", threads)
        super().__init__(
            app, max_body_size=max_body_size, body_timeout=body_timeout, send_timeout=send_timeout
        )
        self.threads = threads
        self._executor: ThreadPoolExecutor | None = None

    def _response(self, scope: Scope, send: Send) -> WSGIResponse:
        return _ThreadResponse(scope, send, self.send_timeout)

    async def _call(self, run: Callable[[], None]) -> None:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="wsgi")
        await call_in_thread(self._executor, run)

    def _shut_down(self) -> None:
        if self._executor is not None:
            # Idle threads end now, the others after their requests.
            self._executor.shutdown(wait=False)
            self._executor = None


def check_positive(name: str, number: float | None) -> None:
    """Check an argument of a middleware.

    Raises:
        ValueError: It is not more than 0.
    """
    if number is not None and not number > 0:
        raise ValueError(f"{name} must be a number, more than 0, not {number!r}")


async def _watch(receive: Receive, response: WSGIResponse) -> None:
    """Wait until the client disconnects, or until this is cancelled."""
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        response.disconnect()


class _ClientDisconnected(Exception):  # noqa: N818 - not an error: it ends a response
    """The client has disconnected."""


class WSGIResponse:
    """A response, which the application makes and the event loop sends, chunk by chunk.

    Arguments:
        scope: The scope of the request.
        send: The callable of the server.
        send_timeout: The seconds in which the client must take a chunk, or ``None``.
    """

    def __init__(self, scope: Scope, send: Send, send_timeout: float | None) -> None:
        self._scope = scope
        self._send = send
        self._send_timeout = send_timeout
        self._start: dict[str, Any] | None = None
        self._started = False
        self._disconnected = False
        self._sending: concurrent.futures.Future[None] | asyncio.Future[None] | None = None

    def run(self, app: WSGIApp, environ: dict[str, Any]) -> None:
        """Call *app* and send its response. This runs where the application does."""
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
        if self._sending is None:
            return
        sending = asyncio.wrap_future(self._sending)
        await asyncio.wait({sending})
        if sending.cancelled():
            self._disconnected = True
        elif (error := sending.exception()) is not None:
            self._disconnected = True
            if not isinstance(error, OSError):
                raise error

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

        So a response of one chunk, as most are, is closed before the client takes it.
        """
        self._wait()
        if not chunk:
            return
        sending = self._sending = self._begin(self._send_chunk(chunk))
        if self._disconnected:  # since the check in _wait(): disconnect() may have missed this one
            sending.cancel()

    def _wait(self) -> None:
        if self._sending is not None:
            try:
                self._wait_for(self._sending)
            except (OSError, concurrent.futures.CancelledError) as error:
                # Servers of ASGI 2.4 or newer raise OSError after a disconnect.
                self._disconnected = True
                raise _ClientDisconnected from error
        if self._disconnected:
            raise _ClientDisconnected

    def _begin(self, sending: Coroutine[Any, Any, None]) -> Any:
        """Begin to send a chunk, and return its future."""
        raise NotImplementedError

    def _wait_for(self, sending: Any) -> None:
        """Wait for a future of :meth:`_begin`.

        Raises:
            OSError: The client has left, or takes nothing.
            concurrent.futures.CancelledError: :meth:`disconnect` has cancelled it.
        """
        raise NotImplementedError

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


class _ThreadResponse(WSGIResponse):
    """A response that is made in a thread."""

    def __init__(self, scope: Scope, send: Send, send_timeout: float | None) -> None:
        super().__init__(scope, send, send_timeout)
        self._loop = asyncio.get_running_loop()

    def _begin(self, sending: Coroutine[Any, Any, None]) -> concurrent.futures.Future[None]:
        return asyncio.run_coroutine_threadsafe(sending, self._loop)

    def _wait_for(self, sending: concurrent.futures.Future[None]) -> None:
        sending.result()
