"""What a storage of files must provide, and how a file is written to it."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from quartpatterns.fileuploads.errors import UploadNotAllowed

ResolveConflict = Callable[[str], Awaitable[str]]
"""Takes a name that is in use and returns another one to try."""

MAX_ATTEMPTS = 50  # names that are tried for a file
WRITE_SIZE = 512 * 1024  # bytes that are written at once, in one call of a thread
READ_SIZE = 256 * 1024  # bytes that are read at once


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a storage: its size in bytes, its time, and a string that changes with it."""

    size: int
    modified: datetime
    etag: str


class FileWriter(ABC):
    """Writes a file, which is not visible before it is complete.

    Arguments:
        name: The name of the file.
        resolve: Returns another name if the name is in use. ``None`` replaces the other file.
    """

    def __init__(self, name: str, resolve: ResolveConflict | None) -> None:
        self.name = name
        self.resolve = resolve
        self.size = 0
        self.digest = hashlib.sha256()

    @abstractmethod
    async def write(self, block: bytes) -> None:
        """Append *block*, and count it in ``size`` and ``digest``."""

    @abstractmethod
    async def finish(self) -> str:
        """Make the complete file visible, and return its name."""

    @abstractmethod
    async def discard(self) -> None:
        """Release all resources, and remove the file unless it is finished."""


class Storage(Protocol):
    """Stores files. Names are relative paths with ``/`` between folders."""

    def open(self, name: str, resolve: ResolveConflict | None) -> FileWriter:
        """Return a writer for a new file."""
        ...

    async def stat(self, name: str) -> StoredFile | None:
        """Return what is known of a file, or ``None`` if it does not exist."""
        ...

    def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Iterate over the bytes of a file from *start* up to but not including *stop*."""
        ...

    async def delete(self, name: str) -> None:
        """Delete a file if it exists."""
        ...


async def reserve_name(
    name: str, resolve: ResolveConflict, reserve: Callable[[str], Awaitable[None]]
) -> str:
    """Reserve *name*, or a name that *resolve* returns, and return the reserved name.

    *reserve* raises :exc:`FileExistsError` if a name is in use. The check and the reservation must
    be one step, because two uploads may want one name.

    Raises:
        UploadNotAllowed: All names that *resolve* returned are in use.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            await reserve(name)
        except FileExistsError:
            name = await resolve(name)
        else:
            return name
    raise UploadNotAllowed(f"A file named {name!r} already exists.")


async def write_chunks(chunks: AsyncIterator[bytes], writer: FileWriter) -> None:
    """Write *chunks* in larger blocks; receive the next block while one is written.

    At most two blocks are in memory: the client waits while the disk is slower. When this function
    ends, also by an error or a cancellation, no write is running.
    """
    writing: asyncio.Task[None] | None = None
    try:
        async for block in _blocks(chunks):
            if writing is not None:
                await writing
            writing = asyncio.create_task(writer.write(block))
        if writing is not None:
            await writing
    except BaseException:
        if writing is not None:
            writing.cancel()
            await asyncio.wait([writing])
            # asyncio logs an exception that nobody has retrieved.
            _ = writing.cancelled() or writing.exception()
        raise


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    block: list[bytes] = []
    size = 0
    async for chunk in chunks:
        block.append(chunk)
        size += len(chunk)
        if size >= WRITE_SIZE:
            yield b"".join(block)
            block.clear()
            size = 0
    if block:
        yield b"".join(block)
