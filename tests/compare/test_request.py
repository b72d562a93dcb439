from __future__ import annotations

import asyncio
import json
from typing import Any

import flask
import pytest
import quart
from werkzeug.test import run_wsgi_app

from quartpatterns.compare.case import File, Step
from quartpatterns.compare.request import prepare_request

BODY = bytes(range(256))


async def test_http() -> None:
    """The bytes are an HTTP/1.1 request with all headers, even repeated ones."""
    step = Step("/a%2Fb?x=1", method="PUT", body=b"hallo", headers=[("X-A", "1"), ("X-A", "2")])
    head, _, body = (await prepare_request(step)).http().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /a%2Fb?x=1 HTTP/1.1"
    assert [line for line in lines if line.startswith(b"X-A")] == [b"X-A: 1", b"X-A: 2"]
    assert b"Host: localhost" in lines
    assert b"Content-Length: 5" in lines
    assert body == b"hallo"


async def test_chunks() -> None:
    """A body of several chunks is sent in chunks, and is one body in process."""
    prepared = await prepare_request(Step("/", method="POST", body=(b"a" * 17, b"", b"bc")))
    assert prepared.http().endswith(b"\r\n\r\n11\r\n" + b"a" * 17 + b"\r\n2\r\nbc\r\n0\r\n\r\n")
    assert prepared.body == b"a" * 17 + b"bc"
    assert b"Content-Length" not in prepared.http()


async def test_repeated_headers() -> None:
    """A WSGI environment joins repeated headers by a comma."""
    prepared = await prepare_request(Step("/", headers=[("X-A", "1"), ("X-A", "2")]))
    assert prepared.environ()["HTTP_X_A"] == "1,2"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(Step("/", query={"q": "ä b"}), id="query"),
        pytest.param(Step("/", method="POST", form={"a": ["1", "2"]}), id="form"),
        pytest.param(Step("/", method="POST", json={"a": None}), id="json"),
        pytest.param(Step("/", method="POST", files={"f": File(BODY, "n.bin")}), id="files"),
    ],
)
async def test_length(step: Step) -> None:
    """Content-Length is the length of the body."""
    prepared = await prepare_request(step)
    assert int(prepared.request.headers.get("Content-Length", 0)) == len(prepared.body)
    assert prepared.http().endswith(prepared.body)


async def test_environ_and_scope() -> None:
    """A WSGI and an ASGI application receive the same request."""
    one, other = flask.Flask("one"), quart.Quart("other")

    @one.post("/<path:rest>")
    def received(rest: str) -> dict[str, str]:
        request = flask.request
        return {"url": request.url, "mark": request.headers["X-Mark"], "n": str(request.data)}

    @other.post("/<path:rest>")
    async def port_received(rest: str) -> dict[str, str]:
        request = quart.request
        data = await request.data
        return {"url": request.url, "mark": request.headers["X-Mark"], "n": str(data)}

    step = Step("/ä%2Fb", method="POST", query={"a": "1"}, body=BODY, headers={"X-Mark": "m"})
    prepared = await prepare_request(step)
    chunks, status, _ = run_wsgi_app(one, prepared.environ())
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": prepared.body}]

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    await other(prepared.scope(), receive, send)  # type: ignore[arg-type]
    assert status == "200 OK"
    answer = json.loads(b"".join(chunks))
    assert answer == json.loads(b"".join(message.get("body", b"") for message in sent))
    assert answer["url"] == "http://localhost/ä/b?a=1"
