"""Files in a folder of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from stat import S_ISREG
from typing import IO

from werkzeug.security import safe_join

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.threads import run_sync
from quartpatterns.fileuploads.errors import StorageFullError
from quartpatterns.fileuploads.filetypes import is_safe_path
from quartpatterns.fileuploads.storage import (
    READ_SIZE,
    FileWriter,
    ResolveConflict,
    StoredFile,
    reserve_name,
)

__all__ = ["Folder"]

FILE_DESCRIPTORS = "/proc/self/fd"
# Errors of file systems that don't support files without a name, or hard links.
UNSUPPORTED = {errno.EISDIR, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Folder:
    """A storage in a folder of this machine. Threads read and write the files.

    On Linux a file has no name before it is complete, so the kernel removes it if the process
    dies. On other systems its name begins with a dot. The file gets its final name in one step,
    which fails if the name is in use.

    Arguments:
        root: The folder. It is created with the first file.
        fsync: Whether to wait until the disk has stored the file. A power failure then loses no
            upload that was confirmed, but each upload takes longer.

    .. versionadded:: 0.1
    """

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        self.root = root
        self.fsync = fsync

    def path(self, name: str) -> Path:
        """Return the path of the file *name*.

        Raises:
            ValueError: The path is outside of the folder or hidden.
        """
        path = safe_join(str(self.root), name) if is_safe_path(name) else None
        if path is None:
            raise ValueError(f"{name!r} is not a valid name of a file in {self.root}")
        return Path(path)

    def open(self, name: str, resolve: ResolveConflict | None) -> _FolderWriter:
        return _FolderWriter(self, name, resolve)

    async def stat(self, name: str) -> StoredFile | None:
        try:
            found = await run_sync(os.stat)(self.path(name))
        except (OSError, ValueError):
            return None
        if not S_ISREG(found.st_mode):
            return None
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
        return StoredFile(found.st_size, modified, f"{found.st_mtime_ns:x}-{found.st_size:x}")

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        file = await run_sync(_open_at)(self.path(name), start)
        try:
            while start < stop:
                data: bytes = await run_sync(file.read)(min(READ_SIZE, stop - start))
                if not data:
                    return
                start += len(data)
                yield data
        finally:
            # In a thread: after a cancellation another thread may still be reading.
            await run_sync(file.close)()

    async def delete(self, name: str) -> None:
        await run_sync(self.path(name).unlink)(missing_ok=True)


def _open_at(path: Path, position: int) -> IO[bytes]:
    file = path.open("rb")
    file.seek(position)
    return file


class _FolderWriter(FileWriter):
    """Writes a file, which gets its name when it is complete.

    Everything happens in threads, which go on after a cancellation. The lock makes the next thread
    wait for them.
    """

    def __init__(self, folder: Folder, name: str, resolve: ResolveConflict | None) -> None:
        super().__init__(name, resolve)
        self._folder = folder
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._temporary: Path | None = None
        self._closed = False

    async def write(self, block: bytes) -> None:
        await self._in_thread(self._write, block)

    async def finish(self) -> str:
        await self._in_thread(self._flush)
        if self.resolve is None:
            await self._in_thread(self._replace)
        else:
            link = partial(self._in_thread, self._link)
            self.name = await reserve_name(self.name, self.resolve, link)
        await self._in_thread(self._close)
        return self.name

    async def discard(self) -> None:
        await finish(lambda: self._in_thread(self._close))

    async def _in_thread(self, function: Callable[..., None], *args: object) -> None:
        def locked() -> None:
            with self._lock, _disk_errors():
                function(*args)

        await run_sync(locked)()

    # The following methods run in threads.

    def _write(self, block: bytes) -> None:
        if self._closed:
            return  # The file was discarded before this thread got the lock.
        self._open().write(block)
        self.size += len(block)
        self.digest.update(block)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            folder = self._folder.path(self.name).parent
            folder.mkdir(parents=True, exist_ok=True)
            self._file = _open_unnamed(folder)
            if self._file is None:
                self._temporary = _temporary_path(folder)
                self._file = self._temporary.open("xb")
        return self._file

    def _flush(self) -> None:
        file = self._open()
        file.flush()
        if self._folder.fsync:
            os.fsync(file.fileno())

    def _link(self, name: str) -> None:
        """Give the file its name, unless another file has it."""
        target = self._folder.path(name)
        if self._temporary is None:
            _link_unnamed(self._open(), target)
        else:
            _rename_exclusively(self._temporary, target)
        self._sync_folder(target.parent)

    def _replace(self) -> None:
        """Give the file its name, in place of another file."""
        target = self._folder.path(self.name)
        if self._temporary is None:
            temporary = _temporary_path(target.parent)
            _link_unnamed(self._open(), temporary)
            self._temporary = temporary
        os.replace(self._temporary, target)
        self._sync_folder(target.parent)

    def _sync_folder(self, folder: Path) -> None:
        """Wait until the disk has stored the name of the file, too."""
        if self._folder.fsync:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _close(self) -> None:
        self._closed = True
        if self._file is not None:
            with contextlib.suppress(OSError):  # of bytes that are still in the buffer
                self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk_errors() -> Generator[None]:
    """Raise :exc:`StorageFullError` if the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFullError from error
        raise


def _temporary_path(folder: Path) -> Path:
    return folder / f".{token_hex(16)}.part"


def _open_unnamed(folder: Path) -> IO[bytes] | None:
    """Open a new file without a name in *folder*; return ``None`` if that is not supported."""
    flag = getattr(os, "O_TMPFILE", 0)
    if not flag or not os.path.isdir(FILE_DESCRIPTORS):
        return None
    try:
        return os.fdopen(os.open(folder, flag | os.O_WRONLY, 0o666), "wb")
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return None
        raise


def _link_unnamed(file: IO[bytes], target: Path) -> None:
    """Give a file without a name its first name, unless it is in use, as open(2) describes."""
    # Any src_dir_fd makes Python call linkat, which can follow the symbolic link.
    source = f"{FILE_DESCRIPTORS}/{file.fileno()}"
    os.link(source, target, src_dir_fd=file.fileno(), follow_symlinks=True)


def _rename_exclusively(source: Path, target: Path) -> None:
    """Rename *source*; raise :exc:`FileExistsError` if *target* exists."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        # The file system has no hard links: reserve the name with an empty file first.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(source, target)
