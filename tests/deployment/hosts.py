"""SSH servers on loopback that are hosts: each with a folder, a port and keys of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from quartpatterns.compare.processes import free_port

__all__ = ["Host", "Hosts", "host_machines"]


@dataclass
class Host:
    """A host: what it has been asked, and how its connections are cut.

    Arguments:
        name: Its name.
        folder: Its home.
        port: Its SSH port.
        web: The port on which the application listens.
        env: The environment of its commands.
        commands: What was run over SSH.
        refuse: Whether it takes nobody's key.
    """

    name: str
    folder: Path
    port: int
    web: int
    env: dict[str, str]
    commands: list[str] = field(default_factory=list)
    refuse: bool = False
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    server: asyncssh.SSHAcceptor | None = None
    running: set[asyncio.subprocess.Process] = field(default_factory=set)

    @property
    def app(self) -> Path:
        """The folder that is deployed to."""
        return self.folder / "srv" / "demo"

    def cut(self) -> None:
        """Break every connection, as a network does."""
        for connection in list(self.connections):
            connection.abort()


class Doorkeeper(asyncssh.SSHServer):
    """Lets in whoever has the key, unless the host refuses."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.conn = conn
        self.host.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self.host.connections.discard(self.conn)

    def begin_auth(self, username: str) -> bool:
        if self.host.refuse:
            self.conn.set_authorized_keys(asyncssh.import_authorized_keys(""))
        return True


def shell(host: Host) -> Callable[[asyncssh.SSHServerProcess[bytes]], None]:
    """What runs the commands of *host*."""

    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        host.commands.append(process.command or "")
        running = await asyncio.create_subprocess_shell(
            process.command or "exit 1",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=host.folder,
            env=host.env,
            start_new_session=True,
        )
        host.running.add(running)
        assert running.stdin and running.stdout and running.stderr
        try:
            async with asyncio.TaskGroup() as group:
                typed = group.create_task(copy(process.stdin, running.stdin))
                group.create_task(copy(running.stdout, process.stdout))
                group.create_task(copy(running.stderr, process.stderr))
                code = await running.wait()
                typed.cancel()
            process.exit(code)
        finally:
            # As sshd does: the command isn't killed, its input ends.
            running.stdin.close()
            await running.wait()
            host.running.discard(running)

    return run  # type: ignore[return-value]


async def copy(reader: Any, writer: Any) -> None:
    """Copy from *reader* to *writer*, until one of them is gone."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    if isinstance(writer, asyncio.StreamWriter):
        writer.close()


@dataclass(frozen=True)
class Hosts:
    """Several hosts, and what a client needs to get in."""

    folder: Path
    all: tuple[Host, ...]

    @property
    def identity(self) -> Path:
        return self.folder / "identity"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def __getitem__(self, index: int) -> Host:
        return self.all[index]


@contextlib.asynccontextmanager
async def host_machines(folder: Path, count: int) -> AsyncIterator[Hosts]:
    """*count* hosts in *folder*, for the length of the context."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    hosts = Hosts(
        folder,
        tuple(
            Host(f"web{n}", folder / f"web{n}", free_port(), free_port(), {}) for n in range(count)
        ),
    )
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    key.write_private_key(hosts.identity)
    hosts.identity.chmod(0o600)
    lines: list[str] = []
    try:
        for host in hosts.all:
            host.folder.mkdir()
            host.env |= {"HOME": str(host.folder), "PATH": default_path(), "LANG": "C.UTF-8"}
            own = asyncssh.generate_private_key("ssh-ed25519")
            lines.append(f"[127.0.0.1]:{host.port} {own.export_public_key().decode().strip()}")
            await listen(host, own, key)
        hosts.known_hosts.write_text("\n".join([*lines, ""]))
        yield hosts
    finally:
        for host in hosts.all:
            await stop(host)


async def listen(host: Host, own: asyncssh.SSHKey, allowed: asyncssh.SSHKey) -> None:
    """Have *host* listen."""
    host.server = await asyncssh.listen(
        "127.0.0.1",
        host.port,
        server_factory=lambda: Doorkeeper(host),
        server_host_keys=[own],
        authorized_client_keys=asyncssh.import_authorized_keys(
            allowed.export_public_key().decode()
        ),
        process_factory=shell(host),
        sftp_factory=True,
        encoding=None,
    )


async def stop(host: Host) -> None:
    """End *host*, and all that runs on it."""
    if host.server:
        host.cut()
        host.server.close()
        await host.server.wait_closed()
        for connection in list(host.connections):
            await connection.wait_closed()
    for process in list(host.running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    program = host.app / "bin" / "host.pyz"
    if program.exists():
        ended = await asyncio.create_subprocess_exec(
            sys.executable, program, "stop", host.app, stderr=asyncio.subprocess.DEVNULL
        )
        await ended.wait()


def default_path() -> str:
    """The folders of programs, with that of this Python first: it is the hosts' Python."""
    base = Path(sys.base_prefix) / "bin"
    return f"{base}:{os.environ.get('PATH', os.defpath)}"
