"""What a client sends while its request is answered: the body, and that it leaves (26)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from hypercorn.typing import ASGIReceiveCallable
from quart.wrappers import Request
from werkzeug.exceptions import ClientDisconnected

from quartpatterns.subclassing.body import FaithfulBody

__all__ = ["Incoming"]

# Methods whose requests have no body unless they say so, also over HTTP/2.
BODILESS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "TRACE"})


class Incoming:
    """The receiving side of one request.

    Whoever wants to read the body receives the messages himself, in his own task. Only where
    nobody does, and it matters whether the client is still there, a task is started to watch. The
    lock lets both exist at once; a message is received by whichever comes first.

    Arguments:
        request: The request, whose body is filled.
        receive: ASGI's callable.
        leave: Called with the reason when there is nobody left to answer.
    """

    def __init__(
        self,
        request: Request,
        receive: ASGIReceiveCallable,
        leave: Callable[[BaseException], None],
    ) -> None:
        self.request = request
        # A view may put a wrapper in its place, which is handed what arrives.
        self.body = request.body
        self.gone = False
        self._receive = receive
        self._leave = leave
        self._lock: asyncio.Lock | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._declared: bool | None = None
        if isinstance(self.body, FaithfulBody):
            self.body.source = self.fetch
        else:
            # Another class of body can't ask for what it wants: it is given everything.
            self.watch()

    @property
    def unread(self) -> bool:
        """Whether the request has a body that is not all here."""
        body = self.body
        if not isinstance(body, FaithfulBody) or body.complete:
            return False
        if self._declared is None:
            self._declared = self._is_declared()
        return self._declared or body.received > 0

    def _is_declared(self) -> bool:
        request = self.request
        if request.content_length or "Transfer-Encoding" in request.headers:
            return True
        return request.http_version >= "2" and request.method not in BODILESS

    @property
    def idle(self) -> bool:
        """Whether there is nothing to :meth:`close`."""
        return self._watcher is None and not self.unread

    async def fetch(self) -> None:
        """Receive a message for the body, unless another task has done so in the meantime.

        Raises:
            ClientDisconnected: There will be no more; the view itself is cancelled before that.
        """
        await self._receive_one()
        if self.gone:
            await asyncio.sleep(0)
            raise ClientDisconnected

    async def _receive_one(self) -> None:
        if self._lock is None:
            self._lock = asyncio.Lock()
        before = self._progress()
        async with self._lock:
            if not self.gone and before == self._progress():
                self._deliver(cast("dict[str, Any]", await self._receive()))

    def _progress(self) -> tuple[int, bool]:
        body = self.body
        return (body.received, body.complete) if isinstance(body, FaithfulBody) else (0, False)

    def _deliver(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.request":
            self.request.body.append(message.get("body", b""))
            if not message.get("more_body", False):
                self.request.body.set_complete()
        elif message["type"] == "http.disconnect":
            self.gone = True
            self._leave(ClientDisconnected())

    def watch(self) -> None:
        """Start to watch whether the client leaves, if nobody does yet."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        try:
            while not self.gone:
                while isinstance(self.body, FaithfulBody) and self.body.full:
                    await self.body.changed()
                await self._receive_one()
        except Exception as error:
            # Whatever the server's receive() raises ends the request, not this task alone.
            self._leave(error)

    def discard(self) -> None:
        """Let the client send what nobody reads, so that it comes to read the answer."""
        if isinstance(self.body, FaithfulBody):
            self.body.discard()
        self.watch()

    async def linger(self, seconds: float) -> None:
        """Wait until the client has sent all it wants to, but not longer than *seconds*.

        A connection that is closed while the client sends is reset, and the client may lose an
        answer that it has received but not read (RFC 9112, section 9.6).
        """
        self.discard()
        body = self.body
        try:
            async with asyncio.timeout(seconds):
                while self.unread and isinstance(body, FaithfulBody):
                    await body.changed()
        except TimeoutError:
            pass

    def forget(self) -> None:
        """Let go of the body; who still reads it is told that the client is gone."""
        if isinstance(self.body, FaithfulBody):
            self.body.source = _ended

    async def close(self) -> None:
        """End the watch. What has arrived is dropped, as a server waits while it is not."""
        if self.unread and not self.gone:
            self.discard()
            await asyncio.sleep(0)
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])


async def _ended() -> None:
    raise ClientDisconnected
