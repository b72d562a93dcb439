"""A session on a host: commands that run under the lock of the host, and uploads by SFTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import getpass
import io
import json
import os
import re
import shlex
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import asyncssh

from quartpatterns._shared.threads import to_thread
from quartpatterns.deployment.errors import DeploymentError, LockedError, StepFailedError, remedy
from quartpatterns.deployment.onhost.environment import parse_environment
from quartpatterns.deployment.settings import Host, Settings
from quartpatterns.deployment.ssh import connection_errors, find_python, login
from quartpatterns.deployment.steps import DeployStep, Target, Upload

__all__ = ["HostSession", "open_session", "read_secrets", "redactor"]

HEARTBEAT = 10.0
"""Seconds between two signs of life. The host closes the session after 60 s without one."""
BLOCK = 4 * 1024 * 1024
"""Bytes of an upload that are read and sent at a time."""
_UNLOCK_TIMEOUT = 5.0
_SHORTEST_SECRET = 4
"""Characters. To hide a shorter value, such as ``1``, would make the output unreadable."""
_RUN_STDIN = "import base64,sys;exec(base64.b64decode(sys.stdin.readline()))"
_ERROR_LINE = re.compile(r"[A-Za-z_][\w.]*(?:: |$)")
_FULL = 1024
"""Kilobytes. A disk with less free space counts as full."""
_RETRY = "correct this, and run the same command again"


@dataclass(frozen=True, slots=True)
class HostSession:
    """A host that this deployment has locked.

    *process* is the program on the host that holds the lock and runs the commands. *redact*
    replaces the secrets in a text.
    """

    target: Target
    sftp: asyncssh.SFTPClient
    process: asyncssh.SSHClientProcess[str]
    redact: Callable[[str], str]

    @property
    def host(self) -> Host:
        return self.target.host

    async def run_step(self, step: DeployStep) -> bool:
        """Run a step, and return False if it was done already.

        Raises:
            StepFailedError: The step failed, or the connection broke.
        """
        with connection_errors(self.host, step.name):
            if step.done and (await self._execute(step.done))[0] == 0:
                return False
            for action in step.actions:
                if isinstance(action, Upload):
                    await self._upload(step.name, action)
                else:
                    await self.run(step.name, action)
        return True

    async def run(self, step: str, command: str) -> str:
        """Run a command as part of a step, and return its output.

        Raises:
            StepFailedError: The exit code is not 0, or the connection broke.
        """
        with connection_errors(self.host, step):
            code, output = await self._execute(command)
            output = self.redact(output).strip()
            advice = await self._advice(output) if code else ""
        if code:
            problem = f"{_headline(output)} (exit code {code}): {advice}".lstrip()
            raise StepFailedError(self.host.name, step, problem, command=command, output=output)
        return output

    async def _advice(self, output: str) -> str:
        """Return what to do about a failure. Not every program says that the disk is full."""
        if advice := remedy(output, ""):
            return advice
        folder = shlex.quote(str(self.host.folder))
        _, free = await self._execute(f"df -Pk {folder} | awk 'NR == 2 {{print $4}}'")
        full = free.strip().isdigit() and int(free) < _FULL
        return remedy("No space left on device", "") if full else _RETRY

    async def _execute(self, command: str) -> tuple[int, str]:
        limit = self.target.settings.step_timeout
        self.process.stdin.write(json.dumps({"run": command, "limit": limit}) + "\n")
        answer = json.loads(await _read_line(self.process, limit + 30))
        return answer["code"], answer["output"]

    async def _upload(self, step: str, upload: Upload) -> None:
        """Write the file under a temporary name, and rename it when it is complete."""
        try:
            content = await to_thread(_open, upload.source)
        except OSError as error:
            problem = f"{upload.source!s} cannot be read ({error.strerror}). Create it, or correct"
            raise StepFailedError(self.host.name, step, f"{problem} the settings") from error
        partial = upload.target.with_name(f".{upload.target.name}.partial")
        try:
            with content:
                await self._write(partial, upload, content)
            await self.sftp.posix_rename(str(partial), str(upload.target))
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
            raise
        except asyncssh.SFTPError as error:
            advice = await self._advice(str(error.reason))
            problem = f"{upload.target} cannot be written ({error.reason}): {advice}"
            raise StepFailedError(self.host.name, step, problem) from error

    async def _write(self, partial: PurePosixPath, upload: Upload, content: BinaryIO) -> None:
        offset = 0
        if upload.resume:
            with contextlib.suppress(asyncssh.SFTPNoSuchFile):
                offset = await self.sftp.getsize(str(partial)) or 0
        if offset > content.seek(0, os.SEEK_END):
            offset = 0
        content.seek(offset)
        attributes = asyncssh.SFTPAttrs(permissions=upload.mode)
        mode = "ab" if offset else "wb"
        async with self.sftp.open(str(partial), mode, attributes, encoding=None) as file:
            await file.setstat(attributes)
            while block := await to_thread(content.read, BLOCK):
                await file.write(block, offset)
                offset += len(block)


def _headline(output: str) -> str:
    """Return the line of *output* that says why a command failed: after a traceback, the error."""
    lines = output.splitlines() or [""]
    if lines[0].startswith("Traceback (most recent call last)"):
        # SQLAlchemy writes the statement, its parameters and a link below the error.
        errors = [line for line in lines[1:] if _ERROR_LINE.match(line)]
        return (errors or lines)[-1][:200]
    return lines[0][:200]


@contextlib.asynccontextmanager
async def open_session(
    settings: Settings, host: Host, *, purpose: str, admin: bool = False
) -> AsyncGenerator[HostSession]:
    """Log in to a host and lock it, so that no other deployment runs on it meanwhile.

    *purpose* says what the deployment does, for others who find the host locked. If *admin* is
    true, the login is that of the administrator.

    Raises:
        LockedError: Another deployment is running on the host.
        StepFailedError: The login failed, or the host cannot be used.
        DeploymentError: The file with the environment is invalid.
    """
    redact = redactor(await to_thread(read_secrets, host))
    async with login(settings, host, admin=admin) as ssh, contextlib.AsyncExitStack() as stack:
        with connection_errors(host, "lock"):
            python = await find_python(ssh, host)
            process = await _lock(ssh, host, python, purpose)
            sftp = await stack.enter_async_context(ssh.start_sftp_client())
        heartbeat = asyncio.create_task(_send_heartbeats(process))
        try:
            yield HostSession(Target(settings, host, python), sftp, process, redact)
        finally:
            heartbeat.cancel()
            # The host is unlocked when the program has ended. Wait for it, so that the next
            # command does not find the host locked.
            process.stdin.write_eof()
            with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
                async with asyncio.timeout(_UNLOCK_TIMEOUT):
                    await process.wait()


async def _lock(
    ssh: asyncssh.SSHClientConnection, host: Host, python: str, purpose: str
) -> asyncssh.SSHClientProcess[str]:
    """Start the program that holds the lock."""
    owner = f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()}), {purpose},"
    arguments = shlex.join(["-c", _RUN_STDIN, str(host.folder), owner])
    process = await ssh.create_process(f"{python} {arguments}", errors="replace")
    process.stdin.write(await to_thread(_session_program))
    answer = json.loads(await _read_line(process, 60))
    if answer["event"] == "ready":
        return process
    await process.wait()
    if answer["event"] == "locked":
        problem = f"the host is locked by {answer['owner']}. Wait until it has ended"
        raise LockedError(host.name, "lock", problem)
    if answer["event"] == "python":
        problem = f"Python {answer['version']} is too old. Install 3.11 or newer on the host"
        raise StepFailedError(host.name, "python", problem)
    advice = remedy(answer["error"], _RETRY)
    raise StepFailedError(host.name, "lock", f"{host.folder}: {answer['error']}: {advice}")


@cache
def _session_program() -> str:
    """Return the program that holds the lock, as a line of Base64."""
    source = files(f"{__package__}.onhost").joinpath("session.py").read_bytes()
    return base64.b64encode(source).decode() + "\n"


def _open(source: Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


async def _read_line(process: asyncssh.SSHClientProcess[str], limit: float) -> str:
    """Return the next line of the program that holds the lock."""
    async with asyncio.timeout(limit):
        line = await process.stdout.readline()
    if not line.endswith("\n"):
        errors = (await process.stderr.read()).strip() if not process.is_closing() else ""
        raise ConnectionError(errors.splitlines()[-1] if errors else "closed by the host")
    return line


async def _send_heartbeats(process: asyncssh.SSHClientProcess[str]) -> None:
    while not process.is_closing():
        process.stdin.write("\n")
        await asyncio.sleep(HEARTBEAT)


def redactor(values: Iterable[str]) -> Callable[[str], str]:
    """Return a function that replaces *values*, and passwords in URLs among them, by ``***``."""
    secrets = {part for value in values for part in _secret_parts(value)}
    # A secret can contain another one, so the longest is replaced first.
    ordered = sorted((s for s in secrets if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in ordered:
            text = text.replace(secret, "***")
        return text

    return redact


def _secret_parts(value: str) -> Iterator[str]:
    yield value
    yield repr(value)[1:-1]
    with contextlib.suppress(ValueError):
        if password := urlsplit(value).password:
            yield password
            yield unquote(password)


def read_secrets(host: Host) -> list[str]:
    """Return the values in the environment of *host*.

    Raises:
        DeploymentError: The file cannot be read, or is invalid.
    """
    file = host.environment
    if not file:
        return []
    try:
        return list(parse_environment(file.read_text(encoding="utf-8")).values())
    except OSError as error:
        raise DeploymentError(
            f"{file} cannot be read ({error.strerror}). Write the environment of {host.name} into"
            " it, or correct the setting environment"
        ) from error
    except ValueError as error:
        raise DeploymentError(f"{file}: {error}") from error
