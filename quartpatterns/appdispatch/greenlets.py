"""A WSGI application in greenlets on the event loop, to run Flask with an asynchronous database."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
from collections.abc import Callable, Coroutine
from tempfile import SpooledTemporaryFile
from typing import Any

from quartpatterns._shared.greenlet_views import greenlet_functions, request_callbacks
from quartpatterns._shared.threads import run_sync

from .asgi import Scope, Send
from .wsgi import BODY_MEMORY, BaseWSGIMiddleware, WSGIApp, WSGIResponse

__all__ = ["GreenletWSGIMiddleware"]


class GreenletWSGIMiddleware(BaseWSGIMiddleware):
    """Run a WSGI application, in greenlets on the event loop, as an ASGI application.

    Each request has a greenlet. While it waits in
    :func:`~quartpatterns.sqlalchemy.wait_in_greenlet`, or for a database with an asynchronous
    driver, other requests are handled, and it holds no thread.
    :func:`~quartpatterns.sqlalchemy.async_drivers` gives such drivers to an application.
    Everything else that waits stops all other requests. So do locks of :mod:`threading`: a request
    that waits for one that another request holds waits for ever.

    Request bodies, responses, limits and disconnects are handled as by
    :class:`~quartpatterns.appdispatch.WSGIMiddleware`. If the server cancels a request,
    :exc:`asyncio.CancelledError` is raised in the application where it waits.

    Arguments:
        app: The WSGI application.
        max_body_size: The most bytes of a request body, 1 GiB by default; ``None`` for no limit.
            The answer to a larger one is 413.
        body_timeout: The seconds in which the client must send the next part of its body; ``None``
            for no limit. The answer to a slower one is 408.
        send_timeout: The seconds after which a client that takes nothing of the response is cut
            off; ``None`` for no limit.

    Raises:
        ValueError: One of the numbers is invalid.
        MissingExtraError: SQLAlchemy or greenlet is not installed.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        max_body_size: int | None = 2**30,
        body_timeout: float | None = 60.0,
        send_timeout: float | None = 60.0,
    ) -> None:
        super().__init__(
            app, max_body_size=max_body_size, body_timeout=body_timeout, send_timeout=send_timeout
        )
        self._spawn, self._wait, _ = greenlet_functions("GreenletWSGIMiddleware")

    def _response(self, scope: Scope, send: Send) -> WSGIResponse:
        return _GreenletResponse(scope, send, self.send_timeout, self._wait)

    def _input(self, body: SpooledTemporaryFile[bytes]) -> Any:
        if body.name is None:  # It is in memory.
            return body
        return io.BufferedReader(_StoredBody(body, self._wait), BODY_MEMORY)

    async def _call(self, run: Callable[[], None]) -> None:
        # The task has a context of its own, so that no variable reaches the next request.
        await asyncio.create_task(self._spawn(_with_callbacks, run))


def _with_callbacks(run: Callable[[], None]) -> None:
    with request_callbacks():
        run()


class _StoredBody(io.RawIOBase):
    """A request body in a temporary file, which is read in a thread while the greenlet waits."""

    def __init__(self, file: SpooledTemporaryFile[bytes], wait: Callable[[Any], Any]) -> None:
        self._file = file
        self._wait = wait

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._wait(run_sync(self._file.read)(len(buffer)))
        buffer[: len(data)] = data
        return len(data)


class _GreenletResponse(WSGIResponse):
    """A response that is made in a greenlet."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        send_timeout: float | None,
        wait: Callable[[Any], Any],
    ) -> None:
        super().__init__(scope, send, send_timeout)
        self._wait_in_greenlet = wait

    def _begin(self, sending: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        task = asyncio.create_task(sending)
        # It begins now, also if the application makes its next chunk without waiting.
        try:
            self._wait_in_greenlet(asyncio.sleep(0))
        except BaseException:
            task.cancel()
            raise
        return task

    def _wait_for(self, sending: asyncio.Future[None]) -> None:
        if not sending.done():
            # Awaiting it does not tell whether it was cancelled, or this request.
            self._wait_in_greenlet(asyncio.wait({sending}))
        if sending.cancelled():
            raise concurrent.futures.CancelledError
        sending.result()
