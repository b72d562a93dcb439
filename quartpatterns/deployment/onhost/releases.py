"""The releases on a host: which were served, which is to be served again, which can go."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

__all__ = ["activate", "choose", "describe", "previous", "prune"]


def current(folder: Path) -> str | None:
    """The release that ``current`` names."""
    link = folder / "current"
    return link.readlink().name if link.is_symlink() else None


def activate(folder: Path, release: str) -> None:
    """Remember that *release* is well where its clients ask for it."""
    path = folder / "releases" / release
    (path / "withdrawn").unlink(missing_ok=True)
    (path / "activated").touch()
    (folder / "run" / "rollback").unlink(missing_ok=True)


def served(folder: Path) -> list[str]:
    """The releases that were served and not withdrawn, the last one first."""
    marks = [
        mark
        for mark in (folder / "releases").glob("*/activated")
        if not (mark.parent / "withdrawn").exists()
    ]
    return [mark.parent.name for mark in sorted(marks, key=_when, reverse=True)]


def previous(folder: Path, release: str) -> str:
    """The release that was served before *release*.

    Raises:
        ValueError: There is none.
    """
    known = served(folder)
    before = known[known.index(release) + 1 :] if release in known else known
    if not before:
        raise ValueError(f"there is no release to go back to: {release or 'none'} is the first")
    return before[0]


def choose(folder: Path, release: str) -> str:
    """The release that a rollback goes back to: *release*, or the one before the current one.

    It is written down until the next deployment, so that a rollback that is called again, whether
    it was broken off or has ended unheard, goes to the same one.

    Raises:
        ValueError: There is none.
    """
    begun = folder / "run" / "rollback"
    if not release and begun.exists():
        return begun.read_text()
    now = current(folder) or ""
    target = release or previous(folder, now)
    if not (folder / "releases" / target / "installed").exists():
        known = sorted(path.parent.name for path in (folder / "releases").glob("*/installed"))
        raise ValueError(f"there is no release {target}; there is {', '.join(known) or 'none'}")
    begun.write_text(target)
    if now and now != target:
        (folder / "releases" / now / "withdrawn").touch()
    (folder / "releases" / target / "withdrawn").unlink(missing_ok=True)
    return target


def prune(folder: Path, keep: int) -> list[str]:
    """Remove what is neither current nor among the last *keep* releases; returns their names."""
    now = current(folder)
    paths = sorted((folder / "releases").iterdir(), key=_age, reverse=True)
    kept = [path for path in paths if path.name != now][: keep - 1]
    gone = [path for path in paths if path.name != now and path not in kept]
    for path in gone:
        shutil.rmtree(path)
    for path in (folder / "incoming").iterdir():
        path.unlink()
    return [path.name for path in gone]


def describe(folder: Path) -> dict[str, object]:
    """What ``status`` tells of the releases and the lock."""
    paths = sorted((folder / "releases").iterdir(), key=_age, reverse=True)
    return {
        "current": current(folder),
        "releases": [path.name for path in paths],
        "locked": _owner(folder / "run" / "lock"),
    }


def _owner(lock: Path) -> str | None:
    if not lock.exists():
        return None
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read()
    return None


def _when(path: Path) -> int:
    return path.stat().st_mtime_ns


def _age(path: Path) -> int:
    """When a release was last served; one that nobody goes back to is older than any other."""
    mark = path / "activated"
    return _when(mark) if mark.exists() and not (path / "withdrawn").exists() else 0
