"""Open directories, in which files are created without following symbolic links.

A name in an open directory can't lead elsewhere, even if somebody replaces a folder of its path by
a symbolic link in the meantime. Windows has no such calls: there each folder is checked before it
is used, which leaves a short time between check and use.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

from quartpatterns.fileuploads.errors import InvalidNameError

__all__ = ["FILE_DESCRIPTORS", "Directory"]

FILE_DESCRIPTORS = "/proc/self/fd"
HAS_DESCRIPTORS = hasattr(os, "O_NOFOLLOW") and {os.open, os.mkdir, os.unlink, os.link} <= (
    os.supports_dir_fd
)
# O_PATH needs no permission to list the directory.
DIRECTORY_FLAGS = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", os.O_RDONLY)
NEW_FILE_FLAGS = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
# Systems report a link, or a file, in place of a directory with one of these.
NO_DIRECTORY = {errno.ELOOP, errno.ENOTDIR}


class Directory:
    """An open directory. Its methods take the names of files in it.

    Arguments:
        path: Its path, which is used if the system has no descriptors of directories.
        descriptor: Its descriptor, or ``None``.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, root: Path, folders: Sequence[str], *, create: bool) -> Directory:
        """Open the directory *folders* below *root*.

        Arguments:
            root: The folder at the top, which may be a symbolic link.
            folders: The names of the folders below it.
            create: Whether to create what is missing.

        Raises:
            InvalidNameError: One of *folders* is a symbolic link or a file.
        """
        if create:
            root.mkdir(parents=True, exist_ok=True)
        directory = cls(root, os.open(root, DIRECTORY_FLAGS) if HAS_DESCRIPTORS else None)
        for name in folders:
            with directory:
                directory = directory._enter(name, create)
        return directory

    def _enter(self, name: str, create: bool) -> Directory:
        path = self._path / name
        if create:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._name(name), **self._in("dir_fd"))
        if self._descriptor is None:
            if path.exists() and not _is_directory(path):
                raise _no_folder(name)
            return Directory(path, None)
        try:
            flags = DIRECTORY_FLAGS | os.O_NOFOLLOW
            return Directory(path, os.open(name, flags, dir_fd=self._descriptor))
        except OSError as error:
            if error.errno in NO_DIRECTORY:
                raise _no_folder(name) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def create(self, name: str) -> IO[bytes]:
        """Create a file and open it for writing; raise :exc:`FileExistsError` if it exists."""
        opened = os.open(self._name(name), NEW_FILE_FLAGS, 0o666, **self._in("dir_fd"))
        return os.fdopen(opened, "wb")

    def create_unnamed(self) -> IO[bytes]:
        """Open a new file without a name for writing. Only Linux has such files."""
        flags = os.O_TMPFILE | os.O_WRONLY
        return os.fdopen(os.open(self._name("."), flags, 0o666, **self._in("dir_fd")), "wb")

    def link_unnamed(self, file: IO[bytes], name: str) -> None:
        """Give a file without a name its first name, as open(2) describes.

        Raises:
            FileExistsError: The name is in use.
        """
        # Any src_dir_fd makes Python call linkat, which can follow the symbolic link.
        source = f"{FILE_DESCRIPTORS}/{file.fileno()}"
        os.link(
            source,
            self._name(name),
            src_dir_fd=file.fileno(),
            follow_symlinks=True,
            **self._in("dst_dir_fd"),
        )

    def link(self, name: str, target: Directory, new: str) -> None:
        """Give a file another name in *target*; raise :exc:`FileExistsError` if it is in use."""
        descriptors = self._in("src_dir_fd") | target._in("dst_dir_fd")
        os.link(self._name(name), target._name(new), **descriptors)

    def replace(self, name: str, target: Directory, new: str) -> None:
        """Move a file to *target*, in place of another one."""
        descriptors = self._in("src_dir_fd") | target._in("dst_dir_fd")
        os.replace(self._name(name), target._name(new), **descriptors)

    def unlink(self, name: str) -> None:
        """Remove a file if it exists."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name(name), **self._in("dir_fd"))

    def sync(self) -> None:
        """Wait until the disk has stored the names of the files."""
        if self._descriptor is None:
            return
        opened = os.open(".", os.O_RDONLY, dir_fd=self._descriptor)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    def _name(self, name: str) -> str:
        return name if self._descriptor is not None else str(self._path / name)

    def _in(self, argument: str) -> dict[str, Any]:
        return {} if self._descriptor is None else {argument: self._descriptor}


def _is_directory(path: Path) -> bool:
    # A junction of Windows has another target, too.
    return path.is_dir() and os.path.realpath(path) == str(
        Path(os.path.realpath(path.parent), path.name)
    )


def _no_folder(name: str) -> InvalidNameError:
    return InvalidNameError(
        f"The folder {name!r} is a symbolic link or a file. Files are saved in real folders of the"
        " upload set only: use another folder, or an upload set with the target as destination."
    )
