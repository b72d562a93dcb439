"""What is done on a host, as data: commands, uploads, and steps of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quartpatterns.deployment.settings import VERSION, Host

__all__ = ["Command", "Step", "Upload", "exists", "python_command", "quoted", "tool"]


@dataclass(frozen=True, slots=True)
class Command:
    """What a shell on the host runs.

    Arguments:
        text: The command; it holds no secret.
    """

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is written by SFTP, and put in its place at once when it is whole.

    Arguments:
        source: The file here, or its content.
        target: Where it goes.
        mode: Its mode.
        resume: Whether what is there already of it is kept.
    """

    source: Path | bytes
    target: PurePosixPath
    mode: int = 0o600
    resume: bool = False

    def __str__(self) -> str:
        what = self.source if isinstance(self.source, Path) else f"{len(self.source)} bytes"
        return f"sftp put {what} {self.target} (mode {self.mode:o})"


@dataclass(frozen=True, slots=True)
class Step:
    """One step on one host.

    Arguments:
        name: What it is called.
        actions: What is done, in order.
        done: A command that succeeds when the step is done already.
    """

    name: str
    actions: tuple[Command | Upload, ...]
    done: str | None = None


def python_command(host: Host) -> str:
    """The command of the host's Python, as far as it is known from here."""
    return f"python{host.python}" if VERSION.fullmatch(host.python) else shlex.quote(host.python)


def tool(host: Host, python: str, do: str, *arguments: str) -> str:
    """The command that calls the program of the host."""
    start = f"{python} {quoted(host.folder / 'bin' / 'host.pyz')} {do} {quoted(host.folder)}"
    return f"{start} {shlex.join(arguments)}".rstrip()


def exists(path: PurePosixPath) -> str:
    """A command that succeeds where there is *path*."""
    return f"test -e {quoted(path)}"


def quoted(path: PurePosixPath) -> str:
    """*path* as a shell takes it."""
    return shlex.quote(str(path))
