"""The data folder of ``quartpatterns serve``, which one command uses at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import click

from quartpatterns.cli.errors import UsageProblem

__all__ = ["check_unused", "create_data_folder", "locked"]

NAME = "serve.lock"
ENDING = 30.0
"""Seconds in which the programs of a command that was killed must have ended."""


def create_data_folder(folder: Path) -> Path:
    """Create *folder* if it is missing, and return its absolute path.

    Raises:
        UsageProblem: It cannot be created, or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"--data {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageProblem(f"--data {folder}: the folder is not writable")
    return folder.resolve()


def check_unused(folder: Path) -> None:
    """Check that no other command uses *folder*, without creating anything.

    Raises:
        UsageProblem: Another command uses it.
    """
    if (folder / NAME).exists():
        with locked(folder, ""):
            pass


@contextlib.contextmanager
def locked(folder: Path, address: str) -> Iterator[int]:
    """Lock *folder*, and yield the file descriptor of the lock.

    The lock ends with the last process that has the descriptor. The watchdogs have it, so that it
    lasts until all programs have ended, even if this process is killed.

    Arguments:
        folder: The data folder.
        address: Where this command serves, for the message to another one.

    Raises:
        UsageProblem: Another command uses it, or the file system has no locks.
    """
    try:
        fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UsageProblem(f"--data {folder}: {NAME}: {error.strerror}") from error
    try:
        _lock(fd, folder)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {address}".encode(), 0)
        try:
            yield fd
        finally:
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def _lock(fd: int, folder: Path) -> None:
    deadline = time.monotonic() + ENDING
    waiting = False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, address = os.pread(fd, 1000, 0).decode(errors="replace").partition(" ")
            # Another command may be about to write its id.
            if time.monotonic() > deadline or _runs(pid):
                at = f" at {address}" if address else ""
                raise UsageProblem(
                    f"{folder} is in use by another quartpatterns serve (process {pid or '?'}{at}):"
                    " stop it, or choose another folder with --data FOLDER"
                ) from None
        except OSError as error:
            raise UsageProblem(
                f"--data {folder}: the file system has no locks ({error.strerror}): choose a folder"
                " on a local disk"
            ) from error
        else:
            return
        if pid and not waiting:
            click.echo(f"Waiting for the programs of process {pid}, which was killed, to end.")
            waiting = True
        time.sleep(0.05)


def _runs(pid: str) -> bool:
    """Return whether the process *pid* runs."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:  # of another user
        return True
    return True
