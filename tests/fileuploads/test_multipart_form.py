"""The parts of a form while they arrive: their content, limits, errors and backpressure."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from multipart import MultipartError  # type: ignore[import-untyped]
from quart import Quart, request
from werkzeug.exceptions import HTTPException, RequestTimeout

from quartpatterns.fileuploads import (
    BadMultipartError,
    LimitExceededError,
    Part,
    stream_multipart,
)
from quartpatterns.fileuploads.multipart_form import MultipartParser
from quartpatterns.subclassing import FaithfulQuart
from tests.examples import examples
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
from tests.serving import TIMEOUT, eventually, served

MIB = 1024 * 1024


@pytest.mark.checks("UP-11")
async def test_parts(app_class: type[Quart]) -> None:
    """Fields and files come in their order, with their headers."""
    body = form(field("a", b"1"), file("x.txt", b"\r\n--\r\n"), file("", b""), field("a", b"2"))
    response = await post(echo_app(app_class).test_client(), body)
    assert await response.get_json() == [
        ["a", None, None, "1"],
        ["file", "x.txt", "text/plain", "\r\n--\r\n"],
        ["file", "", "text/plain", ""],
        ["a", None, None, "2"],
    ]


async def test_file_name_encodings(app_class: type[Quart]) -> None:
    """Quoted, percent-encoded as in browsers, and the form of RFC 8187 that some clients use."""
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


async def test_nested_form(app_class: type[Quart]) -> None:
    """A form in a part is only content (RFC 7578)."""
    inner = form(file("in.txt", b"inner")).replace(b"boundary", b"inside")
    response = await post(echo_app(app_class).test_client(), form(file("out", inner), field("b")))
    assert [len(text) for *_, text in await response.get_json()] == [len(inner), 0]


@pytest.mark.checks("UP-11")
async def test_unread_parts(app_class: type[Quart]) -> None:
    """Unread parts and the rest of a part are skipped, and can't be read later."""
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
async def test_part_after_the_loop(app_class: type[Quart]) -> None:
    """A part stays readable if no other part is requested."""
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
    """Text is decoded in the declared encoding; invalid text is a 400."""
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
    """A value above a limit is a 413 that names the limit; smaller values are accepted."""
    client = echo_app(app_class, **limits).test_client()
    response = await post(client, form(*body))
    assert response.status_code == 413
    assert next(iter(limits)) in await response.get_data(as_text=True)
    within = form(field("a", b"x" * 9), file("b", b"x" * 9))
    assert (await post(client, within)).status_code == 200


@pytest.mark.checks("UP-12")
@pytest.mark.parametrize("extra", [0, 1])
async def test_exact_limits(app_class: type[Quart], extra: int) -> None:
    """A value that is exactly the limit is accepted, one more is refused."""
    header = b"X-Extra: " + b"x" * 80
    body = form(field("a", b"x" * 9), header + b"\r\n" + file("b", b"x" * 9, "text/plain"))
    limits = {
        "max_content_length": len(body),
        "max_part_size": 9,
        "max_field_size": 9,
        "max_parts": 2,
        "max_header_size": len(header),
        "max_headers": 3,
    }
    for name, limit in limits.items():
        client = echo_app(app_class, **{name: limit - extra}).test_client()
        assert (name, (await post(client, body)).status_code) == (name, 413 if extra else 200)


@pytest.mark.checks("UP-12")
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("declared", [True, False])
async def test_exact_length(extra: int, declared: bool) -> None:
    """A body may be exactly as long as the limit, with a declared length or without one."""
    body = form(field("a", b"x" * 200_000))
    limit = len(body) - extra
    app = Quart(__name__)
    headers = {"Content-Type": TYPE} | ({"Content-Length": str(len(body))} if declared else {})
    async with app.test_request_context("/", method="POST", headers=headers):
        request.body = in_chunks(body, [1000])
        assert request.content_length == (len(body) if declared else None)
        parts = stream_multipart(request, max_content_length=limit, max_field_size=None)
        if extra:
            with pytest.raises(LimitExceededError, match="max_content_length"):
                [await part.read() async for part in parts]
        else:
            assert [len(await part.read()) async for part in parts] == [200_000]


@pytest.mark.checks("UP-12")
async def test_longest_boundary(app_class: type[Quart]) -> None:
    """A boundary may have 70 characters (RFC 2046), and not more."""
    client = echo_app(app_class).test_client()
    for length, status in ((1, 200), (70, 200), (71, 400)):
        boundary = "b" * length
        body = form(field("a", b"1")).replace(BOUNDARY.encode(), boundary.encode())
        response = await post(client, body, kind=f"multipart/form-data; boundary={boundary}")
        assert (length, response.status_code) == (length, status)


@pytest.mark.checks("UP-12")
async def test_limits_of_the_request(app_class: type[Quart]) -> None:
    """The default limits are those of the configuration and the request, as in Flask."""
    app = echo_app(app_class)
    app.config.update(MAX_FORM_MEMORY_SIZE=9, MAX_FORM_PARTS=2, MAX_CONTENT_LENGTH=1000)

    @app.before_request
    async def raise_limits() -> None:
        if "more" in request.args:
            request.max_form_memory_size = 10
            request.max_form_parts = 3

    for body in ([field("a", b"x" * 10)], [field("a")] * 3, [file("a", b"x" * 1000)]):
        assert (await post(app.test_client(), form(*body))).status_code == 413
    for body in ([field("a", b"x" * 10)], [field("a")] * 3):
        assert (await post(app.test_client(), form(*body), "/?more")).status_code == 200


@pytest.mark.checks("UP-12")
async def test_view_with_a_higher_limit() -> None:
    """A view may allow more than the application, or have no limit."""
    for limit in (2000, None):
        app = echo_app(FaithfulQuart, max_content_length=limit)
        app.config["MAX_CONTENT_LENGTH"] = 100
        assert (await post(app.test_client(), form(file("a", b"x" * 1000)))).status_code == 200


@pytest.mark.checks("UP-12")
async def test_declared_too_large(app_class: type[Quart]) -> None:
    """A declared length above the limit is refused before the body is sent."""
    app = echo_app(app_class, max_content_length=1000)
    app.config["MAX_CONTENT_LENGTH"] = None
    async with served(app) as server, connected(server.port, length=10**6) as (reader, _):
        assert (await asyncio.wait_for(reader.readline(), TIMEOUT)).startswith(b"HTTP/1.1 413")


@pytest.mark.checks("UP-12")
async def test_chunked_too_large(app_class: type[Quart]) -> None:
    """A body without a declared length is refused while the client still sends."""
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
    pytest.param(b"\0" * 1000, id="random bytes"),
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
    """A malformed form is a 400 that says why."""
    response = await post(echo_app(app_class).test_client(), body)
    assert response.status_code == 400
    text = await response.get_data(as_text=True)
    assert "The form is malformed" in text
    assert "Error(" not in text


@pytest.mark.checks("UP-12")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Content-Type": "multipart/form-data"}, 400, id="no boundary"),
        pytest.param({"Content-Type": f"{TYPE}{'x' * 99}"}, 400, id="a boundary too long"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=ä"}, 400, id="a boundary ä"),
        pytest.param(
            {"Content-Type": "multipart/form-data; boundary*=utf-8''a%0Ab"}, 400, id="a line break"
        ),
        pytest.param({"Content-Type": "multipart/mixed; boundary=a"}, 415, id="mixed"),
        pytest.param({"Content-Type": "text/plain"}, 415, id="text"),
        pytest.param({}, 415, id="no type"),
        pytest.param({"Content-Type": TYPE, "Content-Encoding": "gzip"}, 415, id="gzip"),
    ],
)
async def test_unsupported_bodies(
    app_class: type[Quart], headers: dict[str, str], status: int
) -> None:
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
@settings(max_examples=examples(150))
@given(
    contents=st.lists(CONTENTS, max_size=4),
    merged=st.booleans(),
    cut=st.integers(0, 400),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=8),
)
def test_any_chunks(contents: list[bytes], merged: bool, cut: int, sizes: list[int]) -> None:
    """The parts and errors do not depend on how the network splits the form.

    With *merged*, empty parts have one line break after their headers, not two.
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


BLANKS = st.text(" \t", max_size=5).map(str.encode)
LINES = st.lists(
    st.sampled_from(
        (
            b"\r\n",
            b"--",
            BOUNDARY.encode(),
            b"x",
            b" ",
            b"\t",
            b"\r",
            b"\n",
            b"\r\n--" + b"----bound",
        )
    ),
    max_size=6,
).map(b"".join)


@pytest.mark.checks("UP-11")
@settings(max_examples=examples(300))
@given(
    first=st.text(" \t", min_size=1, max_size=5).map(str.encode),
    parts=st.lists(st.tuples(LINES, BLANKS), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=4),
)
def test_blanks_after_the_boundary(
    first: bytes, parts: list[tuple[bytes, bytes]], sizes: list[int]
) -> None:
    """They belong to the boundary line, and those in the content to the content (RFC 2046)."""
    line = f"--{BOUNDARY}".encode()
    contents = [content for content, _ in parts]
    assume(not any(b"\r\n" + line in b"\r\n" + content for content in contents))
    body = line + first + b"\r\n"
    for number, (content, blanks) in enumerate(parts, 1):
        end = b"--" if number == len(parts) else b""
        body += file(str(number), content) + b"\r\n" + line + end + blanks + b"\r\n"
    found = asyncio.run(read_in_chunks(body, sizes))
    assert [content for _, content in found] == contents


async def read_in_chunks(body: bytes, sizes: list[int]) -> list[tuple[str, bytes]]:
    """Return the parts of *body*, and the message of the error that ends them."""
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
            # How much of a part comes before the error depends on the chunks.
            found[-1:] = [(str(error.description), b"")]
        return found


async def in_chunks(body: bytes, sizes: list[int]) -> Any:
    for size in itertools.cycle(sizes):
        if not body:
            return
        yield body[:size]
        body = body[size:]


@pytest.mark.checks("UP-11")
@pytest.mark.parametrize("size", [1, 10_000])
def test_blanks_after_a_later_boundary(size: int) -> None:
    """They are refused if the first boundary line has none, however the network splits the form."""
    body = form(field("a", b"1"), field("b", b"2"))
    start, boundary, rest = body.rpartition(f"--{BOUNDARY}\r\n".encode())
    body = start + boundary.replace(b"\r\n", b" \r\n") + rest
    parser = MultipartParser(BOUNDARY, 4096, 8)
    with pytest.raises(MultipartError, match="Unexpected bytes after boundary"):
        for position in range(0, len(body), size):
            list(parser.parse(body[position : position + size]))


@pytest.mark.checks("UP-11")
async def test_parts_before_an_error(app_class: type[Quart]) -> None:
    """Complete parts are returned before the error of a malformed one."""
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
    """A part without a body, which Quart's test client writes for an empty file."""
    tail = form(field("b", b"x"))
    for part in (file("a"), field("a")):
        body = b"--" + BOUNDARY.encode() + b"\r\n" + part + tail
        response = await post(echo_app(app_class).test_client(), body)
        assert [text for *_, text in await response.get_json()] == ["", "x"]


@pytest.mark.checks("UP-12")
async def test_body_timeout(app_class: type[Quart]) -> None:
    """A client that stops sending gets a 408; the time counts from the last bytes."""
    body = form(file("a", b"x" * 1000))
    async with (
        served(echo_app(app_class, body_timeout=0.1)) as server,
        connected(server.port, length=len(body)) as (reader, writer),
    ):
        writer.write(body[:500])
        assert (await asyncio.wait_for(reader.readline(), TIMEOUT)).startswith(b"HTTP/1.1 408")


@pytest.mark.checks("UP-12")
@pytest.mark.parametrize(("seconds", "timed_out"), [(9, False), (11, True)])
async def test_body_timeout_counts_from_the_last_bytes(
    monkeypatch: pytest.MonkeyPatch, seconds: int, timed_out: bool
) -> None:
    """A slow client may take longer than the timeout in all, but not between two chunks."""
    loop = asyncio.get_running_loop()
    real_time, passed = loop.time, 0
    monkeypatch.setattr(loop, "time", lambda: real_time() + passed)

    async def slow() -> AsyncIterator[bytes]:
        nonlocal passed
        async for chunk in in_chunks(form(field("a", b"x" * 90)), [50]):
            passed += seconds
            for _ in range(3):
                await asyncio.sleep(0)
            yield chunk

    app = Quart(__name__)
    async with app.test_request_context("/", method="POST", headers={"Content-Type": TYPE}):
        request.body = slow()  # type: ignore[assignment]
        parts = stream_multipart(request, body_timeout=10)
        if timed_out:
            with pytest.raises(RequestTimeout, match="No data arrived for 10 s"):
                await anext(parts)
        else:
            assert await (await anext(parts)).read() == b"x" * 90


@pytest.mark.checks("UP-11")
async def test_backpressure() -> None:
    """The client waits while nobody reads a part, and goes on when somebody does."""
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
        # The buffers of the sockets and the queue of the server are full; the file is larger.
        assert sent < 24 * MIB
        go.set()
        await asyncio.wait_for(sending, TIMEOUT)
        assert (await reader.read(4096)).endswith(str(64 * MIB).encode())


async def test_on_progress(app_class: type[Quart]) -> None:
    """``on_progress`` gets all received bytes, in order, and the declared length."""
    reported: list[tuple[int, int | None]] = []

    async def note(received: int, total: int | None) -> None:
        reported.append((received, total))

    body = form(file("a", b"x" * 500_000))
    async with (
        served(echo_app(app_class, on_progress=note)) as server,
        connected(server.port, length=len(body)) as (reader, writer),
    ):
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await eventually(lambda: reported[-1] == (len(body), len(body)))
    assert [received for received, _ in reported] == sorted(received for received, _ in reported)
