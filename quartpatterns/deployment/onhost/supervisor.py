"""The process that holds the listening sockets while releases come and go.

A new release is started on the inherited sockets, and the old one ends when the new one is well:
there is no moment at which nobody accepts. The sockets are this process's own, or systemd's
where a ``.socket`` unit has passed them on (``LISTEN_FDS``).
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

from .probing import WellnessError
from .processes import Generation
from .services import PROGRAM, Services, signature

__all__ = ["Supervisor", "ask", "version"]

FIRST_FD = 3  # of those that systemd passes on
BACKLOG = 2048


def version() -> str:
    """Tells one version of this program from another."""
    return hashlib.sha256(PROGRAM.read_bytes()).hexdigest()[:12]


def control(folder: Path) -> Path:
    """The socket on which a supervisor of *folder* is spoken to."""
    return folder / "run" / "control.sock"


def ask(folder: Path, message: dict[str, Any]) -> dict[str, Any]:
    """The answer of the supervisor of *folder*.

    Raises:
        OSError: There is none.
    """
    with _connected(folder, message) as client, client.makefile("rb") as answer:
        line = answer.readline()
    if not line:
        raise ConnectionError("the supervisor ended")
    answered: dict[str, Any] = json.loads(line)
    return answered


def inherit(folder: Path) -> dict[str, socket.socket]:
    """The listening sockets of the supervisor that runs, to take over from it."""
    with _connected(folder, {"do": "handover"}) as client:
        line, fds, _, _ = socket.recv_fds(client, 65536, 64)
    return {name: socket.socket(fileno=fd) for name, fd in zip(json.loads(line), fds, strict=True)}


def activated() -> list[socket.socket]:
    """The sockets that systemd has passed on."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    return [socket.socket(fileno=FIRST_FD + n) for n in range(int(os.environ["LISTEN_FDS"]))]


class Supervisor:
    """Holds the sockets of *folder*, and runs its current release on them."""

    def __init__(
        self, folder: Path, given: list[socket.socket], taken: dict[str, socket.socket]
    ) -> None:
        self.folder = folder
        self.given = given
        self.sockets = taken
        self.version = version()
        self.serving: Generation | None = None
        self._one_at_a_time = asyncio.Lock()
        self._retired: set[asyncio.Task[None]] = set()
        self._end = asyncio.Event()

    async def run(self, *, takeover: bool = False) -> None:
        """Serve until SIGTERM, or until another supervisor takes over."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._end.set)
        current = self.folder / "current"
        if current.is_symlink():
            await self._switch(current.readlink().name, well=takeover)
        if takeover:
            ask(self.folder, {"do": "retire"})
        path = control(self.folder)
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._answer, path)
        _notify("READY=1")
        print(f"supervisor {os.getpid()} {self.version} of {self.folder}", flush=True)  # noqa: T201 - its log
        await self._end.wait()
        _notify("STOPPING=1")
        server.close()
        async with self._one_at_a_time:
            if self.serving:
                await self.serving.end()
            if self._retired:
                await asyncio.wait(self._retired)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            message = json.loads(await reader.readline())
            if message["do"] == "handover":
                self._hand_over(writer)
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
        async with self._one_at_a_time:
            try:
                return await (self._trial if do == "trial" else self._switch)(release)
            except (OSError, ValueError, KeyError, WellnessError) as error:
                return {"error": str(error) or repr(error)}

    async def _trial(self, release: str) -> dict[str, Any]:
        """Start *release* where nobody sees it, and see whether it is well."""
        generation = Generation(Services(self.folder, release), (), trial=True)
        await generation.start_servers(well=True)
        self._retire(generation)
        return {"said": f"{release} is well"}

    async def _switch(self, release: str, *, well: bool = True) -> dict[str, Any]:
        """Serve *release*, and end what was served before."""
        old = self.serving
        if old and old.complete() and old.signature == signature(self.folder, release):
            self._link(release)
            return {"said": f"{release} is served already"}
        services = Services(self.folder, release)
        fds = [one.fileno() for one in self._bound(services.bind)]
        generation = Generation(services, fds)
        await generation.start_servers(well=well)
        self._link(release)
        self.serving = generation
        await generation.start_workers()
        if old:
            await old.accepts_no_more()
            self._retire(old)
        self._unbind(services.bind)
        return {"said": f"{release} is served"}

    def _link(self, release: str) -> None:
        """Have ``current`` name *release*; at no moment it names nothing."""
        new = self.folder / "run" / "current"
        new.unlink(missing_ok=True)
        new.symlink_to(Path("releases") / release)
        new.replace(self.folder / "current")

    def _bound(self, addresses: list[str]) -> list[socket.socket]:
        if self.given:
            return self.given
        for address in addresses:
            if address not in self.sockets:
                self.sockets[address] = _listen(address)
        return [self.sockets[address] for address in addresses]

    def _unbind(self, addresses: list[str]) -> None:
        for address in set(self.sockets) - set(addresses):
            self.sockets.pop(address).close()

    def _retire(self, generation: Generation) -> None:
        """End *generation* in the background: its last requests may take a while."""
        self._retired.add(task := asyncio.create_task(generation.end()))
        task.add_done_callback(self._retired.discard)

    def _hand_over(self, writer: asyncio.StreamWriter) -> None:
        names = json.dumps(list(self.sockets)).encode()
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as client:
            socket.send_fds(client, [names], [one.fileno() for one in self.sockets.values()])

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {"version": self.version, "pid": os.getpid(), "release": None}
        if self.serving:
            name = self.serving.services.name
            status |= self.serving.describe()
            status["changed"] = self.serving.signature != signature(self.folder, name)
        return status | {"ending": len(self._retired), "systemd": bool(self.given)}


def _listen(address: str) -> socket.socket:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(path))
        one.listen(BACKLOG)
        return one
    name, _, port = address.rpartition(":")
    family = socket.AF_INET6 if name.startswith("[") else socket.AF_INET
    try:
        one = socket.create_server((name.strip("[]"), int(port)), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(f"{address}: {error.strerror}") from error
    # Else a small answer may wait for the client's acknowledgement of the one before.
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def _connected(folder: Path, message: dict[str, Any]) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(str(control(folder)))
        client.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        client.close()
        raise
    return client


def _notify(state: str) -> None:
    """Tell systemd, where it is the one that has started this."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
            one.sendall(state.encode())


def run(folder: Path, *, takeover: bool) -> None:
    """Run a supervisor of *folder* until it is told to end."""
    given = activated()
    if not takeover:
        with contextlib.suppress(OSError):
            sys.exit(f"a supervisor runs already: {ask(folder, {'do': 'status'})['pid']}")
    os.umask(0o077)
    taken = inherit(folder) if takeover else {}
    supervisor = Supervisor(folder, given, taken)
    asyncio.run(supervisor.run(takeover=takeover))
