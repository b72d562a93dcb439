from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart, Response, jsonify, request, websocket
from werkzeug.test import encode_multipart

from quartpatterns.methodoverrides import HTTPMethodOverrideMiddleware
from quartpatterns.methodoverrides.middleware import ALLOWED_METHODS, BODYLESS_METHODS

METHODS = [*ALLOWED_METHODS, "TRACE"]
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def make(app_class: type[Quart], **options: Any) -> Quart:
    """An application that says which method and body it saw."""
    app = app_class(__name__)
    app.asgi_app = HTTPMethodOverrideMiddleware(app.asgi_app, **options)  # type: ignore[method-assign]

    @app.route("/", methods=METHODS, provide_automatic_options=False)
    async def seen() -> Response:
        body = bytes(await request.body).decode("latin-1")
        return jsonify(method=request.method, body=body, length=request.content_length)

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(await websocket.receive())

    return app


async def seen(app: Quart, method: str = "POST", **arguments: Any) -> tuple[str, str]:
    answer = await app.test_client().open("/", method=method, **arguments)
    assert answer.status_code == 200
    data = await answer.get_json()
    return data["method"], data["body"]


@pytest.mark.checks("MO-1", "MO-2")
@pytest.mark.parametrize("meant", sorted(ALLOWED_METHODS - {"HEAD"}))
async def test_every_method(app_class: type[Quart], meant: str) -> None:
    headers = {"X-HTTP-Method-Override": meant.lower()}
    body = "" if meant in BODYLESS_METHODS else "text"
    assert await seen(make(app_class), data="text", headers=headers) == (meant, body)


@settings(max_examples=500, deadline=None)
@given(
    carrier=st.sampled_from(METHODS),
    value=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=12)
    | st.sampled_from([*METHODS, "put", " PUT "]),
    body=st.binary(max_size=100),
)
@pytest.mark.checks("MO-1", "MO-2", "MO-3")
async def test_any_value(carrier: str, value: str, body: bytes) -> None:
    """No value makes an error; what is no method changes nothing."""
    meant = value.strip().upper()
    expected = meant if meant in ALLOWED_METHODS else carrier
    scope: dict[str, Any] = {
        "type": "http",
        "method": carrier,
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
    dropped = meant in BODYLESS_METHODS
    assert found["method"] == expected
    assert found["body"] == (b"" if dropped else body)
    length = dict(found["headers"])[b"content-length"]
    assert int(length) == len(found["body"])
    assert scope["method"] == carrier, "the server's own scope is left as it is"


async def test_carriers(app_class: type[Quart]) -> None:
    """A method that may not carry another is what it is."""
    app = make(app_class, carriers={"post"})
    headers = {"X-HTTP-Method-Override": "PUT"}
    assert (await seen(app, "GET", headers=headers))[0] == "GET"
    assert (await seen(app, "POST", headers=headers))[0] == "PUT"


async def test_websocket_passes(app_class: type[Quart]) -> None:
    async with (
        make(app_class)
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
        pytest.param(b"_method=BOGUS", URLENCODED, "POST", id="no method"),
        pytest.param(b"_method=PUT", {"Content-Type": "text/plain"}, "POST", id="no form"),
        pytest.param(b"_method=PUT", {}, "POST", id="no type"),
        pytest.param(b"a=" + b"x" * 5000 + b"&_method=PUT", URLENCODED, "POST", id="too far"),
        pytest.param(b"\xff\xfe&_method=PUT", URLENCODED, "PUT", id="no text"),
    ],
)
async def test_form_field(
    app_class: type[Quart], body: bytes, headers: dict[str, str], method: str
) -> None:
    """The field says it for a POST, and the application still reads the whole form."""
    app = make(app_class, form_field="_method")
    length = {"Content-Length": str(len(body))}
    assert await seen(app, data=body, headers={**headers, **length}) == (
        method,
        body.decode("latin-1"),
    )


async def test_form_field_of_a_chunked_body(app_class: type[Quart]) -> None:
    """Where no length is declared a field counts when another follows: it may go on."""
    app = make(app_class, form_field="_method")
    assert (await seen(app, data=b"_method=PUT&a=b", headers=URLENCODED))[0] == "PUT"
    assert (await seen(app, data=b"_method=PUT", headers=URLENCODED))[0] == "POST"


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
    assert await seen(make(app_class, form_field="_method"), data=body, headers=headers) == (
        method,
        body.decode(),
    )


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x"],
)
async def test_malformed_multipart(app_class: type[Quart], content_type: str) -> None:
    """What is no form is no override, and no error."""
    app = make(app_class, form_field="_method")
    assert (await seen(app, data=b"--y\r\n\r\n\x00", headers={"Content-Type": content_type}))[
        0
    ] == "POST"


async def test_large_body_is_not_held() -> None:
    """The middleware asks for no more than it looks at before the application asks."""
    asked = 0

    async def receive() -> Any:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 1024, "more_body": True}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert asked <= 4
        pieces = [(await receive())["body"] for _ in range(100)]
        assert b"".join(pieces) == b"x" * 1024 * 100

    async def send(message: Any) -> None: ...

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }
    await HTTPMethodOverrideMiddleware(app, form_field="_method")(scope, receive, send)
    assert asked == 100


async def test_disconnect_is_seen_behind_a_dropped_body() -> None:
    """After the empty body comes what happens next, not the body that was sent."""
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
