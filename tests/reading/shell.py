"""Read a page with what a reader has: a shell, real servers, curl and pytest."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from quartpatterns.compare.processes import Process, accepts, free_port
from tests.reading.page import PageError, matches
from tests.reading.reader import SERVERS, Reader
from tests.serving import TIMEOUT

__all__ = ["ShellReader"]

_PAGE_PORT = "localhost:8000"
_TIMED_OUT = 28  # curl's exit code after --max-time


class ShellReader(Reader):
    """A reader who uses a free port instead of 8000."""

    def __init__(
        self, folder: Path, *, replace: Mapping[str, str], skipped: Callable[[str], bool]
    ) -> None:
        self._port = free_port()
        here = {**replace, _PAGE_PORT: f"localhost:{self._port}"}
        super().__init__(folder, replace=here, skipped=skipped)
        self.environment["PYTHONPATH"] = f"{folder}:{self.environment.get('PYTHONPATH', '')}"
        self._serving = ""
        self._tests: list[str] = []
        self._server = contextlib.ExitStack()
        self._worker = contextlib.ExitStack()

    async def __aenter__(self) -> ShellReader:
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self._server.close)
        await asyncio.to_thread(self._worker.close)

    async def test(self, file: str) -> None:
        """Run *file* with all others, when the page has ended."""
        self._tests.append(file)

    async def finish(self, page: Path) -> None:
        """Run the tests of the page with pytest."""
        if self._tests:
            options = f"-q -p no:cacheprovider -o asyncio_mode=auto {' '.join(set(self._tests))}"
            await asyncio.to_thread(self.bash, f"python -m pytest {options} >&2")

    async def run(self, command: str, shown: str) -> str:
        """Run *command* as it is."""
        server = SERVERS.match(command)
        if server and command.startswith("quartpatterns worker"):
            await asyncio.to_thread(self._start, self._worker, command)
        elif server and (server[2] or command.startswith("hypercorn")):
            self._serving, self.changed = command, True
            await asyncio.to_thread(self._serve)
        elif command.startswith("curl "):
            await asyncio.to_thread(self._serve)
            return await self._curl(command, shown)
        else:
            return await asyncio.to_thread(self.bash, command)
        return ""

    def _serve(self) -> None:
        """Start the server, again if a file has changed."""
        if self.changed:
            bind = f"localhost:{self._port}"
            server = self._start(self._server, f"{self._serving} --bind {bind}")
            server.wait_until(lambda: accepts(self._port, "localhost"))
            self.changed = False

    def _start(self, place: contextlib.ExitStack, command: str) -> Process:
        """Start *command* instead of the program in *place*."""
        place.close()
        program, *arguments = shlex.split(command)
        found = shutil.which(program, path=self.environment["PATH"])
        process = Process(
            [found or program, *arguments],
            log=self.folder / f"{program}.log",
            env=self.environment,
            cwd=self.folder,
        )
        return place.enter_context(process)

    async def _curl(self, command: str, shown: str) -> str:
        """Run curl; one whose output ends with dots is stopped when it has printed the rest."""
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", f"exec {command} --silent --no-buffer"),
            cwd=self.folder,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        printed = b""
        endless = shown.rstrip().endswith("...")
        async with asyncio.timeout(TIMEOUT):
            while chunk := await process.stdout.read(65_536):
                printed += chunk
                if endless and matches(shown, printed.decode(errors="replace"), complete=False):
                    process.kill()
                    await process.wait()
                    return printed.decode(errors="replace")
            code = await process.wait()
        if code not in (0, _TIMED_OUT):
            raise PageError(f"{command}: curl ended with {code}")
        return printed.decode(errors="replace")
