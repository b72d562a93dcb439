"""SSH servers on this machine that act as hosts, each with its own folder, ports and keys."""

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
import psutil

from quartpatterns.compare.processes import free_port

__all__ = ["Host", "Hosts", "run_hosts"]


@dataclass
class Host:
    """A host.

    Arguments:
        name: The name.
        folder: The home folder of its user.
        port: The SSH port.
        web: The port on which the application listens.
        env: The environment of commands.
        commands: The commands that were run over SSH.
        refuse: Whether to refuse all keys.
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
        """The folder of the deployment."""
        return self.folder / "srv" / "demo"

    def disconnect(self) -> None:
        """Abort every connection, as a network failure does."""
        for connection in list(self.connections):
            connection.abort()


class Server(asyncssh.SSHServer):
    """Accepts the key, unless the host refuses all keys."""

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


def file_server(host: Host) -> Callable[[asyncssh.SSHServerChannel[bytes]], asyncssh.SFTPServer]:
    """Return the SFTP server of *host*: relative paths start in the home folder, as with sshd."""

    class Files(asyncssh.SFTPServer):
        def map_path(self, path: bytes) -> bytes:
            return os.path.join(os.fsencode(host.folder), path)

    return Files


def command_runner(host: Host) -> Callable[[asyncssh.SSHServerProcess[bytes]], None]:
    """Return the function that runs the commands of *host*."""

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
                stdin = group.create_task(copy(process.stdin, running.stdin))
                group.create_task(copy(running.stdout, process.stdout))
                group.create_task(copy(running.stderr, process.stderr))
                code = await running.wait()
                stdin.cancel()
            process.exit(code)
        finally:
            # sshd does the same: it closes the input of the command, and does not kill it.
            running.stdin.close()
            await running.wait()
            host.running.discard(running)

    return run  # type: ignore[return-value]


async def copy(reader: Any, writer: Any) -> None:
    """Copy from *reader* to *writer* until one of them is closed."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    if isinstance(writer, asyncio.StreamWriter):
        writer.close()


@dataclass(frozen=True)
class Hosts:
    """Several hosts, and the files that a client needs to log in."""

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
async def run_hosts(folder: Path, count: int) -> AsyncIterator[Hosts]:
    """Run *count* hosts in *folder*."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    hosts = Hosts(
        folder,
        tuple(
            Host(f"web{n}", folder / f"web{n}", free_port(), free_port(), {}) for n in range(count)
        ),
    )
    key.write_private_key(hosts.identity)
    hosts.identity.chmod(0o600)
    lines: list[str] = []
    try:
        for host in hosts.all:
            host.folder.mkdir()
            host.env |= {"HOME": str(host.folder), "PATH": default_path(), "LANG": "C.UTF-8"}
            host_key = asyncssh.generate_private_key("ssh-ed25519")
            lines.append(f"[127.0.0.1]:{host.port} {host_key.export_public_key().decode().strip()}")
            await listen(host, host_key, key)
        hosts.known_hosts.write_text("\n".join([*lines, ""]))
        yield hosts
    finally:
        for host in hosts.all:
            await stop(host)


async def listen(host: Host, host_key: asyncssh.SSHKey, allowed: asyncssh.SSHKey) -> None:
    """Start the SSH server of *host*."""
    host.server = await asyncssh.listen(
        "127.0.0.1",
        host.port,
        server_factory=lambda: Server(host),
        server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(
            allowed.export_public_key().decode()
        ),
        process_factory=command_runner(host),
        sftp_factory=file_server(host),
        encoding=None,
    )


async def stop(host: Host) -> None:
    """Stop *host* and everything that runs on it."""
    if host.server:
        host.disconnect()
        host.server.close()
        await host.server.wait_closed()
        for connection in list(host.connections):
            await connection.wait_closed()
    for process in list(host.running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    program = host.app / "bin" / "host.pyz"
    while pids := await asyncio.to_thread(processes_of, program):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)


def processes_of(program: Path) -> list[int]:
    """Return the ids of the processes that run *program*: a supervisor and its servers."""
    name = str(program)
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if name in (process.info["cmdline"] or ())
    ]


def default_path() -> str:
    """Return a PATH on which this Python comes first, as the Python of the hosts."""
    base = Path(sys.base_prefix) / "bin"
    return f"{base}:{os.environ.get('PATH', os.defpath)}"
