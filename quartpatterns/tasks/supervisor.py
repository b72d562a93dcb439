"""Several worker processes on one machine: started, restarted and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.threads import to_thread
from quartpatterns._shared.unavailable import redis_message
from quartpatterns.tasks.arq_format import HEALTH_CHECK_SUFFIX
from quartpatterns.tasks.connection import LeaseConnection
from quartpatterns.tasks.processes import exit_text
from quartpatterns.tasks.redis_clients import REDIS_ERRORS, TasksUnavailableError, sync_client
from quartpatterns.tasks.settings import Settings

__all__ = ["Supervisor", "silent_queues", "stop_with_parent"]

logger = logging.getLogger("quartpatterns.tasks")

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
"""Seconds until a worker that has died is replaced, at first and at last."""

STABLE = 10.0
"""Seconds after which a worker that dies is replaced with the first delay again."""

USAGE_ERROR = 2
"""The exit code of a worker that will never run."""


class Supervisor:
    """Starts worker processes, replaces those that die, and stops them together.

    The standard input of a worker is a pipe: it ends when this process dies, and the worker stops
    then. The jobs of a worker that has died start again at once: this process ends their leases.

    Arguments:
        settings: The settings of the application.
        command: The command of a worker, to which ``--supervised ID`` is added.
        workers: The number of processes.
        burst: Whether they end when the queues are empty.
        reload: A folder: when a Python file in it changes, the workers are replaced.
    """

    def __init__(
        self,
        settings: Settings,
        command: Sequence[str],
        *,
        workers: int,
        burst: bool = False,
        reload: Path | None = None,
    ) -> None:
        self._settings = settings
        self._command = command
        self._workers = workers
        self._burst = burst
        self._reload = reload
        self._children: set[asyncio.subprocess.Process] = set()
        self._replaced: set[asyncio.subprocess.Process] = set()
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._codes: list[int] = []
        self._signals: list[signal.Signals] = []

    async def run(self) -> int:
        """Run the workers until a signal arrives, or all bursts have ended; return the exit code.

        SIGINT and SIGTERM are forwarded. The code is 0 if each worker has ended as it should, 1 if
        one has failed, 2 if the workers cannot run, and 128 and the number of a second signal.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._handle_signal, number)
        watch = asyncio.create_task(self._watch()) if self._reload else None
        workers = [asyncio.create_task(self._keep_worker()) for _ in range(self._workers)]
        endless: list[asyncio.Task[None]] = [watch] if watch else []
        try:
            pending: set[asyncio.Task[None]] = set(workers)
            while pending:
                done, _ = await asyncio.wait(
                    {*pending, *endless}, return_when=asyncio.FIRST_COMPLETED
                )
                pending -= done
                for one in done:
                    one.result()
        finally:
            # Without a signal, this is an error of the supervisor: its workers end with it.
            self._stop(signal.SIGTERM)
            for each in endless:
                each.cancel()
            await asyncio.wait([*workers, *endless])
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        if len(self._signals) > 1:
            return 128 + self._signals[1]
        if USAGE_ERROR in self._codes:
            return USAGE_ERROR
        return int(any(code not in (0, -signal.SIGTERM) for code in self._codes))

    def _handle_signal(self, number: signal.Signals) -> None:
        self._signals.append(number)
        logger.warning("stopping %d workers", len(self._children))
        # A worker may get SIGTERM twice: from a service manager, which sends it to all processes.
        self._stop(signal.SIGTERM if len(self._signals) == 1 else signal.SIGKILL)

    def _stop(self, number: signal.Signals) -> None:
        self._stopping.set()
        self._changed.set()
        for child in self._children:
            _send(child, number)

    async def _keep_worker(self) -> None:
        """Run a worker, and another one when it dies."""
        delay = FIRST_DELAY
        while not self._stopping.is_set():
            id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
            started = time.monotonic()
            # In a process group of its own, it gets Ctrl-C from here, and only once.
            child = await asyncio.create_subprocess_exec(
                *self._command,
                "--supervised",
                id,
                stdin=asyncio.subprocess.PIPE,
                process_group=0,
            )
            self._children.add(child)
            if self._stopping.is_set():
                _send(child, signal.SIGTERM)
            code = await child.wait()
            self._children.discard(child)
            await self._release(id)
            if self._stopping.is_set() or (self._burst and code == 0):
                self._codes.append(code)
                return
            if code == USAGE_ERROR and not self._reload:
                self._codes.append(code)
                self._stop(signal.SIGTERM)
                return
            if child in self._replaced:
                self._replaced.discard(child)
                delay = FIRST_DELAY
                continue
            if time.monotonic() - started > STABLE:
                delay = FIRST_DELAY
            text = "worker %d has ended (%s); another one starts in %.1f s"
            logger.warning(text, child.pid, exit_text(code), delay)
            self._changed.clear()
            await _wait(self._changed.wait(), delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _release(self, id: str) -> None:
        """Let the jobs of a worker that has died start again."""
        timeout = self._settings.redis_timeout

        def release() -> list[str]:
            redis = LeaseConnection(id, self._settings, timeout)
            try:
                return redis.release(self._settings.queue_keys())
            finally:
                redis.close()

        try:
            jobs = await to_thread(release)
        except REDIS_ERRORS as error:
            logger.warning(
                "the jobs of a worker start again after their leases: %s", redis_message(error)
            )
        else:
            if jobs:
                logger.warning("%d jobs of a worker that has ended start again", len(jobs))

    async def _watch(self) -> None:
        """Replace the workers when a file changes."""
        with requires_extra("reload", needed_by="worker --reload"):
            from watchfiles import (
                PythonFilter,
                awatch,  # pyright: ignore[reportUnknownVariableType]
            )

        assert self._reload is not None
        async for changes in awatch(self._reload, watch_filter=PythonFilter(), stop_event=None):
            files = sorted(Path(path).name for _, path in changes)
            logger.warning("%s changed: the workers start again", ", ".join(files))
            self._changed.set()
            for child in self._children:
                self._replaced.add(child)
                _send(child, signal.SIGTERM)


def silent_queues(settings: Settings, queues: Sequence[str] | None = None) -> list[str]:
    """Return the keys of those of *queues* for which no worker has reported that it is alive.

    Raises:
        TasksUnavailableError: Redis cannot be reached.
    """
    client = sync_client(settings, settings.redis_timeout)
    try:
        return [
            key
            for key in settings.queue_keys(queues)
            if not client.exists(key + HEALTH_CHECK_SUFFIX)
        ]
    except REDIS_ERRORS as error:
        raise TasksUnavailableError from error
    finally:
        client.close()


def stop_with_parent() -> None:
    """Stop this process, as SIGTERM does, when the standard input ends: the supervisor has died."""

    def wait() -> None:
        # sys.stdin has a lock, for which the interpreter would wait at its exit.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()


def _send(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)


async def _wait(work: Awaitable[object], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work
