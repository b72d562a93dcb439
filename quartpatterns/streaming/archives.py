"""ZIP archives that are sent while their members are read.

stream-zip writes the archive. It is synchronous: it takes the members and their chunks from
iterators. Its asynchronous function runs it in threads that wait for the event loop, so that each
slow member would hold a thread. Here it runs in a greenlet, as SQLAlchemy runs its drivers: when
it asks for a chunk, the greenlet is left until the chunk has been awaited.
"""

# greenlet has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

from __future__ import annotations

import os
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from quart import Response

from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.threads import iterate_in_threads, run_sync, step_runner
from quartpatterns.streaming.chunks import coalesce
from quartpatterns.streaming.exports import READ_AHEAD, export_response

with requires_extra("zip", needed_by="zip_response"):
    from greenlet import (  # type: ignore[import-untyped]
        GreenletExit,
        getcurrent,
        greenlet,
    )
    from stream_zip import ZIP_32, ZIP_64, stream_zip

__all__ = ["ZipMember", "zip_response"]

READ_SIZE = 262_144
"""The bytes of a file that are read at once."""

IN_THREAD = 16_384
"""The bytes that are compressed in a thread; fewer take less time than the way to the thread."""

# What fits into the fields of an archive without extensions, with much room for what is around it.
_LARGEST, _MOST_MEMBERS = 3 * 1024**3, 60_000
# What fits into the fields of the modification time.
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
_LATEST = datetime(2038, 1, 19, tzinfo=UTC)

_END: Any = object()

Data = bytes | bytearray | memoryview | os.PathLike[str] | AsyncIterable[bytes] | Iterable[bytes]


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A file in an archive.

    Arguments:
        name: Its path in the archive, with ``/`` between folders.
        data: Its bytes; or an asynchronous or synchronous iterable of bytes, which is read when the
            archive has come to it; or the path of a file, as a :class:`pathlib.Path`.
        modified: When it was modified. A time without a time zone is local. By default it is the
            time of the file, or now. Times before 1980 and after 2037 become the nearest that a ZIP
            archive can have.
        mode: The permissions.
        compress: Whether to compress it. Photos, films and archives are compressed already.

    Raises:
        TypeError: *data* is text.
        ValueError: *name* is empty, absolute or too long, or leads out of the archive.

    .. versionadded:: 0.1
    """

    name: str
    data: Data
    modified: datetime | None = None
    mode: int = 0o644
    compress: bool = True

    def __post_init__(self) -> None:
        parts = self.name.split("/")
        if "" in parts or "." in parts or ".." in parts or not self.name.isprintable():
            raise ValueError(
                f"the name of a member is a relative path of a file such as 'folder/a.txt', not"
                f" {self.name!r}"
            )
        if "\\" in self.name or ":" in parts[0]:
            raise ValueError(f"the name of a member has no drive and no '\\': {self.name!r}")
        if len(self.name.encode(errors="replace")) > 65_535:
            raise ValueError("the name of a member has at most 65,535 bytes")
        if isinstance(self.data, str):
            raise TypeError("the data of a member is not text: encode it, or use Path() for a file")


def zip_response(
    members: AsyncIterable[ZipMember] | Iterable[ZipMember],
    *,
    filename: str | None = None,
    read_ahead: int = READ_AHEAD,
) -> Response:
    """Return a response that sends *members* as a ZIP archive while they are read.

    .. code-block:: python

        @app.get("/album.zip")
        async def album():
            photos = [ZipMember(path.name, path, compress=False) for path in find_photos()]
            return zip_response([*photos, ZipMember("list.csv", db.csv(select(Photo.name)))])

    One member is read after the other, and a few chunks of it are in memory. Compression and files
    are the work of threads. The context of the view is kept, and a client that stops reading stops
    the members, as with :func:`csv_response`. An error in the middle ends the response: the client
    sees that it is incomplete.

    .. versionadded:: 0.1

    Arguments:
        members: A synchronous or asynchronous iterable of the members.
        filename: The name under which the browser saves the archive.
        read_ahead: The most bytes that are read before the client takes them.

    Raises:
        ValueError: *read_ahead* is too small. While the archive is sent: two members have one name.
        RuntimeError: There is no current context.
    """
    chunks = _archive(members)
    return export_response(chunks, "application/zip", filename, read_ahead)


async def _archive(
    members: AsyncIterable[ZipMember] | Iterable[ZipMember],
) -> AsyncGenerator[bytes]:
    async with aclosing(_iterate(members)) as iterator:
        archive = _Archive(iterator)
        async with aclosing(_iterate_in_greenlet(archive.write)) as chunks:
            try:
                async for chunk in chunks:
                    archive.size += len(chunk)
                    yield chunk
            finally:
                await archive.close()


Await = Callable[[Awaitable[Any]], Any]


class _Archive:
    """What stream-zip reads, and how it compresses.

    Arguments:
        members: The members.
    """

    def __init__(self, members: AsyncGenerator[ZipMember]) -> None:
        self.size = 0
        self._members = members
        self._names: set[str] = set()
        self._level = -1
        self._chunks: AsyncGenerator[bytes] | None = None

    def write(self, wait: Await) -> Iterator[bytes]:
        """Write the archive, in a greenlet.

        Arguments:
            wait: Leaves the greenlet until something has been awaited, and returns the result.
        """
        return iter(
            stream_zip(
                self._read_members(wait),
                get_compressobj=lambda: cast("Any", _Compressor(self._level, wait)),
            )
        )

    async def close(self) -> None:
        if self._chunks is not None:
            await self._chunks.aclose()

    def _read_members(self, wait: Await) -> Iterator[Any]:
        while (member := wait(anext(self._members, _END))) is not _END:
            size, modified = wait(_measure(member))
            if member.name in self._names:
                raise ValueError(f"two members of the archive have the name {member.name!r}")
            self._names.add(member.name)
            self._level = -1 if member.compress else 0
            fits = size is not None and self.size + size < _LARGEST
            method = ZIP_32 if fits and len(self._names) < _MOST_MEMBERS else ZIP_64
            mode = 0o100000 | member.mode  # a regular file
            self._chunks = chunks = _read(member)
            # If it fails, nothing of the member has been written.
            first = wait(anext(chunks, _END))
            yield member.name, modified, mode, method, self._read_chunks(first, chunks, wait)

    def _read_chunks(
        self, chunk: Any, chunks: AsyncGenerator[bytes], wait: Await
    ) -> Iterator[bytes]:
        while chunk is not _END:
            yield chunk
            chunk = wait(anext(chunks, _END))
        wait(chunks.aclose())


class _Compressor:
    """A compressor of :mod:`zlib` that compresses large chunks in a thread."""

    def __init__(self, level: int, wait: Await) -> None:
        self._compressor = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
        self._wait = wait
        self.flush = self._compressor.flush

    def compress(self, data: bytes) -> bytes:
        if len(data) < IN_THREAD:
            return self._compressor.compress(data)
        return cast("bytes", self._wait(run_sync(self._compressor.compress)(data)))


async def _measure(member: ZipMember) -> tuple[int | None, datetime]:
    """Return the size of a member, if it is known, and the time of its modification."""
    size, modified = None, member.modified
    if isinstance(member.data, bytes | bytearray | memoryview):
        size = len(member.data)
    elif isinstance(member.data, os.PathLike):
        # A file that grows meanwhile is still read to its end.
        status: os.stat_result = await run_sync(os.stat)(member.data)
        size = None if status.st_size > _LARGEST else status.st_size
        modified = modified or datetime.fromtimestamp(status.st_mtime)
    modified = modified or datetime.now()
    if modified.tzinfo is None:
        modified = modified.astimezone()
    return size, min(max(modified, _EARLIEST), _LATEST)


def _read(member: ZipMember) -> AsyncGenerator[bytes]:
    data = member.data
    if isinstance(data, bytes | bytearray | memoryview):
        return _iterate([bytes(data)])
    if isinstance(data, os.PathLike):
        return iterate_in_threads(_read_file(data), run_sync)
    if isinstance(data, list | tuple):
        return _iterate(cast("Iterable[bytes]", data))
    # A step in a thread, a greenlet and the compressor cost much more than a short line does.
    return coalesce(data, size=READ_SIZE)


def _read_file(path: os.PathLike[str]) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(READ_SIZE):
            yield chunk


async def _iterate(items: AsyncIterable[Any] | Iterable[Any]) -> AsyncGenerator[Any]:
    """Yield *items*, and close them at the end. What may block is read in threads."""
    if isinstance(items, AsyncIterable):
        iterator = aiter(items)
        try:
            async for item in iterator:
                yield item
        finally:
            if close := getattr(iterator, "aclose", None):
                await close()
    elif isinstance(items, list | tuple):
        for item in cast("Iterable[Any]", items):
            yield item
    else:
        async with aclosing(iterate_in_threads(items, step_runner())) as iterator:
            async for item in iterator:
                yield item


async def _iterate_in_greenlet(
    generate: Callable[[Await], Iterator[bytes]],
) -> AsyncGenerator[bytes]:
    """Yield the items of a synchronous iterator that awaits.

    Arguments:
        generate: Returns the iterator. Its argument is a function that awaits.
    """

    def wait(awaitable: Awaitable[Any]) -> Any:
        return child.parent.switch(awaitable, False)

    def run() -> tuple[Any, bool]:
        for item in generate(wait):
            child.parent.switch(item, True)
        return _END, True

    child: Any = greenlet(run)
    resume: Callable[..., Any] = child.switch
    arguments: tuple[Any, ...] = ()
    try:
        while True:
            child.parent = getcurrent()
            result, is_item = resume(*arguments)
            resume, arguments = child.switch, (None,)
            if not is_item:
                try:
                    arguments = (await result,)
                except BaseException as error:  # such as a cancellation
                    resume, arguments = child.throw, (error,)
            elif result is _END:
                return
            else:
                yield result
    finally:
        if child:
            child.parent = getcurrent()
            child.throw(GreenletExit)
