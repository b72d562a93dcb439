"""Open a websocket to an application that runs in this process, or to a server (RFC 6455)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

import httpx
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from quartpatterns.compare.asgi import ASGICall
from quartpatterns.compare.responses import Response
from quartpatterns.compare.transports import (
    TARGET,
    ASGITransport,
    ComparisonClient,
    asgi_scope,
)

INTERNAL_ERROR = 1011  # the close code of a server whose application has failed
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "cXVhcnRwYXR0ZXJucyEhIQ==",
}
"""The headers of a request for a websocket; the key consists of 16 bytes in Base64."""
# wsproto writes these itself.
_OWN_HEADERS = {"host", "content-length", "sec-websocket-protocol", *map(str.lower, HANDSHAKE)}
# They belong to the connection; the first depends on the key of the request.
_HANDSHAKE_HEADERS = {"sec-websocket-accept", "sec-websocket-extensions", "upgrade", "connection"}


@dataclass(frozen=True, slots=True)
class Closed:
    """The application has closed the websocket."""

    code: int
    reason: str = ""


class WebSocket(Protocol):
    """An open websocket."""

    async def send(self, data: str | bytes) -> None:
        """Send a message."""

    async def receive(self) -> str | bytes | Closed:
        """Return the next message, or why there is none."""

    async def close(self, code: int) -> str | None:
        """Close it, and return the exception of the application, if it is known."""


@contextlib.asynccontextmanager
async def connect(
    client: ComparisonClient, request: httpx.Request
) -> AsyncIterator[tuple[WebSocket | None, Response]]:
    """Yield a websocket and the response to its request; no websocket if it is refused.

    Arguments:
        client: The client of an ASGI application or of a server.
        request: The request, without the headers of the handshake.

    Raises:
        OSError: There is no server.
    """
    if isinstance(client.transport, ASGITransport):
        connection = ASGICall(
            client.transport.app, asgi_scope(request, "websocket", client.transport.state)
        )
        try:
            accepted, response = await _ask_application(connection)
            yield (_ASGIWebSocket(connection) if accepted else None), response
        finally:
            connection.send({"type": "websocket.disconnect", "code": 1006, "reason": ""})
            await connection.end()
        return
    url = client.base_url
    context = ssl.create_default_context() if url.scheme == "https" else None
    port = url.port or (443 if context else 80)
    reader, writer = await asyncio.open_connection(url.host, port, ssl=context)
    try:
        websocket = _WireWebSocket(reader, writer)
        response = await websocket.open(request)
        yield (websocket if response.status == 101 else None), response
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _ask_application(connection: ASGICall) -> tuple[bool, Response]:
    """Return whether the application accepts the websocket, and the response of a server."""
    connection.send({"type": "websocket.connect"})
    message = await connection.receive()
    if message is None:
        return False, Response(500, (), b"", error=_text(connection.error))
    headers = _headers(message.get("headers") or ())
    if message["type"] == "websocket.accept":
        if subprotocol := message.get("subprotocol"):
            headers += (("sec-websocket-protocol", subprotocol),)
        return True, Response(101, headers, b"")
    if message["type"] != "websocket.http.response.start":
        return False, Response(403, (), b"")
    status, body, more = message["status"], b"", True
    while more and (message := await connection.receive()) is not None:
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return False, Response(status, headers, body, complete=not more)


class _ASGIWebSocket:
    def __init__(self, connection: ASGICall) -> None:
        self._connection = connection

    async def send(self, data: str | bytes) -> None:
        text, binary = (data, None) if isinstance(data, str) else (None, data)
        self._connection.send({"type": "websocket.receive", "text": text, "bytes": binary})

    async def receive(self) -> str | bytes | Closed:
        message = await self._connection.receive()
        if message is None:
            return Closed(INTERNAL_ERROR)
        if message["type"] == "websocket.close":
            return Closed(message.get("code", 1000), message.get("reason") or "")
        text: str | None = message.get("text")
        binary: bytes = message.get("bytes") or b""
        return binary if text is None else text

    async def close(self, code: int) -> str | None:
        self._connection.send({"type": "websocket.disconnect", "code": code, "reason": ""})
        await self._connection.end()
        return _text(self._connection.error)


class _WireWebSocket:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()
        self._closed = False

    async def open(self, request: httpx.Request) -> Response:
        """Send the handshake, and return the response to it."""
        protocols = request.headers.get("Sec-WebSocket-Protocol", "")
        await self._send(
            Request(
                host=request.headers["Host"],
                target=request.extensions[TARGET].decode(),
                subprotocols=[name for part in protocols.split(",") if (name := part.strip())],
                extra_headers=[
                    (name, value)
                    for name, value in request.headers.raw
                    if name.decode("latin-1").lower() not in _OWN_HEADERS
                ],
            )
        )
        event = await self._next()
        if isinstance(event, AcceptConnection):
            headers = _headers(event.extra_headers)
            if event.subprotocol:
                headers += (("sec-websocket-protocol", event.subprotocol),)
            return Response(101, headers, b"")
        if not isinstance(event, RejectConnection):
            return Response(0, (), b"", complete=False, error="no response to the handshake")
        body, finished = b"", not event.has_body
        while not finished and isinstance(data := await self._next(), RejectData):
            body += data.data
            finished = data.body_finished
        return Response(event.status_code, _headers(event.headers), body, complete=finished)

    async def send(self, data: str | bytes) -> None:
        if not self._closed:
            await self._send(TextMessage(data) if isinstance(data, str) else BytesMessage(data))

    async def receive(self) -> str | bytes | Closed:
        text, binary = "", b""
        while True:
            event = await self._next()
            if isinstance(event, CloseConnection):
                if not self._closed:
                    self._closed = True
                    with contextlib.suppress(ProtocolError):
                        await self._send(event.response())
                return Closed(event.code, event.reason or "")
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return text
            if isinstance(event, BytesMessage):
                binary += event.data
                if event.message_finished:
                    return binary

    async def close(self, code: int) -> str | None:
        if not self._closed:
            await self._send(CloseConnection(code))
            while not isinstance(await self.receive(), Closed):
                pass  # Messages that were on their way.
        return None

    async def _send(self, event: Event) -> None:
        with contextlib.suppress(ConnectionError):  # The next event says that it is closed.
            self._writer.write(self._protocol.send(event))
            await self._writer.drain()

    async def _next(self) -> Event:
        """Return the next event; answer pings."""
        while True:
            while not self._events:
                try:
                    data = await self._reader.read(65536)
                except ConnectionError:
                    data = b""
                try:
                    self._protocol.receive_data(data or None)
                    self._events.extend(self._protocol.events())
                except ProtocolError:
                    return CloseConnection(1006)
                if not data and not self._events:
                    return CloseConnection(1006)
            event = self._events.popleft()
            if not isinstance(event, Ping):
                return event
            await self._send(event.response())


def _headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    decoded = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
    return tuple(header for header in decoded if header[0] not in _HANDSHAKE_HEADERS)


def _text(error: Exception | None) -> str | None:
    return None if error is None else f"{type(error).__name__}: {error}"
