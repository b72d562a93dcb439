"""Write the changes of a plan, so that there is a way back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from quartpatterns.porting.report import Plan

__all__ = ["BACKUP", "WriteError", "write"]

BACKUP = "before-port.zip"
GIT_TIMEOUT = 60.0  # seconds


class WriteError(Exception):
    """The changes cannot be written. Nothing has been changed."""


def write(plan: Plan, *, force: bool = False) -> Path | None:
    """Write the changes.

    In a git repository without uncommitted changes, git is the way back. Otherwise the files that
    change are kept in a ZIP file in the project's folder.

    Arguments:
        plan: The plan.
        force: Write although there are uncommitted changes.

    Returns:
        The ZIP file with the files from before, if there is one.

    Raises:
        WriteError: There are uncommitted changes, a file has changed since the plan was made, or
            cannot be written.
    """
    state = _git_state(plan.folder)
    if state and not force:
        raise WriteError(
            f"{plan.folder} has uncommitted changes ({state}): commit them, or use --force"
        )
    for change in plan.changes:
        path = plan.folder / change.file
        current = path.read_bytes() if path.exists() else None
        if current != change.before:
            raise WriteError(f"{path} has changed since it was read: run the command again")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise WriteError(f"{path} is not writable")
    backup = None
    if state is None or state:
        backup = _back_up(plan)
    for change in plan.changes:
        _replace(plan.folder / change.file, change.after)
    return backup


def _git_state(folder: Path) -> str | None:
    """Return the first uncommitted change, "" if there is none, or None without git."""
    if shutil.which("git") is None:
        return None
    command = ["git", "-C", str(folder), "status", "--porcelain", "--", "."]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WriteError(f"git status failed: {error}") from error
    if done.returncode:
        return None
    lines = [line for line in done.stdout.splitlines() if not line.endswith(BACKUP)]
    return lines[0].strip() if lines else ""


def _back_up(plan: Plan) -> Path:
    path = plan.folder / BACKUP
    number = 1
    while path.exists():
        number += 1
        path = plan.folder / BACKUP.replace(".zip", f"-{number}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for change in plan.changes:
            if change.before is not None:
                archive.writestr(change.file, change.before)
    return path


def _replace(path: Path, content: bytes) -> None:
    """Replace a file at once, with the same permissions."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        if path.exists():
            shutil.copymode(path, name)
        else:
            os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
