"""Join small chunks into larger ones, without keeping anybody waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from contextvars import copy_context
from time import monotonic

from quart.utils import run_sync

from quartpatterns.streaming.steps import threaded

__all__ = ["coalesce"]

Chunks = AsyncIterable[str | bytes] | Iterable[str | bytes]


def coalesce(
    chunks: Chunks, *, size: int = 16_384, delay: float = 0.05
) -> AsyncGenerator[bytes, None]:
    """Join small *chunks* until they fill *size*, or until the first has waited for *delay*.

    Each chunk of a response costs a trip through the server and some bytes on the wire. Rows of
    a table are small: joined, they are sent many times faster, and the first still comes at
    once. A synchronous iterable is read in a thread, many items at a time:

    .. code-block:: python

        @app.get("/large.csv")
        async def large_csv():
            def generate():
                for row in iter_all_rows():
                    yield f"{','.join(row)}\\n"

            return stream_with_context(coalesce(generate())), {"Content-Type": "text/csv"}

    It reads ahead of a slow client, but by no more than *size* and one chunk. What the iterable
    raises is raised when all that it gave before has been taken. Closing the generator closes
    the iterable.

    Arguments:
        chunks: A synchronous or asynchronous iterable of str or bytes; str is sent as UTF-8.
        size: In bytes. A chunk that is longer by itself is passed on by itself, uncut.
        delay: In seconds: how long a chunk may be held back for others to join it.

    Raises:
        ValueError: *size* is less than 1, or *delay* less than 0.
    """
    if size < 1:
        raise ValueError(f"size is a number of bytes, 1 or more, not {size}")
    if not delay >= 0:
        raise ValueError(f"delay is a number of seconds, 0 or more, not {delay}")
    return _coalesced(chunks, size, delay)


async def _coalesced(chunks: Chunks, size: int, delay: float) -> AsyncGenerator[bytes, None]:
    basin = _Basin(size)
    reader = asyncio.create_task(basin.fill(chunks))
    try:
        while await basin.due(delay):
            yield basin.take()
    finally:
        finished = reader.done()
        basin.closed = True
        reader.cancel()
        await asyncio.wait([reader])
        if finished or not reader.cancelled():
            reader.result()  # raises what the iterable raised


class _Basin:
    """Where one reader, a task or a thread, puts chunks, and one writer takes them.

    It needs no lock, as one side alone writes each attribute, but for ``idle``: the writer sets
    it and then looks for chunks once more; the reader adds a chunk and then looks at it. So one
    of them sees the other.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.held: deque[tuple[float, bytes]] = deque()  # when it came, what came
        self.received = 0
        self.taken = 0
        self.idle = False  # the writer waits, without a time limit
        self.ended = False
        self.closed = False
        self.news = asyncio.Event()
        self.room = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    @property
    def full(self) -> bool:
        return self.received - self.taken >= self.size

    async def fill(self, chunks: Chunks) -> None:
        """Read all of *chunks*, with a pause whenever this is full."""
        try:
            if isinstance(chunks, AsyncIterable):
                await self._fill_here(chunks)
            else:
                await self._fill_in_threads(chunks)
        finally:
            self.ended = True
            self.news.set()

    async def _fill_here(self, chunks: AsyncIterable[str | bytes]) -> None:
        async with AsyncExitStack() as stack:
            iterator = aiter(chunks)
            if close := getattr(iterator, "aclose", None):
                stack.push_async_callback(close)
            async for chunk in iterator:
                self._put(chunk)
                if self.full:
                    await self._drained()

    async def _fill_in_threads(self, chunks: Iterable[str | bytes]) -> None:
        async with threaded(chunks, copy_context(), run_sync) as call:
            while await call(self._fill_once):
                await self._drained()

    def _fill_once(self, iterator: Iterator[str | bytes]) -> bool:
        """Read until this is full; returns whether there is more to read."""
        for chunk in iterator:
            self._put(chunk)
            if self.full or self.closed:
                return True
        return False

    def _put(self, chunk: str | bytes) -> None:
        data = chunk.encode() if isinstance(chunk, str) else chunk
        if not data:
            return
        self.held.append((monotonic(), data))
        self.received += len(data)
        if self.idle or self.full:
            self.idle = False
            self.loop.call_soon_threadsafe(self.news.set)

    async def _drained(self) -> None:
        while self.full:
            self.room.clear()
            await self.room.wait()

    async def due(self, delay: float) -> bool:
        """Wait until there is something to take; false when there never will be."""
        while not (self.full or self.ended):
            self.news.clear()
            self.idle = not self.held
            if self.idle and not self.held:
                await self.news.wait()
            elif self.held and (left := self.held[0][0] + delay - monotonic()) > 0:
                await self._news_within(left)
            elif self.held:
                break
        return bool(self.held)

    async def _news_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()

    def take(self) -> bytes:
        """The chunks that came first, as many as fit together, but at least one."""
        parts = [self.held.popleft()[1]]
        length = len(parts[0])
        while self.held and length + len(self.held[0][1]) <= self.size:
            parts.append(self.held.popleft()[1])
            length += len(parts[-1])
        self.taken += length
        self.room.set()
        return b"".join(parts)
