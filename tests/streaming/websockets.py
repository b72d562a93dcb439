"""A websocket client for HTTP/1.1 (RFC 6455) and HTTP/2 (RFC 8441)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

import h2.connection
import h2.events
import h2.settings
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection, ConnectionState
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    RejectConnection,
    Request,
    TextMessage,
)

__all__ = ["RefusedError", "Version", "Websocket", "open_websocket"]

Version = Literal["1.1", "2"]


class RefusedError(Exception):
    """The server has refused the websocket; the argument is the status."""


@dataclass
class Websocket:
    """An open websocket.

    Arguments:
        frames: Translates between events and bytes.
        reader: The connection.
        writer: The connection.
        http2: The state of the connection with HTTP/2, else None.
    """

    frames: WSConnection | Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http2: h2.connection.H2Connection | None = None
    events: list[Event] = field(default_factory=list[Event])

    async def send(self, text: str) -> None:
        """Send a message."""
        await self._write(self.frames.send(TextMessage(text)))

    async def receive(self) -> str | int:
        """Return the next message, or the code with which the server closes the websocket."""
        text = ""
        while True:
            event = await self.next_event()
            if isinstance(event, CloseConnection):
                if self.frames.state is ConnectionState.REMOTE_CLOSING:
                    await self._write(self.frames.send(event.response()))
                return event.code
            assert isinstance(event, TextMessage)
            text += event.data
            if event.message_finished:
                return text

    async def close(self) -> None:
        """Close the websocket, and wait for the server to do the same."""
        await self._write(self.frames.send(CloseConnection(1000)))
        assert isinstance(await self.next_event(), CloseConnection)

    async def next_event(self) -> Event:
        """Return the next event of the websocket."""
        while not self.events:
            data = await self.reader.read(65536)
            if self.http2 is None:
                self.frames.receive_data(data or None)
            else:
                self._receive_http2(self.http2, data)
                await self._flush()
            self.events += self.frames.events()
        return self.events.pop(0)

    def _receive_http2(self, http2: h2.connection.H2Connection, data: bytes) -> None:
        for event in http2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                http2.acknowledge_received_data(event.flow_controlled_length, 1)
                self.frames.receive_data(event.data)
                self.events += self.frames.events()
            elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                self.frames.receive_data(None)

    async def _write(self, data: bytes) -> None:
        if self.http2 is None:
            self.writer.write(data)
            await self.writer.drain()
        else:
            self.http2.send_data(1, data)
            await self._flush()

    async def _flush(self) -> None:
        assert self.http2 is not None
        self.writer.write(self.http2.data_to_send())
        await self.writer.drain()


@contextlib.asynccontextmanager
async def open_websocket(
    port: int, path: str, version: Version, headers: dict[str, str] | None = None
) -> AsyncIterator[Websocket]:
    """Open a websocket to *path* on *port* of this machine.

    Raises:
        RefusedError: The server has refused it.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    opening = _open_http1 if version == "1.1" else _open_http2
    try:
        yield await opening(reader, writer, path, headers or {}, f"127.0.0.1:{port}")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _open_http1(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    headers: dict[str, str],
    host: str,
) -> Websocket:
    frames = WSConnection(ConnectionType.CLIENT)
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    writer.write(frames.send(Request(host=host, target=path, extra_headers=extra)))
    websocket = Websocket(frames, reader, writer)
    event = await websocket.next_event()
    if isinstance(event, RejectConnection):
        raise RefusedError(event.status_code)
    assert isinstance(event, AcceptConnection)
    return websocket


async def _open_http2(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    headers: dict[str, str],
    host: str,
) -> Websocket:
    http2 = h2.connection.H2Connection()
    http2.initiate_connection()
    websocket = Websocket(Connection(ConnectionType.CLIENT), reader, writer, http2)
    writer.write(http2.data_to_send())
    enabled = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
    status = b""
    while not status:
        for event in http2.receive_data(await reader.read(65536)):
            if isinstance(event, h2.events.RemoteSettingsChanged):
                assert event.changed_settings[enabled].new_value == 1
                http2.send_headers(
                    1,
                    [
                        (":method", "CONNECT"),
                        (":protocol", "websocket"),
                        (":scheme", "http"),
                        (":authority", host),
                        (":path", path),
                        ("sec-websocket-version", "13"),
                        *headers.items(),
                    ],
                )
            elif isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers)[b":status"]
            elif isinstance(event, h2.events.DataReceived) and event.data:
                websocket.frames.receive_data(event.data)
        writer.write(http2.data_to_send())
        await writer.drain()
    if status != b"200":
        raise RefusedError(int(status))
    return websocket
