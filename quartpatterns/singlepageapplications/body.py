"""A file, or a part of it, as the body of an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import BinaryIO

from quart.utils import run_sync
from quart.wrappers.response import ResponseBody

__all__ = ["FileBody"]


class FileBody(ResponseBody):
    """The bytes of the file at *path* from *start* to before *stop*.

    It is opened when the body is sent, and read and closed in threads. A small file takes one
    visit to a thread.
    """

    BLOCK = 128 * 1024

    def __init__(self, path: str, start: int, stop: int) -> None:
        self._path = path
        self._start = start
        self._left = stop - start
        self._file: BinaryIO | None = None

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return self._blocks(await run_sync(self._open)())

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._file and not self._file.closed:
            # In a thread, as another one that was left alone may still be reading.
            await run_sync(self._file.close)()

    async def _blocks(self, block: bytes) -> AsyncIterator[bytes]:
        while block:
            yield block
            block = await run_sync(self._read)() if self._left else b""

    def _open(self) -> bytes:
        self._file = open(self._path, "rb")
        self._file.seek(self._start)
        return self._read()

    def _read(self) -> bytes:
        assert self._file
        block = self._file.read(min(self.BLOCK, self._left))
        self._left -= len(block)
        if not self._left:
            self._file.close()
        return block
