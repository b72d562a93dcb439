"""Logging in to a host, and its Python."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncGenerator
from typing import Any

import asyncssh

from quartpatterns.deployment.errors import StepFailedError
from quartpatterns.deployment.refusals import explain
from quartpatterns.deployment.settings import VERSION, Host, Settings

__all__ = ["find_python", "login"]

FIND = "{{ command -v {name} || command -v python3; }} 2> /dev/null"
ASK = 'import sys; print(sys.executable, "%d.%d" % sys.version_info[:2])'


@contextlib.asynccontextmanager
async def login(
    settings: Settings, host: Host, *, admin: bool = False
) -> AsyncGenerator[asyncssh.SSHClientConnection]:
    """Log in to *host*, whose key must be known.

    Raises:
        StepFailedError: The host is down, slow, has another key, or refuses ours.
    """
    options: dict[str, Any] = {}
    if host.port:
        options["port"] = host.port
    if settings.identity:
        options["client_keys"] = [str(settings.identity)]
    user = settings.admin if admin and settings.admin else host.user
    try:
        if known := settings.known_hosts:
            options["known_hosts"] = await asyncio.to_thread(asyncssh.read_known_hosts, str(known))
        async with asyncio.timeout(settings.connect_timeout):
            connection = await asyncssh.connect(
                host.address, username=user, keepalive_interval=15, keepalive_count_max=3, **options
            )
    except (OSError, ValueError, asyncssh.Error) as error:
        problem = await asyncio.to_thread(explain, error, settings, host, user)
        raise StepFailedError(host.name, "connect", problem) from error
    try:
        yield connection
    finally:
        connection.close()
        with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(3):
                await connection.wait_closed()
        connection.abort()


async def find_python(ssh: asyncssh.SSHClientConnection, host: Host) -> str:
    """The path of the Python that the settings ask for.

    Raises:
        StepFailedError: The host has none, or another.
    """
    own = VERSION.fullmatch(host.python)
    find = FIND.format(name=f"python{host.python}") if own else f"echo {shlex.quote(host.python)}"
    command = f'p=$({find}) && "$p" -c {shlex.quote(ASK)}'
    done = await ssh.run(command, errors="replace")
    if done.exit_status is None:
        raise ConnectionError("closed by the host")
    said = str(done.stdout).split()
    if done.exit_status or len(said) < 2:
        raise StepFailedError(
            host.name,
            "python",
            f"there is no Python {host.python}: install it there, or set python to what the host"
            " has",
            command=command,
            output=str(done.stderr).strip(),
        )
    path, version = " ".join(said[:-1]), said[-1]
    if own and version != host.python:
        raise StepFailedError(
            host.name,
            "python",
            f"there is Python {version}, and the wheels are for {host.python}: install"
            f' python{host.python} there, or set python = "{version}" and pack again',
            command=command,
        )
    return shlex.quote(path)
