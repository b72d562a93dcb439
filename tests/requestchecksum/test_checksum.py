from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Blueprint, Quart, g, jsonify, request, websocket
from quart.wrappers.request import Body

from quartpatterns.requestchecksum import generate_checksum
from quartpatterns.requestchecksum.checksum import TeeBody
from quartpatterns.subclassing import FaithfulBody, FaithfulQuart
from tests.examples import examples
from tests.serving import eventually, served

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
FORM = b"a=b&c=%FC"
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    + b"content" * 50_000
    + b"\r\n--b--\r\n"
    + b"epilogue" * 20_000
)
BODIES = [
    pytest.param(FORM, URLENCODED, id="urlencoded"),
    pytest.param(PARTS, MULTIPART, id="multipart"),
    pytest.param(b'{"a": "b"}', "application/json", id="JSON"),
    pytest.param(b"\xff\0" * 100_000, "application/octet-stream", id="bytes"),
    pytest.param(b"", "text/plain", id="empty"),
]


async def chunks() -> None:
    async for _ in request.body:
        pass


async def some_chunks() -> None:
    async for _ in request.body:
        break


async def data() -> None:
    await request.get_data(cache=True, as_text=False, parse_form_data=False)


async def uncached_data() -> None:
    await request.get_data(cache=False, as_text=False, parse_form_data=False)


async def parsed_data() -> None:
    await request.data


async def form() -> None:
    await request.form


async def files() -> None:
    await request.files


async def values() -> None:
    await request.values


async def json() -> None:
    await request.get_json(silent=True)


async def concurrently() -> None:
    await asyncio.gather(form(), json(), data(), form())


READERS = [chunks, some_chunks, data, uncached_data, parsed_data, form, files, values, json]
Reader = Callable[[], Awaitable[None]]


def make_app(app_class: type[Quart], *readers: Reader, **options: Any) -> Quart:
    """Return an application that reads its request with *readers* and returns the checksum."""
    app = app_class(__name__)

    @app.post("/")
    async def view() -> str:
        checksum = generate_checksum(request, **options)
        for reader in readers:
            await reader()
        return await checksum.hexdigest()

    return app


async def post(app: Quart, body: bytes, content_type: str) -> str:
    response = await app.test_client().post(
        "/", data=body, headers={"Content-Type": content_type, "Content-Length": str(len(body))}
    )
    assert response.status_code == 200
    return str(await response.get_data(as_text=True))


@pytest.mark.checks("RC-1", "RC-2")
@pytest.mark.parametrize(("body", "content_type"), BODIES)
@pytest.mark.parametrize("reader", [*READERS, concurrently])
async def test_readers(
    app_class: type[Quart], reader: Reader, body: bytes, content_type: str
) -> None:
    app = make_app(app_class, reader)
    assert await post(app, body, content_type) == hashlib.sha1(body).hexdigest()


@pytest.mark.checks("RC-1")
@pytest.mark.parametrize("first", READERS)
@pytest.mark.parametrize("second", READERS)
async def test_read_twice(app_class: type[Quart], first: Reader, second: Reader) -> None:
    """Bytes that are read twice are hashed once."""
    app = make_app(app_class, first, second)
    if first in (chunks, some_chunks, uncached_data) and second in (form, files, values):
        body, content_type = FORM, URLENCODED  # the rest of a multipart form may be invalid
    else:
        body, content_type = PARTS, MULTIPART
    assert await post(app, body, content_type) == hashlib.sha1(body).hexdigest()


@pytest.mark.checks("RC-2")
@pytest.mark.parametrize(("body", "content_type"), BODIES)
async def test_not_read(app_class: type[Quart], body: bytes, content_type: str) -> None:
    assert await post(make_app(app_class), body, content_type) == hashlib.sha1(body).hexdigest()


async def test_read_after_the_digest(app_class: type[Quart]) -> None:
    """The body can be read after the digest, which doesn't change."""
    app = app_class(__name__)

    @app.post("/")
    async def view() -> Any:
        checksum = generate_checksum(request)
        digest = await checksum.hexdigest()
        fields = dict(await request.form)
        size = len((await request.files)["file"].read())
        same = digest == await checksum.hexdigest()
        return jsonify(form=fields, size=size, same=same, digest=digest)

    response = await app.test_client().post(
        "/", data=PARTS, headers={"Content-Type": MULTIPART, "Content-Length": str(len(PARTS))}
    )
    digest = hashlib.sha1(PARTS).hexdigest()
    expected = {"form": {"a": "b"}, "size": 350_000, "same": True, "digest": digest}
    assert await response.get_json() == expected


@pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha256", "sha512", "blake2b", "sha3_256"])
async def test_algorithms(app_class: type[Quart], algorithm: str) -> None:
    app = make_app(app_class, form, algorithm=algorithm)
    assert await post(app, FORM, URLENCODED) == hashlib.new(algorithm, FORM).hexdigest()


@pytest.mark.parametrize("algorithm", ["sha0", "", "shake_128"])
async def test_unknown_algorithm(app_class: type[Quart], algorithm: str) -> None:
    """An invalid algorithm is an error that names valid ones."""
    async with app_class(__name__).test_request_context("/"):
        with pytest.raises(ValueError, match="sha256"):
            generate_checksum(request, algorithm)


async def test_two_checksums(app_class: type[Quart]) -> None:
    """Two checksums of one request are independent."""
    app = app_class(__name__)

    @app.post("/")
    async def view() -> list[str]:
        one = generate_checksum(request, "sha1")
        await request.form
        other = generate_checksum(request, "md5")
        return [one.name, await one.hexdigest(), other.name, await other.hexdigest()]

    response = await app.test_client().post("/", form={"a": "b"})
    expected = ["sha1", hashlib.sha1(b"a=b").hexdigest(), "md5", hashlib.md5(b"a=b").hexdigest()]
    assert await response.get_json() == expected


@pytest.mark.checks("RC-3")
async def test_after_multipart_form(app_class: type[Quart]) -> None:
    """If the bytes are not available, generate_checksum raises an error."""
    app = app_class(__name__)

    @app.post("/")
    async def view() -> str:
        await request.form
        with pytest.raises(RuntimeError, match="before anything reads"):
            generate_checksum(request)
        return "an error"

    assert await post(app, PARTS, MULTIPART) == "an error"


@pytest.mark.checks("RC-3")
@pytest.mark.parametrize("reader", [form, data, json])
async def test_after_reading(app_class: type[Quart], reader: Reader) -> None:
    """Bytes that Quart keeps are counted."""
    app = app_class(__name__)

    @app.post("/")
    async def view() -> str:
        await reader()
        return await generate_checksum(request).hexdigest()

    assert await post(app, FORM, URLENCODED) == hashlib.sha1(FORM).hexdigest()


async def test_blueprint_and_sync_view(app_class: type[Quart]) -> None:
    """A before_request function computes the checksum for a synchronous view."""
    app = app_class(__name__)
    api = Blueprint("api", __name__)

    @api.before_request
    async def prepare() -> None:
        g.checksum = await generate_checksum(request).hexdigest()

    @api.post("/")
    def view() -> str:
        return str(g.checksum)

    app.register_blueprint(api)
    assert await post(app, FORM, URLENCODED) == hashlib.sha1(FORM).hexdigest()


async def test_websocket(app_class: type[Quart]) -> None:
    """In a websocket there is no request, which is Quart's own error."""
    app = app_class(__name__)

    @app.websocket("/ws")
    async def ws() -> None:
        with pytest.raises(RuntimeError, match="request context"):
            generate_checksum(request)
        await websocket.send("refused")

    async with app.test_client().websocket("/ws") as socket:
        assert await socket.receive() == "refused"


@settings(max_examples=examples(500))
@given(
    pieces=st.lists(st.binary(max_size=20), max_size=6),
    steps=st.lists(st.sampled_from(["next", "await", "await and clear"]), max_size=8),
    body_class=st.sampled_from([Body, FaithfulBody]),
)
@pytest.mark.checks("RC-1")
async def test_any_sequence_of_reads(
    pieces: list[bytes], steps: list[str], body_class: type[Body]
) -> None:
    """Each byte is passed on once and in order, for any sequence of reads."""
    received = bytearray()
    body = TeeBody(body_class(None, None), received.extend)
    sender = asyncio.create_task(send(body, pieces))
    for step in steps:
        if step == "next":
            await anext(body, b"")
        else:
            await body
            if step == "await and clear":
                body.clear()
    await sender
    await body
    assert bytes(received) == b"".join(pieces)


async def send(body: Body, pieces: list[bytes]) -> None:
    for piece in pieces:
        body.append(piece)
        await asyncio.sleep(0)
    body.set_complete()


@pytest.mark.parametrize("declared", [{}, {"Content-Length": "200000"}], ids=["chunked", "whole"])
async def test_too_large(app_class: type[Quart], declared: dict[str, str]) -> None:
    """The limit also applies to a body that the view doesn't read."""
    app = make_app(app_class)
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    response = await app.test_client().post("/", data=b"x" * 200_000, headers=declared)
    assert response.status_code == 413


# Over the wire


@pytest.mark.wire
@pytest.mark.checks("RC-2")
@pytest.mark.parametrize("reader", [chunks, data, form])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "whole"])
async def test_large_body(app_class: type[Quart], reader: Reader, chunked: bool) -> None:
    """Ten megabytes, with and without a length, together with other requests."""
    app = make_app(app_class, reader)
    whole = [bytes([number]) * 100_000 for number in range(100)]

    async def pieces() -> AsyncIterator[bytes]:
        for piece in whole:
            yield piece

    async with served(app) as server:
        bodies: list[Any] = [b"", pieces() if chunked else b"".join(whole), b"other"]
        responses: list[httpx.Response] = await asyncio.gather(
            *(server.client.post("/", content=body) for body in bodies)
        )
    expected = [hashlib.sha1(body).hexdigest() for body in (b"", b"".join(whole), b"other")]
    assert [response.text for response in responses] == expected


@pytest.mark.wire
async def test_slow_reader() -> None:
    """The client still has to wait for a view that reads slowly."""
    app = FaithfulQuart(__name__)
    ahead: list[int] = []

    @app.post("/")
    async def view() -> str:
        checksum = generate_checksum(request)
        taken = 0
        async for chunk in request.body:
            taken += len(chunk)
            await asyncio.sleep(0.002)
            ahead.append(request.body.received - taken)  # type: ignore[attr-defined]
        return await checksum.hexdigest()

    body = b"x" * 10_000_000
    async with served(app) as server:
        assert (await server.client.post("/", content=body)).text == hashlib.sha1(body).hexdigest()
    assert max(ahead) < 1_000_000


@pytest.mark.wire
async def test_slow_client(app_class: type[Quart]) -> None:
    """A body that doesn't arrive within BODY_TIMEOUT is a 408."""
    app = make_app(app_class)
    app.config["BODY_TIMEOUT"] = 0.1
    async with served(app) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello")
        assert b" 408 " in await reader.readline()
        writer.close()


@pytest.mark.wire
async def test_client_disconnects(app_class: type[Quart]) -> None:
    """A view that waits for a digest is cancelled if the client disconnects."""
    app = app_class(__name__)
    events: list[str] = []

    @app.post("/")
    async def view() -> str:
        checksum = generate_checksum(request)
        events.append("waiting")
        try:
            return await checksum.hexdigest()
        finally:
            events.append("cancelled")

    async with served(app) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello")
        await eventually(lambda: events == ["waiting"])
        writer.transport.abort()
        await eventually(lambda: events == ["waiting", "cancelled"])
