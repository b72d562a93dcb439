"""Headers of requests and responses: repeated ones, changed ones, and their bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
from quart import Quart, Response, request, session, websocket
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.headers import RequestHeaders, parse_headers
from tests.subclassing.serving import Client, scope

Pairs = list[tuple[str, str]]
HOST = ("Host", "localhost")


@pytest.fixture
def app() -> FaithfulQuart:
    """Return an empty application."""
    return FaithfulQuart(__name__, static_folder=None)


async def ask(app: Quart, headers: Pairs, **changes: Any) -> tuple[int, list[Any], bytes]:
    """Send a request with exactly these headers; return status, headers and body."""
    raw = [(name.lower().encode(), value.encode("latin1")) for name, value in headers]
    client = Client()
    await app(scope(headers=raw, **changes), client.receive, client.send)  # type: ignore[arg-type]
    body = b"".join(message["body"] for message in client.sent[1:])
    return client.sent[0]["status"], client.sent[0]["headers"], body


def read(name: str) -> Callable[[Any], Any]:
    return lambda request: repr(getattr(request, name))


# What reads a header that can be repeated, and two values.
REPEATED: list[tuple[str, list[str], Callable[[Any], Any]]] = [
    ("X-Forwarded-For", ["6.6.6.6", "10.0.0.1"], read("access_route")),
    ("X-Forwarded-For", ["6.6.6.6", "10.0.0.1, 10.0.0.2"], read("access_route")),
    ("Accept", ["text/html;q=0.5", "application/json"], read("accept_mimetypes")),
    ("Accept-Language", ["de;q=0.5", "en"], read("accept_languages")),
    ("Accept-Encoding", ["gzip;q=0.2", "br"], read("accept_encodings")),
    ("Accept-Charset", ["utf-8;q=0.2", "latin1"], read("accept_charsets")),
    ("Cache-Control", ["no-cache", "max-age=0"], read("cache_control")),
    ("Pragma", ["no-cache", "x"], read("pragma")),
    ("If-None-Match", ['"a"', '"b"'], read("if_none_match")),
    ("If-Match", ['"a"', '"b"'], read("if_match")),
    (
        "Access-Control-Request-Headers",
        ["x-a", "x-b"],
        read("access_control_request_headers"),
    ),
    ("X-Id", ["1", "2", "3"], lambda request: request.headers["x-id"]),
    ("X-Id", ["1", "2", "3"], lambda request: request.headers.getlist("X-ID")),
    ("X-Id", ["1", "", "3"], lambda request: request.headers.get_all("X-Id")),
    ("X-Id", ["1", "2"], lambda request: sorted(request.headers)),
    ("X-Id", ["1", "2"], lambda request: sorted(request.headers.keys())),
    ("X-Id", ["1", "2"], lambda request: len(request.headers)),
    ("X-Id", ["1", "2"], lambda request: request.headers.get("X-Id", type=int)),
    ("X-Id", ["1", "2"], lambda request: request.headers.getlist("X-Id", type=int)),
    ("X-Id", ["1", "2"], lambda request: "x-id" in request.headers),
    ("X-Id", ["1", "2"], lambda request: sorted(request.headers.to_wsgi_list())),
    ("Cookie", ["a=1", "b=2"], lambda request: dict(request.cookies)),
]


@pytest.mark.parametrize(("name", "values", "look"), REPEATED)
async def test_repeated_header(
    app: FaithfulQuart, name: str, values: list[str], look: Callable[[Any], Any]
) -> None:
    """Each line of a repeated header counts, as in Flask."""
    pairs = [HOST, *((name, value) for value in values)]
    flask_app = flask.Flask(__name__)
    # Flask's client joins cookies with a comma, as some servers do, which makes them unreadable.
    joined = [HOST, ("Cookie", "; ".join(values))] if name == "Cookie" else pairs
    with flask_app.test_request_context("/", headers=joined):
        expected = str(look(flask.request))

    @app.get("/")
    async def view() -> str:
        return str(look(request))

    assert await ask(app, pairs) == (200, (await ask(app, pairs))[1], expected.encode())


async def test_repeated_if_none_match(app: FaithfulQuart) -> None:
    """An entity tag in the second line of ``If-None-Match`` is answered 304."""

    @app.get("/")
    async def view() -> Response:
        response = app.response_class("page")
        response.set_etag("b")
        return await response.make_conditional(request)

    headers = [HOST, ("If-None-Match", '"a"'), ("If-None-Match", '"b"')]
    assert (await ask(app, headers))[0] == 304


@pytest.mark.parametrize("name", ["Content-Length", "Content-Type", "Host"])
@pytest.mark.parametrize("same", [True, False])
async def test_ambiguous_header(app: FaithfulQuart, name: str, same: bool) -> None:
    """A repeated header that can have only one value is refused, as by gunicorn."""
    app.add_url_rule("/", "view", lambda: "never", methods=["GET", "POST"])

    @app.errorhandler(400)
    async def bad_request(error: Exception) -> tuple[str, int]:
        return str(error), 400

    pairs = [HOST] if name != "Host" else []
    pairs += [(name, "1"), (name, "1" if same else "2")]
    status, _, body = await ask(app, pairs, method="POST")
    assert (status, body) == (
        400,
        f"400 Bad Request: The request repeats the header {name}.".encode(),
    )


async def test_ambiguous_header_of_websocket(app: FaithfulQuart) -> None:
    """The same for a websocket."""

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()

    client = Client({"type": "websocket.connect"})
    headers = [(b"host", b"a"), (b"host", b"b")]
    changed = scope(type="websocket", scheme="ws", subprotocols=[], headers=headers)
    changed["extensions"] = {"websocket.http.response": {}}
    await app(changed, client.receive, client.send)  # type: ignore[arg-type]
    assert client.sent[0]["status"] == 400


# Each changes headers that have X-A, X-B and X-C.
CHANGES: list[Callable[[Headers], object]] = [
    lambda headers: (headers.pop("X-A"), headers.setdefault("X-Token", "1")),
    lambda headers: headers.add_header("X-Token", "1"),
    lambda headers: headers.set("X-A", "2"),
    lambda headers: headers.setdefault("X-Token", "1"),
    lambda headers: headers.setlist("X-Token", ["1", "2"]),
    lambda headers: headers.setlistdefault("X-Token", ["1", "2"]),
    lambda headers: headers.extend({"X-Token": "1"}),
    lambda headers: headers.update({"X-Token": "1"}),
    lambda headers: headers.remove("x-b"),
    lambda headers: headers.popitem(),
    lambda headers: headers.pop(0),
    lambda headers: headers.clear(),
    lambda headers: headers.__setitem__("X-Token", "1"),
    lambda headers: headers.__setitem__(0, ("X-Token", "1")),
    lambda headers: headers.__delitem__("X-A"),
    lambda headers: headers.__ior__({"X-Token": "1"}),
    lambda headers: (headers.pop("X-A"), headers.__setitem__("X-Token", "1")),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("looked_up", [True, False])
def test_changed_headers(change: Callable[[Headers], object], looked_up: bool) -> None:
    """Changed headers of a request are as Werkzeug's, also if they were read before."""
    pairs = [("X-A", "1"), ("X-B", "2"), ("X-C", "3")]
    headers = parse_headers([(name.lower().encode(), value.encode()) for name, value in pairs])
    expected = Headers(pairs)
    if looked_up:
        assert headers.get("X-Token") is None
        assert "x-a" in headers
    change(headers)
    change(expected)
    assert list(headers) == list(expected)
    for name in ("X-A", "x-b", "X-C", "X-Token", "x-token", "X-None"):
        assert headers.get(name) == expected.get(name)
        assert headers.get(name, type=int) == expected.get(name, type=int)
        assert headers.getlist(name) == expected.getlist(name)
        assert (name in headers) == (name in expected)
        if name in expected:
            assert headers[name] == expected[name]
        else:
            with pytest.raises(KeyError):
                headers[name]


def test_other_uses_of_headers() -> None:
    """What is neither a look-up nor a change is as Werkzeug's as well."""
    headers = parse_headers([(b"x-a", b"1"), (b"x-b", b"2")])
    expected = Headers([("X-A", "1"), ("X-B", "2")])
    assert list(headers.copy()) == list(expected)
    assert headers == parse_headers([(b"x-b", b"2"), (b"x-a", b"1")])
    assert str(headers) == str(expected)
    assert headers[0] == expected[0]
    assert len(headers) == 2
    assert list(headers | {"X-C": "3"}) == list(expected | {"X-C": "3"})
    assert RequestHeaders({"X-A": ["1", "2"]}).getlist("x-a") == ["1", "2"]


async def test_latin1(app: FaithfulQuart) -> None:
    """Headers are Latin-1 in both directions, as in WSGI, so what is sent back is identical."""

    @app.get("/")
    async def view() -> tuple[str, dict[str, str]]:
        assert request.headers["X-Name"] == "café ÿ"
        return "", {"X-Name": request.headers["X-Name"], "X-Padded": "\t a "}

    _, headers, _ = await ask(app, [HOST, ("X-Name", "café ÿ")])
    assert dict(headers)[b"x-name"] == b"caf\xe9 \xff"
    # gunicorn removes the spaces as well. Hypercorn refuses the value with them.
    assert dict(headers)[b"x-padded"] == b"a"
    response = await app.test_client().get("/", headers={"X-Name": "café ÿ"})
    assert response.headers["X-Name"] == "café ÿ"


async def test_not_latin1(app: FaithfulQuart) -> None:
    """A value that is not Latin-1 is an error that names the header. The callbacks run."""
    closed: list[int] = []

    @app.get("/<value>")
    async def view(value: str) -> Response:
        response = app.response_class("")
        response.headers["X-Name"] = value
        response.call_on_close(lambda: closed.append(1))
        return response

    with pytest.raises(ValueError, match=r"header 'X-Name' has characters that are not Latin-1"):
        await app.test_client().get("/日本")
    assert closed == [1]


async def test_latin1_of_websocket(app: FaithfulQuart) -> None:
    """The headers of an accepted and of a refused websocket are Latin-1 as well."""

    @app.websocket("/<kind>")
    async def view(kind: str) -> Any:
        if kind == "refused":
            return "", 403, {"X-Name": "café"}
        await websocket.accept(Headers({"X-Name": "café"}))
        return None

    for kind in ("accepted", "refused"):
        client = Client({"type": "websocket.connect"})
        changed = scope(type="websocket", scheme="ws", subprotocols=[], path=f"/{kind}")
        changed["extensions"] = {"websocket.http.response": {}}
        await app(changed, client.receive, client.send)  # type: ignore[arg-type]
        assert dict(client.sent[0]["headers"])[b"x-name"] == b"caf\xe9"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "1"},
        {"X-A": ["1", "2"]},
        [("X-A", "1"), ("X-A", "2")],
        Headers({"X-A": "1"}),
    ],
)
async def test_assigned_headers(app: FaithfulQuart, headers: Any) -> None:
    """``response.headers`` can be assigned, as in Flask, also before the session is saved."""
    app.secret_key = "for this test only"
    flask_app = flask.Flask(__name__)

    @flask_app.get("/")
    def original() -> flask.Response:
        response = flask.make_response("x")
        response.headers = headers
        return response

    @app.get("/")
    async def view() -> Response:
        session["a"] = 1
        response = app.response_class("x")
        response.headers = headers
        response.set_cookie("c", "d")
        return response

    expected = flask_app.test_client().get("/").headers.getlist("X-A")
    response = await app.test_client().get("/")
    assert response.headers.getlist("X-A") == expected
    assert len(response.headers.getlist("Set-Cookie")) == 2
    assert response.headers["Content-Length"] == "1"


async def test_assigned_headers_of_quart_response(app: FaithfulQuart) -> None:
    """So can those of Quart's own response class."""

    @app.get("/")
    async def view() -> Response:
        response = Response("x")
        response.headers = {"X-A": "1"}  # type: ignore[assignment]
        return response

    assert (await app.test_client().get("/")).headers["X-A"] == "1"


def test_look_ups_of_absent_headers_are_cheap() -> None:
    """A look-up does not make Werkzeug's list, which makes later look-ups slow."""
    headers = parse_headers([(b"x-a", b"1")])
    headers.get("X-B")
    headers.getlist("X-B")
    assert "X-B" not in headers
    assert headers["x-a"] == "1"
    assert list(headers) == [("X-A", "1")]
    assert headers.values_by_name is not None


def environ_headers(pairs: Pairs) -> Any:
    """Return the headers of a WSGI request."""
    return flask.Request(EnvironBuilder(headers=pairs).get_environ()).headers


@pytest.mark.parametrize("name", ["x-A", "X-a", "x-1a", "X-FORWARDED-FOR", "te", "DNT"])
def test_spelling(name: str) -> None:
    """A name is found whatever its case, and is spelt as in Flask."""
    headers = parse_headers([(name.lower().encode(), b"1")])
    assert list(headers) == [pair for pair in environ_headers([(name, "1")]) if pair[1] == "1"]
    for spelling in (name, name.lower(), name.upper(), name.title()):
        assert headers.get(spelling) == "1"
        assert spelling in headers
        assert headers.getlist(spelling) == ["1"]
