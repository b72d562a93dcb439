"""The status of hosts, and the logs on them. Neither locks the host."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from quartpatterns._shared.threads import to_thread
from quartpatterns.deployment.errors import StepFailedError
from quartpatterns.deployment.sessions import read_secrets, redactor
from quartpatterns.deployment.settings import Host, Settings
from quartpatterns.deployment.ssh import connection_errors, find_python, login
from quartpatterns.deployment.steps import Target

__all__ = ["Line", "SupervisorStatus", "Status", "fetch_status", "read_logs"]

_STATUS_TIMEOUT = 30.0
_QUEUED_LINES = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log.

    Arguments:
        host: The name of the host.
        text: The line, without secrets.

    .. versionadded:: 0.1
    """

    host: str
    text: str


class SupervisorStatus(TypedDict):
    """What a supervisor reports.

    ``version`` is a hash of its program, ``pid`` its process, and ``systemd`` whether systemd
    passed the sockets to it. ``release`` is the release that it serves or None, ``since`` its
    start and ``bind`` its addresses. ``processes`` contains the number of running processes by
    name, and ``expected`` how many there should be. ``changed`` tells whether the environment
    on the host differs from that of the processes, and ``stopping`` how many releases are ending.

    .. versionadded:: 0.1
    """

    version: str
    pid: int
    systemd: bool
    release: str | None
    stopping: int
    since: str
    bind: list[str]
    processes: dict[str, int]
    expected: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a host.

    Arguments:
        host: The name of the host.
        current: The current release, or None.
        releases: All releases on the host, the one that was served last first.
        running: What the supervisor reports, or None if it does not run.
        locked: The owner of the lock, or None.
        problem: Why the status is unknown, or None.

    .. versionadded:: 0.1
    """

    host: str
    current: str | None = None
    releases: tuple[str, ...] = ()
    running: SupervisorStatus | None = None
    locked: str | None = None
    problem: str | None = None


async def fetch_status(settings: Settings, host: Host) -> Status:
    """Return the status of *host*. If it is unknown, the status contains the problem."""
    try:
        async with login(settings, host) as ssh:
            with connection_errors(host, "status"):
                async with asyncio.timeout(_STATUS_TIMEOUT):
                    python = await find_python(ssh, host)
                    command = Target(settings, host, python).program("status")
                    result = await ssh.run(command, errors="replace")
                if result.exit_status is None:
                    raise ConnectionError("closed by the host")
    except StepFailedError as error:
        return Status(host.name, problem=f"{error.step}: {error.problem}")
    if result.exit_status:
        problem = "status: the host is not set up. Run quartpatterns deploy bootstrap"
        return Status(host.name, problem=problem)
    report = json.loads(str(result.stdout))
    return Status(
        host.name, report["current"], tuple(report["releases"]), report["running"], report["locked"]
    )


async def read_logs(
    settings: Settings, hosts: Sequence[Host], service: str, lines: int, follow: bool
) -> AsyncGenerator[Line, None]:
    """Yield the last *lines* of the log of *service* on each host, in the order of arrival.

    Raises:
        StepFailedError: A connection failed.
    """
    queue: asyncio.Queue[Line | None] = asyncio.Queue(maxsize=_QUEUED_LINES)

    async def read(host: Host) -> None:
        redact = redactor(await to_thread(read_secrets, host))
        path = shlex.quote(str(host.folder / "log" / f"{service}.log"))
        command = f"tail -n {int(lines)} {'-F ' if follow else ''}{path} 2> /dev/null"
        async with login(settings, host) as ssh:
            with connection_errors(host, "logs"):
                process = await ssh.create_process(command, errors="replace")
                while line := await process.stdout.readline():
                    await queue.put(Line(host.name, redact(line.rstrip("\n"))))

    async def read_all() -> None:
        try:
            await asyncio.gather(*map(read, hosts))
        finally:
            await queue.put(None)

    reader = asyncio.create_task(read_all())
    try:
        while line := await queue.get():
            yield line
        await reader
    finally:
        reader.cancel()
        await asyncio.wait({reader})
