from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Any

import http_sf
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Blueprint, Quart, abort, request
from quart.wrappers import Request
from werkzeug.datastructures import Headers

from quartpatterns.requestchecksum import DigestError, generate_checksum, verify_digest
from tests.examples import examples
from tests.serving import served

BODY = b"a=b&c=%FC"
URLENCODED = ("Content-Type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=b")
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--b--\r\n'
MEMBER = re.compile(r"(sha-(256|512)|md5)=(:[A-Za-z0-9+/]*=*:|\"?\w*\"?)(;\w)?(, ?)?", re.ASCII)
HASHES = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512, "md5": hashlib.md5}


def declared(data: bytes, *names: str) -> str:
    """Return the value of a digest header."""
    return http_sf.ser({name: HASHES[name](data).digest() for name in names or ("sha-256",)})


def make_app(app_class: type[Quart], **options: bool) -> tuple[Quart, list[str]]:
    """Return an application that verifies a form, and the list of forms that it accepted."""
    app = app_class(__name__)
    accepted: list[str] = []

    @app.post("/")
    async def view() -> str:
        await verify_digest(request, **options)
        accepted.append((await request.form).get("a", "nothing"))
        return "done"

    return app, accepted


async def status(app: Quart, *headers: tuple[str, str], body: bytes = BODY) -> int:
    given = Headers([("Content-Length", str(len(body))), *headers])
    given.setdefault(*URLENCODED)
    response = await app.test_client().post("/", data=body, headers=given)
    return response.status_code


WRONG = declared(b"other")
RIGHT = declared(BODY)


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "buffered"])
@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest", "content-digest"])
@pytest.mark.parametrize(
    ("value", "right"),
    [
        pytest.param(RIGHT, True, id="right"),
        pytest.param(declared(BODY, "sha-512"), True, id="sha-512"),
        pytest.param(declared(BODY, "sha-256", "sha-512", "md5"), True, id="several"),
        pytest.param(RIGHT + ";a=b;c", True, id="parameters"),
        pytest.param(RIGHT.replace("=:", ":").replace(":", "=:", 1), True, id="no padding"),
        pytest.param(WRONG, False, id="wrong"),
        pytest.param(f"{RIGHT}, {declared(b'other', 'sha-512')}", False, id="one of two wrong"),
        pytest.param(f"{WRONG}, {RIGHT}", True, id="repeated algorithm, the last counts"),
        pytest.param(declared(b"other", "md5"), True, id="another algorithm"),
        pytest.param('unixsum=30637, id-sha-256="x"', True, id="other algorithms"),
        pytest.param("", True, id="empty"),
        pytest.param("sha-256=:", False, id="unterminated"),
        pytest.param("sha-256=::", False, id="empty digest"),
        pytest.param(RIGHT[:30] + ":", False, id="cut off"),
        pytest.param("sha-256", False, id="no value"),
        pytest.param('sha-256="text"', False, id="a string"),
        pytest.param("sha-256=(:YQ==: :YQ==:)", False, id="a list"),
        pytest.param("SHA-256=:YQ==:", False, id="upper case"),
        pytest.param("sha-256=:YQ==:,", False, id="trailing comma"),
        pytest.param("sha-256=abc123", False, id="hexadecimal"),
        pytest.param("sha-256=:ÿ€:", False, id="not ASCII"),
        pytest.param("sha-256=:" + "A" * 60_000 + ":", False, id="long"),
        pytest.param("a," * 20_000 + "a", True, id="many"),
    ],
)
async def test_headers(
    app_class: type[Quart], streaming: bool, field: str, value: str, right: bool
) -> None:
    """The view doesn't accept a body with a wrong digest or an invalid header."""
    app, accepted = make_app(app_class, streaming=streaming)
    assert await status(app, (field, value)) == (200 if right else 400)
    assert accepted == (["b"] if right else [])


async def test_repeated_header(app_class: type[Quart]) -> None:
    """A repeated header is one list, so the second doesn't hide the first."""
    app, accepted = make_app(app_class)
    second = ("Content-Digest", declared(BODY, "sha-512"))
    assert await status(app, ("Content-Digest", RIGHT), second) == 200
    assert await status(app, ("Content-Digest", WRONG), second) == 400
    assert await status(app, second, ("Content-Digest", WRONG)) == 400
    assert accepted == ["b"]


async def test_both_headers(app_class: type[Quart]) -> None:
    app, _ = make_app(app_class)
    assert await status(app, ("Content-Digest", RIGHT), ("Repr-Digest", RIGHT)) == 200
    assert await status(app, ("Content-Digest", RIGHT), ("Repr-Digest", WRONG)) == 400
    assert await status(app, ("Content-Digest", WRONG), ("Repr-Digest", RIGHT)) == 400


async def test_part_of_a_representation(app_class: type[Quart]) -> None:
    """For a part, Repr-Digest is ignored and Content-Digest is verified."""
    app, _ = make_app(app_class, required=True)
    part = ("Content-Range", "bytes 0-8/100")
    assert await status(app, part, ("Repr-Digest", WRONG), ("Content-Digest", RIGHT)) == 200
    assert await status(app, part, ("Repr-Digest", WRONG), ("Content-Digest", WRONG)) == 400
    assert await status(app, part, ("Repr-Digest", WRONG)) == 400


@pytest.mark.parametrize("streaming", [True, False])
async def test_required(app_class: type[Quart], streaming: bool) -> None:
    """Without a verifiable digest the response names the algorithms."""
    app, accepted = make_app(app_class, required=True, streaming=streaming)
    assert await status(app) == 400
    assert await status(app, ("Content-Digest", declared(BODY, "md5"))) == 400
    assert await status(app, ("Content-Digest", RIGHT)) == 200
    assert accepted == ["b"]
    response = await app.test_client().post("/")
    assert response.headers["Want-Content-Digest"] == "sha-256=10, sha-512=10"
    assert "Content-Digest" in str(await response.get_data(as_text=True))


@pytest.mark.parametrize("streaming", [True, False])
async def test_multipart(app_class: type[Quart], streaming: bool) -> None:
    app, accepted = make_app(app_class, streaming=streaming)
    assert await status(app, MULTIPART, ("Content-Digest", declared(PART)), body=PART) == 200
    assert await status(app, MULTIPART, ("Content-Digest", WRONG), body=PART) == 400
    assert accepted == ["b"]


async def test_empty_body(app_class: type[Quart]) -> None:
    app, accepted = make_app(app_class)
    assert await status(app, ("Content-Digest", declared(b"")), body=b"") == 200
    assert await status(app, ("Content-Digest", declared(b"")), body=b"a=b") == 400
    assert accepted == ["nothing"]


async def test_before_request(app_class: type[Quart]) -> None:
    """A before_request function protects a blueprint with its synchronous views."""
    app = app_class(__name__)
    api = Blueprint("api", __name__)
    api.before_request(verify)
    accepted: list[str] = []

    @api.post("/")
    def view() -> str:
        accepted.append("api")
        return "done"

    @app.post("/other")
    async def other() -> str:
        return "done"

    app.register_blueprint(api)
    assert await status(app, ("Content-Digest", WRONG)) == 400
    assert accepted == []
    assert await status(app, ("Content-Digest", RIGHT)) == 200
    response = await app.test_client().post("/other", headers={"Content-Digest": WRONG})
    assert response.status_code == 200


async def verify() -> None:
    await verify_digest(request)


async def test_error_handler(app_class: type[Quart]) -> None:
    """The application can handle DigestError."""
    app, _ = make_app(app_class)

    @app.errorhandler(DigestError)
    async def handler(error: DigestError) -> tuple[str, int]:
        return error.description or "", 422

    assert await status(app, ("Content-Digest", WRONG)) == 422


async def test_with_a_checksum(app_class: type[Quart]) -> None:
    app = app_class(__name__)

    @app.post("/")
    async def view() -> str:
        checksum = generate_checksum(request)
        await verify_digest(request, streaming=True)
        return await checksum.hexdigest()

    headers = {"Content-Digest": declared(BODY)}
    response = await app.test_client().post("/", data=BODY, headers=headers)
    assert await response.get_data(as_text=True) == hashlib.sha1(BODY).hexdigest()
    response = await app.test_client().post("/", data=b"other", headers=headers)
    assert response.status_code == 400


async def test_too_large(app_class: type[Quart]) -> None:
    app, accepted = make_app(app_class)
    app.config["MAX_CONTENT_LENGTH"] = 5
    assert await status(app, ("Content-Digest", RIGHT)) == 413
    assert accepted == []


async def not_pushed(path: str, headers: Any) -> None: ...


def request_with(values: list[str], field: str, body: bytes) -> Request:
    headers = Headers([(field, value) for value in values])
    scope: Any = {"type": "http"}
    request = Request(
        "POST", "http", "/", b"", headers, "", "1.1", scope, send_push_promise=not_pushed
    )
    request.body.set_result(body)
    return request


@settings(max_examples=examples(500))
@given(
    values=st.lists(
        st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30)
        | st.from_regex(MEMBER, fullmatch=True),
        max_size=3,
    ),
    field=st.sampled_from(["Content-Digest", "Repr-Digest"]),
    body=st.binary(max_size=20),
    streaming=st.booleans(),
    required=st.booleans(),
)
async def test_any_header(
    values: list[str], field: str, body: bytes, streaming: bool, required: bool
) -> None:
    """Every header is accepted or a 400, and no invented digest is accepted."""
    current = request_with(values, field, body)
    try:
        await verify_digest(current, streaming=streaming, required=required)
        data = await current.get_data(cache=True, as_text=False, parse_form_data=False)
    except DigestError as error:
        assert error.description
        return
    assert data == body
    members: Any = http_sf.parse(", ".join(values).encode("latin-1"), tltype="dictionary")
    assert not members.keys() & {"sha-256", "sha-512"}
    assert not required


@settings(max_examples=examples(500))
@given(
    body=st.binary(max_size=200),
    sent=st.binary(max_size=200) | st.none(),
    names=st.lists(st.sampled_from(sorted(HASHES)), min_size=1, unique=True),
    field=st.sampled_from(["Content-Digest", "Repr-Digest"]),
    streaming=st.booleans(),
)
async def test_any_body(
    body: bytes, sent: bytes | None, names: list[str], field: str, streaming: bool
) -> None:
    """A body that matches is accepted, any other is not."""
    sent = body if sent is None else sent
    current = request_with([declared(body, *names)], field, sent)
    known = {"sha-256", "sha-512"}.intersection(names)
    try:
        await verify_digest(current, streaming=streaming)
        await current.get_data(cache=True, as_text=False, parse_form_data=False)
    except DigestError:
        assert sent != body and known
    else:
        assert sent == body or not known


@pytest.mark.wire
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
async def test_streaming_upload(app_class: type[Quart], right: bool) -> None:
    """A view that streams an upload gets the error at its end."""
    app = app_class(__name__)
    app.config["MAX_CONTENT_LENGTH"] = None
    received: list[int] = []
    stored: list[int] = []

    @app.put("/")
    async def view() -> str:
        await verify_digest(request, required=True, streaming=True)
        async for chunk in request.body:
            received.append(len(chunk))
        stored.append(sum(received))
        return "stored"

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(200):
            yield bytes([number]) * 100_000

    whole = hashlib.sha256()
    async for piece in pieces():
        whole.update(piece)
    digest = whole.digest() if right else b"?" * 32
    headers = {"Content-Digest": http_sf.ser({"sha-256": digest})}
    async with served(app) as server:
        response: httpx.Response = await server.client.put("/", content=pieces(), headers=headers)
    assert response.status_code == (200 if right else 400)
    assert sum(received) == 20_000_000
    assert stored == ([20_000_000] if right else [])


async def test_aborted_by_the_view(app_class: type[Quart]) -> None:
    """A view that answers before the end of a streamed body verifies nothing."""
    app = app_class(__name__)

    @app.post("/")
    async def view() -> str:
        await verify_digest(request, streaming=True)
        abort(403)

    assert await status(app, ("Content-Digest", WRONG)) == 403
