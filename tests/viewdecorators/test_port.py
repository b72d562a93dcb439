"""The port on a real server: bad input causes no error, and no redirect to another site."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest
from ada_url import URL

from quartpatterns.viewdecorators.example import original
from quartpatterns.viewdecorators.example.port import create_app
from tests.serving import TIMEOUT, served

CLOSE = b"\r\nConnection: close\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s"
LOGIN = b"username=ada&password=engine&next=http%3A%2F%2Fevil.example%2F%2Fa.example"
NO_HOST = "a b\\c"
WITHOUT_HOST = "http:///secret_page"
NEXT_OF_HOST = {"localhost": "/", NO_HOST: "/secret_page"}
ADA = {"username": "ada", "password": "engine"}


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
            b"GET /secret_page HTTP/1.1\r\nHost: %s" % NO_HOST.encode() + CLOSE + b"\r\n",
            302,
            f"/login?next={WITHOUT_HOST}",
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
        answer = await send(server.port, request_)
    assert answer == (status, [location.format(port=server.port)] if location else [])


@pytest.mark.checks("VD-1", "VD-2")
def test_next_without_host_in_flask() -> None:
    """A request without a valid host leads to the same URL without a host in the original."""
    factory: Any = original.create_app
    theirs = factory().test_client()
    asked = theirs.get("/secret_page", headers={"Host": NO_HOST})
    assert asked.location == f"/login?next={WITHOUT_HOST}"
    for host, location in NEXT_OF_HOST.items():
        form = {**ADA, "next": WITHOUT_HOST}
        answer = theirs.post("/login", data=form, headers={"Host": host})
        assert (answer.status_code, answer.location) == (302, location)


@pytest.mark.wire
@pytest.mark.checks("VD-2")
@pytest.mark.parametrize(("host", "location"), NEXT_OF_HOST.items(), ids=["own host", "no host"])
async def test_next_without_host(host: str, location: str) -> None:
    """The login does not redirect to a URL without a host, whose path browsers read as a host."""
    assert URL(WITHOUT_HOST).host == "secret_page"
    body = urlencode({**ADA, "next": WITHOUT_HOST}).encode()
    request_ = b"POST /login HTTP/1.1\r\nHost: %s" % host.encode() + CLOSE
    async with served(create_app()) as server:
        answer = await send(server.port, request_ + FORM % (len(body), body))
        own = URL(f"http://127.0.0.1:{server.port}/login")
    assert answer == (302, [location])
    assert URL(location, base=own.href).origin == own.origin


async def send(port: int, request_: bytes) -> tuple[int, list[str]]:
    """Send the bytes of a request; return the status and the locations of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_)
    answer = (await asyncio.wait_for(reader.read(), TIMEOUT)).decode()
    writer.close()
    head = answer.partition("\r\n\r\n")[0].splitlines()
    locations = [line.partition(": ")[2] for line in head if line.lower().startswith("location:")]
    return int(head[0].split()[1]), locations
