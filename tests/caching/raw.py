"""Many requests at the same time, without the overhead of a client library."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["Answer", "get", "get_many"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    body: str
    worker: str | None
    seconds: float


async def get(port: int, path: str) -> Answer:
    """Send a GET on a new connection and return the response."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        status = int(lines[0].split()[1])
        return Answer(status, body.decode(), headers.get("x-worker"), loop.time() - started)
    finally:
        writer.transport.abort()


async def get_many(count: int, port: int, path: str) -> list[Answer]:
    """Send *count* GETs at the same time and return the responses."""
    return await asyncio.gather(*(get(port, path) for _ in range(count)))
