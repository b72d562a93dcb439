"""The processes of one release: servers on the shared sockets, and workers beside them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from .probing import WellnessError, until_well
from .services import Services, signature

__all__ = ["Generation"]

LOG_LIMIT = 20_000_000
PR_SET_PDEATHSIG = 1


class Child:
    """A process that runs until it is told to end, and is started again when it ends before."""

    def __init__(
        self, services: Services, name: str, fds: Sequence[int], private: Path | None
    ) -> None:
        self.services = services
        self.name = name
        self.fds = fds
        self.private = private
        self.log = services.folder / "log" / f"{name}.log"
        self.begin = 0
        self.process: asyncio.subprocess.Process | None = None
        self.ending = False

    async def start(self) -> None:
        """Start the process."""
        services = self.services
        command = (
            services.web(self.private, self.fds)
            if self.private
            else shlex.split(services.workers[self.name])
        )
        with _log(self.log) as output:
            self.begin = output.tell()
            self.process = await asyncio.create_subprocess_exec(
                *command,
                cwd=services.release / "app",
                env=services.environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.fds,
                preexec_fn=_end_with_parent,
            )

    async def keep(self) -> None:
        """Start the process again whenever it ends, with pauses that grow."""
        pause = 0.5
        while not self.ending:
            begun = time.monotonic()
            if self.process:
                await self.process.wait()
            if self.ending:
                return
            pause = 0.5 if time.monotonic() - begun > 60 else min(pause * 2, 30)
            print(f"{self.name} of {self.services.name} ended; again in {pause:g} s", flush=True)  # noqa: T201 - its log
            await asyncio.sleep(pause)
            with contextlib.suppress(OSError, ValueError):
                if not self.ending:
                    await self.start()

    async def well(self) -> None:
        """Wait until the server is well, or has ended."""
        health = self.services.health
        assert self.process and self.private
        well = asyncio.create_task(
            until_well(
                f"unix:{self.private}", health["path"], health["host"], limit=health["timeout"]
            )
        )
        ended = asyncio.create_task(self.process.wait())
        await asyncio.wait({well, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            well.cancel()
            await asyncio.wait({well})
            raise WellnessError(
                f"the server ended with exit code {ended.result()}\n{self.said()}".strip()
            )
        ended.cancel()
        try:
            await well
        except WellnessError as error:
            raise WellnessError(f"{error}\n{self.said()}".strip()) from None

    def said(self) -> str:
        """The end of what it has logged since it was started."""
        with self.log.open("rb") as file:
            file.seek(max(self.begin, file.seek(0, os.SEEK_END) - 8000))
            return file.read().decode(errors="replace")

    def tell(self) -> None:
        """Ask the process to end."""
        self.ending = True
        if self.process and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    async def end(self) -> None:
        """Ask the process to end, and see to it that it does."""
        self.tell()
        if self.process:
            try:
                # The server's drain, its requests, its shutdown.
                await asyncio.wait_for(self.process.wait(), self.services.graceful + 20)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()
        if self.private:
            self.private.unlink(missing_ok=True)


class Generation:
    """All processes of a release, as it was at one moment."""

    def __init__(self, services: Services, fds: Sequence[int], *, trial: bool = False) -> None:
        self.services = services
        self.signature = signature(services.folder, services.name)
        self.since = time.strftime("%Y-%m-%d %H:%M:%S %Z")
        run = services.folder / "run"
        count = 1 if trial else services.processes
        self.servers = [
            Child(services, "web", fds, run / f"{secrets.token_hex(4)}.sock") for _ in range(count)
        ]
        self.workers = [] if trial else [Child(services, one, (), None) for one in services.workers]
        self._keepers: set[asyncio.Task[None]] = set()

    async def start_servers(self, *, well: bool) -> None:
        """Start the servers, and wait until they are *well*.

        Raises:
            WellnessError: One isn't; all have ended then.
        """
        try:
            for child in self.servers:
                await child.start()
            if well:
                for child in self.servers:
                    await child.well()
        except (OSError, ValueError, WellnessError) as error:
            await self.end()
            raise WellnessError(str(error)) from error

    async def start_workers(self) -> None:
        """Start the workers, and keep all processes running from now on."""
        for child in self.workers:
            # One that can't be started is tried again, and its log says why.
            with contextlib.suppress(OSError, ValueError):
                await child.start()
        for child in [*self.servers, *self.workers]:
            self._keepers.add(task := asyncio.create_task(child.keep()))
            task.add_done_callback(self._keepers.discard)

    async def accepts_no_more(self) -> None:
        """Ask all processes to end, and wait until the servers accept nothing more."""
        for child in [*self.servers, *self.workers]:
            child.tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while any(_runs(child) and child.private.exists() for child in self.servers):  # type: ignore[union-attr]  # noqa: ASYNC110 - a file of another process
                    await asyncio.sleep(0.02)

    async def end(self) -> None:
        """Ask all processes to end, and wait until they have."""
        await asyncio.gather(*(child.end() for child in [*self.servers, *self.workers]))
        for task in self._keepers:
            task.cancel()

    def complete(self) -> bool:
        """Whether all its processes run."""
        return all(_runs(child) for child in [*self.servers, *self.workers])

    def describe(self) -> dict[str, Any]:
        """What ``status`` tells of it."""
        children = [*self.servers, *self.workers]
        return {
            "release": self.services.name,
            "since": self.since,
            "bind": self.services.bind,
            "processes": {
                name: sum(1 for child in children if child.name == name and _runs(child))
                for name in dict.fromkeys(child.name for child in children)
            },
            "wanted": len(children),
        }


def _runs(child: Child) -> bool:
    return child.process is not None and child.process.returncode is None


def _log(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def _end_with_parent() -> None:
    """Have the kernel end a child whose parent was killed: it would hold the sockets."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
