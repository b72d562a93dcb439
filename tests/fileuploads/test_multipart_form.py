"""The parts of a form as they arrive: what they are, what is refused, and who waits for whom."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart, request
from werkzeug.exceptions import HTTPException

from quartpatterns.fileuploads import BadMultipartError, Part, stream_multipart
from quartpatterns.subclassing import FaithfulQuart
from tests.fileuploads.multipart_bodies import (
    BOUNDARY,
    TYPE,
    connected,
    echo_app,
    field,
    file,
    form,
    post,
)
from tests.serving import PATIENCE, eventually, served

MIB = 1024 * 1024


@pytest.mark.checks("UP-11")
async def test_parts(app_class: type[Quart]) -> None:
    """Fields and files come in their order, with what the client says of them."""
    body = form(field("a", b"1"), file("x.txt", b"\r\n--\r\n"), file("", b""), field("a", b"2"))
    response = await post(echo_app(app_class).test_client(), body)
    assert await response.get_json() == [
        ["a", None, None, "1"],
        ["file", "x.txt", "text/plain", "\r\n--\r\n"],
        ["file", "", "text/plain", ""],
        ["a", None, None, "2"],
    ]


async def test_names_of_all_kinds(app_class: type[Quart]) -> None:
    """Quoted, percent-encoded as browsers do, and RFC 8187's form that some clients use."""
    parts = [
        b'Content-Disposition: form-data; name="a"; filename="\xc3\xa4.txt"\r\n\r\n',
        b'Content-Disposition: form-data; name="a"; filename="%22q%22.txt"\r\n\r\n',
        b"Content-Disposition: form-data; name=a; filename*=UTF-8''%e2%82%ac.txt\r\n\r\n",
    ]
    response = await post(echo_app(app_class).test_client(), form(*parts))
    assert [name for _, name, *_ in await response.get_json()] == ["ä.txt", '"q".txt', "€.txt"]


async def test_form_without_parts(app_class: type[Quart]) -> None:
    response = await post(echo_app(app_class).test_client(), form())
    assert await response.get_json() == []


async def test_nested(app_class: type[Quart]) -> None:
    """A form in a form is the content of a part, as RFC 7578 has it."""
    inner = form(file("in.txt", b"inner")).replace(b"boundary", b"inside")
    response = await post(echo_app(app_class).test_client(), form(file("out", inner), field("b")))
    assert [len(text) for *_, text in await response.get_json()] == [len(inner), 0]


@pytest.mark.checks("UP-11")
async def test_unread(app_class: type[Quart]) -> None:
    """What is not read is skipped, all or some of it, and can't be read later."""
    app = app_class(__name__)

    @app.post("/")
    async def some() -> Any:
        seen: list[Part] = []
        async for part in stream_multipart(request):
            seen.append(part)
            if part.name == "file":
                await anext(part)
        with pytest.raises(RuntimeError, match="can't be read any more: read a part before"):
            await seen[0].read()
        return [(part.name, part.complete) for part in seen]

    body = form(file("x", b"x" * 200_000), field("a", b"1"), file("y", b"y" * 200_000))
    response = await post(app.test_client(), body)
    assert await response.get_json() == [["file", True], ["a", True], ["file", True]]


@pytest.mark.checks("UP-11")
async def test_left_early(app_class: type[Quart]) -> None:
    """A part stays readable when nobody asks for the next one."""
    app = app_class(__name__)

    async def first() -> Part:
        async for part in stream_multipart(request):
            return part
        raise AssertionError

    @app.post("/")
    async def text() -> str:
        return await (await first()).text()

    response = await post(app.test_client(), form(field("a", "ü".encode()), field("b")))
    assert await response.get_data(as_text=True) == "ü"


async def test_text(app_class: type[Quart]) -> None:
    """Text is decoded as the part says; what can't be is the client's fault."""
    app = app_class(__name__)

    @app.post("/")
    async def texts() -> Any:
        return [await part.text() async for part in stream_multipart(request)]

    latin = b'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=latin1'
    response = await post(
        app.test_client(), form(latin + b"\r\n\r\n\xfc", field("b", "ü".encode()))
    )
    assert await response.get_json() == ["ü", "ü"]
    others = [
        latin.replace(b"latin1", name) + b"\r\n\r\nx" for name in (b"klingon", b"idna", b'"\0"')
    ]
    for bad in (field("b", b"\xfc"), *others):
        response = await post(app.test_client(), form(bad))
        assert response.status_code == 400
        assert "is not valid" in await response.get_data(as_text=True)


@pytest.mark.checks("UP-12")
@pytest.mark.parametrize(
    ("limits", "body"),
    [
        pytest.param(
            {"max_content_length": 300}, [field("a", b"x" * 300)], id="max_content_length"
        ),
        pytest.param({"max_part_size": 9}, [file("a", b"x" * 10)], id="max_part_size"),
        pytest.param({"max_field_size": 9}, [field("a", b"x" * 10)], id="max_field_size"),
        pytest.param({"max_parts": 2}, [field("a")] * 3, id="max_parts"),
        pytest.param({"max_header_size": 90}, [field("a" * 100)], id="max_header_size"),
        pytest.param(
            {"max_header_size": 90}, [b"A: " + b"b" * 70_000], id="max_header_size endless"
        ),
        pytest.param({"max_headers": 2}, [b"A: b\r\n" * 2 + field("a")], id="max_headers"),
    ],
)
async def test_limits(
    app_class: type[Quart],
    limits: dict[str, int],
    body: list[bytes],
) -> None:
    """Each limit is a 413 with its name; a body that is just within it is taken."""
    client = echo_app(app_class, **limits).test_client()
    response = await post(client, form(*body))
    assert response.status_code == 413
    assert next(iter(limits)) in await response.get_data(as_text=True)
    within = form(field("a", b"x" * 9), file("b", b"x" * 9))
    assert (await post(client, within)).status_code == 200


@pytest.mark.checks("UP-12")
async def test_limits_of_the_request(app_class: type[Quart]) -> None:
    """Without an argument the configuration and the request set the limits, as in Flask."""
    app = echo_app(app_class)
    app.config.update(MAX_FORM_MEMORY_SIZE=9, MAX_FORM_PARTS=2, MAX_CONTENT_LENGTH=1000)

    @app.before_request
    async def raise_them() -> None:
        if "more" in request.args:
            request.max_form_memory_size = 10
            request.max_form_parts = 3

    for body in ([field("a", b"x" * 10)], [field("a")] * 3, [file("a", b"x" * 1000)]):
        assert (await post(app.test_client(), form(*body))).status_code == 413
    for body in ([field("a", b"x" * 10)], [field("a")] * 3):
        assert (await post(app.test_client(), form(*body), "/?more")).status_code == 200


@pytest.mark.checks("UP-12")
async def test_one_view_takes_more() -> None:
    """A view may take more than the application, or anything."""
    for limit in (2000, None):
        app = echo_app(FaithfulQuart, max_content_length=limit)
        app.config["MAX_CONTENT_LENGTH"] = 100
        assert (await post(app.test_client(), form(file("a", b"x" * 1000)))).status_code == 200


@pytest.mark.checks("UP-12")
async def test_declared_too_large(app_class: type[Quart]) -> None:
    """What is declared to be too large is refused before it is sent."""
    app = echo_app(app_class, max_content_length=1000)
    app.config["MAX_CONTENT_LENGTH"] = None
    async with served(app) as server, connected(server.port, length=10**6) as (reader, _):
        assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 413")


@pytest.mark.checks("UP-12")
async def test_chunked_too_large(app_class: type[Quart]) -> None:
    """What declares no length is counted: the answer comes while the client still sends."""
    async with (
        served(echo_app(app_class, max_content_length=MIB)) as server,
        connected(server.port) as (reader, writer),
    ):
        for piece in itertools.islice(itertools.repeat(b"x" * 65536), 20):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 4")


MALFORMED = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\0" * 1000, id="junk"),
    pytest.param(form(field("a", b"x"))[:-4], id="cut before the end"),
    pytest.param(form(field("a", b"x"))[:40], id="cut in a header"),
    pytest.param(form(file("a", b"x" * 100_000))[:50_000], id="cut in a file"),
    pytest.param(form(b"no header at all"), id="a header without a colon"),
    pytest.param(form(b"X: a\nb\r\n" + field("a")), id="a line break in a header"),
    pytest.param(form(b"A: b\r\n\r\nx"), id="no Content-Disposition"),
    pytest.param(form(b"Content-Disposition: attachment\r\n\r\nx"), id="no form-data"),
    pytest.param(form(b"Content-Disposition: form-data; name=\xff\r\n\r\nx"), id="no UTF-8"),
    pytest.param(form(b"Content-Length: 5\r\n" + field("a", b"x" * 9)), id="a length that lies"),
    pytest.param(form(field("a")).replace(b"boundary", b"other"), id="another boundary"),
    pytest.param(form(field("a")).replace(b"\r\n", b"\n"), id="other line ends"),
]


@pytest.mark.checks("UP-12")
@pytest.mark.parametrize("body", MALFORMED)
async def test_malformed(app_class: type[Quart], body: bytes) -> None:
    """A form that can't be read is a 400 that says why."""
    response = await post(echo_app(app_class).test_client(), body)
    assert response.status_code == 400
    assert "The form is malformed" in await response.get_data(as_text=True)


@pytest.mark.checks("UP-12")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Content-Type": "multipart/form-data"}, 400, id="no boundary"),
        pytest.param({"Content-Type": f"{TYPE}{'x' * 99}"}, 400, id="a boundary too long"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=ä"}, 400, id="a boundary ä"),
        pytest.param({"Content-Type": "multipart/mixed; boundary=a"}, 415, id="mixed"),
        pytest.param({"Content-Type": "text/plain"}, 415, id="text"),
        pytest.param({}, 415, id="no type"),
        pytest.param({"Content-Type": TYPE, "Content-Encoding": "gzip"}, 415, id="gzip"),
    ],
)
async def test_not_a_form(app_class: type[Quart], headers: dict[str, str], status: int) -> None:
    client = echo_app(app_class).test_client()
    assert (await client.post("/", data=form(field("a")), headers=headers)).status_code == status


CONTENTS = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from([b"\r\n", b"\r\n\r\n", b"\r\n--", f"--{BOUNDARY}"[:-1].encode(), b"\r"]),
    ),
    max_size=4,
).map(b"".join)


@pytest.mark.checks("UP-11")
@settings(max_examples=150, deadline=None)
@given(
    contents=st.lists(CONTENTS, max_size=4),
    merged=st.booleans(),
    cut=st.integers(0, 400),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=8),
)
def test_any_chunks(contents: list[bytes], merged: bool, cut: int, sizes: list[int]) -> None:
    """However a form was cut on its way, also short of its end, the same parts come out of it.

    Where *merged*, parts that are empty have one line break, not two, after their headers.
    """
    parts = [file(str(number), content) for number, content in enumerate(contents)]
    if merged:
        pairs = zip(parts, contents, strict=True)
        parts = [part if content else part.removesuffix(b"\r\n") for part, content in pairs]
    body = form(*parts)
    found = asyncio.run(read_in_chunks(body[: len(body) - cut], sizes))
    assert found == asyncio.run(read_in_chunks(body[: len(body) - cut], [10**9]))
    if not cut:
        assert [content for _, content in found] == contents


async def read_in_chunks(body: bytes, sizes: list[int]) -> list[tuple[str, bytes]]:
    """The parts of *body*, and the error that ends them."""
    app = Quart(__name__)
    async with app.test_request_context("/", method="POST", headers={"Content-Type": TYPE}):
        found: list[tuple[str, bytes]] = []
        request.body = in_chunks(body, sizes)
        try:
            async for part in stream_multipart(request):
                found.append((part.name, b""))
                async for chunk in part:
                    found[-1] = (part.name, found[-1][1] + chunk)
        except HTTPException as error:
            assert isinstance(error, BadMultipartError)
            # How much of a part was given before the error is the network's affair.
            found[-1:] = [(str(error.description), b"")]
        return found


async def in_chunks(body: bytes, sizes: list[int]) -> Any:
    for size in itertools.cycle(sizes):
        if not body:
            return
        yield body[:size]
        body = body[size:]


@pytest.mark.checks("UP-11")
async def test_parts_before_an_error(app_class: type[Quart]) -> None:
    """Parts that are whole are given, also where what comes after them is malformed."""
    app, seen = app_class(__name__), []

    @app.post("/")
    async def collect() -> str:
        async for part in stream_multipart(request):
            seen.append(await part.read())
        return ""

    response = await post(app.test_client(), form(field("a", b"1"), field("a", b"2"), b"no header"))
    assert response.status_code == 400
    assert seen == [b"1", b"2"]


@pytest.mark.checks("UP-11")
async def test_empty_parts_of_test_clients(app_class: type[Quart]) -> None:
    """A part without a body, as Quart's own test client writes an empty file."""
    tail = form(field("b", b"x"))
    for part in (file("a"), field("a")):
        body = b"--" + BOUNDARY.encode() + b"\r\n" + part + tail
        response = await post(echo_app(app_class).test_client(), body)
        assert [text for *_, text in await response.get_json()] == ["", "x"]


@pytest.mark.checks("UP-12")
async def test_client_that_stops(app_class: type[Quart]) -> None:
    """A client that sends nothing more is told so after a while, however long it sent before."""
    body = form(file("a", b"x" * 1000))
    async with (
        served(echo_app(app_class, body_timeout=0.3)) as server,
        connected(server.port, length=len(body)) as (reader, writer),
    ):
        for at in range(0, 500, 100):
            writer.write(body[at : at + 100])
            await asyncio.sleep(0.1)
        assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 408")


@pytest.mark.checks("UP-11")
async def test_backpressure() -> None:
    """While nobody reads a part its client waits; it goes on when somebody does."""
    app = FaithfulQuart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = None
    go, arrived = asyncio.Event(), asyncio.Event()

    @app.post("/")
    async def slow() -> str:
        async for part in stream_multipart(request):
            await anext(part)
            arrived.set()
            await go.wait()
            await part.skip()
            return str(part.size)
        raise AssertionError

    body = form(file("a", b"x" * 64 * MIB))
    sent = 0
    async with (
        served(app) as server,
        connected(server.port, length=len(body)) as (reader, writer),
    ):

        async def send() -> None:
            nonlocal sent
            for at in range(0, len(body), 65536):
                writer.write(body[at : at + 65536])
                await writer.drain()
                sent = at

        sending = asyncio.create_task(send())
        await arrived.wait()
        await asyncio.sleep(0.5)
        # What fits into the sockets' buffers and the server's queue, not the file.
        assert sent < 24 * MIB
        go.set()
        await asyncio.wait_for(sending, PATIENCE)
        assert (await reader.read(4096)).endswith(str(64 * MIB).encode())


async def test_progress_is_told(app_class: type[Quart]) -> None:
    """``on_progress`` hears of all that was received, in order, and of what is declared."""
    told: list[tuple[int, int | None]] = []

    async def note(received: int, total: int | None) -> None:
        told.append((received, total))

    body = form(file("a", b"x" * 500_000))
    async with (
        served(echo_app(app_class, on_progress=note)) as server,
        connected(server.port, length=len(body)) as (reader, writer),
    ):
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await eventually(lambda: told[-1] == (len(body), len(body)))
    assert [received for received, _ in told] == sorted(received for received, _ in told)
