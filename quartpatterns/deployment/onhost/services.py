"""What a release runs."""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .environment import process_environment

__all__ = ["PROGRAM", "Services", "signature"]

PROGRAM = Path(sys.argv[0]).absolute()


class Services:
    """What a release runs, as its ``services.json`` says."""

    def __init__(self, folder: Path, release: str) -> None:
        self.folder = folder
        self.name = release
        self.release = folder / "releases" / release
        data = json.loads((self.release / "services.json").read_text())
        self.app: str = data["app"]
        self.bind: list[str] = data["bind"]
        self.processes: int = data["processes"]
        self.workers: dict[str, str] = data["workers"]
        self.health: dict[str, Any] = data["health"]
        self.graceful: float = data["graceful"]

    def web(self, private: Path, fds: Sequence[int]) -> list[str]:
        """The command of a server."""
        command = [str(self.release / "venv/bin/python"), str(PROGRAM), "hypercorn"]
        config = self.release / "app" / "hypercorn.toml"
        if config.is_file():
            command += ["--config", str(config)]
        for fd in fds:
            command += ["--fd", str(fd)]
        return [*command, "--private", str(private), "--graceful", str(self.graceful), self.app]

    def tls(self) -> bool:
        """Whether its servers speak TLS: their configuration names a certificate."""
        config = self.release / "app" / "hypercorn.toml"
        return (
            config.is_file() and {"certfile", "keyfile"} <= tomllib.loads(config.read_text()).keys()
        )

    def environment(self) -> Mapping[str, str]:
        """The variables of its processes."""
        return process_environment(self.folder, self.release)


def signature(folder: Path, release: str) -> str:
    """Changes with all that a process reads once: services, environment, and other files."""
    digest = hashlib.sha256(release.encode())
    shared = sorted(file for file in (folder / "shared").rglob("*") if file.is_file())
    for file in [folder / "releases" / release / "services.json", *shared]:
        digest.update(f"\0{file}\0".encode() + file.read_bytes())
    return digest.hexdigest()
