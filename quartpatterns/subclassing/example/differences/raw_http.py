"""HTTP over a socket, for what a test client does not show."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

__all__ = ["RawResponse", "connect", "exchange", "read_response"]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as it was received.

    Arguments:
        status: The status code; 0 if the connection ended before it.
        headers: The headers by lower-case name.
        body: The body, or the part that was received.
        complete: Whether the body ended as its framing says.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool


@contextlib.asynccontextmanager
async def connect(port: int) -> AsyncIterator[Streams]:
    """Connect to *port* on 127.0.0.1."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(port: int, request: bytes, *, method: str = "GET") -> RawResponse:
    """Send the bytes of a request and return the response."""
    async with connect(port) as (reader, writer):
        writer.write(request)
        await writer.drain()
        return await read_response(reader, method=method)


async def read_response(reader: asyncio.StreamReader, *, method: str = "GET") -> RawResponse:
    """Read one response.

    Raises:
        TimeoutError: It took more than 15 seconds.
    """
    async with asyncio.timeout(15):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return RawResponse(0, {}, b"", False)
        lines = head.decode("latin1").split("\r\n")
        status = int(lines[0].split()[1])
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = bytearray()
        if method == "HEAD" or status in {204, 304}:
            return RawResponse(status, headers, b"", True)
        try:
            await _read_body(reader, headers, body)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            body += getattr(error, "partial", b"")
            return RawResponse(status, headers, bytes(body), False)
        return RawResponse(status, headers, bytes(body), True)


async def _read_body(
    reader: asyncio.StreamReader, headers: dict[str, str], body: bytearray
) -> None:
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    elif "content-length" in headers:
        body += await reader.readexactly(int(headers["content-length"]))
    else:
        body += await reader.read()
