"""The body of a request, which is received only as fast as it is read."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from quart.wrappers.request import Body
from werkzeug.exceptions import RequestEntityTooLarge

__all__ = ["FaithfulBody"]


class FaithfulBody(Body):
    """A request body that is received only as fast as it is read.

    Quart receives as fast as the client sends, so a slow view fills the memory. Quart also compares
    its limit with the bytes in its buffer, so a fast view can read more than the limit. Here a
    reader asks the server for data when it needs some, the buffer holds about :attr:`high_water`
    bytes in advance, and the limit counts all bytes received.

    .. versionadded:: 0.1

    Arguments:
        expected_content_length: The declared length in bytes, or ``None``.
        max_content_length: The limit in bytes, or ``None``.
    """

    high_water = 64 * 1024

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        # Quart's __init__ is not called, because it creates two asyncio.Event for each request.
        self.declared = expected_content_length
        self.limit = max_content_length
        self.received = 0
        self.complete = False
        self.discarding = False
        # Receives one message from the server. If it is None, other code calls append().
        self.receive: Callable[[], Awaitable[None]] | None = None
        self._buffer = bytearray()
        self._full_readers = 0
        self._waiters: list[asyncio.Future[None]] = []

    def __aiter__(self) -> FaithfulBody:
        return self

    async def __anext__(self) -> bytes:
        self.check_limit()
        while not self._buffer:
            if self.complete:
                raise StopAsyncIteration
            await self._receive_more()
        data = bytes(self._buffer[: self.high_water])
        del self._buffer[: self.high_water]
        self.notify()
        return data

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._read_all().__await__()

    async def _read_all(self) -> bytes:
        """Return the whole body, which stays in the buffer for later calls."""
        self.check_limit()
        self._full_readers += 1
        self.notify()
        try:
            while not self.complete:
                await self._receive_more()
        finally:
            self._full_readers -= 1
        return bytes(self._buffer)

    async def _receive_more(self) -> None:
        await (self.receive() if self.receive is not None else self.wait_for_change())
        self.check_limit()

    def check_declared_length(self) -> None:
        """Compare the declared length with the limit.

        Raises:
            RequestEntityTooLarge: The declared length is over the limit.
        """
        if self.limit is not None and (self.declared or 0) > self.limit:
            raise RequestEntityTooLarge

    def check_limit(self) -> None:
        """Compare the declared length and the bytes received with the limit.

        Raises:
            RequestEntityTooLarge: One of them is over the limit.
        """
        self.check_declared_length()
        if self.limit is not None and self.received > self.limit:
            raise RequestEntityTooLarge

    @property
    def full(self) -> bool:
        """Whether no more should be received until something is read."""
        return len(self._buffer) >= self.high_water and not self._full_readers

    def append(self, data: bytes) -> None:
        """Add data from the server."""
        self.received += len(data)
        if not self.discarding:
            self._buffer += data
        self.notify()

    def set_complete(self) -> None:
        """Mark the end of the body."""
        self.complete = True
        self.notify()

    def clear(self) -> None:
        """Drop the data that has been received and not read."""
        self._buffer.clear()
        self.notify()

    def discard(self) -> None:
        """Drop all data, now and later, because it will not be read."""
        self.discarding = True
        self.clear()

    def keep(self) -> None:
        """Keep all data, now and later, whatever its size. It can be read after the request."""
        self._full_readers += 1
        self.notify()

    async def wait_for_change(self) -> None:
        """Wait until data is received, read or dropped."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    def notify(self) -> None:
        """Wake the tasks that wait for a change."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
