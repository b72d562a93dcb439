"""The link that the gallery adds to the pages of a port, and everything that stays as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from quart import Quart, Response, request
from quart.typing import ResponseReturnValue

from quartpatterns.appdispatch import ASGIApp
from quartpatterns.gallery.back_link import BackLink
from quartpatterns.subclassing import FaithfulQuart

PAGE = "<!doctype html><title>A page</title><p>Hello"
NAVIGATION = {"Sec-Fetch-Dest": "document", "Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def port() -> Quart:
    app = FaithfulQuart(__name__)

    @app.route("/", methods=["GET", "POST"])
    async def index() -> ResponseReturnValue:
        return PAGE, {"ETag": '"a"', "Accept-Ranges": "bytes"}

    @app.get("/stream")
    async def stream() -> Any:
        async def generate() -> AsyncIterator[str]:
            yield "<p>one"
            yield "<p>two"

        return generate()

    @app.get("/missing")
    async def missing() -> ResponseReturnValue:
        return PAGE, 404

    @app.get("/other")
    async def other() -> Response:
        """Return a page with a status and a header from the query."""
        headers = {name: request.args[name] for name in request.args if name != "status"}
        return Response(PAGE, int(request.args.get("status", 200)), headers)

    return app


def client(app: Quart) -> Any:
    app.asgi_app = BackLink(app.asgi_app, "port", "The <port>")  # type: ignore[method-assign]
    return app.test_client()


async def test_page(port: Quart) -> None:
    """A page has the link after its own bytes, and a length and a tag of its own."""
    response = await client(port).get("/demo/port/", headers=NAVIGATION, root_path="/demo/port")
    text = await response.get_data(as_text=True)
    assert text.startswith(PAGE)
    assert '<a href="/demo/gallery/port">‹ The &lt;port&gt;</a>' in text
    assert 'href="/demo/gallery/static/back_link.css"' in text
    assert "<script" not in text and "style=" not in text
    assert int(response.headers["Content-Length"]) == len(text.encode())
    assert response.headers["ETag"] == 'W/"a"'
    assert "Accept-Ranges" not in response.headers
    assert response.headers["Vary"] == "Accept, Sec-Fetch-Dest"


@pytest.mark.parametrize(
    "path",
    [
        "/missing",
        "/stream",
        "/other?status=500",
        "/other?Content-Disposition=inline; filename=page.html",
    ],
)
async def test_pages(port: Quart, path: str) -> None:
    """Pages of errors and pages that are streamed have it."""
    text = await (await client(port).get(path, headers=NAVIGATION)).get_data(as_text=True)
    assert text.endswith("</quartpatterns-gallery>\n")
    assert text.count("<quartpatterns-gallery>") == 1


async def test_stream_is_not_held_back(port: Quart) -> None:
    """Each chunk is passed on when it is sent."""
    released = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Content-Type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"<p>one", "more_body": True})
        await released.wait()
        await send({"type": "http.response.body", "body": b"<p>two"})

    def on_body(body: bytes) -> None:
        released.set()

    async with asyncio.timeout(30):
        sent = await bodies(app, "GET", on_body)
    assert sent[0] == b"<p>one"
    assert sent[1].startswith(b"<p>two\n<quartpatterns-gallery>")


async def bodies(
    app: ASGIApp, method: str, on_body: Callable[[bytes], None] = lambda body: None
) -> list[bytes]:
    """Return the parts of the body that are sent to a browser."""
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])
            on_body(message["body"])

    headers = [(b"sec-fetch-dest", b"document")]
    scope = {"type": "http", "method": method, "headers": headers, "root_path": "/port"}
    await BackLink(app, "port", "The port")(scope, None, send)
    return sent


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "*/*"},
        {"Accept": "text/html, */*; q=0.01"},  # jQuery's load()
        {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Dest": "empty"},
        {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Dest": "iframe"},
    ],
)
async def test_programs(port: Quart, headers: dict[str, str]) -> None:
    """What programs and scripts receive has the bytes and the headers of the port."""
    expected = await port.test_client().get("/", headers=headers)
    response = await client(port).get("/", headers=headers)
    assert await response.get_data() == await expected.get_data()
    assert list(response.headers) == list(expected.headers)


@pytest.mark.parametrize(
    "query",
    [
        "Content-Type=application/json",
        "Content-Type=text/event-stream",
        "Content-Type=text/plain",
        "Content-Type=text/html; charset=latin-1",
        "Content-Disposition=attachment; filename=page.html",
        "Content-Disposition=Attachment",
        "Content-Encoding=gzip",
        "Content-Range=bytes 0-4/5&status=206",
        "Content-Digest=sha-256=:YQ==:",
        "status=302&Location=/",
        "status=304",
    ],
)
async def test_unchanged(port: Quart, query: str) -> None:
    """A browser gets everything that is no whole page as the port sends it."""
    expected = await port.test_client().get(f"/other?{query}", headers=NAVIGATION)
    response = await client(port).get(f"/other?{query}", headers=NAVIGATION)
    assert await response.get_data() == await expected.get_data()
    assert list(response.headers) == list(expected.headers)


async def test_methods(port: Quart) -> None:
    """A form that shows a page has the link; HEAD has the length of GET and no body."""
    with_link = client(port)
    posted = await with_link.post("/", headers=NAVIGATION)
    assert b"<quartpatterns-gallery>" in await posted.get_data()
    head = await with_link.head("/", headers=NAVIGATION)
    assert head.headers["Content-Length"] == posted.headers["Content-Length"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/html"), (b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    assert await bodies(app, "HEAD") == [b""]


async def test_other_scopes() -> None:
    """The events of start-up and websockets reach the port."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    for kind in ("lifespan", "websocket"):
        await BackLink(app, "port", "The port")({"type": kind}, None, None)
    assert seen == ["lifespan", "websocket"]
