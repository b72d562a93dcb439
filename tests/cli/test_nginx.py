"""The documented configuration of nginx, with ``quartpatterns serve`` behind it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from quartpatterns.compare.processes import Process, accepts, free_port
from tests.cli.test_serve import Command, end
from tests.conftest import unavailable
from tests.serving import TIMEOUT

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(300)]
CLIENTS = 4
CONFIGURATION = Path(__file__).parents[2] / "docs" / "nginx.conf"
MAIN = """
daemon off;
error_log stderr;
pid {folder}/pid;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/shop.conf;
}}
"""
APP = """
import asyncio
import os
from pathlib import Path

from quart import Quart, Response, redirect, request, session, url_for, websocket

app = Quart(__name__)
app.secret_key = os.environ["SECRET_KEY"]


@app.get("/")
async def index():
    return f"{request.remote_addr} {url_for('log_in', _external=True)}"


@app.route("/log-in", methods=["GET", "POST"])
async def log_in():
    if request.method == "POST":
        session["name"] = (await request.form)["name"]
        return redirect(url_for("log_in"), 303)
    return session.get("name", "nobody")


@app.post("/upload")
async def upload():
    size = 0
    async for chunk in request.body:
        Path("arrived").touch()
        size += len(chunk)
    return str(size)


@app.get("/events")
async def events():
    async def generate():
        yield b"data: first\\n\\n"
        while not Path("received").exists():
            await asyncio.sleep(0.02)
        yield b"data: second\\n\\n"

    response = Response(generate(), mimetype="text/event-stream")
    response.timeout = None
    return response


@app.websocket("/echo")
async def echo():
    while True:
        await websocket.send(await websocket.receive())
"""


@dataclass(frozen=True)
class Proxy:
    """nginx at *port* with TLS, and the command that serves behind it."""

    port: int
    plain_port: int
    served: Command
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self, *, http2: bool = True) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, verify=self.context(), http2=http2, timeout=TIMEOUT, trust_env=False
        )

    def connect(self) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        return self.context().wrap_socket(raw, server_hostname="localhost")


@contextlib.contextmanager
def behind_nginx(folder: Path, *options: str, **env: str) -> Iterator[Proxy]:
    """nginx with the documented configuration in front of four server processes.

    Arguments:
        folder: An empty folder.
        options: More options of ``quartpatterns serve``.
        env: Environment variables of it.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        unavailable("nginx is not installed: install nginx-light")
    certificate = "req -x509 -newkey rsa:2048 -nodes -days 9 -keyout shop.key -out shop.pem"
    certificate += " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(["openssl", *certificate.split()], cwd=folder, check=True, capture_output=True)
    proxied = "--workers 4 --proxies 1 --prefix /shop --secure-cookies".split()
    served = Command(folder, *proxied, *options, **env)
    secure, plain = free_port(), free_port()
    text = CONFIGURATION.read_text()
    for before, after in (
        ("127.0.0.1:5000", f"127.0.0.1:{served.port}"),
        ("listen 443", f"listen 127.0.0.1:{secure}"),
        ("listen 80", f"listen 127.0.0.1:{plain}"),
        ("shop.example.org", "localhost"),
        ("/etc/ssl/", f"{folder}/"),
    ):
        assert before in text
        text = text.replace(before, after)
    (folder / "shop.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with contextlib.ExitStack() as stack:
        stack.callback(end, served)
        served.until_ready()
        nginx = stack.enter_context(Process(command, log=folder / "nginx.log"))
        nginx.wait_until(lambda: accepts(secure))
        yield Proxy(secure, plain, served, folder / "shop.pem")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "shop.py").write_text(APP)
    with behind_nginx(folder, "--app", "shop:app", REDIS_URL=redis_url) as running:
        yield running


def test_links(proxy: Proxy) -> None:
    """The links have the scheme, the host and the prefix that the client sees."""
    with proxy.client() as client:
        response = client.get("/shop/", headers={"X-Forwarded-For": "6.6.6.6"})
        assert response.http_version == "HTTP/2"
        assert response.text == f"127.0.0.1 {proxy.url}/shop/log-in"
        assert client.get("/other").status_code == 404
    plain = httpx.get(f"http://localhost:{proxy.plain_port}/shop/?a=b", trust_env=False)
    assert (plain.status_code, plain.headers["location"]) == (308, "https://localhost/shop/?a=b")
    # The application itself answers 404 as well.
    assert httpx.get(f"{proxy.served.url}/other").status_code == 404
    assert "Traceback" not in proxy.served.output


def test_log_in(proxy: Proxy) -> None:
    """A session of one process is that of all others, and its cookie is secure."""
    with proxy.client() as client:
        response = client.post("/shop/log-in", data={"name": "Ada"})
        assert response.headers["location"] == "/shop/log-in"
        assert "; Secure" in response.headers["set-cookie"]
        assert {client.get("/shop/log-in").text for _ in range(12)} == {"Ada"}


def test_upload(proxy: Proxy) -> None:
    """The application receives the first part of an upload before the client sends the last."""
    with proxy.connect() as connection:
        head = "POST /shop/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
        connection.sendall(head.encode() + bytes(100_000))
        proxy.served.until(lambda: (proxy.served.folder / "arrived").exists())
        connection.sendall(bytes(100_000))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_event_stream(proxy: Proxy) -> None:
    """An event arrives while the stream goes on."""
    with proxy.client() as client, client.stream("GET", "/shop/events") as response:
        lines = response.iter_lines()
        assert next(lines) == "data: first"
        (proxy.served.folder / "received").touch()
        assert [line for line in lines if line] == ["data: second"]


def test_websocket(proxy: Proxy) -> None:
    with proxy.connect() as connection:
        connection.sendall(
            b"GET /shop/echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(1000)
        assert received.startswith(b"HTTP/1.1 101")
        # RFC 6455: a final text frame of one byte, masked with zeros.
        connection.sendall(b"\x81\x81" + bytes(4) + b"x")
        assert connection.recv(100) == b"\x81\x01x"


def kill_under_load(proxy: Proxy, path: str) -> list[int]:
    """Kill one of four processes under load, and return the statuses of all GET requests.

    The status of a response that is cut off in the middle is 0.
    """
    statuses: list[int] = []
    stop = threading.Event()

    def load() -> None:
        # nginx ends a connection after 1,000 requests, which httpx supports with HTTP/1.1 only.
        with proxy.client(http2=False) as client:
            while not stop.is_set():
                try:
                    statuses.append(client.get(path).status_code)
                except httpx.RemoteProtocolError:
                    statuses.append(0)

    threads = [threading.Thread(target=load) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    proxy.served.until(lambda: len(statuses) > 50)
    victim = proxy.served.find("-m hypercorn")[0]
    # The minimum lifetime is 5 s; create_time() is not precise.
    time.sleep(max(0, victim.create_time() + 7 - time.time()))
    victim.kill()
    proxy.served.until(
        lambda: f"(process {victim.pid}) exited with code 137" in proxy.served.output
    )
    before = len(statuses)
    proxy.served.until(lambda: len(statuses) > before + 50)
    stop.set()
    for thread in threads:
        thread.join()
    return statuses


def test_killed_process(proxy: Proxy) -> None:
    """If one of four processes is killed under load, only its unfinished responses are cut off."""
    statuses = Counter(kill_under_load(proxy, "/shop/"))
    # nginx sends a request again unless the response has begun. Each client has one request.
    assert statuses.keys() <= {0, 200}
    assert statuses[0] <= CLIENTS
