"""Joining small chunks into larger ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from contextlib import aclosing, suppress
from contextvars import copy_context
from time import monotonic

from quartpatterns._shared.threads import ThreadIterator, step_runner

__all__ = ["coalesce"]

# Seconds in which one call reads in a thread, if no step takes longer.
HOLD = 0.02

Chunks = AsyncIterable[str | bytes] | Iterable[str | bytes]


def coalesce(
    chunks: Chunks, *, size: int = 16_384, delay: float = 0.05
) -> AsyncGenerator[bytes, None]:
    """Join small *chunks* until they fill *size*, or until the first has waited for *delay*.

    Each chunk of a response costs work in the server and some bytes on the wire. Rows of a table
    are small: joined, they are sent many times faster, and the first is still sent at once. A
    synchronous iterable is read in a thread, many items at a time, and a slow one holds the thread
    for one item at a time:

    .. code-block:: python

        @app.get("/large.csv")
        async def large_csv():
            def generate():
                for row in iter_all_rows():
                    yield f"{','.join(row)}\\n"

            return stream_with_context(coalesce(generate())), {"Content-Type": "text/csv"}

    At most *size* and one chunk are read ahead of a slow client. An exception of the iterable is
    raised after the chunks that came before it. Closing the generator closes the iterable.

    .. versionadded:: 0.1

    Arguments:
        chunks: A synchronous or asynchronous iterable of str or bytes; str is encoded as UTF-8.
        size: The most bytes in a joined chunk. A chunk that is longer is passed on unchanged.
        delay: The seconds that a chunk can be held back for others to join it.

    Raises:
        ValueError: *size* is less than 1, or *delay* is less than 0.
    """
    if size < 1:
        raise ValueError(f"size must be a number of bytes, 1 or more, not {size}")
    if not delay >= 0:
        raise ValueError(f"delay must be a number of seconds, 0 or more, not {delay}")
    return _coalesce(chunks, size, delay)


async def _coalesce(chunks: Chunks, size: int, delay: float) -> AsyncGenerator[bytes, None]:
    buffer = _Buffer(size)
    reader = asyncio.create_task(buffer.fill(chunks))
    try:
        while await buffer.wait_for_data(delay):
            yield buffer.take()
    finally:
        finished = reader.done()
        buffer.closed = True
        reader.cancel()
        await asyncio.wait([reader])
        if finished or not reader.cancelled():
            reader.result()  # raises the exception of the iterable


class _Buffer:
    """A buffer between one reader of the source, a task or a thread, and one consumer.

    It needs no lock. Each attribute is written by one side only, except ``waiting``: the consumer
    sets it and then looks for chunks once more, and the reader adds a chunk and then looks at
    it. So at least one of them notices the other.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.chunks: deque[tuple[float, bytes]] = deque()  # with the time of arrival
        self.received = 0
        self.taken = 0
        self.waiting = False  # The consumer waits for the first chunk.
        self.ended = False
        self.closed = False
        self.changed = asyncio.Event()
        self.emptied = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    @property
    def full(self) -> bool:
        return self.received - self.taken >= self.size

    async def fill(self, chunks: Chunks) -> None:
        """Read all of *chunks*, and pause whenever the buffer is full."""
        try:
            if isinstance(chunks, AsyncIterable):
                await self._fill_on_loop(chunks)
            else:
                iterator = ThreadIterator(chunks, step_runner(), copy_context())
                async with aclosing(iterator):
                    while await iterator.call(self._fill_in_thread):
                        await self._wait_for_room()
        finally:
            self.ended = True
            self.changed.set()

    async def _fill_on_loop(self, chunks: AsyncIterable[str | bytes]) -> None:
        iterator = aiter(chunks)
        try:
            async for chunk in iterator:
                self._put(chunk)
                if self.full:
                    await self._wait_for_room()
        finally:
            if close := getattr(iterator, "aclose", None):
                await close()

    def _fill_in_thread(self, iterator: Iterator[str | bytes]) -> bool:
        """Read until the buffer is full, and return whether there is more to read.

        The thread is also given back when :data:`HOLD` is over, so that a slow source holds it
        for one step, and not for the whole stream.
        """
        until = monotonic() + HOLD
        for chunk in iterator:
            if self._put(chunk) > until or self.full or self.closed:
                return True
        return False

    def _put(self, chunk: str | bytes) -> float:
        """Add a chunk, and return the time."""
        data = chunk.encode() if isinstance(chunk, str) else chunk
        now = monotonic()
        if data:
            self.chunks.append((now, data))
            self.received += len(data)
            if self.waiting or self.full:
                self.waiting = False
                self.loop.call_soon_threadsafe(self.changed.set)
        return now

    async def _wait_for_room(self) -> None:
        while self.full:
            self.emptied.clear()
            await self.emptied.wait()

    async def wait_for_data(self, delay: float) -> bool:
        """Wait until chunks have to be taken; return False if there are no more."""
        while not (self.full or self.ended):
            self.changed.clear()
            self.waiting = not self.chunks
            if self.waiting and not self.chunks:
                await self.changed.wait()
            elif self.chunks:
                seconds = self.chunks[0][0] + delay - monotonic()
                if seconds <= 0:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self.changed.wait()
        return bool(self.chunks)

    def take(self) -> bytes:
        """Remove the oldest chunks, as many as fit together but at least one, and join them."""
        parts = [self.chunks.popleft()[1]]
        length = len(parts[0])
        while self.chunks and length + len(self.chunks[0][1]) <= self.size:
            parts.append(self.chunks.popleft()[1])
            length += len(parts[-1])
        self.taken += length
        self.emptied.set()
        return b"".join(parts)
