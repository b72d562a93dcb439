"""The releases on a host: what they run, their environment, and which one is next or last."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .environment import parse_environment
from .storage import written_databases

PROGRAM = Path(sys.argv[0]).absolute()
ATTEMPTED = "attempted"
"""The name of a file in a release from the first import of its application until it is served."""


class Release:
    """A release in *folder*, and what it runs according to its ``services.json``."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.path = folder / "releases" / name
        services = json.loads((self.path / "services.json").read_text())
        self.app: str = services["app"]
        self.bind: list[str] = services["bind"]
        self.processes: int = services["processes"]
        self.workers: dict[str, str] = services["workers"]
        self.health: dict[str, Any] = services["health"]
        self.graceful: float = services["graceful"]
        self.files: list[str] = services.get("files", [])
        self._config = self.path / "app" / "hypercorn.toml"

    def server_command(self, private: Path, fds: Sequence[int]) -> list[str]:
        """Return the command of a server on the sockets *fds* and the Unix socket *private*."""
        command = [str(self.path / "venv/bin/python"), str(PROGRAM), "hypercorn"]
        if self._config.is_file():
            command += ["--config", str(self._config)]
        for fd in fds:
            command += ["--fd", str(fd)]
        return [*command, "--private", str(private), "--graceful", str(self.graceful), self.app]

    def uses_tls(self) -> bool:
        """Return whether the configuration of Hypercorn contains a certificate."""
        if not self._config.is_file():
            return False
        return {"certfile", "keyfile"} <= tomllib.loads(self._config.read_text()).keys()


def process_environment(folder: Path, release: Path) -> dict[str, str]:
    """Return the environment variables for processes of the release in the folder *release*.

    Raises:
        ValueError: The file with the environment is invalid, or other users may read it.
    """
    venv = release / "venv"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("LISTEN_")},
        **_variables(release / "services.json"),
        **_read_environment(folder / "shared" / "env"),
        "PATH": f"{venv / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(venv),
        "PYTHONUNBUFFERED": "1",
    }


def _variables(services: Path) -> dict[str, str]:
    """Return the variables of the settings. A release of an older version has none."""
    try:
        variables: dict[str, str] = json.loads(services.read_text()).get("variables", {})
    except FileNotFoundError:
        return {}
    return variables


def _read_environment(file: Path) -> Mapping[str, str]:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ValueError(f"other users can read {file}. Run chmod 600 {file}")
        return parse_environment(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def release_signature(folder: Path, release: Release) -> str:
    """Return a hash of everything that a process reads only when it starts.

    The data of the application, which is below ``shared``, too, is no part of it.
    """
    digest = hashlib.sha256(release.name.encode())
    uploaded = (folder / "shared" / name for name in ["env", *sorted(release.files)])
    for file in [release.path / "services.json", *filter(Path.is_file, uploaded)]:
        digest.update(f"\0{file}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _current(folder: Path) -> str | None:
    link = folder / "current"
    return link.readlink().name if link.is_symlink() else None


def activate(folder: Path, release: str) -> None:
    """Record that *release* is healthy at its public address."""
    path = folder / "releases" / release
    newest = max(map(_served_at, (folder / "releases").iterdir()), default=0)
    (path / "withdrawn").unlink(missing_ok=True)
    marker = path / "activated"
    marker.touch()
    if marker.stat().st_mtime_ns < newest:
        # The clock of the host was set back, which must not change the order of the releases.
        os.utime(marker, ns=(newest + 1, newest + 1))
    (path / ATTEMPTED).unlink(missing_ok=True)
    (folder / "run" / "rollback").unlink(missing_ok=True)


def previous_release(folder: Path, release: str) -> str:
    """Return the release that was served before *release*.

    Raises:
        ValueError: There is no such release.
    """
    paths = _newest_first(folder)
    served = [path.name for path in paths if _served_at(path)]
    before = served[served.index(release) + 1 :] if release in served else served
    if not before:
        raise ValueError(f"there is no release before {release or 'the first deployment'}")
    return before[0]


def rollback_target(folder: Path, release: str) -> str:
    """Return the release to roll back to, and mark the current one as withdrawn.

    The target is *release*, or the release before the current one if *release* is empty. It is
    recorded until the next deployment, so that a rollback that is repeated has the same target.

    Raises:
        ValueError: There is no such release.
    """
    record = folder / "run" / "rollback"
    if not release and record.exists():
        return record.read_text()
    current = _current(folder) or ""
    target = release or previous_release(folder, current)
    if not (folder / "releases" / target / "installed").exists():
        installed = sorted(path.parent.name for path in folder.glob("releases/*/installed"))
        known = ", ".join(installed) or "none"
        raise ValueError(f"the release {target} does not exist. The releases are {known}")
    record.write_text(target)
    if current:
        (folder / "releases" / current / "withdrawn").touch()
    (folder / "releases" / target / "withdrawn").unlink(missing_ok=True)
    return target


def prune(folder: Path, keep: int) -> list[str]:
    """Remove all but the current and the last *keep* releases, and return what was removed.

    A release into which the application has written a database stays.
    """
    current = _current(folder)
    others = [path for path in _newest_first(folder) if path.name != current]
    removed = [path for path in others[keep - 1 :] if not written_databases(path)]
    for path in removed:
        shutil.rmtree(path)
    for path in (folder / "incoming").iterdir():
        path.unlink()
    return [path.name for path in removed]


def describe(folder: Path) -> dict[str, object]:
    """Return what ``status`` reports about the releases and the lock."""
    return {
        "current": _current(folder),
        "releases": [path.name for path in _newest_first(folder)],
        "locked": _lock_owner(folder / "run" / "lock"),
    }


def _lock_owner(lock: Path) -> str | None:
    import fcntl  # Windows does not have it, and machines that deploy import this module, too

    if not lock.exists():
        return None
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read()
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted((folder / "releases").iterdir(), key=_served_at, reverse=True)


def _served_at(path: Path) -> int:
    """Return when a release was last served; 0 if it was never served, or was withdrawn."""
    marker = path / "activated"
    if not marker.exists() or (path / "withdrawn").exists():
        return 0
    return marker.stat().st_mtime_ns
