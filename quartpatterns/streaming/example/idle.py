"""Measure what open event streams cost: memory, tasks, the time of an event, and the end.

``python -m quartpatterns.streaming.example.idle`` opens 5,000 event streams on one Hypercorn
process, on plain Quart and on FaithfulQuart, and on an ASGI application without a framework, which
shows what the server itself takes. It then publishes events and notes when each client has them,
and sends SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quart import Quart

from quartpatterns.compare.processes import Process, accepts, free_port
from quartpatterns.streaming import Broadcaster, EventStream
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["main"]

COLUMNS = (
    *("application", "KiB each", "tasks each", "event CPU, ms"),
    *("event p50, ms", "event p99, ms", "end, s"),
)
KINDS = ("server alone", "Quart", "FaithfulQuart")
REQUEST = (
    b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\nCache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n\r\n"
)


def create_app(kind: str) -> Any:
    """Return an application with the URLs ``/events``, ``/state`` and ``/publish``."""
    if kind == "server alone":
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
    await send({"type": "http.response.body", "body": body, "more_body": more})
    while more and (await receive())["type"] != "http.disconnect":
        pass


def current_state() -> str:
    """Return the memory of this process in bytes, its tasks, and its CPU time in microseconds."""
    cpu = int(time.process_time() * 1_000_000)
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return f"{pages * os.sysconf('SC_PAGE_SIZE')} {len(asyncio.all_tasks())} {cpu}"


class Clients:
    """Clients that read event streams in one thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self.open: list[socket.socket] = []

    def connect(self, count: int) -> None:
        """Open *count* streams."""
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            client.sendall(REQUEST)
            self.open.append(client)
        for client in self.open[-count:]:
            text = b""
            while b"retry" not in text:
                text += client.recv(4096)
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)

    def read(self, expected: int, handle: Callable[[bytes], bool], seconds: float = 60) -> None:
        """Read until *handle* has returned true *expected* times."""
        deadline = time.monotonic() + seconds
        while expected and time.monotonic() < deadline:
            for key, _ in self._selector.select(1.0):
                client: Any = key.fileobj
                if handle(data := client.recv(65536)):
                    expected -= 1
                if not data:
                    self._selector.unregister(client)
                    client.close()


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
        text: str = response.read().decode()
    return text


def measure(kind: str, count: int, events: int) -> str:
    """Return a row of the table."""
    port = free_port()
    module = "quartpatterns.streaming.example.idle"
    command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "-k", "uvloop"]
    command += ["--backlog", "2048", "--graceful-timeout", "20", f"{module}:served"]
    env = {**os.environ, "QUARTPATTERNS_IDLE": kind}
    with (
        tempfile.TemporaryDirectory() as folder,
        Process(command, log=Path(folder, "log"), env=env) as process,
    ):
        process.wait_until(lambda: accepts(port))
        clients = Clients(port)
        clients.connect(100)  # so that modules and caches are there
        time.sleep(0.5)
        memory, tasks, _ = map(int, get(port, "/state").split())
        clients.connect(count)
        time.sleep(1)
        more_memory, more_tasks, _ = map(int, get(port, "/state").split())
        cpu = int(get(port, "/state").split()[2])
        cells = [kind, f"{(more_memory - memory) / count / 1024:.1f}"]
        cells.append(f"{(more_tasks - tasks) / count:.2f}")
        if kind != "server alone":
            latencies = publish(port, clients, events)
            cpu = int(get(port, "/state").split()[2]) - cpu
            cells.append(f"{cpu / events / 1000:.0f}")
            cells += [f"{1000 * latencies[int(len(latencies) * part)]:.0f}" for part in (0.5, 0.99)]
            cells.append(f"{end(process.pid, clients):.2f}")
    return f"| {' | '.join(cells + [''] * (len(COLUMNS) - len(cells)))} |"


def publish(port: int, clients: Clients, events: int) -> list[float]:
    """Publish events, and return the sorted seconds until each client had each of them."""
    latencies: list[float] = []

    def note(data: bytes) -> bool:
        now = time.monotonic()
        start = data.find(b"data: ")
        if start < 0:
            return False
        latencies.append(now - float(data[start + 6 :].split(b"\n")[0]))
        return True

    for _ in range(events):
        get(port, "/publish")
        clients.read(len(clients.open), note)
        time.sleep(0.2)
    assert len(latencies) == events * len(clients.open), "an event did not reach every client"
    return sorted(latencies)


def end(pid: int, clients: Clients) -> float:
    """Send SIGTERM, and return the seconds until all streams have said farewell and ended."""
    farewells = 0

    def ended(data: bytes) -> bool:
        nonlocal farewells
        farewells += b"retry" in data
        return not data

    started = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    clients.read(len(clients.open), ended)
    assert farewells == len(clients.open), f"{farewells} farewells"
    return time.monotonic() - started


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--events", type=int, default=10)
    options = parser.parse_args(arguments)
    print(f"{options.streams} event streams in one process of Hypercorn\n")  # noqa: T201
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")  # noqa: T201
    for kind in KINDS:
        print(measure(kind, options.streams, options.events), flush=True)  # noqa: T201


if "QUARTPATTERNS_IDLE" in os.environ:
    served = create_app(os.environ["QUARTPATTERNS_IDLE"])

if __name__ == "__main__":
    main()
