"""Files in a folder of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePath
from secrets import token_hex
from stat import S_ISREG
from typing import IO

from werkzeug.security import safe_join

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.threads import run_sync
from quartpatterns.fileuploads.directories import FILE_DESCRIPTORS, Directory
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

# Errors of file systems that don't support files without a name, or hard links.
UNSUPPORTED = {errno.EISDIR, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Folder:
    """A storage in a folder of this machine. Threads read and write the files.

    Files are written and deleted below *root* only: a folder in it that is a symbolic link is
    refused, while *root* itself may be one. Reading follows links, as Flask and web servers do.

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

    def relative(self, path: str) -> str:
        """Return *path*, which begins with ``root``, without it; ``root`` itself is empty."""
        relative = PurePath(path).relative_to(self.root).as_posix()
        return "" if relative == "." else relative

    async def check(self, name: str) -> None:
        """Check that the file *name* may be written, without writing it.

        Raises:
            ValueError: The path is outside of the folder or hidden, or a folder in it is a link.
        """
        await run_sync(self._check)(name)

    def _check(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.directory(name)[0].close()

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
        await run_sync(self._delete)(name)

    def _delete(self, name: str) -> None:
        try:
            directory, basename = self.directory(name)
        except FileNotFoundError:
            return
        with directory:
            directory.unlink(basename)

    def directory(self, name: str, *, create: bool = False) -> tuple[Directory, str]:
        """Open the directory of the file *name*; also return the last part of the name.

        Raises:
            ValueError: The path is outside of the folder or hidden, or a folder in it is a link.
        """
        self.path(name)
        folder, _, basename = name.rpartition("/")
        folders = folder.split("/") if folder else []
        return Directory.open(self.root, folders, create=create), basename


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
        self._directory: Directory | None = None
        self._temporary: str | None = None
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
            self._directory, _ = self._folder.directory(self.name, create=True)
            self._file = _open_unnamed(self._directory)
            if self._file is None:
                self._temporary = _temporary_name()
                self._file = self._directory.create(self._temporary)
        return self._file

    def _flush(self) -> None:
        file = self._open()
        file.flush()
        if self._folder.fsync:
            os.fsync(file.fileno())

    def _link(self, name: str) -> None:
        """Give the file its name, unless another file has it."""
        file = self._open()
        target, basename = self._folder.directory(name, create=True)
        with target:
            if self._temporary is None:
                target.link_unnamed(file, basename)
            else:
                self._rename_exclusively(self._temporary, target, basename)
            self._sync(target)

    def _replace(self) -> None:
        """Give the file its name, in place of another file."""
        file = self._open()
        assert self._directory is not None
        if self._temporary is None:
            temporary = _temporary_name()
            self._directory.link_unnamed(file, temporary)
            self._temporary = temporary
        self._directory.replace(self._temporary, self._directory, self.name.rpartition("/")[2])
        self._sync(self._directory)

    def _rename_exclusively(self, temporary: str, target: Directory, basename: str) -> None:
        """Rename the temporary file; raise :exc:`FileExistsError` if the name is in use."""
        assert self._directory is not None
        try:
            self._directory.link(temporary, target, basename)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            # The file system has no hard links: reserve the name with an empty file first.
            target.create(basename).close()
            self._directory.replace(temporary, target, basename)

    def _sync(self, directory: Directory) -> None:
        """Wait until the disk has stored the name of the file, too."""
        if self._folder.fsync:
            directory.sync()

    def _close(self) -> None:
        self._closed = True
        if self._file is not None:
            with contextlib.suppress(OSError):  # of bytes that are still in the buffer
                self._file.close()
        if self._directory is not None:
            if self._temporary is not None:
                self._directory.unlink(self._temporary)
            self._directory.close()


@contextlib.contextmanager
def _disk_errors() -> Generator[None]:
    """Raise :exc:`StorageFullError` if the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFullError from error
        raise


def _temporary_name() -> str:
    return f".{token_hex(16)}.part"


def _open_unnamed(directory: Directory) -> IO[bytes] | None:
    """Open a new file without a name in *directory*; return ``None`` if that is not supported."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir(FILE_DESCRIPTORS):
        return None
    try:
        return directory.create_unnamed()
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return None
        raise
