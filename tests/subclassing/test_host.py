"""Links of requests without a usable ``Host``, compared with Flask's."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from quart import request, url_for, websocket
from werkzeug.test import EnvironBuilder, run_wsgi_app

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.example.differences.raw_http import exchange
from tests.subclassing.serving import Client, scope, served

SERVERS = [("127.0.0.1", 8000), ("127.0.0.1", 80), ("::1", 8000), ("shop.example", 443)]


def flask_links(environ: dict[str, Any], config: dict[str, Any]) -> bytes:
    """Return what Flask answers."""
    app = flask.Flask(__name__)
    app.config.update(config)

    @app.get("/where/")
    def where() -> list[str]:
        return [
            flask.request.host,
            flask.request.url,
            flask.request.host_url,
            flask.url_for("where", _external=True),
            flask.url_for("where"),
        ]

    return b"".join(run_wsgi_app(app, environ)[0])


def our_app(config: dict[str, Any]) -> FaithfulQuart:
    """Return the same application."""
    app = FaithfulQuart(__name__, static_folder=None)
    app.config.update(config)

    @app.get("/where/")
    async def where() -> list[str]:
        return [
            request.host,
            request.url,
            request.host_url,
            url_for("where", _external=True),
            url_for("where"),
        ]

    return app


@pytest.mark.parametrize("host", [None, "", "shop.example", "bad host/", "shop.example:80"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("server_name", [None, "configured.example"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_links(
    host: str | None, scheme: str, server: tuple[str, int], server_name: str | None, version: str
) -> None:
    """Links are Flask's: without ``Host`` they have the address of the server."""
    config = {} if server_name is None else {"SERVER_NAME": server_name}
    environ = EnvironBuilder(path="/where/").get_environ()
    del environ["HTTP_HOST"]
    if host is not None:
        environ["HTTP_HOST"] = host
    environ |= {
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "wsgi.url_scheme": scheme,
        "SERVER_PROTOCOL": f"HTTP/{version}",
    }
    client = Client()
    headers = [] if host is None else [(b"host", host.encode())]
    changed = scope(
        path="/where/", scheme=scheme, server=server, headers=headers, http_version=version
    )
    await our_app(config)(changed, client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[1]["body"] == flask_links(environ, config)


@pytest.mark.parametrize("server", [None, ("/run/app.sock", None)])
async def test_server_without_address(server: Any) -> None:
    """A server without an address, or on a Unix socket, makes no host: nothing fails."""
    client = Client()
    changed = scope(path="/where/", server=server, headers=[], http_version="1.0")
    await our_app({})(changed, client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[0]["status"] == 200


async def test_on_the_wire() -> None:
    """Hypercorn passes its address."""
    async with served(our_app({})) as port:
        response = await exchange(port, b"GET /where/ HTTP/1.0\r\n\r\n")
    assert f'"http://127.0.0.1:{port}/where/"'.encode() in response.body


async def test_websocket() -> None:
    """A websocket has the address of the server as well."""
    app = FaithfulQuart(__name__, static_folder=None)

    @app.websocket("/")
    async def view() -> None:
        await websocket.send(websocket.host)

    client = Client({"type": "websocket.connect"})
    changed = scope(type="websocket", scheme="ws", subprotocols=[], headers=[])
    await app(changed, client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[1]["text"] == "127.0.0.1"


@pytest.mark.parametrize("path", ["//", "///", "//where/", "/where//", "/a/b//", "//a//"])
@pytest.mark.parametrize("root", ["", "/mount"])
async def test_slashes(path: str, root: str) -> None:
    """Paths with several slashes are answered as by Flask as a WSGI callable."""
    original = flask.Flask(__name__)
    app = FaithfulQuart(__name__, static_folder=None)
    for each in (original, app):
        for rule in ("/", "/where/", "/a/b"):
            each.add_url_rule(rule, rule, lambda: "found")
    environ = EnvironBuilder().get_environ() | {"PATH_INFO": path, "SCRIPT_NAME": root}
    body, status, headers = run_wsgi_app(original, environ)
    client = Client()
    changed = scope(path=root + path, root_path=root)
    await app(changed, client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[0]["status"] == int(status.split()[0])
    location = dict(client.sent[0]["headers"]).get(b"location")
    assert location == (headers["Location"].encode() if "Location" in headers else None)
    assert client.sent[1]["body"] == b"".join(body)


async def test_trusted_hosts_can_change() -> None:
    """What is known of a host holds for the hosts that are trusted now."""
    app = FaithfulQuart(__name__)
    app.add_url_rule("/", "view", lambda: "answered")
    client = app.test_client()
    statuses: list[int] = []
    for trusted in (None, ["other.example"], [".example"], "localhost", ["localhost"]):
        app.config["TRUSTED_HOSTS"] = trusted
        for host in ("localhost", "a.example"):
            statuses.append((await client.get("/", headers={"Host": host})).status_code)
    assert statuses == [200, 200, 400, 400, 400, 200, 200, 400, 200, 400]
