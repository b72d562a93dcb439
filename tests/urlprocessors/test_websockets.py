"""Languages in the URLs of websockets."""

from __future__ import annotations

import base64
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from quart import Blueprint, Quart, g, url_for, websocket
from quart.testing.connections import WebsocketResponseError

from quartpatterns.compare.processes import Process, accepts, free_port
from quartpatterns.urlprocessors import LanguageURLs

pytestmark = pytest.mark.checks("URL-11")


def site(app: Quart, front: Blueprint | None = None) -> LanguageURLs:
    """Register a websocket and a page on an application or a blueprint."""
    scaffold = front or app
    languages = LanguageURLs(scaffold, languages=["en", "de"])
    calls: list[str] = []

    @scaffold.before_websocket
    async def before() -> None:
        calls.append(g.lang_code)

    @scaffold.websocket("/<lang_code>/ws")
    async def ws() -> None:
        while True:
            word = str(await websocket.receive())
            link = url_for(".page" if front else "page")
            words = (word, g.lang_code, calls.pop(), link, languages.negotiate())
            await websocket.send(" ".join(words))

    @scaffold.get("/<lang_code>/")
    async def page() -> str:
        return ""

    if front:
        app.register_blueprint(front)
    return languages


@pytest.mark.parametrize("blueprint", [False, True])
async def test_websocket(app_class: type[Quart], blueprint: bool) -> None:
    """Views and hooks have the language, and links contain it."""
    app = app_class(__name__)
    site(app, Blueprint("front", __name__) if blueprint else None)
    headers = {"Accept-Language": "de"}
    async with app.test_client().websocket("/de/ws", headers=headers) as connection:
        await connection.send("hello")
        assert await connection.receive() == "hello de de /de/ de"


@pytest.mark.parametrize("path", ["/xx/ws", "/de/nope"])
async def test_not_found(app_class: type[Quart], path: str) -> None:
    """An unknown language or path is a 404 before the websocket is accepted."""
    app = app_class(__name__)
    site(app)
    with pytest.raises(WebsocketResponseError) as rejected:
        async with app.test_client().websocket(path) as connection:
            await connection.receive()
    assert rejected.value.response.status_code == 404


async def test_other_processors(app_class: type[Quart]) -> None:
    """Other URL value preprocessors are called too, and a hook can reject the websocket."""
    app = app_class(__name__)
    endpoints: list[str | None] = []
    app.url_value_preprocessor(lambda endpoint, values: endpoints.append(endpoint))
    site(app)

    @app.before_websocket
    def reject() -> tuple[str, int]:
        return "not today", 403

    with pytest.raises(WebsocketResponseError) as rejected:
        async with app.test_client().websocket("/de/ws") as connection:
            await connection.receive()
    assert rejected.value.response.status_code == 403
    assert endpoints == ["ws"]


async def test_order_of_hooks(app_class: type[Quart]) -> None:
    """Hooks of the application come first, then those of the outer and the inner blueprint."""
    app = app_class(__name__)
    site(app)
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__)
    calls: list[str] = []
    for name, scaffold in (("inner", inner), ("app", app), ("outer", outer)):
        scaffold.url_value_preprocessor(lambda *_, name=name: calls.append(f"{name} values"))
        scaffold.before_websocket(lambda name=name: calls.append(name))

    @inner.websocket("/<lang_code>/nested")
    async def nested() -> None:
        await websocket.send(" ".join(calls))

    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    async with app.test_client().websocket("/de/nested") as connection:
        expected = "app values outer values inner values app outer inner"
        assert await connection.receive() == expected


async def test_overridden_method() -> None:
    """An application class that overrides the method is not changed."""

    class CustomQuart(Quart):
        async def preprocess_websocket(self, context: Any = None) -> Any:
            return "custom", 418

    app = CustomQuart(__name__)
    site(app)
    with pytest.raises(WebsocketResponseError) as rejected:
        async with app.test_client().websocket("/de/ws") as connection:
            await connection.receive()
    assert rejected.value.response.status_code == 418


APP = """
from quart import Quart
from tests.urlprocessors.test_websockets import site

app = Quart(__name__)
site(app)
"""


def handshake(port: int, path: str) -> bytes:
    """Return the status line of the response to a websocket handshake."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        return connection.recv(4096).partition(b"\r\n")[0]


@pytest.mark.wire
def test_on_the_wire(tmp_path: Path) -> None:
    """Under Hypercorn a plain Quart accepts the websocket, and answers 404 for other paths."""
    (tmp_path / "served.py").write_text(APP)
    port = free_port()
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "hypercorn", "served:app", "--bind", f"127.0.0.1:{port}"]
    environ = {"PYTHONPATH": f"{tmp_path}:{root}", "PATH": ""}
    with Process(command, log=tmp_path / "log", env=environ, cwd=tmp_path) as process:
        process.wait_until(lambda: accepts(port))
        assert handshake(port, "/de/ws").startswith(b"HTTP/1.1 101")
        assert handshake(port, "/xx/ws").startswith(b"HTTP/1.1 404")
        assert "RuntimeError" not in process.output()
