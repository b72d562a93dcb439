"""Start programs that end with this process, and wait until they are ready."""

from __future__ import annotations

import contextlib
import os
import random
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

from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.watchdog import stop_group

T = TypeVar("T")
_WATCHDOG = Path(__file__).with_name("watchdog.py")


class StartError(Exception):
    """A program did not start; the message says which one, why, and what to do."""


@contextlib.asynccontextmanager
async def in_thread(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and exit *context* in a thread, so that starting a server does not block the loop."""
    value = await to_thread(context.__enter__)
    try:
        yield value
    finally:
        await to_thread(context.__exit__, None, None, None)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free at this moment.

    It is below the ports that systems assign to outgoing connections, so that no connection takes
    it before a server does.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a program accepts connections on *port* of *host*."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


class Process:
    """A running program that ends when :meth:`stop` is called or when this process dies.

    Arguments:
        command: The program and its arguments.
        log: A file for its output; by default the output of this process.
        env: The complete environment; by default the environment of this process.
        cwd: The folder to run in.
        pass_fds: File descriptors that the program inherits, such as listening sockets.
        held_fds: File descriptors that stay open until the program has ended, also if this process
            dies before. The program does not inherit them. A lock on such a file is held as long.

    Raises:
        StartError: The program cannot be executed.
    """

    def __init__(
        self,
        command: Sequence[str | PathLike[str]],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        held_fds: Sequence[int] = (),
    ) -> None:
        self.started = time.monotonic()
        self.command = [str(part) for part in command]
        self.log = log
        held = ",".join(map(str, held_fds))
        with log.open("ab") if log else contextlib.nullcontext() as output:
            # -S -E: the watchdog needs no installed package and no setting of Python.
            self._watchdog = subprocess.Popen(
                [sys.executable, "-S", "-E", str(_WATCHDOG), held, *self.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=env,
                cwd=cwd,
                pass_fds=(*pass_fds, *held_fds),
            )
        assert self._watchdog.stdout is not None
        self.pid = 0
        try:
            line = self._watchdog.stdout.readline()
        except BaseException:  # a signal; nobody else can stop the program
            self.stop()
            raise
        if not line:
            self.stop()
            raise StartError(self._message("cannot be executed"))
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
        """The exit code of the program, or ``None`` while it runs.

        If the watchdog was killed, it is the exit code of the watchdog; see :attr:`lost_watchdog`.
        """
        code = self._watchdog.poll()
        return code if code is None or code >= 0 else 128 - code

    @property
    def lost_watchdog(self) -> bool:
        """Whether the watchdog was killed. The program may still run until :meth:`stop`."""
        code = self._watchdog.poll()
        return code is not None and code < 0

    def wait_until(self, ready: Callable[[], bool], *, timeout: float = 60.0) -> Self:
        """Wait until *ready* returns true.

        Raises:
            StartError: The program exited, or *timeout* seconds passed. It is stopped.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if self.returncode is not None:
                self.stop()
                raise StartError(self._message(f"exited with code {self.returncode}"))
            if time.monotonic() > deadline:
                self.stop()
                raise StartError(self._message(f"was not ready after {timeout:g} s"))
            time.sleep(0.02)
        return self

    def output(self) -> str:
        """Return what the program has written to its log so far."""
        return self.log.read_text(errors="replace") if self.log else ""

    def stop(self) -> None:
        """Terminate the program and its children, and wait until they have exited."""
        assert self._watchdog.stdin is not None and self._watchdog.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._watchdog.stdin.close()
        self._watchdog.wait()
        if self.lost_watchdog and self.pid:
            stop_group(self.pid, self._reap)
        self._watchdog.stdout.close()

    def _reap(self) -> None:
        """Collect the exit code of a program that has become a child of this process.

        That happens if its watchdog was killed and this process is the first one of a container.
        """
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)

    def _message(self, event: str) -> str:
        name = Path(self.command[0]).name
        last_lines = self.output().strip().splitlines()[-5:]
        return "\n".join([f"{name} {event}", *(f"  {line}" for line in last_lines)])
