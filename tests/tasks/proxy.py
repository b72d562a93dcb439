"""A proxy in front of Redis that breaks one connection at a chosen command."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def breaking_proxy(url: str, command: bytes, *, forward: bool) -> AsyncIterator[str]:
    """Break the connection at the first *command*, which Redis gets only if *forward* is true."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    broken = False

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal broken
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", port)
        answers = asyncio.create_task(copy(redis_reader, writer))
        try:
            while data := await reader.read(65536):
                breaks = command in data and not broken
                broken = broken or breaks
                if breaks:
                    answers.cancel()
                if forward or not breaks:
                    redis_writer.write(data)
                    await redis_writer.drain()
                if breaks:
                    break
        finally:
            answers.cancel()
            for closing in (writer, redis_writer):
                closing.close()
                with contextlib.suppress(OSError):
                    await closing.wait_closed()

    async def track(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        connections.append(task)
        await asyncio.wait({task})

    connections: list[asyncio.Task[None]] = []
    async with await asyncio.start_server(track, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
