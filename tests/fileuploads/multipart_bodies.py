"""Multipart forms as bytes, and an application that returns their parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from quart import Quart, request

from quartpatterns.fileuploads import stream_multipart

__all__ = ["BOUNDARY", "TYPE", "connected", "field", "file", "form", "post", "echo_app"]

BOUNDARY = "----boundary"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def field(name: str, content: bytes = b"") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content


def file(name: str, content: bytes = b"", kind: str = "text/plain", field: str = "file") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="{name}"'
    return f"{disposition}\r\nContent-Type: {kind}\r\n\r\n".encode() + content


def form(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    boundary = f"--{BOUNDARY}".encode()
    return b"".join(boundary + b"\r\n" + part + b"\r\n" for part in parts) + boundary + end


def echo_app(app_class: type[Quart], **limits: Any) -> Quart:
    """Create an application that returns the parts of a form as JSON."""
    app = app_class(__name__)

    @app.post("/")
    async def echo() -> Any:
        return [
            [part.name, part.filename, part.content_type, (await part.read()).decode("latin1")]
            async for part in stream_multipart(request, **limits)
        ]

    return app


async def post(client: Any, body: bytes, path: str = "/", kind: str = TYPE) -> Any:
    """Send *body* and return the response."""
    return await client.post(path, data=body, headers={"Content-Type": kind})


@contextlib.asynccontextmanager
async def connected(
    port: int, path: str = "/", *, length: int | None = None, lines: Iterable[str] = ()
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect and send the headers of a form, which is chunked if *length* is None."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    head = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {TYPE}", size, *lines]
    try:
        writer.write("\r\n".join([*head, "", ""]).encode())
        yield reader, writer
    finally:
        writer.transport.abort()
