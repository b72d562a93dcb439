"""The port on a real server: bad input causes no error, and no redirect to another site."""

from __future__ import annotations

import asyncio

import pytest

from quartpatterns.viewdecorators.example.port import create_app
from tests.serving import TIMEOUT, served

CLOSE = b"\r\nConnection: close\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s"
LOGIN = b"username=ada&password=engine&next=http%3A%2F%2Fevil.example%2F%2Fa.example"


@pytest.mark.wire
@pytest.mark.checks("VD-1", "VD-2")
@pytest.mark.parametrize(
    ("request_", "status", "location"),
    [
        pytest.param(
            b"GET /secret_page HTTP/1.0\r\n\r\n",
            302,
            "/login?next=http://127.0.0.1:{port}/secret_page",
            id="HTTP/1.0 without Host",
        ),
        pytest.param(b"GET /cached/a HTTP/1.0\r\n\r\n", 200, None, id="cached, without Host"),
        pytest.param(
            b"POST /login HTTP/1.1\r\nHost: evil.example" + CLOSE + FORM % (len(LOGIN), LOGIN),
            302,
            "/",
            id="Host and next of another site",
        ),
        pytest.param(
            b"GET /secret_page HTTP/1.1\r\nHost: a b\\c" + CLOSE + b"\r\n",
            302,
            "/login?next=http:///secret_page",
            id="no Host at all",
        ),
        pytest.param(
            b"GET /cached/%FF%FE?%FF=%00 HTTP/1.1\r\nHost: [" + CLOSE + b"\r\n",
            200,
            None,
            id="no UTF-8",
        ),
        pytest.param(
            b"GET /secret_page HTTP/1.1\r\nHost: x\r\nAccept: \xff;q=x\r\nUser-Agent: \xff\r\n"
            b"Cookie: session=\xff; session=a\r\nCookie: session=b" + CLOSE + b"\r\n",
            302,
            "/login?next=http://x/secret_page",
            id="repeated and broken headers",
        ),
        pytest.param(
            b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 5" + CLOSE + b"\r\nabcde",
            401,
            None,
            id="no form",
        ),
        pytest.param(
            b"GET //evil.example HTTP/1.1\r\nHost: x" + CLOSE + b"\r\n", 404, None, id="two slashes"
        ),
    ],
)
async def test_bad_requests(request_: bytes, status: int, location: str | None) -> None:
    async with served(create_app()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_)
        answer = (await asyncio.wait_for(reader.read(), TIMEOUT)).decode()
        writer.close()
    head = answer.partition("\r\n\r\n")[0].splitlines()
    locations = [line.partition(": ")[2] for line in head if line.lower().startswith("location:")]
    assert head[0].split()[1] == str(status)
    assert locations == ([location.format(port=server.port)] if location else [])
