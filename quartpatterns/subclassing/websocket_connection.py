"""One websocket over ASGI."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WebsocketScope
from quart import Quart
from quart.asgi import ASGIWebsocketConnection
from quart.signals import websocket_received
from quart.wrappers import Websocket
from werkzeug.datastructures import Headers

from quartpatterns.subclassing.cancellation import failure_of
from quartpatterns.subclassing.debugging import debug_response
from quartpatterns.subclassing.headers import encode_headers
from quartpatterns.subclassing.response import FaithfulResponse

__all__ = ["FaithfulWebsocketConnection"]


class FaithfulWebsocketConnection(ASGIWebsocketConnection):
    """A websocket that raises its errors in tests, and sends a complete response if it is refused.

    .. versionadded:: 0.1
    """

    def __init__(self, app: Quart, scope: WebsocketScope) -> None:
        super().__init__(app, scope)
        self.accepted = False
        self.closed = False
        self._receiving = asyncio.timeout(None)
        self._may_receive = asyncio.Event()
        self._may_receive.set()

    async def handle_messages(self, receive: ASGIReceiveCallable) -> None:
        """Put the messages of the client into the queue until it disconnects."""
        while await self._may_receive.wait():
            try:
                async with asyncio.timeout(None) as self._receiving:
                    event: Any = await receive()
            except TimeoutError:
                if not self._receiving.expired():
                    raise
                continue
            if event["type"] == "websocket.receive":
                # One of the two is missing or None. An empty message is a message.
                data = event.get("bytes")
                message = event["text"] if data is None else data
                await websocket_received.send_async(message)
                await self.queue.put(message)
            elif event["type"] == "websocket.disconnect":
                return

    async def _send_close(self, send: ASGISendCallable, **close: Any) -> None:
        """Close the websocket. Granian does not while the application waits for a message."""
        self._may_receive.clear()
        with contextlib.suppress(RuntimeError):  # it waits for nothing
            self._receiving.reschedule(0)
        message: Any = {"type": "websocket.close", **close}
        try:
            await send(message)
        finally:
            self._may_receive.set()

    async def accept_connection(
        self, send: ASGISendCallable, headers: Headers, subprotocol: str | None
    ) -> None:
        """Accept the websocket, unless it has been accepted."""
        if self.accepted:
            return
        self.accepted = True
        accept: Any = {
            "type": "websocket.accept",
            "headers": encode_headers(headers),
            "subprotocol": subprotocol,
        }
        await send(accept)

    async def close_connection(self, send: ASGISendCallable, code: int, reason: str) -> None:
        """Close the websocket.

        Raises:
            RuntimeError: It is closed.
        """
        if self.closed:
            raise RuntimeError("Cannot close websocket multiple times")
        await self._send_close(send, code=code, reason=reason)
        self.closed = True

    async def handle_websocket(self, websocket: Websocket, send: ASGISendCallable) -> None:
        """Let the application handle the websocket, then close it or refuse it.

        The code for closing is 1011 for an error of the server, 1008 for another error that is
        raised with ``abort()``, and 1000 otherwise (RFC 6455, section 7.4.1).
        """
        made: Any
        try:
            made = await self.app.handle_websocket(websocket)
        except Exception as error:
            made = await debug_response(self.app, self.scope, error)
        except asyncio.CancelledError as error:
            raise failure_of(error) from error
        extensions = self.scope.get("extensions") or {}
        if made is not None and not self.accepted and "websocket.http.response" in extensions:
            await self._refuse(FaithfulResponse.force_type(made), send)
        elif (made is not None or self.accepted) and not self.closed:
            status = made.status_code if made is not None else 200
            code = 1011 if status >= 500 else 1008 if status >= 400 else 1000
            await self._send_close(send, code=code)

    async def _refuse(self, response: FaithfulResponse, send: ASGISendCallable) -> None:
        start: Any = {
            "type": "websocket.http.response.start",
            "status": response.status_code,
            "headers": encode_headers(response.wire_headers()),
        }
        await send(start)
        body: Any = {
            "type": "websocket.http.response.body",
            "body": await response.get_data(as_text=False),
            "more_body": False,
        }
        await send(body)
        await response.close()
