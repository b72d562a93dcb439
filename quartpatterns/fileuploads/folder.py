"""Files in a folder of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from stat import S_ISREG
from typing import IO

from quart.utils import run_sync
from werkzeug.security import safe_join

from quartpatterns.fileuploads.errors import StorageFullError
from quartpatterns.fileuploads.links import give_name, nameless_file, rename
from quartpatterns.fileuploads.names import is_plain
from quartpatterns.fileuploads.storage import Resolve, Stored, claim

__all__ = ["Folder"]


BLOCK = 256 * 1024  # bytes that are read at once
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Folder:
    """A folder for files, written beside the event loop.

    A file that is not finished has no name on Linux, so that the kernel removes it when its
    process dies; elsewhere its name begins with a dot. It gets its name in one step, which fails
    where the name is taken.

    Arguments:
        root: The folder; it is made when a file is.
        fsync: Wait until the disk has a file before it is called finished: a power failure
            then takes no upload that was confirmed, and each takes longer.
    """

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        self.root = root
        self.fsync = fsync

    def path(self, name: str) -> Path:
        """Where the file called *name* is.

        Raises:
            ValueError: That would be outside of the folder.
        """
        found = safe_join(str(self.root), name) if is_plain(name) else None
        if found is None:
            raise ValueError(f"{name!r} is no name of a file in {self.root}")
        return Path(found)

    def open(self, name: str, resolve: Resolve | None) -> _FolderSink:
        return _FolderSink(self, name, resolve)

    async def stat(self, name: str) -> Stored | None:
        try:
            path = self.path(name)
            found = await run_sync(os.stat)(path)
        except (OSError, ValueError):
            return None
        if not S_ISREG(found.st_mode):
            return None
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
        return Stored(found.st_size, modified, f"{found.st_mtime_ns:x}-{found.st_size:x}")

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        file = await run_sync(_open_at)(self.path(name), start)
        try:
            while start < stop and (data := await _read(file, min(BLOCK, stop - start))):
                start += len(data)
                yield data
        finally:
            # In a thread, as another one that was left alone may still be reading.
            await run_sync(file.close)()

    async def delete(self, name: str) -> None:
        await run_sync(self.path(name).unlink)(missing_ok=True)


def _open_at(path: Path, start: int) -> IO[bytes]:
    file = path.open("rb")
    file.seek(start)
    return file


async def _read(file: IO[bytes], size: int) -> bytes:
    data: bytes = await run_sync(file.read)(size)
    return data


class _FolderSink:
    """A file that gets its name when it is whole.

    Everything is done in threads, which a cancellation leaves alone: the lock keeps the next one
    waiting until the last has ended.
    """

    def __init__(self, folder: Folder, name: str, resolve: Resolve | None) -> None:
        self._folder = folder
        self._name = name
        self._resolve = resolve
        self.size = 0
        self._digest = hashlib.sha256()
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._hidden: Path | None = None
        self._over = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def write(self, block: bytes) -> None:
        await self._in_thread(self._write, block)

    async def finish(self) -> str:
        await self._in_thread(self._complete)
        if self._resolve is None:
            await self._in_thread(self._replace)
        else:
            self._name = await claim(self._name, self._resolve, self._take)
        await self._in_thread(self._close)
        return self._name

    async def discard(self) -> None:
        # A second cancellation may not be what leaves a file behind.
        await asyncio.shield(asyncio.ensure_future(self._in_thread(self._close)))

    async def _take(self, name: str) -> None:
        await self._in_thread(self._link, name)

    async def _in_thread(self, function: Callable[..., None], *args: object) -> None:
        def locked() -> None:
            with self._lock, _room():
                function(*args)

        await run_sync(locked)()

    # In threads

    def _write(self, block: bytes) -> None:
        if self._over:
            return  # It was discarded while this was on its way.
        self._open().write(block)
        self.size += len(block)
        self._digest.update(block)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            folder = self._folder.path(self._name).parent
            folder.mkdir(parents=True, exist_ok=True)
            self._file = nameless_file(folder)
            if self._file is None:
                self._hidden = folder / f".{token_hex(16)}.part"
                self._file = self._hidden.open("xb")
        return self._file

    def _complete(self) -> None:
        file = self._open()
        file.flush()
        if self._folder.fsync:
            os.fsync(file.fileno())

    def _link(self, name: str) -> None:
        target = self._folder.path(name)
        if self._hidden is None:
            give_name(self._open(), target)
        else:
            rename(self._hidden, target)
        self._settle(target.parent)

    def _replace(self) -> None:
        target = self._folder.path(self._name)
        if self._hidden is None:
            hidden = target.with_name(f".{token_hex(16)}.part")
            give_name(self._open(), hidden)
            self._hidden = hidden
        os.replace(self._hidden, target)
        self._settle(target.parent)

    def _settle(self, folder: Path) -> None:
        """Have the disk keep the name, too."""
        if self._folder.fsync:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _close(self) -> None:
        self._over = True
        if self._file is not None:
            with contextlib.suppress(OSError):  # what was not written before is not wanted
                self._file.close()
        if self._hidden is not None:
            self._hidden.unlink(missing_ok=True)


@contextlib.contextmanager
def _room() -> Generator[None]:
    """Say it in the client's words when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFullError from error
        raise
