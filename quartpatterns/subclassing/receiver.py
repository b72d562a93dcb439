"""The messages of one request over ASGI: its body, and the disconnection of its client."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

from hypercorn.typing import ASGIReceiveCallable
from quart.wrappers import Request
from werkzeug.exceptions import ClientDisconnected

from quartpatterns._shared.untasked import UntaskedCoroutine
from quartpatterns.subclassing.body import FaithfulBody

__all__ = ["Receiver"]

# Methods whose requests have no body unless they declare one, also over HTTP/2.
BODILESS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "TRACE"})

# The classes whose method is receive() of Hypercorn, Uvicorn and Granian. It needs no current task.
# That of a middleware can need one.
SERVERS = frozenset(
    {
        ("asyncio.queues", "Queue"),
        ("granian._granian", "ASGIHTTPProtocol"),
        ("uvicorn.protocols.http.h11_impl", "RequestResponseCycle"),
        ("uvicorn.protocols.http.httptools_impl", "RequestResponseCycle"),
    }
)


class ReceiverListener(Protocol):
    """What a receiver tells about."""

    def disconnect(self) -> None:
        """Handle that the client has disconnected."""
        ...

    def abort(self, reason: BaseException) -> None:
        """Handle an error of the server."""
        ...


class Receiver:
    """Receives the messages of one request.

    The task that reads the body receives the messages itself. While no task reads, a coroutine of
    this class can watch for the client's disconnection. Both can exist at the same time, and a lock
    ensures that only one receives.

    Arguments:
        request: The request, to whose body the data is added.
        receive: The callable of the ASGI server.
        connection: Learns that the client has disconnected, or that *receive* has failed.
    """

    disconnected = False
    complete = False
    _lock: asyncio.Lock | None = None
    _watcher: asyncio.Task[None] | UntaskedCoroutine | None = None
    _has_body: bool | None = None
    _released = False

    def __init__(
        self,
        request: Request,
        receive: ASGIReceiveCallable,
        connection: ReceiverListener,
    ) -> None:
        self.request: Any = request
        # A view can put a wrapper in the place of this body, and append() then goes to it.
        self.body: Any = request.body
        self._receive: Any = receive
        self._connection = connection
        if isinstance(self.body, FaithfulBody):
            self.body.receive = self._receive_for_body
        else:
            # A body of another class can't ask for data.
            self.watch()

    @property
    def reader_would_hang(self) -> bool:
        """Whether a task that reads the body would wait for ever after a disconnection."""
        return not (self.complete or isinstance(self.body, FaithfulBody))

    @property
    def body_pending(self) -> bool:
        """Whether the client has not sent the whole body yet."""
        body = self.body
        if not isinstance(body, FaithfulBody) or body.complete or self.disconnected:
            return False
        if self._has_body is None:
            request = self.request
            if body.declared or "Transfer-Encoding" in request.headers:
                self._has_body = True
            else:
                self._has_body = request.method not in BODILESS and request.http_version >= "2"
        return self._has_body or body.received > 0

    async def _receive_for_body(self) -> None:
        """Receive a message, unless another task does so.

        Raises:
            ClientDisconnected: The client has disconnected. If the view is to be cancelled in
                this case, it receives the cancellation instead of this error.
        """
        await self._receive_one()
        if self.disconnected:
            await asyncio.sleep(0)
            raise ClientDisconnected

    async def _receive_one(self) -> None:
        if self._lock is None:
            self._lock = asyncio.Lock()
        before = self._progress()
        async with self._lock:
            if self.disconnected or before != self._progress():
                return
            message = await self._receive()
            if message["type"] == "http.request":
                self.request.body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    self.complete = True
                    self.request.body.set_complete()
                    if self._released:
                        self._forget_request()
            elif message["type"] == "http.disconnect":
                self._handle_disconnect()

    def _handle_disconnect(self) -> None:
        self.disconnected = True
        self._connection.disconnect()
        if isinstance(self.body, FaithfulBody):
            self.body.notify()

    def _progress(self) -> tuple[int, bool]:
        body = self.body
        return (body.received, body.complete) if isinstance(body, FaithfulBody) else (0, False)

    def watch(self) -> None:
        """Start the coroutine that watches for the client's disconnection."""
        if self._watcher is None:
            server = type(getattr(self._receive, "__self__", None))
            untasked = (server.__module__, server.__name__) in SERVERS
            watcher = UntaskedCoroutine if untasked else asyncio.create_task
            self._watcher = watcher(self._watch())

    async def _watch(self) -> None:
        try:
            while not self.disconnected:
                while isinstance(self.body, FaithfulBody) and self.body.full:
                    await self.body.wait_for_change()
                if self.request is not None:
                    await self._receive_one()
                elif (await self._receive())["type"] == "http.disconnect":
                    self._handle_disconnect()
        except Exception as error:
            # An error of the server's receive() ends the request, not only this coroutine.
            self._connection.abort(error)

    def release_request(self) -> None:
        """Do not keep the request any longer than until its body is complete.

        Nothing is left to receive then but the disconnection, and the response can last for hours.
        """
        self._released = True
        if self.complete:
            self._forget_request()

    def _forget_request(self) -> None:
        if isinstance(self.body, FaithfulBody):
            self.body.receive = _raise_disconnected  # never called: the body is complete
        self.request = self.body = self._lock = None

    def discard(self) -> None:
        """Receive and drop the rest of the body, so that the client can read the response.

        A test client that preserves the context can read the body later, so the body is kept.
        """
        if isinstance(self.body, FaithfulBody):
            if isinstance(self.request.scope.get("_quart._preserve_context"), list):
                self.body.keep()
            else:
                self.body.discard()
        self.watch()

    async def drain(self, seconds: float) -> None:
        """Wait until the client has sent the whole body, but not longer than *seconds*.

        If the server closes a connection while the client sends, the connection is reset, and the
        client may lose a response that it has not read yet (RFC 9112, section 9.6).
        """
        self.discard()
        body = self.body
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.body_pending and isinstance(body, FaithfulBody):
                    await body.wait_for_change()

    @property
    def watching(self) -> bool:
        """Whether the watching coroutine was started."""
        return self._watcher is not None

    async def stop(self) -> None:
        """End the watching coroutine."""
        if isinstance(self._watcher, UntaskedCoroutine):
            await self._watcher.stop()
        elif self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])

    def release_body(self) -> None:
        """Make later readers of the body receive :exc:`ClientDisconnected`."""
        if isinstance(self.body, FaithfulBody):
            self.body.receive = _raise_disconnected


async def _raise_disconnected() -> None:
    raise ClientDisconnected
