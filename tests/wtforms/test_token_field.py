"""The token is found at the start of a body; a body without one is refused unread."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart, Request, request
from quart.wrappers.request import Body
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.wtforms.token_field import PeekedBody, find_field
from tests.examples import examples
from tests.serving import TIMEOUT, eventually, served
from tests.wtforms.test_tokens import make, text

pytestmark = pytest.mark.checks("WT-11")

MULTIPART = "multipart/form-data; boundary=b"
URLENCODED = "application/x-www-form-urlencoded"
MIB = 1024 * 1024


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return make(app_class)


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """Return a part of a multipart body with the boundary ``b``."""
    file = f'; filename="{filename}"' if filename else ""
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + value + b"\r\n"


async def chunked(port: int, head: dict[str, str], pieces: AsyncIterator[bytes]) -> tuple[int, int]:
    """Send *pieces* in chunks until a response comes; return its status and the bytes sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = ["POST / HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in head.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    response = asyncio.create_task(reader.readline())
    sent = 0
    async for piece in pieces:
        if response.done():
            break
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        sent += len(piece)
        with contextlib.suppress(ConnectionError):  # after an early response
            await writer.drain()
        await asyncio.sleep(0)
    else:
        writer.write(b"0\r\n\r\n")
    async with asyncio.timeout(TIMEOUT):
        line = await response
    writer.transport.abort()
    return int(line.split()[1]), sent


async def upload(first: bytes, *, mib: int = 64) -> AsyncIterator[bytes]:
    """Iterate over a multipart form with a large file after *first*."""
    if first:  # an empty chunk would end the body
        yield first
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    for _ in range(mib * 16):
        yield b"x" * (MIB // 16)
    yield b"\r\n--b--\r\n"


@pytest.mark.wire
@pytest.mark.parametrize(
    "kind", ["no session", "no token", "wrong header", "wrong field", "urlencoded", "text", "late"]
)
async def test_refused_early(app: Quart, kind: str) -> None:
    """Almost nothing is read of 64 MiB without a valid token, whatever the body is."""
    received: list[int] = []
    app.config["MAX_CONTENT_LENGTH"] = 100 * MIB

    @app.after_request
    async def record(response: Any) -> Any:
        received.append(getattr(request.body, "received", 0))
        return response

    async with served(app) as server:
        got = await server.client.get("/token")
        head = {"Content-Type": MULTIPART, "Cookie": got.headers["Set-Cookie"].partition(";")[0]}
        pieces = upload(b"")
        if kind == "no session":
            del head["Cookie"]
        elif kind == "wrong header":
            head["X-CSRFToken"] = "wrong"
        elif kind == "wrong field":
            pieces = upload(part("csrf_token", b"wrong"))
        elif kind == "urlencoded":
            head["Content-Type"] = URLENCODED
        elif kind == "text":
            head["Content-Type"] = "text/plain"
        elif kind == "late":
            pieces = upload(part("text", b"x" * 600_000) + part("csrf_token", got.text.encode()))
        status, sent = await chunked(server.port, head, pieces)
    assert status == 400
    assert sent < 16 * MIB
    if isinstance(app, FaithfulQuart):
        # Plain Quart receives everything; FaithfulQuart receives what the application reads.
        most = {"no session": 0, "text": 0, "wrong header": 0, "wrong field": 65_536}
        assert received[-1] <= most.get(kind, 500_000 + 65_536)
        assert kind in most or received[-1] >= 500_000


@pytest.mark.wire
async def test_large_with_token(app: Quart) -> None:
    """An upload that begins with a valid token is accepted, and the view can stream it."""
    app.config["MAX_CONTENT_LENGTH"] = 100 * MIB
    seen: list[Any] = []

    @app.before_request
    async def stream() -> str | None:
        if request.method == "GET":
            return None
        digest, size = hashlib.sha256(), 0
        async for data in request.body:
            digest.update(data)
            size += len(data)
        seen[:] = [size, digest.hexdigest()]
        return "streamed"

    async with served(app) as server:
        got = await server.client.get("/token")
        head = {"Content-Type": MULTIPART, "Cookie": got.headers["Set-Cookie"].partition(";")[0]}
        first = part("csrf_token", got.text.encode())
        status, sent = await chunked(server.port, head, upload(first, mib=8))
    expected = b"".join([piece async for piece in upload(first, mib=8)])
    assert status == 200
    assert seen == [sent, hashlib.sha256(expected).hexdigest()]


@pytest.mark.parametrize("kind", [MULTIPART, URLENCODED])
async def test_view_reads_the_whole_body(app: Quart, kind: str) -> None:
    """The view reads the body as if nobody had: as a form, as bytes, or twice."""

    @app.post("/form")
    async def form() -> Any:
        form, files = await request.form, await request.files
        return {"form": form.to_dict(), "files": {name: files[name].filename for name in files}}

    @app.post("/data")
    async def data() -> bytes:
        first = await request.get_data(cache=True, as_text=False, parse_form_data=False)
        again = await request.get_data(cache=False, as_text=False, parse_form_data=False)
        assert first == again
        third = await request.get_data(cache=True, as_text=False, parse_form_data=False)
        # With Quart, a body that is not cached can be read once; Flask returns the cached one.
        assert third == (first if isinstance(app, FaithfulQuart) else b"")
        return first

    client = app.test_client()
    token = await text(client)
    if kind == MULTIPART:
        body = (
            part("csrf_token", token.encode()) + part("a", b"1") + part("f", b"2", "f") + b"--b--"
        )
    else:
        body = f"csrf_token={token}&a=1".encode()
    headers = {"Content-Type": kind}
    result = await (await client.post("/form", data=body, headers=headers)).get_json()
    assert result["form"] == {"csrf_token": token, "a": "1"}
    assert result["files"] == ({"f": "f"} if kind == MULTIPART else {})
    answer = await client.post("/data", data=body, headers=headers)
    assert await answer.get_data(as_text=False) == body


async def test_limit_of_the_view() -> None:
    """A view may raise or lower the limit after the check."""
    app = make(FaithfulQuart, MAX_CONTENT_LENGTH=1000)

    @app.post("/limit/<int:limit>")
    async def limited(limit: int) -> str:
        request.max_content_length = limit
        return str(len((await request.form)["text"]))

    client = app.test_client()
    token = await text(client)
    form = {"csrf_token": token, "text": "x" * 5000}
    for length in (None, "5200"):
        headers = {"Content-Length": length} if length else {}
        for limit, status in ((10_000, 200), (4000, 413), (100, 413)):
            response = await client.post(f"/limit/{limit}", form=form, headers=headers)
            assert response.status_code == status, (length, limit)


async def test_limit_of_the_application(app: Quart) -> None:
    """The limit of the application counts the bytes that the check has read."""
    app.config["MAX_CONTENT_LENGTH"] = 1000

    @app.post("/read")
    async def read() -> str:
        return str(len(await request.form))

    client = app.test_client()
    token = await text(client)
    form = {"csrf_token": token, "text": "x" * 1500}
    assert (await client.post("/read", form=form)).status_code == 413
    form["text"] = "x" * 500
    assert (await client.post("/read", form=form)).status_code == 200


@pytest.mark.parametrize(("limit", "allowed"), [(1200, True), (1199, False), (None, True)])
async def test_limit_counts_the_head(limit: int | None, allowed: bool) -> None:
    """Quart's body counts only its buffer; the bytes that were peeked at count as well."""
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = limit
    async with app.test_request_context("/", method="POST"):
        one: Request = request._get_current_object()  # type: ignore[attr-defined]
        one.body = Body(None, limit)
        body = PeekedBody(one)
        one.body.append(b"x" * 600)
        assert await body.peek() == b"x" * 600
        one.body.append(b"y" * 600)
        one.body.set_complete()
        if allowed:
            assert await body == b"x" * 600 + b"y" * 600
        else:
            with pytest.raises(RequestEntityTooLarge):
                await body


@pytest.mark.wire
async def test_slow_client(app: Quart) -> None:
    """A client that sends no token within ``BODY_TIMEOUT`` gets a 408."""
    app.config["BODY_TIMEOUT"] = 0.2

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    async with served(app) as server:
        got = await server.client.get("/token")
        cookie = got.headers["Set-Cookie"].partition(";")[0]
        status, _ = await chunked(
            server.port, {"Content-Type": URLENCODED, "Cookie": cookie}, drip()
        )
    assert status == 408


@pytest.mark.wire
async def test_client_disconnects(app: Quart) -> None:
    """After a client disconnects during the search, no task is left."""
    async with served(app) as server:
        got = await server.client.get("/token")
        cookie = got.headers["Set-Cookie"].partition(";")[0]
        before = len(asyncio.all_tasks())
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                f"POST / HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n"
                f"Content-Type: {URLENCODED}\r\nContent-Length: 1000\r\n\r\na=".encode()
            )
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.transport.abort()
        await eventually(lambda: len(asyncio.all_tasks()) <= before)
        assert (await server.client.get("/token")).status_code == 200


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut *data* at *places*."""
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


async def search(body: bytes, kind: str, pieces: list[bytes], limit: int = 100_000) -> Any:
    """Return what is found in *body*, and check that the view can read all of it."""
    one = Request(
        "POST",
        "http",
        "/",
        b"",
        Headers({"Content-Type": kind}),
        "",
        "1.1",
        {},  # type: ignore[typeddict-item]
        send_push_promise=None,  # type: ignore[arg-type]
    )
    one.body_timeout = None

    async def feed() -> None:
        for piece in pieces:
            one.body.append(piece)
            await asyncio.sleep(0)
        one.body.set_complete()

    feeding = asyncio.create_task(feed())
    value = await find_field(one, "csrf_token", limit=limit)
    await feeding
    assert b"".join([data async for data in one.body]) == body
    return value


fields = st.lists(
    st.tuples(
        st.sampled_from(["csrf_token", "a-csrf_token", "csrf", "text", "\u00fc"]),
        st.sampled_from(
            ["", "token", "a=b&c;d", "\r\n--c\r\n--", "x" * 300, "\u00e9\u2713", "\x00"]
        ),
    ),
    max_size=6,
)


@settings(max_examples=examples(300))
@given(fields, st.lists(st.integers(0, 5000), max_size=6), st.booleans())
def test_finds_what_the_parser_finds(
    pairs: list[tuple[str, str]], places: list[int], multipart: bool
) -> None:
    """However the network splits the body, the search finds what the form parser would find."""
    form = MultiDict(pairs)
    if multipart:
        body = b"".join(part(name, value.encode()) for name, value in pairs) + b"--b--\r\n"
        kind = MULTIPART
    else:
        body, kind = urlencode(pairs).encode(), URLENCODED
    expected = [form[name] for name in form if name.endswith("csrf_token") and form[name]]
    value = asyncio.run(search(body, kind, cut(body, places)))
    assert (value in expected) if expected else value is None


@pytest.mark.checks("WT-14")
@settings(max_examples=examples(300))
@given(
    st.binary(max_size=400) | st.sampled_from([b"--b", b"--b\r\n\r\n", b"--b--", b"&" * 300]),
    st.sampled_from([MULTIPART, URLENCODED, "multipart/form-data", "text/plain", ""]),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_any_bytes(body: bytes, kind: str, places: list[int]) -> None:
    """For any bytes, the search raises no error and loses no data."""
    asyncio.run(search(body, kind, cut(body, places)))


@pytest.mark.checks("WT-14")
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Disposition: form-data",
        b"Content-Disposition: form-data; name",
        b"Content-Type: text/plain",
        b'Content-Disposition: form-data; name="\xff"',
        b"\x00",
    ],
)
async def test_malformed_parts(head: bytes) -> None:
    """A part without a name, or with malformed headers."""
    body = b"--b\r\n" + head + b"\r\n\r\nx\r\n" + part("csrf_token", b"t") + b"--b--"
    assert await search(body, MULTIPART, [body]) in {"t", None}


async def test_every_cut() -> None:
    """Wherever the network splits the body in two, the token is complete."""
    body = part("csrf_token", b"t.o.k") + b"--b--\r\n"
    for place in range(len(body)):
        assert await search(body, MULTIPART, cut(body, [place])) == "t.o.k"


async def test_limit() -> None:
    """The search stops at the limit."""
    body = b"a=" + b"x" * 1000 + b"&csrf_token=t"
    assert await search(body, URLENCODED, [body], limit=2000) == "t"
    assert await search(body, URLENCODED, [body], limit=1000) is None
    # A value counts as complete if the body ends within the limit.
    assert await search(body, URLENCODED, [body], limit=len(body) + 1) == "t"
    assert await search(body, URLENCODED, [body], limit=len(body)) is None
    assert await search(body, URLENCODED, [body[:1010], body[1010:]], limit=1012) is None


async def test_does_not_wait_beyond_the_limit() -> None:
    """After as many bytes as the limit, the search ends although the body goes on."""
    async with Quart(__name__).test_request_context(
        "/", method="POST", headers={"Content-Type": URLENCODED}
    ):
        one: Request = request._get_current_object()  # type: ignore[attr-defined]
        one.body = Body(None, None)
        one.body.append(b"a=" + b"x" * 998)
        async with asyncio.timeout(TIMEOUT):
            assert await find_field(one, "csrf_token", limit=1000) is None
