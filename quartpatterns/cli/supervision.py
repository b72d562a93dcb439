"""Keep programs running: start them again if they exit, with growing pauses, and say so."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import click

from quartpatterns.compare.processes import Process, StartError

__all__ = ["PAUSES", "STABLE", "START_TIMEOUT", "SupervisedProgram"]

PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before each restart. After the last one, the program is given up."""

STABLE = 30.0
"""Seconds. A program that ran longer starts again with the first pause."""

START_TIMEOUT = 60.0
"""Seconds in which a program must be ready."""


class SupervisedProgram:
    """A program that is started again if it exits.

    Call :meth:`check` several times a second. It does not wait, so that several programs can be
    supervised in one loop.

    Arguments:
        name: What messages call it, such as ``The Valkey``.
        start: Starts it without waiting, and returns its process.
        lost: What no longer works without it, and how to get it back; the end of a sentence.
        ready: Returns whether it does its work. Without it, a running program is ready.
        log: Its log file, for messages.
        exits: Whether it exits with code 0 as a part of its work, and is then simply replaced.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Process],
        *,
        lost: str,
        ready: Callable[[], bool] | None = None,
        log: Path | None = None,
        exits: bool = False,
    ) -> None:
        self.name = name
        self.process: Process | None = None
        self.given_up = False
        self._start = start
        self._lost = lost
        self._ready = ready
        self._log = log
        self._exits = exits
        self._is_ready = ready is None
        self._restarts = 0
        self._restart_at = 0.0
        self._down_since = 0.0

    def begin(self) -> None:
        """Start the program for the first time; the caller waits until it is ready.

        Raises:
            StartError: It cannot be executed.
        """
        self.process = self._start()
        self._is_ready = True

    def start(self) -> None:
        """Start the program for the first time, and wait until it is ready.

        Raises:
            StartError: It exited, or is not ready in time.
        """
        self.begin()
        if self._ready is not None and self.process is not None:
            self.process.wait_until(self._ready, timeout=START_TIMEOUT)

    @property
    def running(self) -> bool:
        """Whether the program runs at this moment."""
        return self.process is not None and self.process.returncode is None

    def check(self) -> None:
        """Notice that the program has exited, and start it again when its pause is over."""
        if self.process is not None:
            self._check_process(self.process)
        elif not self.given_up and time.monotonic() >= self._restart_at:
            self._restart()

    def terminate(self) -> None:
        """Send SIGTERM to the main process of the program."""
        self._signal(os.kill, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the program and its children, without waiting."""
        self._signal(os.killpg, signal.SIGKILL)

    def stop(self) -> None:
        """Stop the program, and wait until it has exited."""
        self.given_up = True
        if self.process is not None:
            self.process.stop()
            self.process = None

    def _signal(self, send: Callable[[int, int], None], number: int) -> None:
        # The id of a process that has ended may belong to another one.
        if self.process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                send(self.process.pid, number)

    def _check_process(self, process: Process) -> None:
        code, lifetime = process.returncode, time.monotonic() - process.started
        if code is None:
            self._check_ready(process, lifetime)
            return
        event = f"{self.name} (process {process.pid}) exited with {_code_text(code)}"
        if process.lost_watchdog:
            event = f"{self.name} (process {process.pid}) lost its watchdog"
        process.stop()
        self.process = None
        if lifetime > STABLE or (self._exits and code == 0):
            self._restarts = 0
        self._schedule(event)

    def _check_ready(self, process: Process, lifetime: float) -> None:
        if self._is_ready or self._ready is None:
            return
        if self._ready():
            self._is_ready = True
            seconds = time.monotonic() - self._down_since
            click.echo(f"{self.name} runs again after {seconds:.1f} s.", err=True)
        elif lifetime > START_TIMEOUT:
            process.stop()
            self.process = None
            self._schedule(f"{self.name} was not ready after {START_TIMEOUT:g} s")

    def _schedule(self, event: str) -> None:
        """Plan the next start, and print one line about *event*."""
        if self._is_ready:
            self._down_since = time.monotonic()
        self._is_ready = self._ready is None
        see = f"; see {self._log}" if self._log else ""
        if self._restarts == len(PAUSES):
            self.given_up = True
            text = f"{event}. {len(PAUSES)} restarts did not help, so it stays down{see}."
            click.echo(f"{text} {self._lost}.", err=True)
            return
        pause = PAUSES[self._restarts]
        self._restarts += 1
        self._restart_at = time.monotonic() + pause
        when = f". It is restarted in {pause:g} s{see}" if pause else " and is restarted"
        click.echo(f"{event}{when}.", err=True)

    def _restart(self) -> None:
        try:
            self.process = self._start()
        except StartError as error:
            self._schedule(f"{self.name} cannot be started ({str(error).splitlines()[0]})")


def _code_text(code: int) -> str:
    """Return *code* with the name of the signal that it means in a shell."""
    if code > 128:
        with contextlib.suppress(ValueError):
            return f"code {code} ({signal.Signals(code - 128).name})"
    return f"code {code}"
