from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart, Response, jsonify, request, websocket
from werkzeug.test import encode_multipart

from quartpatterns.methodoverrides import HTTPMethodOverrideMiddleware
from quartpatterns.methodoverrides.middleware import ALLOWED_METHODS, BODYLESS_METHODS
from tests.examples import examples

METHODS = [*ALLOWED_METHODS, "TRACE"]
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def make_app(app_class: type[Quart], **options: Any) -> Quart:
    """Return an application that returns the method and the body of the request."""
    app = app_class(__name__)
    app.asgi_app = HTTPMethodOverrideMiddleware(app.asgi_app, **options)  # type: ignore[method-assign]

    @app.route("/", methods=METHODS, provide_automatic_options=False)
    async def echo() -> Response:
        body = bytes(await request.body).decode("latin-1")
        return jsonify(method=request.method, body=body, length=request.content_length)

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(await websocket.receive())

    return app


async def send_request(app: Quart, method: str = "POST", **arguments: Any) -> tuple[str, str]:
    response = await app.test_client().open("/", method=method, **arguments)
    assert response.status_code == 200
    data = await response.get_json()
    return data["method"], data["body"]


@pytest.mark.checks("MO-1", "MO-2")
@pytest.mark.parametrize("override", sorted(ALLOWED_METHODS - {"HEAD"}))
async def test_every_method(app_class: type[Quart], override: str) -> None:
    headers = {"X-HTTP-Method-Override": override.lower()}
    body = "" if override in BODYLESS_METHODS else "text"
    assert await send_request(make_app(app_class), data="text", headers=headers) == (override, body)


@settings(max_examples=examples(500))
@given(
    method=st.sampled_from(METHODS),
    value=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=12)
    | st.sampled_from([*METHODS, "put", " PUT "]),
    body=st.binary(max_size=100),
)
@pytest.mark.checks("MO-1", "MO-2", "MO-3")
async def test_any_value(method: str, value: str, body: bytes) -> None:
    """No value causes an error, and an invalid one changes nothing."""
    override = value.upper()
    expected = override if override in ALLOWED_METHODS else method
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "headers": [
            (b"x-http-method-override", value.encode("latin-1")),
            (b"content-length", b"%d" % len(body)),
        ],
    }
    found: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.update(scope, body=(await receive())["body"])

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None: ...

    await HTTPMethodOverrideMiddleware(app)(scope, receive, send)
    dropped = override in BODYLESS_METHODS
    assert found["method"] == expected
    assert found["body"] == (b"" if dropped else body)
    length = dict(found["headers"])[b"content-length"]
    assert int(length) == len(found["body"])
    assert scope["method"] == method, "the server's scope is not changed"


async def test_methods(app_class: type[Quart]) -> None:
    """Only the given methods can be overridden."""
    app = make_app(app_class, methods={"post"})
    headers = {"X-HTTP-Method-Override": "PUT"}
    assert (await send_request(app, "GET", headers=headers))[0] == "GET"
    assert (await send_request(app, "POST", headers=headers))[0] == "PUT"


async def test_websocket_passes(app_class: type[Quart]) -> None:
    async with (
        make_app(app_class)
        .test_client()
        .websocket("/ws", headers={"X-HTTP-Method-Override": "PUT"}) as socket
    ):
        await socket.send("hello")
        assert await socket.receive() == "hello"


@pytest.mark.parametrize(
    ("body", "headers", "method"),
    [
        pytest.param(b"_method=PUT&a=b", URLENCODED, "PUT", id="first"),
        pytest.param(b"a=b&_method=put", URLENCODED, "PUT", id="last"),
        pytest.param(b"a=b", URLENCODED, "POST", id="absent"),
        pytest.param(b"_method=BOGUS", URLENCODED, "POST", id="invalid method"),
        pytest.param(b"_method=PUT", {"Content-Type": "text/plain"}, "POST", id="not a form"),
        pytest.param(b"_method=PUT", {}, "POST", id="no content type"),
        pytest.param(b"a=" + b"x" * 5000 + b"&_method=PUT", URLENCODED, "POST", id="too far"),
        pytest.param(b"\xff\xfe&_method=PUT", URLENCODED, "PUT", id="not UTF-8"),
    ],
)
async def test_form_field(
    app_class: type[Quart], body: bytes, headers: dict[str, str], method: str
) -> None:
    """The field overrides POST, and the application can still read the whole form."""
    app = make_app(app_class, form_field="_method")
    length = {"Content-Length": str(len(body))}
    assert await send_request(app, data=body, headers={**headers, **length}) == (
        method,
        body.decode("latin-1"),
    )


async def test_form_field_of_a_chunked_body(app_class: type[Quart]) -> None:
    """Without a length, the last field is complete when the body has ended."""
    app = make_app(app_class, form_field="_method")
    assert (await send_request(app, data=b"_method=PUT&a=b", headers=URLENCODED))[0] == "PUT"
    assert (await send_request(app, data=b"_method=PUT", headers=URLENCODED))[0] == "PUT"


@pytest.mark.parametrize(
    ("pieces", "method"),
    [
        pytest.param([b"_meth", b"od=PUT"], "PUT", id="complete"),
        pytest.param([b"_method=PUT", None], "POST", id="disconnect"),
        pytest.param([b"a=" + b"x" * 4082 + b"&_method=PUT"], "PUT", id="4096 bytes"),
        pytest.param([b"a=" + b"x" * 4082 + b"&_method=PUTS"], "POST", id="cut after 4096 bytes"),
    ],
)
async def test_last_field(pieces: list[bytes | None], method: str) -> None:
    """A field that may be cut is not used."""
    messages: list[dict[str, Any]] = [
        {"type": "http.disconnect"}
        if piece is None
        else {"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]}
        for piece in pieces
    ]
    expected = list(messages)
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope["method"])
        found.extend([await receive() for _ in expected])

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None: ...

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    scope = {"type": "http", "method": "POST", "headers": headers}
    await HTTPMethodOverrideMiddleware(app, form_field="_method")(scope, receive, send)
    assert found == [method, *expected]


@pytest.mark.parametrize(
    ("values", "method"),
    [
        pytest.param({"_method": "PATCH", "a": "b"}, "PATCH", id="first"),
        pytest.param({"a": "b", "_method": "PATCH"}, "PATCH", id="second"),
        pytest.param({"a": "x" * 5000, "_method": "PATCH"}, "POST", id="too far"),
    ],
)
async def test_multipart(app_class: type[Quart], values: dict[str, str], method: str) -> None:
    boundary, body = encode_multipart(values, boundary="border")
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert await send_request(
        make_app(app_class, form_field="_method"), data=body, headers=headers
    ) == (
        method,
        body.decode(),
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary*=utf-8''%E2%82%AC",
    ],
)
async def test_malformed_multipart(app_class: type[Quart], content_type: str) -> None:
    """A malformed form is neither an override nor an error."""
    app = make_app(app_class, form_field="_method")
    assert (
        await send_request(app, data=b"--y\r\n\r\n\x00", headers={"Content-Type": content_type})
    )[0] == "POST"


async def test_large_body_is_not_buffered() -> None:
    """The middleware reads only as much as it searches."""
    received = 0

    async def receive() -> Any:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"x" * 1024, "more_body": True}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert received <= 4
        pieces = [(await receive())["body"] for _ in range(100)]
        assert b"".join(pieces) == b"x" * 1024 * 100

    async def send(message: Any) -> None: ...

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }
    await HTTPMethodOverrideMiddleware(app, form_field="_method")(scope, receive, send)
    assert received == 100


async def test_disconnect_after_a_dropped_body() -> None:
    """After the empty body the application gets the disconnect, not the real body."""
    messages = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.request", "body": b"y", "more_body": False},
        {"type": "http.disconnect"},
    ]
    found = []

    async def receive() -> Any:
        return messages.pop(0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.extend([await receive(), await receive()])

    async def send(message: Any) -> None: ...

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"x-http-method-override", b"DELETE"), (b"transfer-encoding", b"chunked")],
    }
    await HTTPMethodOverrideMiddleware(app)(scope, receive, send)
    assert found == [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]


def delete_scope() -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "headers": [(b"x-http-method-override", b"DELETE"), (b"transfer-encoding", b"chunked")],
    }


async def respond(scope: Any, receive: Any, send: Any) -> None:
    """Send a response without reading the body."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"deleted"})


@pytest.mark.checks("MO-2")
async def test_body_is_read_before_the_response_is_complete() -> None:
    """Granian closes a connection when the response is complete and the request is not."""
    events: list[Any] = []
    messages = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.request", "body": b"y", "more_body": False},
    ]

    async def receive() -> Any:
        await asyncio.sleep(0)
        events.append(messages[0]["body"])
        return messages.pop(0)

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        length = [(b"content-length", b"7")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"deleted", "more_body": True})
        await send({"type": "http.response.body"})

    async def send(message: Any) -> None:
        events.append(message["type"])

    await HTTPMethodOverrideMiddleware(stream)(delete_scope(), receive, send)
    body = "http.response.body"
    assert events == ["http.response.start", b"x", b"y", body, body]


@pytest.mark.checks("MO-2")
@pytest.mark.parametrize(
    ("version", "headers", "read"),
    [
        ("1.1", [], []),
        ("1.1", [(b"content-length", b"0")], []),
        ("1.1", [(b"content-length", b"10")], ["read"]),
        ("1.1", [(b"transfer-encoding", b"chunked")], ["read"]),
        ("2", [], ["read"]),
    ],
)
async def test_body_that_cannot_be(
    version: str, headers: list[tuple[bytes, bytes]], read: list[str]
) -> None:
    """Nothing is read before the response if the headers say that there is no body."""
    events: list[str] = []

    async def receive() -> Any:
        events.append("read")
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        events.append(message["type"])

    scope = delete_scope() | {"http_version": version}
    scope["headers"] = [(b"x-http-method-override", b"DELETE"), *headers]
    await HTTPMethodOverrideMiddleware(respond)(scope, receive, send)
    assert events == ["http.response.start", *read, "http.response.body"]


@pytest.mark.checks("MO-2")
async def test_complete_body_needs_one_message() -> None:
    """If the body was read, the last message of the response is not changed."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def read_and_respond(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        await respond(scope, receive, send)

    async def send(message: Any) -> None:
        sent.append(message)

    await HTTPMethodOverrideMiddleware(read_and_respond)(delete_scope(), receive, send)
    assert sent[1:] == [{"type": "http.response.body", "body": b"deleted"}]


@pytest.mark.checks("MO-2")
async def test_body_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response is sent after DRAIN_TIMEOUT if the client waits for it with its body."""
    monkeypatch.setattr("quartpatterns.methodoverrides.middleware.DRAIN_TIMEOUT", 0.05)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append((message.get("body", b""), message.get("more_body", False)))

    async with asyncio.timeout(20):
        await HTTPMethodOverrideMiddleware(respond)(delete_scope(), receive, send)
    assert sent == [(b"", False), (b"deleted", False)]


@pytest.mark.checks("MO-2")
async def test_empty_last_message() -> None:
    """An empty last message of the response is sent once, after the body was read."""
    events: list[Any] = []

    async def receive() -> Any:
        events.append("read")
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def respond_empty(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        events.append(message)

    await HTTPMethodOverrideMiddleware(respond_empty)(delete_scope(), receive, send)
    assert events == ["read", {"type": "http.response.body", "body": b""}]


@pytest.mark.checks("MO-2")
async def test_disconnect_within_a_dropped_body() -> None:
    """If the client disconnects within its body, the application gets the disconnect."""
    messages = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.disconnect"},
    ]
    received: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def read_twice(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive(), await receive(), await receive()])

    async def send(message: Any) -> None: ...

    await HTTPMethodOverrideMiddleware(read_twice)(delete_scope(), receive, send)
    assert [message["type"] for message in received] == [
        "http.request",
        "http.disconnect",
        "http.disconnect",
    ]


@pytest.mark.checks("MO-1")
async def test_head(app_class: type[Quart]) -> None:
    """The response to POST that means HEAD is empty and says so."""
    app = app_class(__name__)
    app.asgi_app = HTTPMethodOverrideMiddleware(app.asgi_app)  # type: ignore[method-assign]
    app.add_url_rule("/", "index", lambda: "index")
    headers = {"X-HTTP-Method-Override": "HEAD"}
    response = await app.test_client().post("/", headers=headers)
    assert (response.status_code, response.headers["Content-Length"]) == (200, "0")
    assert (await app.test_client().head("/")).headers["Content-Length"] == "5"
