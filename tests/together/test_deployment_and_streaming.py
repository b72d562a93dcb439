"""Feeds, downloads and websockets while their server stops, with real server processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event
from quart import Quart

from quartpatterns.compare.processes import free_port
from quartpatterns.streaming import (
    is_shutting_down,
    stream_with_context,
    until_shutdown,
    wait_for_shutdown,
)
from tests.serving import TIMEOUT, served

pytestmark = pytest.mark.wire

ROOT = Path(__file__).parents[2]
APP = """
import asyncio
from pathlib import Path

from quart import Quart, websocket
from quartpatterns.streaming import finish_requests, stream_with_context, until_shutdown
from quartpatterns.subclassing import FaithfulQuart

GO_ON = Path(__file__).with_name("go_on")
HTML = {"Content-Type": "text/event-stream"}


async def go_on():
    while not GO_ON.exists():
        await asyncio.sleep(0.01)


async def numbers():
    for number in range(10**9):
        yield number
        await asyncio.sleep(0.01)


async def silence():
    yield "first"
    await asyncio.Event().wait()


def create_app(app_class):
    app = app_class(__name__)

    @app.get("/feed")
    async def feed():
        @stream_with_context
        async def events():
            async for number in until_shutdown(numbers()):
                yield f"data: {number}\\n\\n"
            yield "event: farewell\\n\\n"

        return events(), HTML

    @app.get("/silent")
    async def silent():
        @stream_with_context
        async def events():
            async for event in until_shutdown(silence()):
                yield f"data: {event}\\n\\n"
            yield "event: farewell\\n\\n"

        return events(), HTML

    @app.get("/download")
    async def download():
        @stream_with_context
        async def parts():
            yield "first"
            await go_on()
            yield "last"

        return parts()

    @app.get("/view")
    async def view():
        GO_ON.with_name("viewed").touch()
        await go_on()
        return "the view has ended"

    @app.get("/endless")
    async def endless():
        @stream_with_context
        async def events():
            async for number in numbers():
                yield f"data: {number}\\n\\n"

        return events(), HTML

    @app.websocket("/socket")
    async def socket():
        async for number in until_shutdown(numbers()):
            await websocket.send(str(number))
        await websocket.send("farewell")
        await websocket.close(1001)

    return app


plain = create_app(Quart)
finish_requests(plain)
faithful = create_app(FaithfulQuart)
streaming = create_app(Quart)
"""
HYPERCORN = "-m hypercorn --graceful-timeout {grace} --bind 127.0.0.1:{port} --workers {workers}"
UVICORN = "-m uvicorn --timeout-graceful-shutdown {grace} --port {port} --workers {workers}"
GRANIAN = (
    "-m granian --interface asgi --workers-kill-timeout {grace} --port {port} --workers {workers}"
)
SERVE = "-m quartpatterns serve --bind 127.0.0.1:{port} --workers {workers} --config h.toml --app"
SERVE_UVICORN = SERVE.replace("serve", "serve --server uvicorn")
SERVE_GRANIAN = SERVE.replace("serve", "serve --server granian")
DEPLOYED = (
    "-c 'import sys; from quartpatterns.deployment.onhost.server import main; main(sys.argv[1:])'"
    " --config h.toml --fd {fd} --private private.sock --graceful {grace}"
)
DEPLOYED_UVICORN = DEPLOYED.replace("[1:])", '[1:], "uvicorn")').replace("--config h.toml ", "")
COMMANDS = {
    "hypercorn": (HYPERCORN, 0),
    "hypercorn, 2 workers": (HYPERCORN, 2),
    "hypercorn, 2 workers, uvloop": (f"{HYPERCORN} -k uvloop", 2),
    "uvicorn": (UVICORN, 1),
    "granian": (GRANIAN, 1),
    "serve": (SERVE, 1),
    "serve, 2 workers": (SERVE, 2),
    "serve, uvicorn": (SERVE_UVICORN, 1),
    "serve, uvicorn, 2 workers": (SERVE_UVICORN, 2),
    "serve, granian": (SERVE_GRANIAN, 1),
    "serve, granian, 2 workers": (SERVE_GRANIAN, 2),
    "deployment": (DEPLOYED, 1),
    "deployment, uvicorn": (DEPLOYED_UVICORN, 1),
}
TWO = "hypercorn, 2 workers"
ON_BOTH = [*((command, "plain") for command in COMMANDS), (TWO, "faithful")]
Start = Callable[..., "Server"]


def case(command: str, *others: str) -> Any:
    """Return the parameters of a test. ``make test`` runs those of two commands."""
    slow = () if command in (TWO, "serve") else pytest.mark.slow
    return pytest.param(command, *others, marks=slow)


EACH_COMMAND = [case(command) for command in COMMANDS]


class Server:
    """A server process on a port of its own."""

    def __init__(self, folder: Path, command: str, app: str, grace: int, url: str) -> None:
        template, workers = COMMANDS[command]
        self.folder = folder
        (folder / "feeds.py").write_text(APP)
        settings = f"graceful_timeout = {grace}.0\nshutdown_timeout = 1.0\n"
        if "granian" not in command:
            settings += "keep_alive_timeout = 0.1\n"
        (folder / "h.toml").write_text(settings)
        with contextlib.ExitStack() as stack:
            inherited: tuple[int, ...] = ()
            if "{fd}" in template:
                listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                self.port: int = listener.getsockname()[1]
                inherited = (listener.fileno(),)
            else:
                self.port = free_port()
            text = template.format(port=self.port, workers=workers, grace=grace, fd=inherited[:1])
            text = text.replace(f"({inherited[0]},)" if inherited else "()", str(*inherited))
            self.process = subprocess.Popen(
                [sys.executable, *shlex.split(text), f"feeds:{app}"],
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
                    "REDIS_URL": url,
                    "MONGODB_URL": "mongodb://127.0.0.1:1",
                },
                pass_fds=inherited,
            )
        self.deadline = time.monotonic() + TIMEOUT

    def connect(self) -> socket.socket:
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
            except ConnectionRefusedError:
                self.wait()

    def wait(self) -> None:
        assert time.monotonic() < self.deadline
        time.sleep(0.01)

    def wait_until_closed(self) -> None:
        """Wait until nothing accepts connections, so that all workers know that they stop."""
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), TIMEOUT).close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                pass  # It closes at this moment.
            self.wait()

    def get(self, path: str, *headers: str) -> socket.socket:
        client = self.connect()
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers]
        client.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        return client

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> bool:
        """Return whether the process ends by itself, and not by force."""
        return self.process.wait(TIMEOUT) in (0, -signal.SIGTERM)


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Start]:
    servers: list[Server] = []

    def start(command: str, app: str = "plain", *, grace: int = 60) -> Server:
        servers.append(server := Server(tmp_path, command, app, grace, redis_url))
        return server

    yield start
    for server in servers:
        server.process.kill()
        server.process.wait()


def read_until(client: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        assert (more := client.recv(65536)), data
        data += more
    return data


def read_all(client: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(65536):
            data += more
    return data


@pytest.mark.parametrize(
    ("command", "app", "path"),
    [
        *(case(*one, "/silent") for one in ON_BOTH),
        case(TWO, "plain", "/feed"),
        case(TWO, "faithful", "/feed"),
    ],
)
def test_farewell(start: Start, command: str, app: str, path: str) -> None:
    """A feed learns at once that the server stops, and its response is complete."""
    server = start(command, app)
    with server.get(path) as client:
        read_until(client, b"data: ")
        server.stop()
        data = read_all(client)
    assert b"event: farewell" in data
    assert data.endswith(b"0\r\n\r\n")
    assert server.ended()


@pytest.mark.parametrize("command", EACH_COMMAND)
def test_socket(start: Start, command: str) -> None:
    """A websocket says farewell and closes with a code after which clients come back."""
    server = start(command)
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    with server.get("/socket", *upgrade, key) as client:
        read_until(client, b"\x81")
        server.stop()
        if "granian" in command:  # It waits for no websocket, and may send nothing more.
            read_all(client)
        else:
            data = read_until(client, b"\x88\x02\x03")
            # Uvicorn closes websockets itself, with 1012 (service restart).
            assert b"farewell" in data or "uvicorn" in command
            client.sendall(b"\x88\x82\0\0\0\0\x03\xe9")
            read_all(client)
    assert server.ended()


@pytest.mark.parametrize(
    ("command", "app", "path"),
    [*(case(*one, "/view") for one in ON_BOTH), case(TWO, "streaming", "/download")],
)
def test_finish(start: Start, command: str, app: str, path: str) -> None:
    """A download and a view can finish, although other workers have ended."""
    server = start(command, app)
    with server.get(path) as client:
        if path == "/download":
            read_until(client, b"first")
        else:
            while not (server.folder / "viewed").exists():
                server.wait()
        server.stop()
        server.wait_until_closed()
        (server.folder / "go_on").touch()
        data = read_all(client)
    assert (b"last" if path == "/download" else b"the view has ended") in data
    assert server.ended()


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_limit(start: Start, command: str) -> None:
    """A feed that does not listen is cut after the graceful timeout, and the server ends."""
    server = start(command, grace=1)
    with server.get("/endless") as client:
        read_until(client, b"data: ")
        begin = time.monotonic()
        server.stop()
        data = read_all(client)
        assert time.monotonic() - begin >= 0.9
    assert not data.endswith(b"0\r\n\r\n")
    assert server.ended()


async def waiting(log: list[str]) -> AsyncIterator[str]:
    try:
        yield "first"
        await asyncio.Event().wait()
    finally:
        log.append("closed")


async def test_http2(app_class: type[Quart]) -> None:
    """Streams of one HTTP/2 connection all get their last data, then the connection ends."""
    app = app_class(__name__)
    log: list[str] = []

    @app.get("/")
    async def feed() -> Any:
        @stream_with_context
        async def events() -> AsyncIterator[str]:
            assert not is_shutting_down()
            async for text in until_shutdown(waiting(log)):
                yield text
            assert is_shutting_down()
            await wait_for_shutdown()
            yield "farewell"

        return events()

    connection = H2Connection()
    connection.initiate_connection()
    headers = {":method": "GET", ":scheme": "http", ":authority": "localhost", ":path": "/"}
    body = {1: b"", 3: b""}
    for stream in body:
        connection.send_headers(stream, list(headers.items()), end_stream=True)
    events: list[Event] = []
    async with served(app, graceful_timeout=TIMEOUT) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(connection.data_to_send())
        while data := await asyncio.wait_for(reader.read(65536), TIMEOUT):
            events += connection.receive_data(data)
            for event in events:
                if isinstance(event, DataReceived) and event.stream_id and event.data:
                    body[event.stream_id] += event.data
            last = events[-1]
            events.clear()
            if all(body.values()):
                server.stop.set()
        writer.close()
    # Hypercorn 0.18 closes the connection before it has marked the ends of the streams.
    assert isinstance(last, ConnectionTerminated)
    assert last.error_code == 0
    assert body == {1: b"firstfarewell", 3: b"firstfarewell"}
    assert log == ["closed", "closed"]
