"""How a file in a folder gets its name: in one step, and never that of another file."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

__all__ = ["give_name", "nameless_file", "rename"]

DESCRIPTORS = "/proc/self/fd"
# What a file system says that has no files without a name, or no second names for files.
UNABLE = {errno.EISDIR, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


def nameless_file(folder: Path) -> IO[bytes] | None:
    """A new file in *folder* that has no name yet; ``None`` where there can be none."""
    flag = getattr(os, "O_TMPFILE", 0)
    if not flag or not os.path.isdir(DESCRIPTORS):
        return None
    try:
        return os.fdopen(os.open(folder, flag | os.O_WRONLY, 0o666), "wb")
    except OSError as error:
        if error.errno in UNABLE:
            return None
        raise


def give_name(file: IO[bytes], target: Path) -> None:
    """Give a nameless file its first name; open(2) has this way to do it.

    Raises:
        FileExistsError: The name is taken.
    """
    # A src_dir_fd, whichever, makes Python use linkat, which can follow the symbolic link.
    os.link(
        f"{DESCRIPTORS}/{file.fileno()}", target, src_dir_fd=file.fileno(), follow_symlinks=True
    )


def rename(hidden: Path, target: Path) -> None:
    """Rename *hidden*, but never over another file.

    Raises:
        FileExistsError: The name is taken.
    """
    try:
        os.link(hidden, target)
    except OSError as error:
        if error.errno not in UNABLE:
            raise
        # A file system without links: the name is taken first, and is empty for a moment.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(hidden, target)
