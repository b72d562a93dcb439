"""The processes of one release: servers on the shared sockets, and background workers."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import shlex
import signal
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from .releases import Release, process_environment, release_signature

__all__ = ["HealthCheckError", "ReleaseProcesses", "wait_until_healthy"]

_LOG_LIMIT = 20_000_000
"""Bytes of a log file before it is rotated."""
_LOG_TAIL = 8000
"""Bytes of a log that an error message contains."""
_POLL_INTERVAL = 0.1
_FIRST_RESTART_DELAY = 0.5
_LONGEST_RESTART_DELAY = 30.0
_STABLE_AFTER = 60.0
"""Seconds after which a process counts as stable, so that its next restart is quick again."""
_KILL_AFTER = 20.0
"""Seconds beyond the graceful timeout before a process is killed."""
_PR_SET_PDEATHSIG = 1


class HealthCheckError(Exception):
    """The application is unhealthy; the message contains its response."""


async def wait_until_healthy(
    address: str, path: str, host: str, *, limit: float, tls: bool = False
) -> None:
    """Wait until ``GET path`` at *address*, ``HOST:PORT`` or ``unix:PATH``, has a 2xx status.

    Raises:
        HealthCheckError: The application is still unhealthy after *limit* seconds.
    """
    deadline = time.monotonic() + limit
    while True:
        remaining = max(deadline - time.monotonic(), _POLL_INTERVAL)
        try:
            async with asyncio.timeout(remaining):
                status = await _request_status(address, path, host, tls)
            if 200 <= status < 300:
                return
            problem = f"returns status {status}"
        except (OSError, HealthCheckError) as error:
            problem = f"fails ({str(error) or 'no response in time'})"
        if time.monotonic() > deadline:
            raise HealthCheckError(f"GET {path} {problem} after {limit:g} s")
        await asyncio.sleep(_POLL_INTERVAL)


async def _request_status(address: str, path: str, host: str, tls: bool) -> int:
    reader, writer = await _connect(address, tls)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        line = (await reader.readline()).decode(errors="replace").split()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if len(line) < 2 or not line[0].startswith("HTTP/") or not line[1].isdigit():
        raise HealthCheckError(f"{' '.join(line)[:60]!r} is not an HTTP response")
    return int(line[1])


async def _connect(address: str, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = None
    if tls:
        # The certificate is for the name that clients use, not for this local address.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"), ssl=context)
    name, _, port = address.rpartition(":")
    name = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(name, name.strip("[]"))
    return await asyncio.open_connection(name, int(port), ssl=context)


class SupervisedProcess:
    """A process that is started again if it ends before it was stopped.

    A server has the name ``web``, the listening sockets *fds* and the path *private* of a Unix
    socket for health checks. A worker has none of them.
    """

    def __init__(
        self, release: Release, name: str, fds: Sequence[int], private: Path | None
    ) -> None:
        self.release = release
        self.name = name
        self.fds = fds
        self.private = private
        self.log = release.folder / "log" / f"{name}.log"
        self.log_start = 0
        self.process: asyncio.subprocess.Process | None = None
        self.stopping = False

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        release = self.release
        command = (
            release.server_command(self.private, self.fds)
            if self.private
            else shlex.split(release.workers[self.name])
        )
        with _open_log(self.log) as output:
            self.log_start = output.tell()
            self.process = await asyncio.create_subprocess_exec(
                *command,
                cwd=release.path / "app",
                env=process_environment(release.folder, release.path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.fds,
                preexec_fn=_end_with_parent,
            )

    async def restart_whenever_it_ends(self) -> None:
        """Start the process again whenever it ends. The delays grow if it ends quickly."""
        delay = _FIRST_RESTART_DELAY
        while not self.stopping:
            started = time.monotonic()
            if self.process:
                await self.process.wait()
            if self.stopping:
                return
            stable = time.monotonic() - started > _STABLE_AFTER
            delay = _FIRST_RESTART_DELAY if stable else min(delay * 2, _LONGEST_RESTART_DELAY)
            print(  # noqa: T201 - the log of the supervisor
                f"{self.name} of {self.release.name} ended. It starts again in {delay:g} s",
                flush=True,
            )
            await asyncio.sleep(delay)
            with contextlib.suppress(OSError, ValueError):
                if not self.stopping:
                    await self.start()

    async def wait_until_healthy(self) -> None:
        """Wait until the server is healthy.

        Raises:
            HealthCheckError: The server is unhealthy, or has ended.
        """
        health = self.release.health
        assert self.process and self.private
        healthy = asyncio.create_task(
            wait_until_healthy(
                f"unix:{self.private}", health["path"], health["host"], limit=health["timeout"]
            )
        )
        ended = asyncio.create_task(self.process.wait())
        await asyncio.wait({healthy, ended}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if ended.done():
                healthy.cancel()
                await asyncio.wait({healthy})
                raise HealthCheckError(f"the server ended with exit code {ended.result()}")
            ended.cancel()
            await healthy
        except HealthCheckError as error:
            raise HealthCheckError(f"{error}\n{self._log_tail()}".strip()) from None

    def _log_tail(self) -> str:
        """Return the end of what the process has logged since its start."""
        with self.log.open("rb") as file:
            file.seek(max(self.log_start, file.seek(0, os.SEEK_END) - _LOG_TAIL))
            return file.read().decode(errors="replace")

    def terminate(self) -> None:
        """Send SIGTERM. The process is not started again."""
        self.stopping = True
        if self.process and self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    async def stop(self) -> None:
        """Send SIGTERM, wait until the process has ended, and kill it if it takes too long."""
        self.terminate()
        if self.process:
            try:
                await asyncio.wait_for(self.process.wait(), self.release.graceful + _KILL_AFTER)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()
        if self.private:
            self.private.unlink(missing_ok=True)


class ReleaseProcesses:
    """All processes of a release, with the environment that it had when they were started.

    For a trial, this is a single server without workers.
    """

    def __init__(self, release: Release, fds: Sequence[int], *, trial: bool = False) -> None:
        self.release = release
        self.signature = release_signature(release.folder, release)
        self.since = time.strftime("%Y-%m-%d %H:%M:%S %Z")
        run = release.folder / "run"
        self.servers = [
            SupervisedProcess(release, "web", fds, run / f"{secrets.token_hex(4)}.sock")
            for _ in range(1 if trial else release.processes)
        ]
        workers = release.workers if not trial else {}
        self.workers = [SupervisedProcess(release, name, (), None) for name in workers]
        self.processes = [*self.servers, *self.workers]
        self._restarts: set[asyncio.Task[None]] = set()

    async def start_servers(self, *, check_health: bool) -> None:
        """Start the servers, and by choice wait until they are healthy.

        Raises:
            HealthCheckError: A server is unhealthy. All processes have been stopped.
        """
        try:
            for server in self.servers:
                await server.start()
            if check_health:
                for server in self.servers:
                    await server.wait_until_healthy()
        except (OSError, ValueError, HealthCheckError) as error:
            await self.stop()
            raise HealthCheckError(str(error)) from error

    async def start_workers(self) -> None:
        """Start the workers. From now on, all processes are restarted when they end."""
        for worker in self.workers:
            # If a worker cannot start, it is started again later. Its log contains the reason.
            with contextlib.suppress(OSError, ValueError):
                await worker.start()
        for process in self.processes:
            task = asyncio.create_task(process.restart_whenever_it_ends())
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)

    async def stop_accepting(self) -> None:
        """Send SIGTERM to all processes, and wait until the servers no longer accept."""
        for process in self.processes:
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                # A server removes its private socket when it stops accepting.
                while any(  # noqa: ASYNC110 - the file belongs to another process
                    server.is_running and server.private and server.private.exists()
                    for server in self.servers
                ):
                    await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Stop all processes, and wait until they have ended."""
        await asyncio.gather(*(process.stop() for process in self.processes))
        for task in self._restarts:
            task.cancel()

    def all_running(self) -> bool:
        return all(process.is_running for process in self.processes)

    def describe(self) -> dict[str, Any]:
        """Return what ``status`` reports about the processes."""
        running = dict.fromkeys((process.name for process in self.processes), 0)
        for process in self.processes:
            running[process.name] += process.is_running
        return {
            "release": self.release.name,
            "since": self.since,
            "bind": self.release.bind,
            "processes": running,
            "expected": len(self.processes),
        }


def _open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def _end_with_parent() -> None:
    """Have Linux end the child if the supervisor is killed, as it would keep the sockets open."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
