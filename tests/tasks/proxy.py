"""A connection to Redis that breaks off at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def breaking_proxy(url: str, word: bytes, *, forward: bool) -> AsyncIterator[str]:
    """A way to Redis that breaks off at the first *word*, before or after Redis has it."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    broken = False

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal broken
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", port)
        answers = asyncio.create_task(copy(redis_reader, writer))
        while data := await reader.read(65536):
            breaks = word in data and not broken
            broken = broken or breaks
            if breaks:
                answers.cancel()
            if forward or not breaks:
                redis_writer.write(data)
            if breaks:
                await asyncio.sleep(0.1)
                break
        answers.cancel()
        for closing in (writer, redis_writer):
            closing.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
