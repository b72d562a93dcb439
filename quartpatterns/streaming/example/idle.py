"""Measure what open event streams cost: memory, tasks, the time of an event, and the end.

``python -m quartpatterns.streaming.example.idle`` opens 5,000 event streams on one process of each
ASGI server, on plain Quart and on FaithfulQuart, and on an ASGI application without a framework,
which shows what the server itself takes. It publishes events and notes when each client has them.
Then it sends SIGTERM to another process with 200 streams.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import select
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quart import Quart

from quartpatterns.compare.servers import ASGI_SERVERS, ASGIServer, RunningServer, serve
from quartpatterns.streaming import Broadcaster, EventStream
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["bare_application", "create_app", "main"]

COLUMNS = (
    *("server", "application", "KiB each", "tasks each", "event CPU, ms", "client CPU, ms"),
    *("event p50, ms", "event p99, ms", "end, s", "exit, s"),
)
KINDS = ("alone", "Quart", "FaithfulQuart")
WARM_UP = 100  # streams that are opened first, so that modules and caches are there
REQUEST = (
    b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\nCache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n\r\n"
)
PUBLISH = b"GET /publish HTTP/1.1\r\nHost: localhost\r\n\r\n"


def create_app(kind: str = "FaithfulQuart") -> Any:
    """Return an application with the URLs ``/events``, ``/state`` and ``/publish``."""
    if kind == "alone":
        return bare_application
    app = {"Quart": Quart, "FaithfulQuart": FaithfulQuart}[kind](__name__)
    broadcaster = Broadcaster(app)

    @app.get("/events")
    async def events() -> EventStream:
        return EventStream(broadcaster.subscribe("topic"), heartbeat=600)

    @app.get("/state")
    async def state() -> str:
        return current_state()

    @app.get("/publish")
    async def publish() -> str:
        await broadcaster.publish("topic", repr(time.monotonic()))
        return ""

    return app


_waiting: list[asyncio.Future[bytes]] = []


async def bare_application(scope: Any, receive: Any, send: Any) -> None:
    """Respond without a framework."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b"retry: 3000\n\n" if scope["path"] == "/events" else current_state().encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = scope["path"] == "/events"
    if scope["path"] == "/publish":
        event = b"id: 1700000000000-0\ndata: %r\n\n" % time.monotonic()
        for waiter in _waiting:
            waiter.set_result(event)
        _waiting.clear()
    await send({"type": "http.response.body", "body": body, "more_body": more})
    while more:
        waiter = asyncio.get_running_loop().create_future()
        _waiting.append(waiter)
        await send({"type": "http.response.body", "body": await waiter, "more_body": True})


def current_state() -> str:
    """Return the memory of this process in bytes, its tasks, and its CPU time in microseconds."""
    cpu = int(time.process_time() * 1_000_000)
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return f"{pages * os.sysconf('SC_PAGE_SIZE')} {len(asyncio.all_tasks())} {cpu}"


class Clients:
    """Clients that read event streams in one thread.

    They do as little as possible for each event, so that they are not what is measured.
    """

    def __init__(self, server: RunningServer) -> None:
        self._port = int(server.url.rpartition(":")[2])
        self._epoll = select.epoll()
        self.open: dict[int, socket.socket] = {}

    def get(self, path: str) -> list[int]:
        """Return the numbers that the server responds with."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=60) as response:
            return list(map(int, response.read().split()))

    def connect(self, count: int) -> None:
        """Open *count* streams."""
        new: list[socket.socket] = []
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            client.sendall(REQUEST)
            new.append(client)
        for client in new:
            text = b""
            while b"retry" not in text:
                text += client.recv(4096)
            client.setblocking(False)
            self._epoll.register(client, select.EPOLLIN)
            self.open[client.fileno()] = client

    def publish(self) -> socket.socket:
        """Ask the server to publish an event, and return the connection with its response."""
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        connection.sendall(PUBLISH)
        return connection

    def read(self, count: int, handle: Callable[[int, bytes], bool], seconds: float = 60) -> None:
        """Read until *handle* has returned true *count* times for what a stream has received."""
        deadline = time.monotonic() + seconds
        poll, read = self._epoll.poll, os.read
        while count and time.monotonic() < deadline:
            for descriptor, _ in poll(1.0, 512):
                count -= handle(descriptor, read(descriptor, 4096))

    def close(self, descriptor: int) -> None:
        """Close one of the clients."""
        self._epoll.unregister(descriptor)
        self.open.pop(descriptor).close()


def measure(server: ASGIServer, kind: str, count: int, events: int) -> str:
    """Return a row of the table."""
    cells = [server, kind]
    with serve(f"{__spec__.name}:create_app({kind!r})", server) as running:
        clients = Clients(running)
        clients.connect(WARM_UP)
        time.sleep(0.5)
        memory, tasks, _ = clients.get("/state")
        clients.connect(count)
        time.sleep(1)
        more_memory, more_tasks, _ = clients.get("/state")
        cpu = clients.get("/state")[2]
        cells.append(f"{(more_memory - memory) / count / 1024:.1f}")
        cells.append(f"{(more_tasks - tasks) / count:.2f}")
        latencies, client_cpu = publish(clients, events)
        cells.append(f"{(clients.get('/state')[2] - cpu) / events / 1000:.0f}")
        cells.append(f"{client_cpu / events * 1000:.0f}")
        cells += [f"{1000 * latencies[int(len(latencies) * part)]:.0f}" for part in (0.5, 0.99)]
    if kind == "alone":
        cells += ["", ""]
    else:
        with serve(f"{__spec__.name}:create_app({kind!r})", server) as running:
            clients = Clients(running)
            clients.connect(200)
            cells += [f"{seconds:.2f}" for seconds in end(running.pid, clients)]
    return f"| {' | '.join(cells)} |"


def publish(clients: Clients, events: int) -> tuple[list[float], float]:
    """Publish events.

    Returns:
        The sorted seconds until each client had each of them, and the CPU time of the clients.
    """
    received: list[tuple[float, bytes]] = []

    def note(_: int, data: bytes) -> bool:
        received.append((time.monotonic(), data))
        return True

    cpu = 0.0
    for _ in range(events):
        before = time.process_time()
        with clients.publish():
            clients.read(len(clients.open), note)
            cpu += time.process_time() - before
            time.sleep(0.2)
    assert len(received) == events * len(clients.open), "an event did not reach every client"
    latencies = [
        when - float(data.partition(b"data: ")[2].partition(b"\n")[0]) for when, data in received
    ]
    return sorted(latencies), cpu


def end(pid: int, clients: Clients) -> tuple[float, float]:
    """Send SIGTERM.

    Returns:
        The seconds until all streams have said farewell and ended, and until the server has exited.
    """
    count = len(clients.open)
    farewells = 0

    def ended(descriptor: int, data: bytes) -> bool:
        nonlocal farewells
        farewells += b"retry" in data
        if not data:
            clients.close(descriptor)
        return not data

    started = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    clients.read(count, ended)
    assert farewells == count, f"{farewells} farewells"
    seconds = time.monotonic() - started
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)
    return seconds, time.monotonic() - started


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--events", type=int, default=10)
    parser.add_argument("--server", nargs="*", choices=ASGI_SERVERS, default=ASGI_SERVERS)
    parser.add_argument("--application", nargs="*", choices=KINDS, default=KINDS)
    options = parser.parse_args(arguments)
    print(f"{options.streams} event streams in one process\n")  # noqa: T201
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")  # noqa: T201
    for server in options.server:
        for kind in options.application:
            print(measure(server, kind, options.streams, options.events), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
