"""Logging in to a host over SSH, and finding its Python."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import asyncssh

from quartpatterns._shared.threads import to_thread
from quartpatterns.deployment.errors import StepFailedError
from quartpatterns.deployment.settings import VERSION, Host, Settings

__all__ = ["connection_errors", "find_python", "login"]

_CLOSE_TIMEOUT = 3.0
"""The seconds to wait until a connection is closed."""
_PRINT_VERSION = 'import sys; print(sys.executable, "%d.%d" % sys.version_info[:2])'


@contextlib.asynccontextmanager
async def login(
    settings: Settings, host: Host, *, admin: bool = False
) -> AsyncGenerator[asyncssh.SSHClientConnection]:
    """Log in to a host whose key is known, as its user or as the administrator.

    Raises:
        StepFailedError: The host is down or slow, has an unknown key, or refuses the login.
    """
    options: dict[str, Any] = {}
    if host.port:
        options["port"] = host.port
    if settings.identity:
        options["client_keys"] = [str(settings.identity)]
    user = settings.admin if admin and settings.admin else host.user
    try:
        if known := settings.known_hosts:
            options["known_hosts"] = await to_thread(asyncssh.read_known_hosts, str(known))
        async with asyncio.timeout(settings.connect_timeout):
            connection = await asyncssh.connect(
                host.address, username=user, keepalive_interval=15, keepalive_count_max=3, **options
            )
    except (OSError, ValueError, asyncssh.Error) as error:
        problem = await to_thread(_login_problem, error, settings, host, user)
        raise StepFailedError(host.name, "connect", problem) from error
    try:
        yield connection
    finally:
        connection.close()
        with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await connection.wait_closed()
        connection.abort()


@contextlib.contextmanager
def connection_errors(host: Host, step: str) -> Generator[None]:
    """Raise :exc:`StepFailedError` if the connection breaks inside the context."""
    try:
        yield
    except (asyncssh.Error, OSError) as error:
        problem = (
            "the host did not answer in time. Check its load and its network, and run the same"
            " command again to continue"
            if isinstance(error, TimeoutError)
            else f"the connection broke ({str(error) or type(error).__name__})."
            " To continue, run the same command again"
        )
        raise StepFailedError(host.name, step, problem) from error


async def find_python(ssh: asyncssh.SSHClientConnection, host: Host) -> str:
    """Return the path of Python on the host, quoted for a shell.

    Raises:
        StepFailedError: The host does not have the Python of the settings.
    """
    version = VERSION.fullmatch(host.python)
    find = f"echo {shlex.quote(host.python)}"
    if version:
        find = f"{{ command -v python{host.python} || command -v python3; }} 2> /dev/null"
    command = f'p=$({find}) && "$p" -c {shlex.quote(_PRINT_VERSION)}'
    result = await ssh.run(command, errors="replace")
    if result.exit_status is None:
        raise ConnectionError("closed by the host")
    path, _, found = str(result.stdout).strip().rpartition(" ")
    if result.exit_status or not path:
        problem = (
            f"Python {host.python} is missing. Install it on the host, or set python to a version"
            " that the host has"
        )
        output = str(result.stderr).strip()
        raise StepFailedError(host.name, "python", problem, command=command, output=output)
    if version and found != host.python:
        problem = (
            f"the host has Python {found}, but the wheels are for {host.python}. Install"
            f' python{host.python} on the host, or set python = "{found}" and pack again'
        )
        raise StepFailedError(host.name, "python", problem, command=command)
    return shlex.quote(path)


def _login_problem(error: Exception, settings: Settings, host: Host, user: str) -> str:
    """Return why the login failed and what to do. The function reads files."""
    place = f"{host.address} port {host.port or 22}"
    if isinstance(error, asyncssh.PermissionDenied):
        return (
            f"{place} refuses the key of the user {user}. Add the public key to"
            f" ~{user}/.ssh/authorized_keys on the host, or correct identity"
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable | asyncssh.KeyExchangeFailed):
        return _host_key_problem(error, settings, host, place)
    if isinstance(error, TimeoutError):
        return (
            f"the login on {place} took longer than {settings.connect_timeout:g} s. Check that the"
            " host is up and reachable, or raise connect-timeout"
        )
    if isinstance(error, asyncssh.ConnectionLost | ConnectionResetError):
        return f"{place} closed the connection. Read the log of its sshd, and try again"
    if isinstance(error, asyncssh.KeyImportError | asyncssh.KeyEncryptionError | ValueError):
        return f"the private key or the SSH settings are invalid ({error}). Correct identity"
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename} cannot be read ({error.strerror}). Create it, or correct identity"
            " or known-hosts"
        )
    if isinstance(error, OSError):
        # asyncio writes the address into the text of a refused connection. An unknown name has a
        # negative number, which only the resolver knows.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        return f"{place} is not reachable ({reason}). Check that it is up and its address is right"
    return f"{place}: {error}"


def _host_key_problem(error: Exception, settings: Settings, host: Host, place: str) -> str:
    file = settings.known_hosts or Path("~/.ssh/known_hosts").expanduser()
    port = host.port if host.port not in (None, 22) else None
    name = f"[{host.address}]:{port}" if port else host.address
    try:
        known = asyncssh.read_known_hosts(str(file)).match(host.address, "", port)[0]
    except (OSError, ValueError):
        known = ()
    if known:
        return (
            f"the key of {place} differs from the one in {file}. This can be an attack. If the key"
            f" was replaced, run ssh-keygen -f {file} -R '{name}' and add the new key"
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return f"{place} supports no algorithm of this machine ({error}). Update its sshd"
    scan = f"ssh-keyscan -p {port} {host.address}" if port else f"ssh-keyscan {host.address}"
    return (
        f"{file} does not contain the key of {place}. Compare the output of '{scan}' with the key"
        " on the host, and add it to the file"
    )
