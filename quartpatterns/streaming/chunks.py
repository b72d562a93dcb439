"""Joining small chunks into larger ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from contextvars import copy_context
from functools import partial
from threading import Lock
from time import monotonic

from quartpatterns._shared.threads import ThreadIterator, step_runner

__all__ = ["coalesce"]

# Seconds in which one call reads in a thread, if no step takes longer.
HOLD = 0.02

Chunks = AsyncIterable[str | bytes] | Iterable[str | bytes]


def coalesce(
    chunks: Chunks, *, size: int = 16_384, delay: float = 0.05, read_ahead: int | None = None
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

    At most *read_ahead* and one chunk are read ahead of a slow client. An exception of the iterable
    is raised after the chunks that came before it. Closing the generator closes the iterable.

    .. versionadded:: 0.1

    Arguments:
        chunks: A synchronous or asynchronous iterable of str or bytes; str is encoded as UTF-8.
        size: The most bytes in a joined chunk. A chunk that is longer is passed on unchanged.
        delay: The seconds that a chunk can be held back for others to join it.
        read_ahead: The most bytes that are read before the client takes them; by default *size*.
            The iterable, and what it holds, is closed as soon as its rest fits.

    Raises:
        ValueError: *size* is less than 1, *delay* less than 0, or *read_ahead* less than *size*.
    """
    if size < 1:
        raise ValueError(f"size must be a number of bytes, 1 or more, not {size}")
    if not delay >= 0:
        raise ValueError(f"delay must be a number of seconds, 0 or more, not {delay}")
    if read_ahead is not None and read_ahead < size:
        raise ValueError(f"read_ahead must be a number of bytes, {size} or more, not {read_ahead}")
    return _coalesce(chunks, size, delay, size if read_ahead is None else read_ahead)


async def _coalesce(
    chunks: Chunks, size: int, delay: float, read_ahead: int
) -> AsyncGenerator[bytes, None]:
    buffer = _Buffer(size, read_ahead)
    reader = asyncio.create_task(buffer.fill(chunks))
    try:
        while await buffer.wait_for_data(delay):
            yield buffer.take()
    finally:
        if not (finished := reader.done()):
            buffer.close()
            reader.cancel()
            await asyncio.wait([reader])
        if finished or not reader.cancelled():
            reader.result()  # raises the exception of the iterable


class _Buffer:
    """A buffer between one reader of the source, a task or a thread, and one consumer.

    The reader collects chunks in ``pending``, and joins them as soon as no more fit together. The
    consumer takes what is joined; if it has waited for long enough, it takes what is pending.

    Most steps need no lock. The consumer sets ``attention`` and then looks for chunks once more;
    the reader adds a chunk and then looks at ``attention``. So at least one notices the other.
    """

    def __init__(self, size: int, read_ahead: int) -> None:
        self.size = size
        self.read_ahead = read_ahead
        self.pending: deque[bytes] = deque()
        self.length = 0  # The reader's: of the pending chunks, also of those that were taken.
        self.joined: deque[bytes] = deque()
        self.received = 0  # The bytes that were joined, and those of them that were taken.
        self.taken = 0
        self.joining = Lock()  # Only one side takes pending chunks.
        self.since = monotonic()  # The consumer's: no pending chunk has come earlier.
        self.attention = False  # The reader has to look: the consumer waits, or one of these:
        self.held = False  # The thread of the reader was held for long enough.
        self.closed = False
        self.ended = False
        self.changed = asyncio.Event()
        self.emptied = asyncio.Event()
        self.notify: Callable[[], object] = self.changed.set

    @property
    def full(self) -> bool:
        """Whether there is no room for more joined chunks; the pending ones have their own."""
        return self.received - self.taken > self.read_ahead - self.size

    async def fill(self, chunks: Chunks) -> None:
        """Read all of *chunks*, and pause whenever the buffer is full."""
        try:
            if isinstance(chunks, AsyncIterable):
                await self._fill_on_loop(chunks)
            else:
                loop = asyncio.get_running_loop()
                self.notify = partial(loop.call_soon_threadsafe, self.changed.set)
                iterator = ThreadIterator(chunks, step_runner(), copy_context())
                async with aclosing(iterator):
                    while await self._read_in_thread(iterator):
                        await self._wait_for_room()
        finally:
            self.ended = True
            self.changed.set()

    async def _fill_on_loop(self, chunks: AsyncIterable[str | bytes]) -> None:
        iterator = aiter(chunks)
        try:
            async for chunk in iterator:
                if self._add((chunk,)):
                    await self._wait_for_room()
        finally:
            if close := getattr(iterator, "aclose", None):
                await close()

    async def _read_in_thread(self, iterator: ThreadIterator[str | bytes]) -> bool:
        """Read until the buffer is full, and return whether there is more to read.

        The thread is also given back when :data:`HOLD` is over, so that a slow source holds it
        for one step, and not for the whole stream.
        """
        self.held = False
        timer = asyncio.get_running_loop().call_later(HOLD, self._release_thread)
        try:
            more: bool = await iterator.call(self._add)
            return more
        finally:
            timer.cancel()

    def _release_thread(self) -> None:
        self.held = self.attention = True

    def _add(self, chunks: Iterable[str | bytes]) -> bool:
        """Read *chunks* until there is a reason to pause, and return whether there is one."""
        # A chunk is often the row of a table: more calls here would cost as much as the row.
        size, length, append = self.size, self.length, self.pending.append
        for chunk in chunks:
            data = chunk.encode() if isinstance(chunk, str) else chunk
            if not (count := len(data)):
                continue
            joined = False
            if (length := length + count) > size:
                joined = self._join()
                length = count
            append(data)
            if length >= size:
                joined = self._join()
                length = 0
            if self.attention:
                self.attention = False
                self.notify()
            elif not joined:
                continue
            if self.full or self.held or self.closed:
                self.length = length
                return True
        self.length = length
        return False

    def _join(self) -> bool:
        with self.joining:
            if not (data := b"".join(self.pending)):
                return False
            self.received += len(data)
            self.joined.append(data)
            # Cleared last: the consumer, who looks without the lock, finds the data in one of both.
            self.pending.clear()
        self.notify()
        return True

    async def _wait_for_room(self) -> None:
        while self.full:
            self.emptied.clear()
            await self.emptied.wait()

    async def wait_for_data(self, delay: float) -> bool:
        """Wait until chunks have to be taken; return False if there are no more."""
        while not (self.joined or self.ended):
            self.changed.clear()
            if (seconds := self.since + delay - monotonic()) > 0:
                # Without asking for attention: to wake up costs more than to read many chunks.
                timer = asyncio.get_running_loop().call_later(seconds, self.changed.set)
                await self.changed.wait()
                timer.cancel()
            elif self.pending:
                break
            else:
                self.attention = True
                if not self.pending:
                    await self.changed.wait()
                    self.since = monotonic()
        return bool(self.pending or self.joined)

    def take(self) -> bytes:
        """Remove and return the oldest chunks that were joined, or else all that are pending."""
        self.since = monotonic()
        with self.joining:
            if self.joined:
                data = self.joined.popleft()
                self.taken += len(data)
                self.emptied.set()
                return data
            return b"".join([self.pending.popleft() for _ in range(len(self.pending))])

    def close(self) -> None:
        self.closed = self.attention = True
