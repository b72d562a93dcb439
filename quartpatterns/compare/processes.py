"""Start programs that end with us, and find out whether they are ready."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

__all__ = ["Process", "StartError", "accepts", "free_port", "in_thread"]

T = TypeVar("T")
_KEEPER = Path(__file__).with_name("keeper.py")


class StartError(Exception):
    """A program did not start; the message says which, why, and what to do."""


@contextlib.asynccontextmanager
async def in_thread(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """*context*, entered and left in a thread: starting a server takes a while."""
    value = await asyncio.to_thread(context.__enter__)
    try:
        yield value
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens on *port* of *host*."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


class Process:
    """A running program that ends when this object is stopped, or when this process dies.

    Arguments:
        command: The program and its arguments.
        log: A file for what it prints; ``None`` lets it print where this process prints.
        env: The whole environment; ``None`` hands on this process's own.
        cwd: The folder to run in.

    Raises:
        StartError: The program can't be executed.
    """

    def __init__(
        self,
        command: Sequence[str | PathLike[str]],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        with log.open("ab") if log else contextlib.nullcontext() as output:
            # -S -E: the keeper needs no installed package and no setting of Python's.
            self._keeper = subprocess.Popen(
                [sys.executable, "-S", "-E", str(_KEEPER), *self.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=env,
                cwd=cwd,
            )
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        if not line:
            self.stop()
            raise StartError(self._message("can't be executed"))
        self.pid = int(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def returncode(self) -> int | None:
        """The program's exit code, or ``None`` while it runs."""
        return self._keeper.poll()

    def wait_until(self, ready: Callable[[], bool], *, timeout: float = 30.0) -> Self:
        """Wait until *ready* returns true.

        Raises:
            StartError: The program ended, or *timeout* seconds went by; it is stopped then.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if self.returncode is not None:
                self.stop()
                raise StartError(self._message(f"ended with exit code {self.returncode}"))
            if time.monotonic() > deadline:
                self.stop()
                raise StartError(self._message(f"was not ready after {timeout:g} s"))
            time.sleep(0.02)
        return self

    def output(self) -> str:
        """What the program has printed into its log so far."""
        return self.log.read_text(errors="replace") if self.log else ""

    def stop(self) -> None:
        """Ask the program and its children to end, and wait until they have."""
        assert self._keeper.stdin is not None and self._keeper.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._keeper.stdin.close()
        self._keeper.wait()
        self._keeper.stdout.close()

    def _message(self, what: str) -> str:
        name = Path(self.command[0]).name
        said = self.output().strip().splitlines()[-5:]
        return "\n".join([f"{name} {what}", *(f"  {line}" for line in said)])
