"""Write the changes of a plan, so that there is a way back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from quartpatterns.porting.report import FileChange, Plan

__all__ = ["BACKUP", "WriteError", "refuse_uncommitted", "write"]

BACKUP = "before-port.zip"
OWN_BACKUP = re.compile(r"before-port(-\d+)?\.zip$")
GIT_TIMEOUT = 60.0  # seconds


class WriteError(Exception):
    """The changes cannot be written. Nothing has been changed."""


def write(plan: Plan, *, force: bool = False) -> Path | None:
    """Write the changes.

    In a git repository without uncommitted changes, git is the way back, unless it ignores a file
    that changes. Otherwise these files are kept in a ZIP file in the project's folder.

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
    if not force:
        _refuse_uncommitted(plan.folder, state)
    for change in plan.changes:
        path = plan.folder / change.file
        try:
            current = path.read_bytes() if path.exists() else None
        except OSError as error:
            raise WriteError(f"{path}: {error.strerror}") from error
        if current != change.before:
            raise WriteError(f"{path} has changed since it was read: run the command again")
        for needed in (path, path.parent):
            if needed.exists() and not os.access(needed, os.W_OK):
                raise WriteError(f"{needed} is not writable")
    backup = None
    if state is None or state or not _has_all(plan):
        backup = _back_up(plan)
    _replace_all(plan)
    return backup


def refuse_uncommitted(folder: Path) -> None:
    """Check that git has all files of the project as they are.

    Raises:
        WriteError: There are uncommitted changes.
    """
    _refuse_uncommitted(folder, _git_state(folder))


def _refuse_uncommitted(folder: Path, state: str | None) -> None:
    if state:
        raise WriteError(f"{folder} has uncommitted changes ({state}): commit them, or use --force")


def _git_state(folder: Path) -> str | None:
    """Return the first uncommitted change, "" if there is none, or None without git."""
    status = _git(folder, "status", "--porcelain", "--", ".")
    if status is None:
        return None
    lines = [line for line in status.splitlines() if not OWN_BACKUP.search(line)]
    return lines[0].strip() if lines else ""


def _has_all(plan: Plan) -> bool:
    """Return whether git has the files that change: it may ignore some."""
    known = set((_git(plan.folder, "ls-files", "-z") or "").split("\0"))
    return all(change.before is None or change.file in known for change in plan.changes)


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, or None without git or outside of a repository."""
    if shutil.which("git") is None:
        return None
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=GIT_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WriteError(f"git {arguments[0]} failed: {error}") from error
    return None if done.returncode else done.stdout


def _back_up(plan: Plan) -> Path:
    path = plan.folder / BACKUP
    number = 1
    while path.exists():
        number += 1
        path = plan.folder / BACKUP.replace(".zip", f"-{number}.zip")
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for change in plan.changes:
                if change.before is not None:
                    archive.writestr(change.file, change.before)
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror}") from error
    return path


def _replace_all(plan: Plan) -> None:
    """Write all files, or none."""
    done: list[FileChange] = []
    try:
        for change in plan.changes:
            _replace(plan.folder / change.file, change.after)
            done.append(change)
    except OSError as error:
        failed = plan.folder / plan.changes[len(done)].file
        for change in done:
            if change.before is None:
                (plan.folder / change.file).unlink()
            else:
                _replace(plan.folder / change.file, change.before)
        raise WriteError(f"{failed}: {error.strerror}") from error


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
