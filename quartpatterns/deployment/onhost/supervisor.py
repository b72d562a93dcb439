"""The supervisor: the process that holds the listening sockets between releases.

It starts a new release on the sockets, and stops the old one when the new one is healthy, so
that some server accepts connections all the time. The supervisor opens the sockets itself, or
gets them from a systemd ``.socket`` unit (``LISTEN_FDS``).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from .processes import HealthCheckError, ReleaseProcesses
from .releases import PROGRAM, Release, release_signature
from .storage import check_written_files

__all__ = ["program_version", "request", "run"]

_FIRST_SYSTEMD_FD = 3
_BACKLOG = 2048


def program_version() -> str:
    """Return the version of this program, a hash of it."""
    return hashlib.sha256(PROGRAM.read_bytes()).hexdigest()[:12]


def request(folder: Path, message: dict[str, Any]) -> dict[str, Any]:
    """Send a message to the supervisor of *folder*, and return its response.

    Raises:
        OSError: No supervisor runs.
    """
    with _connect(folder, message) as client, client.makefile("rb") as stream:
        line = stream.readline()
    if not line:
        raise ConnectionError("the supervisor ended")
    response: dict[str, Any] = json.loads(line)
    return response


def run(folder: Path, *, takeover: bool) -> None:
    """Run a supervisor until SIGTERM, or until another supervisor takes over.

    With *takeover*, it takes the listening sockets from the supervisor that runs now.
    """
    systemd_sockets = _systemd_sockets()
    if not takeover:
        with contextlib.suppress(OSError):
            pid = request(folder, {"do": "status"})["pid"]
            sys.exit(f"a supervisor runs already: process {pid}")
    os.umask(0o077)
    sockets: dict[str, socket.socket] = {}
    if takeover:
        with _connect(folder, {"do": "handover"}) as client:
            names, fds, _, _ = socket.recv_fds(client, 65536, 64)
        pairs = zip(json.loads(names), fds, strict=True)
        sockets = {name: socket.socket(fileno=fd) for name, fd in pairs}
    asyncio.run(_Supervisor(folder, systemd_sockets, sockets).run(takeover=takeover))


class _Supervisor:
    """Holds the listening sockets, by address or from systemd, and runs the current release."""

    def __init__(
        self, folder: Path, systemd_sockets: list[socket.socket], sockets: dict[str, socket.socket]
    ) -> None:
        self.folder = folder
        self.systemd_sockets = systemd_sockets
        self.sockets = sockets
        self.version = program_version()
        self.serving: ReleaseProcesses | None = None
        self._lock = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()
        self._end = asyncio.Event()

    async def run(self, *, takeover: bool) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._end.set)
        current = self.folder / "current"
        if current.is_symlink():
            await self._switch(current.readlink().name, check_health=takeover)
        if takeover:
            request(self.folder, {"do": "retire"})
        path = _control_socket(self.folder)
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._respond, path)
        _notify_systemd("READY=1")
        print(  # noqa: T201 - its log
            f"supervisor {os.getpid()} {self.version} of {self.folder}", flush=True
        )
        await self._end.wait()
        _notify_systemd("STOPPING=1")
        server.close()
        async with self._lock:
            if self.serving:
                await self.serving.stop()
            if self._stopping:
                await asyncio.wait(self._stopping)

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            message = json.loads(await reader.readline())
            if message["do"] == "handover":
                self._send_sockets(writer)
            else:
                writer.write(json.dumps(await self._do(**message)).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _do(self, do: str, release: str = "") -> dict[str, Any]:
        if do == "status":
            return self._status()
        if do in {"retire", "stop"}:
            self._end.set()
            return {}
        async with self._lock:
            try:
                return {"message": await (self._try if do == "trial" else self._switch)(release)}
            except (OSError, ValueError, KeyError, HealthCheckError) as error:
                return {"error": str(error) or repr(error)}

    async def _try(self, release: str) -> str:
        """Start *release* on a private socket, check its health, and stop it."""
        tried = Release(self.folder, release)
        processes = ReleaseProcesses(tried, (), trial=True)
        await processes.start_servers(check_health=True)
        self._stop_later(processes)
        await asyncio.to_thread(check_written_files, self.folder, tried.path)
        return f"{release} is healthy"

    async def _switch(self, release: str, *, check_health: bool = True) -> str:
        """Serve *release*, and stop the release that was served before."""
        old, new = self.serving, Release(self.folder, release)
        if old and old.all_running() and old.signature == release_signature(self.folder, new):
            self._set_current(release)
            return f"{release} is served already"
        processes = ReleaseProcesses(new, [one.fileno() for one in self._listen(new.bind)])
        await processes.start_servers(check_health=check_health)
        self._set_current(release)
        self.serving = processes
        await processes.start_workers()
        if old:
            await old.stop_accepting()
            self._stop_later(old)
        for address in set(self.sockets) - set(new.bind):
            self.sockets.pop(address).close()
        return f"{release} is served"

    def _set_current(self, release: str) -> None:
        """Replace the link ``current``, which exists all the time."""
        link = self.folder / "run" / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("releases") / release)
        link.replace(self.folder / "current")

    def _listen(self, addresses: list[str]) -> list[socket.socket]:
        if self.systemd_sockets:
            return self.systemd_sockets
        for address in addresses:
            if address not in self.sockets:
                self.sockets[address] = _open_socket(address)
        return [self.sockets[address] for address in addresses]

    def _stop_later(self, processes: ReleaseProcesses) -> None:
        """Stop processes in the background, because their last requests can take long."""
        self._stopping.add(task := asyncio.create_task(processes.stop()))
        task.add_done_callback(self._stopping.discard)

    def _send_sockets(self, writer: asyncio.StreamWriter) -> None:
        names = json.dumps(list(self.sockets)).encode()
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as client:
            socket.send_fds(client, [names], [one.fileno() for one in self.sockets.values()])

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "version": self.version,
            "pid": os.getpid(),
            "systemd": bool(self.systemd_sockets),
            "stopping": len(self._stopping),
            "release": None,
            "since": "",
            "bind": [],
            "processes": {},
            "expected": 0,
            "changed": False,
        }
        if self.serving:
            signature = release_signature(self.folder, self.serving.release)
            status |= self.serving.describe()
            status["changed"] = self.serving.signature != signature
        return status


def _control_socket(folder: Path) -> Path:
    return folder / "run" / "control.sock"


def _connect(folder: Path, message: dict[str, Any]) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(str(_control_socket(folder)))
        client.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        client.close()
        raise
    return client


def _systemd_sockets() -> list[socket.socket]:
    """Return the sockets that systemd has passed to this process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ["LISTEN_FDS"])
    return [socket.socket(fileno=_FIRST_SYSTEMD_FD + n) for n in range(count)]


def _notify_systemd(state: str) -> None:
    """Send *state* to systemd if it started this process, as sd_notify(3) does."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
            client.sendall(state.encode())


def _open_socket(address: str) -> socket.socket:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        return listener
    name, _, port = address.rpartition(":")
    family = socket.AF_INET6 if name.startswith("[") else socket.AF_INET
    try:
        listener = socket.create_server(
            (name.strip("[]"), int(port)), family=family, backlog=_BACKLOG
        )
    except OSError as error:
        raise OSError(f"{address}: {error.strerror}") from error
    # Without this, a small response can wait until the client acknowledges the previous one.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
