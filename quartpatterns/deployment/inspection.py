"""Looking at hosts: how they are, and what their logs say."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh

from quartpatterns.deployment.actions import tool
from quartpatterns.deployment.errors import StepFailedError
from quartpatterns.deployment.logins import find_python, login
from quartpatterns.deployment.redaction import redactor, secrets_of
from quartpatterns.deployment.settings import Host, Settings

__all__ = ["Line", "Status", "ask_status", "read_logs"]

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log."""

    host: str
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """How a host is.

    Arguments:
        host: Its name.
        current: The release that is current there, if there is one.
        releases: All releases there, the last one that was served first.
        running: What its supervisor says; ``None`` where none runs.
        locked: Who deploys to it at this moment.
        problem: Why nothing is known.
    """

    host: str
    current: str | None = None
    releases: tuple[str, ...] = ()
    running: dict[str, Any] | None = None
    locked: str | None = None
    problem: str | None = None


async def ask_status(settings: Settings, host: Host) -> Status:
    """How *host* is; nothing is locked for it.

    Raises:
        StepFailedError: It can't be asked.
    """
    async with login(settings, host) as ssh:
        try:
            async with asyncio.timeout(PATIENCE):
                python = await find_python(ssh, host)
                done = await ssh.run(tool(host, python, "status"), errors="replace")
        except (asyncssh.Error, OSError) as error:
            raise _broken(host, "status", error) from error
    if done.exit_status is None:
        raise _broken(host, "status", "closed by the host")
    if done.exit_status:
        raise StepFailedError(host.name, "status", "it is not set up: deploy bootstrap does it")
    told = json.loads(str(done.stdout))
    return Status(
        host.name, told["current"], tuple(told["releases"]), told["running"], told["locked"]
    )


async def read_logs(
    settings: Settings, hosts: Sequence[Host], service: str, lines: int, follow: bool
) -> AsyncGenerator[Line, None]:
    """The last *lines* of the log of *service* on *hosts*, as they come.

    Raises:
        StepFailedError: A host can't be asked.
    """
    queue: asyncio.Queue[Line | None] = asyncio.Queue(maxsize=1000)

    async def read(host: Host) -> None:
        redact = redactor(await asyncio.to_thread(secrets_of, host))
        path = shlex.quote(str(host.folder / "log" / f"{service}.log"))
        command = f"tail -n {int(lines)} {'-F ' if follow else ''}{path} 2> /dev/null"
        async with login(settings, host) as ssh:
            try:
                process = await ssh.create_process(command, errors="replace")
                while line := await process.stdout.readline():
                    await queue.put(Line(host.name, redact(line.rstrip("\n"))))
            except (asyncssh.Error, OSError) as error:
                raise _broken(host, "logs", error) from error

    async def read_all() -> None:
        try:
            await asyncio.gather(*map(read, hosts))
        finally:
            await queue.put(None)

    reading = asyncio.create_task(read_all())
    try:
        while line := await queue.get():
            yield line
        await reading
    finally:
        reading.cancel()
        await asyncio.wait({reading})


def _broken(host: Host, step: str, why: object) -> StepFailedError:
    return StepFailedError(
        host.name, step, f"the connection broke ({why}): run the same command again"
    )
