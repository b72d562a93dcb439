"""FaithfulQuart has Flask's response to any input."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Sequence
from typing import Any

import flask
import pytest
import quart
from hypothesis import example, given, settings, strategies
from werkzeug.test import create_environ, run_wsgi_app

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.names import Response
from tests.examples import examples

FIVE = b"hello"
SERVERS = {"date", "server", "connection"}

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(autouse=True)
def no_blocking() -> None:
    """Turn the guard off: Flask runs in the same thread and blocks it."""


def ask_flask(
    app: flask.Flask, headers: dict[str, str], body: bytes, *, chunked: bool = False
) -> Answer:
    """Return Flask's response, from its WSGI callable."""
    environ = create_environ("/", method="POST" if body else "GET", headers=headers, data=body)
    if chunked:
        environ.pop("CONTENT_LENGTH", None)
        environ["wsgi.input_terminated"] = True
    items, status, sent = run_wsgi_app(app, environ, buffered=True)
    return int(status.split()[0]), comparable(sent.items()), b"".join(items)


def comparable(pairs: Any) -> dict[str, str]:
    """Return headers by lower-case name, without those of the server."""
    found = {name.lower(): value for name, value in pairs}
    return {name: value for name, value in found.items() if name not in SERVERS}


async def ask_quart(
    app: FaithfulQuart, headers: dict[str, str], chunks: Sequence[bytes] = ()
) -> Answer:
    """Return FaithfulQuart's response to a body in *chunks*, from its ASGI callable."""
    raw = [
        (name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers.items()
    ]
    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if chunks else "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), *raw],
        "server": ("localhost", 80),
        "extensions": {},
    }
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Any] = []

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    found = comparable(
        (name.decode(), value.decode("latin1")) for name, value in sent[0]["headers"]
    )
    return sent[0]["status"], found, b"".join(message["body"] for message in sent[1:])


def pair() -> tuple[flask.Flask, FaithfulQuart]:
    """Return an empty application of each framework."""
    return flask.Flask(__name__, static_folder=None), FaithfulQuart(__name__, static_folder=None)


number = strategies.integers(0, 9).map(str)
bounds = strategies.tuples(number | strategies.just(""), number | strategies.just(""))
ranges = strategies.lists(bounds.map("-".join), min_size=1, max_size=3).map(",".join)
headers_of_ranges = strategies.one_of(
    strategies.builds("{}={}".format, strategies.sampled_from(["bytes", "items", ""]), ranges),
    strategies.text(string.printable.strip(), max_size=12),
)


@settings(max_examples=examples(300))
@given(
    value=headers_of_ranges,
    condition=strategies.sampled_from(['"tag"', '"other"', "Tue, 14 Nov 2023 22:13:20 GMT", ""]),
)
@example(value="bytes=-0", condition="")
@example(value="bytes=0-0,-1", condition="")
@example(value="bytes=4-", condition='"tag"')
async def test_ranges(value: str, condition: str) -> None:
    """Any ``Range`` header with any ``If-Range`` header has Flask's response."""
    asked = {"Range": value} | ({"If-Range": condition} if condition else {})
    oracle, app = pair()

    @oracle.get("/")
    def plain() -> flask.Response:
        response = flask.make_response(FIVE)
        response.set_etag("tag")
        return response.make_conditional(  # type: ignore[return-value]
            flask.request, accept_ranges=True, complete_length=5
        )

    @app.get("/")
    async def view() -> Any:
        response: Any = await quart.make_response(FIVE)
        response.set_etag("tag")
        return await response.make_conditional(quart.request, accept_ranges=True, complete_length=5)

    assert await ask_quart(app, asked) == ask_flask(oracle, asked, b"")


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return *data* cut at *places*; parts can be empty."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in zip(edges, edges[1:], strict=False)]


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nada\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="\xc3\xbc.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nline\r\n--bother\r\n"
    b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--b--\r\nepilogue'
)
UNREAD = {"multipart/form-data", "text/plain"}
FORMS = [
    pytest.param("multipart/form-data; boundary=b", MULTIPART, id="multipart"),
    pytest.param("multipart/form-data; boundary=b", MULTIPART[:120], id="cut off"),
    pytest.param("multipart/form-data", MULTIPART, id="no boundary"),
    pytest.param("application/x-www-form-urlencoded", b"a=1&b=%FF&a=%C3%BC&c", id="urlencoded"),
    pytest.param("application/x-www-form-urlencoded", b"a=\xff", id="not UTF-8"),
    pytest.param("application/json", b'{"a": ["\xc3\xbc", 1.5, null]}', id="JSON"),
    pytest.param("application/json", b'{"a": ', id="half JSON"),
    pytest.param("text/plain", b"{}", id="no form"),
]


@pytest.mark.parametrize(("kind", "body"), FORMS)
@settings(max_examples=examples(25))
@given(
    places=strategies.lists(strategies.integers(0, 400), max_size=8),
    limit=strategies.sampled_from([None, 3, 20, 150, 1000]),
)
async def test_chunkings(kind: str, body: bytes, places: list[int], limit: int | None) -> None:
    """A body is read as Flask reads it, whatever its chunks and the limit."""
    oracle, app = pair()
    oracle.config["MAX_CONTENT_LENGTH"] = app.config["MAX_CONTENT_LENGTH"] = limit

    @oracle.post("/")
    def plain() -> Any:
        given_json = flask.request.is_json and flask.request.get_json()
        files = {name: file.read().decode() for name, file in flask.request.files.items()}
        return [given_json, flask.request.form.to_dict(flat=False), files]

    @app.post("/")
    async def view() -> Any:
        given_json = quart.request.is_json and await quart.request.get_json()
        uploaded = await quart.request.files
        files = {name: file.read().decode() for name, file in uploaded.items()}
        return [given_json, (await quart.request.form).to_dict(flat=False), files]

    asked = {"Content-Type": kind}
    declared = ask_flask(oracle, asked, body)
    # Of a form or JSON in chunks Werkzeug parses as much as the limit allows, in silence: what
    # declares its length is the oracle for both. Where nothing is read only that can be refused.
    chunked = ask_flask(oracle, asked, body, chunked=True) if kind in UNREAD else declared
    assert await ask_quart(app, asked, cut(body, places)) == chunked
    asked["Content-Length"] = str(len(body))
    assert await ask_quart(app, asked, cut(body, places)) == declared


names = strategies.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12)
values = strategies.text(
    strategies.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"),
    max_size=8,
)


@settings(max_examples=examples(200))
@given(asked=strategies.dictionaries(names.map(lambda name: f"X-{name}"), values, max_size=5))
async def test_header_names(asked: dict[str, str]) -> None:
    """Headers have the names and values that Flask gives them."""
    asked = {name.lower(): value for name, value in asked.items()}
    seen: list[dict[str, str]] = []
    oracle, app = pair()

    @oracle.get("/")
    def plain() -> str:
        seen.append({n: v for n, v in flask.request.headers.items() if n.startswith("X-")})
        return ""

    @app.get("/")
    async def view() -> str:
        found = quart.request.headers
        seen.append({n: v for n, v in found.items() if n.startswith("X-")})
        assert all(name in found and found.get(name) == value for name, value in asked.items())
        assert "X-not-there" not in found and found.getlist("X-not-there") == []
        return ""

    ask_flask(oracle, asked, b"")
    await ask_quart(app, asked)
    assert seen[0] == seen[1]


pairs = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(
            ["X-A", "x-a", "Content-Type", "Content-Length", "Location", "Allow"]
        ),
        strategies.sampled_from(["1", "text/plain", "/ü?ü", "a, b"]),
    ),
    max_size=4,
)
plain_bodies = strategies.one_of(
    strategies.text(max_size=5),
    strategies.binary(max_size=5),
    strategies.binary(max_size=5).map(bytearray),
    strategies.lists(strategies.integers(0, 9), max_size=3),
    strategies.dictionaries(
        strategies.text(max_size=2), strategies.none() | strategies.text(max_size=2)
    ),
    strategies.sampled_from([None, 5, 1.5, object(), {1, 2}, (), ("x",), ("x", 200, {}, "y")]),
)
statuses = strategies.one_of(
    strategies.sampled_from(
        [200, 201, 204, 304, 404, 500, "201 CREATED", "418", "202 ", "", "x", None]
    ),
    strategies.sampled_from(list(flask.Response(status=code).status for code in (200, 404))),
)
returned = strategies.one_of(
    plain_bodies,
    strategies.tuples(plain_bodies, statuses),
    strategies.tuples(plain_bodies, pairs),
    strategies.tuples(plain_bodies, pairs.map(dict)),
    strategies.tuples(plain_bodies, statuses, pairs),
    strategies.tuples(plain_bodies, statuses, pairs.map(dict)),
)


@settings(max_examples=examples(500))
@given(value=returned, streamed=strategies.booleans())
async def test_return_values(value: Any, streamed: bool) -> None:
    """A view can return the same values as in Flask."""
    oracle, app = pair()
    for each in (oracle, app):
        each.logger.disabled = True

    def made() -> Any:
        if streamed and isinstance(value, tuple) and len(value) in {2, 3}:
            if isinstance(value[0], str | bytes):
                return (iter([value[0], value[0]]), *value[1:])
        return value

    oracle.add_url_rule("/", "view", made)

    async def view() -> Any:
        return made()

    app.add_url_rule("/", "view", view)
    expected = ask_flask(oracle, {}, b"")
    found = await ask_quart(app, {})
    assert (found[0], found[2]) == (expected[0], expected[2])
    assert found[1] == expected[1]


@given(text=strategies.text(max_size=20), kind=strategies.sampled_from([None, "text/html", "a/b"]))
def test_quick_responses(text: str, kind: str | None) -> None:
    """The fast path for a text has the same result as the general one."""
    short = Response(text, mimetype=kind)
    long = Response(text, 200, flask.Response().headers.__class__(), kind)
    assert (short.status, list(short.headers), short.timeout) == (
        long.status,
        list(long.headers),
        long.timeout,
    )
    assert short.response.data == long.response.data  # type: ignore[attr-defined]
