"""The body of a request: read when it is wanted, never more than is allowed (23, 24, 26)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from quart.wrappers.request import Body
from werkzeug.exceptions import RequestEntityTooLarge

__all__ = ["FaithfulBody"]


class FaithfulBody(Body):
    """A body that makes the client wait while nobody reads it.

    Quart receives everything as fast as the client sends it and compares its limit with what is
    buffered at the moment, so that a slow reader fills the memory and a fast one is never
    limited. Here a reader fetches from the server what it is about to read, the buffer holds
    :attr:`high_water` bytes beyond that at most, and the limit counts all bytes received.

    Arguments:
        expected_content_length: What the client declares, in bytes; ``None`` if it does not.
        max_content_length: The most that may be read, in bytes; ``None`` for no limit.
    """

    high_water = 64 * 1024

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        # Quart's __init__ is left out: it makes two events for each request, needed or not.
        self.expected = expected_content_length
        self.limit = max_content_length
        self.received = 0
        self.complete = False
        self.discarding = False
        self.source: Callable[[], Awaitable[None]] | None = None
        self._buffer = bytearray()
        self._collecting = 0
        self._waiters: list[asyncio.Future[None]] = []

    def __aiter__(self) -> FaithfulBody:
        return self

    async def __anext__(self) -> bytes:
        self.check()
        while not self._buffer:
            if self.complete:
                raise StopAsyncIteration
            await self._more()
            self.check()
        data = bytes(self._buffer[: self.high_water])
        del self._buffer[: self.high_water]
        self._wake()
        return data

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._collect().__await__()

    async def _collect(self) -> bytes:
        """All of it, kept for whoever asks again."""
        self.check()
        self._collecting += 1
        self._wake()
        try:
            while not self.complete:
                await self._more()
                self.check()
        finally:
            self._collecting -= 1
        return bytes(self._buffer)

    def check_declared(self) -> None:
        """Hold what the client declares against the limit.

        Raises:
            RequestEntityTooLarge: There will be more than is allowed.
        """
        if self.limit is not None and (self.expected or 0) > self.limit:
            raise RequestEntityTooLarge

    def check(self) -> None:
        """Hold what is declared and what has been received against the limit.

        Raises:
            RequestEntityTooLarge: There is more than is allowed.
        """
        self.check_declared()
        if self.limit is not None and self.received > self.limit:
            raise RequestEntityTooLarge

    @property
    def full(self) -> bool:
        """Whether the client should wait."""
        return len(self._buffer) >= self.high_water and not self._collecting

    def append(self, data: bytes) -> None:
        """Take *data* from the server."""
        self.received += len(data)
        if data and not self.discarding:
            self._buffer += data
        self._wake()

    def set_complete(self) -> None:
        """Know that there is no more."""
        self.complete = True
        self._wake()

    def clear(self) -> None:
        """Forget what has been received and not read."""
        self._buffer.clear()
        self._wake()

    def discard(self) -> None:
        """Drop what is here and what will come: nobody is going to read it."""
        self.discarding = True
        self.clear()

    async def changed(self) -> None:
        """Wait until something arrives or is read."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    async def _more(self) -> None:
        await (self.source() if self.source is not None else self.changed())

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
