"""A connection to a host: commands under its lock, and files by SFTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import getpass
import io
import json
import os
import shlex
import socket
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import asyncssh

from quartpatterns.deployment.actions import Command, Step, Upload
from quartpatterns.deployment.errors import LockedError, StepFailedError, remedy
from quartpatterns.deployment.logins import find_python, login
from quartpatterns.deployment.program import session_source
from quartpatterns.deployment.settings import Host, Settings

__all__ = ["Connection", "connected"]

HEARTBEAT = 10.0
BLOCK = 4 * 1024 * 1024  # bytes that are read and sent at a time
START = "import base64,sys;exec(base64.b64decode(sys.stdin.readline()))"
AGAIN = "correct it, and run the same command again"


@dataclass(frozen=True, slots=True)
class Connection:
    """A host that is locked for us.

    Arguments:
        settings: The settings of the deployment.
        host: The host.
        python: The path of its Python.
        ssh: The SSH connection.
        sftp: Transfers files on it.
        process: The program on the host that holds the lock, and runs commands.
        redact: Takes secrets out of a text.
    """

    settings: Settings
    host: Host
    python: str
    ssh: asyncssh.SSHClientConnection
    sftp: asyncssh.SFTPClient
    process: asyncssh.SSHClientProcess[str]
    redact: Callable[[str], str]

    async def do(self, step: Step) -> bool:
        """Do *step*; whether there was something left to do.

        Raises:
            StepFailedError: It failed, or the connection broke.
        """
        try:
            if step.done and (await self._ask(step.done))[0] == 0:
                return False
            for action in step.actions:
                if isinstance(action, Command):
                    await self.run(step.name, action.text)
                else:
                    await self._put(step.name, action)
        except (asyncssh.Error, OSError) as error:
            problem = f"the connection broke ({str(error) or type(error).__name__}): {GOES_ON}"
            raise StepFailedError(self.host.name, step.name, problem) from error
        return True

    async def run(self, name: str, command: str) -> str:
        """What *command* prints.

        Raises:
            StepFailedError: Its exit code is not 0.
        """
        code, output = await self._ask(command)
        output = self.redact(output).strip()
        if code:
            what = remedy(output, AGAIN)
            first = next((line for line in output.splitlines() if line.strip()), "")
            said = f"{first[:200]} " if first else ""
            raise StepFailedError(
                self.host.name,
                name,
                f"{said}(exit code {code}): {what}",
                command=command,
                output=output,
            )
        return output

    async def _ask(self, command: str) -> tuple[int, str]:
        limit = self.settings.step_timeout
        self.process.stdin.write(json.dumps({"run": command, "limit": limit}) + "\n")
        answer = json.loads(await _answer(self.process, limit + 30))
        return answer["code"], answer["output"]

    async def _put(self, name: str, upload: Upload) -> None:
        """Write a file beside its place, and move it there."""
        try:
            content = await asyncio.to_thread(_opened, upload.source)
        except OSError as error:
            raise StepFailedError(
                self.host.name,
                name,
                f"{upload.source!s} can't be read ({error.strerror}): put it there, or correct"
                " the settings",
            ) from error
        with content:
            await self._put_content(name, upload, content)

    async def _put_content(self, name: str, upload: Upload, content: BinaryIO) -> None:
        partial = upload.target.with_name(f".{upload.target.name}.partial")
        begin = await self._size(partial) if upload.resume else 0
        begin = begin if begin <= content.seek(0, os.SEEK_END) else 0
        content.seek(begin)
        attributes = asyncssh.SFTPAttrs(permissions=upload.mode)
        try:
            async with self.sftp.open(
                str(partial), "ab" if begin else "wb", attributes, encoding=None
            ) as file:
                await file.setstat(attributes)
                while block := await asyncio.to_thread(content.read, BLOCK):
                    await file.write(block, begin)
                    begin += len(block)
            await self.sftp.posix_rename(str(partial), str(upload.target))
        except asyncssh.SFTPError as error:
            if isinstance(error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
                raise
            what = remedy(str(error.reason), AGAIN)
            raise StepFailedError(
                self.host.name, name, f"{upload.target} can't be written ({error.reason}): {what}"
            ) from error

    async def _size(self, path: PurePosixPath) -> int:
        try:
            return await self.sftp.getsize(str(path)) or 0
        except asyncssh.SFTPNoSuchFile:
            return 0


GOES_ON = "what is served goes on; run the same command again, and it goes on where it was"


@contextlib.asynccontextmanager
async def connected(
    settings: Settings,
    host: Host,
    *,
    what: str,
    redact: Callable[[str], str],
    admin: bool = False,
) -> AsyncGenerator[Connection]:
    """A connection to *host*, which nobody else deploys to at the same time.

    Arguments:
        settings: The settings of the deployment.
        host: The host.
        what: What is going to be done, for whoever meets the lock.
        redact: Takes secrets out of a text.
        admin: Log in as who administers the host.

    Raises:
        LockedError: Another deployment is under way there.
        StepFailedError: The host can't be used.
    """
    async with login(settings, host, admin=admin) as ssh, contextlib.AsyncExitStack() as stack:
        try:
            python = await find_python(ssh, host)
            process = await _locked(ssh, host, python, what)
            sftp = await stack.enter_async_context(ssh.start_sftp_client())
        except (asyncssh.Error, OSError) as error:
            problem = f"the connection broke ({str(error) or type(error).__name__}): {GOES_ON}"
            raise StepFailedError(host.name, "lock", problem) from error
        beat = asyncio.create_task(_beat(process))
        try:
            yield Connection(settings, host, python, ssh, sftp, process, redact)
        finally:
            beat.cancel()
            # The lock is gone when the program has ended: nobody shall find it still there.
            process.stdin.write_eof()
            with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
                async with asyncio.timeout(5):
                    await process.wait()


async def _locked(
    ssh: asyncssh.SSHClientConnection, host: Host, python: str, what: str
) -> asyncssh.SSHClientProcess[str]:
    """Start the program that holds the lock."""
    owner = f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()}), {what},"
    command = shlex.join(["-c", START, str(host.folder), owner])
    process = await ssh.create_process(f"{python} {command}", errors="replace")
    source = await asyncio.to_thread(session_source)
    process.stdin.write(base64.b64encode(source.encode()).decode() + "\n")
    answer = json.loads(await _answer(process, 60))
    if answer["event"] == "ready":
        return process
    await process.wait()
    if answer["event"] == "locked":
        problem = (
            f"it is locked by {answer['owner']}: wait until that has ended, and run this again"
        )
        raise LockedError(host.name, "lock", problem)
    if answer["event"] == "python":
        problem = f"its Python is {answer['version']}, and 3.11 or newer is needed: install one"
        raise StepFailedError(host.name, "python", problem)
    what = remedy(answer["error"], AGAIN)
    raise StepFailedError(host.name, "lock", f"{host.folder}: {answer['error']}: {what}")


def _opened(source: Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


async def _answer(process: asyncssh.SSHClientProcess[str], limit: float) -> str:
    """The next line of the program that holds the lock."""
    async with asyncio.timeout(limit):
        line = await process.stdout.readline()
    if not line.endswith("\n"):
        said = (await process.stderr.read()).strip() if not process.is_closing() else ""
        raise ConnectionError(said.splitlines()[-1] if said else "closed by the host")
    return line


async def _beat(process: asyncssh.SSHClientProcess[str]) -> None:
    """Tell the host that somebody is still there."""
    while not process.is_closing():
        process.stdin.write("\n")
        await asyncio.sleep(HEARTBEAT)
