"""``ProxyFix``: the same values as Werkzeug's, for each header a proxy or a client can send."""

from __future__ import annotations

import itertools
from typing import Any

import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart, Response, request, url_for, websocket
from werkzeug.middleware.proxy_fix import ProxyFix as WerkzeugProxyFix
from werkzeug.test import EnvironBuilder, run_wsgi_app

from quartpatterns.subclassing import FaithfulQuart, ProxyFix
from quartpatterns.subclassing.example.differences.raw_http import exchange
from tests.subclassing.serving import Client, scope, served

# The values of the headers, each as the lines that are received.
FOR = [
    [],
    ["203.0.113.9"],
    ["6.6.6.6, 203.0.113.9"],
    ["6.6.6.6", "203.0.113.9"],
    ["6.6.6.6,203.0.113.9", "10.0.0.1"],
    [""],
    [","],
    [", ,"],
    [" 203.0.113.9 "],
    ['"203.0.113.9"'],
    ['"6.6.6.6, 1.1.1.1", 203.0.113.9'],
    ['"6.6.6.6, 203.0.113.9'],
    ["[2001:db8::1]:4711"],
    ["2001:db8::1"],
    ["unknown"],
    ["<script>"],
    ["caf\xe9"],
    ["6.6.6.6," * 50 + "203.0.113.9"],
]
PROTO = [[], ["https"], ["http"], ["http, https"], ["https", "http"], [""], ["HTTPS"], ["x y"]]
HOST = [
    [],
    ["shop.example"],
    ["shop.example:8443"],
    ["shop.example:443"],
    ["evil.example, shop.example"],
    ["evil.example", "shop.example"],
    ["[2001:db8::1]"],
    ["[2001:db8::1]:8443"],
    ["shop.example:port"],
    ["shop.example:"],
    ["evil.example/path"],
    ["user@evil.example"],
    [""],
    ["b\xfccher.example"],
]
PORT = [[], ["8443"], ["443"], ["80"], ["1, 8443"], ["port"], ["-1"], ["99999"], [""]]
PREFIX = [[], ["/app"], ["/app/"], ["/a/b"], ["/evil, /app"], [""], ["/"], ["/caf\xc3\xa9"]]
NAMES = ("For", "Proto", "Host", "Port", "Prefix")
ARGUMENTS = ("x_for", "x_proto", "x_host", "x_port", "x_prefix")

Lines = list[list[str]]


def original(lines: Lines, trusted: dict[str, Any], host: str | None, mount: str = "") -> Any:
    """Return what a Flask application behind Werkzeug's ``ProxyFix`` sees."""
    app = flask.Flask(__name__)

    @app.get("/x")
    def view() -> list[str | None]:
        return [
            flask.request.remote_addr,
            flask.request.scheme,
            flask.request.host,
            flask.request.root_path,
            flask.request.path,
            flask.request.url,
            flask.url_for("view", _external=True),
            flask.url_for("view"),
        ]

    environ = EnvironBuilder(path="/x").get_environ()
    environ |= {"REMOTE_ADDR": "192.0.2.1", "SERVER_NAME": "127.0.0.1", "SCRIPT_NAME": mount}
    del environ["HTTP_HOST"]
    if host is not None:
        environ["HTTP_HOST"] = host
    for name, values in zip(NAMES, lines, strict=True):
        if values:
            environ[f"HTTP_X_FORWARDED_{name.upper()}"] = ",".join(values)
    body, status, _ = run_wsgi_app(WerkzeugProxyFix(app.wsgi_app, **trusted), environ)
    return status.split()[0], b"".join(body)


async def ported(
    cls: type[Quart], lines: Lines, trusted: dict[str, Any], host: str | None, mount: str = ""
) -> Any:
    """Return what an application of *cls* behind our ``ProxyFix`` sees."""
    app = cls(__name__, static_folder=None)

    @app.get("/x")
    async def view() -> list[str | None]:
        return [
            request.remote_addr,
            request.scheme,
            request.host,
            request.root_path,
            request.path,
            request.url,
            url_for("view", _external=True),
            url_for("view"),
        ]

    headers = [] if host is None else [(b"host", host.encode("latin1"))]
    for name, values in zip(NAMES, lines, strict=True):
        key = f"x-forwarded-{name}".lower().encode()
        headers += [(key, value.encode("latin1")) for value in values]
    client = Client()
    changed = scope(path=f"{mount}/x", raw_path=f"{mount}/x".encode(), root_path=mount)
    changed["headers"] = headers
    app.asgi_app = ProxyFix(app.asgi_app, **trusted)  # type: ignore[method-assign]
    await app(changed, client.receive, client.send)  # type: ignore[arg-type]
    return str(client.sent[0]["status"]), client.sent[1]["body"]


def one_changed() -> list[Lines]:
    """Return combinations in which one header has each of its values, and all plain ones."""
    usual = [["203.0.113.9"], ["https"], ["shop.example"], ["8443"], ["/app"]]
    combinations: list[Lines] = [usual]
    for index, values in enumerate((FOR, PROTO, HOST, PORT, PREFIX)):
        for value in values:
            combinations.append([value if i == index else [] for i in range(5)])
            combinations.append([value if i == index else usual[i] for i in range(5)])
    return combinations


TRUSTED = [
    {},
    dict.fromkeys(ARGUMENTS, 0),
    dict.fromkeys(ARGUMENTS, 1),
    dict.fromkeys(ARGUMENTS, 2),
    {"x_for": 3, "x_host": 1},
]


@pytest.mark.parametrize("trusted", TRUSTED, ids=["default", "none", "one", "two", "mixed"])
@pytest.mark.parametrize("host", ["front.example", "front.example:8000", "[::1]:80", None])
async def test_as_werkzeug(trusted: dict[str, Any], host: str | None) -> None:
    """Each value of each header has the same effect as with Werkzeug's class."""
    for lines in one_changed():
        expected = original(lines, trusted, host)
        assert await ported(FaithfulQuart, lines, trusted, host) == expected, lines


async def test_on_quart() -> None:
    """It works around plain Quart as well. Without a host, Quart has no link to compare."""
    for lines, trusted in itertools.product(one_changed(), TRUSTED):
        expected = original(lines, trusted, "front.example")
        assert await ported(Quart, lines, trusted, "front.example") == expected, lines


async def test_below_a_mount() -> None:
    """A prefix replaces the mount point of the server, and the path below it stays."""
    for lines in one_changed():
        expected = original(lines, {"x_prefix": 1}, "front.example", "/mount")
        found = await ported(FaithfulQuart, lines, {"x_prefix": 1}, "front.example", "/mount")
        assert found == expected, lines


@given(
    lines=st.tuples(*[st.lists(st.text('1a:,./[]" \\-', max_size=8), max_size=2)] * 4),
    trusted=st.tuples(*[st.integers(0, 3)] * 4),
)
async def test_any_header(lines: tuple[list[str], ...], trusted: tuple[int, ...]) -> None:
    """So has any text."""
    arguments = dict(zip(ARGUMENTS, (*trusted, 0), strict=True))
    every: Lines = [*lines, []]
    assert await ported(FaithfulQuart, every, arguments, "a.example") == original(
        every, arguments, "a.example"
    )


@pytest.mark.parametrize(
    ("prefix", "root_path"),
    [
        ("//evil.example", "/evil.example"),
        ("///evil.example//", "/evil.example"),
        ("app", "/app"),
    ],
)
async def test_prefix_of_slashes(prefix: str, root_path: str) -> None:
    """A prefix always has one slash. Werkzeug's class makes links to another host of the first."""
    lines: Lines = [[], [], [], [], [prefix]]
    _, body = await ported(FaithfulQuart, lines, {"x_prefix": 1}, "a.example")
    assert f'"{root_path}"'.encode() in body
    assert body.endswith(f'"{root_path}/x"]\n'.encode())
    assert original(lines, {"x_prefix": 1}, "a.example")[1] != body


def fixed(changes: dict[str, Any], headers: dict[str, str], **trusted: int) -> dict[str, Any]:
    """Return a scope behind ``ProxyFix``."""
    pairs = [(name.lower().encode(), value.encode("latin1")) for name, value in headers.items()]
    asgi_scope = scope(headers=pairs, **changes)
    return ProxyFix(lambda *_: None, **trusted).fixed(asgi_scope)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "sent", "scheme"),
    [
        ("http", "https", "https"),
        ("http", "wss", "https"),
        ("http", "ws", "http"),
        ("websocket", "https", "wss"),
        ("websocket", "http", "ws"),
        ("websocket", "wss", "wss"),
    ],
)
def test_scheme(kind: str, sent: str, scheme: str) -> None:
    """A websocket has its own schemes, whichever of the two a proxy sends."""
    assert fixed({"type": kind}, {"X-Forwarded-Proto": sent})["scheme"] == scheme


async def test_websocket() -> None:
    """The handler of a websocket sees the proxy's values as well."""
    app = FaithfulQuart(__name__, static_folder=None)

    @app.websocket("/")
    async def view() -> None:
        await websocket.send(f"{websocket.remote_addr} {websocket.url}")

    app.asgi_app = ProxyFix(app.asgi_app, x_host=1)  # type: ignore[method-assign]
    client = Client({"type": "websocket.connect"})
    headers = [
        (b"host", b"localhost"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"shop.example"),
    ]
    changed = scope(type="websocket", scheme="ws", subprotocols=[], headers=headers)
    await app(changed, client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[1]["text"] == "203.0.113.9 wss://shop.example/"


def test_scope() -> None:
    """The scope stays valid, the original is kept and the server's own is not changed."""
    before = scope(
        headers=[(b"Host", b"a"), (b"x-forwarded-host", b"b:x")], path="/p", root_path=""
    )
    copy = dict(before)
    after = ProxyFix(lambda *_: None, x_host=1).fixed(before)  # type: ignore[arg-type]
    assert before == copy
    assert after["headers"] == [(b"host", b"b:x"), (b"x-forwarded-host", b"b:x")]
    # A port is a whole number in ASGI, or None.
    assert after["server"] == ("b", None)
    assert fixed({}, {"X-Forwarded-Host": "b"}, x_host=1)["server"] == ("b", 80)
    assert after["quartpatterns.proxy_fix.orig"] == {
        "client": ("192.0.2.1", 1234),
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "root_path": "",
        "path": "/p",
        "host": "a",
    }
    after = fixed({"client": None, "server": None}, {"X-Forwarded-For": "203.0.113.9"})
    assert after["client"] == ("203.0.113.9", 0)
    after = fixed({}, {"X-Forwarded-Port": "8443", "Host": "[::1]"}, x_port=1)
    assert (after["headers"][0], after["server"]) == ((b"host", b"[::1]:8443"), ("127.0.0.1", 8443))


@pytest.mark.parametrize(
    ("path", "raw", "root", "expected"),
    [
        ("/x", b"/x", "", ("/app/x", b"/app/x", "/app")),
        ("/x\u00e9", b"/x%C3%A9", "", ("/app/x\u00e9", b"/app/x%C3%A9", "/app")),
        ("/m/x", b"/m/x", "/m/", ("/app/x", b"/app/x", "/app")),
        ("/m", b"/m", "/m", ("/app", b"/app", "/app")),
        ("/m/x", b"/%6D/x", "/m", ("/app/x", b"/app/x", "/app")),
        ("/mm/x", b"/mm/x", "/m", ("/mm/x", b"/mm/x", "/m")),
        ("http://a/x", b"http://a/x", "", ("http://a/x", b"http://a/x", "")),
        ("/x", None, "", ("/app/x", None, "/app")),
    ],
)
def test_prefix(path: str, raw: bytes | None, root: str, expected: tuple[Any, ...]) -> None:
    """In ASGI the path contains the mount point, which a prefix replaces in both paths."""
    changes = {"path": path, "raw_path": raw, "root_path": root}
    after = fixed(changes, {"X-Forwarded-Prefix": "/app/"}, x_prefix=1)
    assert (after["path"], after["raw_path"], after["root_path"]) == expected


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("value", [-1, "1", None, 1.0])
def test_invalid_number(argument: str, value: Any) -> None:
    """What is not a number of proxies is refused."""
    with pytest.raises(ValueError, match=f"{argument} must be the number of proxies"):
        ProxyFix(lambda *_: None, **{argument: value})  # type: ignore[arg-type]


async def test_lifespan() -> None:
    """Starting and stopping the application passes through, so that a server can be asked."""
    app = FaithfulQuart(__name__, static_folder=None)
    started: list[int] = []
    app.before_serving(lambda: started.append(1))

    @app.get("/")
    async def view() -> str:
        return request.url

    async with served(ProxyFix(app)) as port:  # type: ignore[arg-type]
        head = b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Proto: https\r\n\r\n"
        assert (await exchange(port, head)).body == b"https://a.example/"
    assert started == [1]


async def test_access_log() -> None:
    """The server finds the client in its own scope, from which it writes the access log."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def ignore(*_: Any) -> None:
        pass

    scope: dict[str, Any] = {
        "type": "http",
        "client": ("127.0.0.1", 9),
        "scheme": "http",
        "path": "/",
        "headers": [(b"x-forwarded-for", b"6.6.6.6, 198.51.100.7"), (b"x-forwarded-proto", b"x")],
    }
    await ProxyFix(app)(scope, ignore, ignore)
    assert scope["client"] == seen[0]["client"] == ("198.51.100.7", 9)
    assert scope["scheme"] == "http"


async def test_fixed_prefix_and_secure_cookies() -> None:
    """A fixed prefix is part of links, other paths are 404, and each cookie is secure."""
    app = Quart(__name__)

    @app.get("/")
    async def index() -> Response:
        response = Response(url_for("index"))
        response.set_cookie("a", "secure")
        response.set_cookie("b", secure=True)
        return response

    app.asgi_app = ProxyFix(app.asgi_app, prefix="/shop/", secure_cookies=True)  # type: ignore[method-assign]
    client = app.test_client()
    response = await client.get("/shop/")
    assert await response.get_data(as_text=True) == "/shop/"
    cookies = response.headers.getlist("Set-Cookie")
    assert cookies == ["a=secure; Path=/; Secure", "b=; Secure; Path=/"]
    for path in ("/", "/shopping/", "/other"):
        assert (await client.get(path)).status_code == 404
    for prefix in ("shop", "/", "//evil.example", "/a b", "/a?b"):
        with pytest.raises(ValueError, match="a path such as /shop"):
            ProxyFix(app, prefix=prefix)
