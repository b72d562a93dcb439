"""What a place for files can do, whether it is a folder or a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from quartpatterns.fileuploads.errors import UploadNotAllowed

__all__ = [
    "KEY",
    "Resolve",
    "Sink",
    "Storage",
    "Stored",
    "UploadConfiguration",
    "claim",
    "transfer",
]

KEY = "quartpatterns.fileuploads"

Resolve = Callable[[str], Awaitable[str]]
"""Given a name that is taken, gives another one to try."""

TRIES = 50  # names that are tried for a file
BLOCK = 512 * 1024  # bytes that are written at once, in one visit to a thread


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is there.

    Arguments:
        size: In bytes.
        modified: When it was put there.
        etag: What tells this content from another, without quotes.
    """

    size: int
    modified: datetime
    etag: str


class Sink(Protocol):
    """A file on its way: nobody sees it before it is finished."""

    async def write(self, block: bytes) -> None:
        """Take the next bytes.

        Raises:
            StorageFullError: There is no room for them.
        """
        ...

    async def finish(self) -> str:
        """Make the file visible, whole, and return the name that it got."""
        ...

    async def discard(self) -> None:
        """Leave nothing behind; also after a failure."""
        ...

    @property
    def size(self) -> int:
        """The bytes that were written."""
        ...

    @property
    def sha256(self) -> str:
        """Their SHA-256 in hexadecimal."""
        ...


class Storage(Protocol):
    """A place for files. Names are relative, with ``/`` between folders."""

    def open(self, name: str, resolve: Resolve | None) -> Sink:
        """A file to be written.

        Arguments:
            name: What it is to be called.
            resolve: Asked for another name where that one is taken; ``None`` overwrites.
        """
        ...

    async def stat(self, name: str) -> Stored | None:
        """The file of that name, or ``None``."""
        ...

    def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes of a file from *start* to before *stop*."""
        ...

    async def delete(self, name: str) -> None:
        """Remove a file; it may be gone already."""
        ...


@dataclass(frozen=True, slots=True)
class UploadConfiguration:
    """What an application says of a set.

    Arguments:
        storage: Where the files are.
        base_url: What :meth:`UploadSet.url` begins with; ``None`` for the application's own.
        allow: Extensions that are allowed beside those of the set.
        deny: Extensions of the set that are not allowed.
    """

    storage: Storage
    base_url: str | None = None
    allow: Container[str] = ()
    deny: Container[str] = ()


async def claim(name: str, resolve: Resolve, take: Callable[[str], Awaitable[None]]) -> str:
    """*Take* a name that is free, *name* or what *resolve* gives in its place, and return it.

    Whether a name is free is known only when it has been taken: two uploads may ask together.

    Raises:
        UploadNotAllowed: *resolve* gives no name that is free.
    """
    for _ in range(TRIES):
        try:
            await take(name)
        except FileExistsError:
            name = await resolve(name)
        else:
            return name
    raise UploadNotAllowed(f"There is a file called {name!r} already.")


async def transfer(chunks: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]]) -> None:
    """Write *chunks*, joined to blocks, each while the next is received.

    Two blocks are in memory, so that who sends waits for who writes. A write that is under way
    has ended when this function has, however it ends.
    """
    pending: asyncio.Task[None] | None = None
    try:
        async for block in _joined(chunks):
            if pending is not None:
                await pending
            pending = asyncio.ensure_future(_task(write, block))
        if pending is not None:
            await pending
    except BaseException:
        if pending is not None:
            pending.cancel()
            await asyncio.wait([pending])
            # Asked for, lest asyncio complain that nobody did.
            _ = pending.cancelled() or pending.exception()
        raise


async def _task(write: Callable[[bytes], Awaitable[None]], block: bytes) -> None:
    await write(block)


async def _joined(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= BLOCK:
            yield b"".join(parts)
            parts.clear()
            size = 0
    if parts:
        yield b"".join(parts)
