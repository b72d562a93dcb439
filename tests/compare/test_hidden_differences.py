"""Differences that are easy to miss: each is in a response, and must be a finding."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import flask
import pytest
import quart
from flask import Flask
from quart import Quart, websocket

from quartpatterns.compare import Case, Step
from quartpatterns.compare.explore import Explorer
from quartpatterns.compare.parity import ParityResult, compare_applications
from quartpatterns.compare.responses import canonical_json, normalize_html, printable

Header = tuple[str, str]


class _Applications:
    """Two applications with one view, which answers with other bytes and headers."""

    def __init__(
        self,
        original: bytes,
        port: bytes,
        original_headers: Sequence[Header] = (),
        port_headers: Sequence[Header] = (),
    ) -> None:
        self.original, self.port = Flask(__name__), Quart(__name__)

        @self.original.get("/")
        def old() -> flask.Response:
            # A generator: without Content-Length, nothing but the body differs.
            response = flask.Response(iter([original]), content_type="text/plain")
            response.headers.extend(original_headers)
            return response

        @self.port.get("/")
        async def new() -> quart.Response:
            response = quart.Response(iter([port]), content_type="text/plain")
            response.headers.extend(port_headers)
            return response


async def compare(original: Any, port: Any, *steps: Step) -> ParityResult:
    results = compare_applications(original, port, [Case("case", *(steps or [Step()]))])
    return [result async for result in results][0]


async def aspects(original: bytes, port: bytes, *headers: Sequence[Header]) -> list[str]:
    apps = _Applications(original, port, *headers)
    result = await compare(apps.original, apps.port)
    return [finding.aspect for finding in result.findings]


async def test_a_byte_and_its_escape() -> None:
    r"""The byte FF and the text ``\xff`` are not equal, though a report shows both as ``\xff``."""
    assert await aspects(b"\xff", b"\\xff") == ["body"]
    assert await aspects(b"\xff", b"\xff") == []


async def test_order_of_cookies_with_one_name() -> None:
    """A client keeps the last cookie of a name; the order of other cookies has no meaning."""
    first, second = ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "a=2; Path=/")
    other = ("Set-Cookie", "b=1; Path=/")
    swapped = [first, second], [second, first]
    assert await aspects(b"", b"", *swapped) == ["header:set-cookie"]
    assert await aspects(b"", b"", [first, other], [other, first]) == []


@pytest.mark.parametrize(
    ("original", "port"),
    [
        ("<p>&lt;hr&gt;</p>", "<p><hr></p>"),
        ("<p>a&nbsp;b</p>", "<p>a b</p>"),
        ("<td>&nbsp;</td>", "<td></td>"),
        ("<?xml version='1.0'?><p>", "<?xml version='1.1'?><p>"),
        ("<![CDATA[a]]><p>", "<![CDATA[b]]><p>"),
    ],
)
def test_html(original: str, port: str) -> None:
    """Escaped markup, no-break spaces and declarations are compared."""
    assert normalize_html(original) != normalize_html(port)


def test_a_lone_surrogate_in_json() -> None:
    r"""The JSON text ``"\ud800"`` is valid, but no report in UTF-8 can contain it."""
    assert printable(canonical_json("\ud800")).encode() == b'"\\ud800"'


SESSION = {"Cookie with a path": "p=1; Path=/area", "Secure cookie": "p=1; Path=/; Secure"}


@pytest.mark.parametrize("cookie", SESSION.values(), ids=SESSION.keys())
async def test_cookies_are_sent_back(cookie: str) -> None:
    """A cookie with a path, and a secure one, are sent as a browser sends them to localhost."""
    result = await compare(*_cookie_apps(cookie), Step("/set"), Step("/area/page"), Step("/other"))
    bodies = [step.response.body for step in result.port]
    assert bodies == [b"", b"1", b"1" if "/area" not in cookie else b"none"]


async def test_cookies_of_a_host() -> None:
    """A cookie of a domain is sent to the hosts of this domain, and to no other."""
    shop, blog = {"Host": "shop.example.com"}, {"Host": "blog.example.com"}
    result = await compare(
        *_cookie_apps("p=1; Path=/; Domain=example.com"),
        Step("/set", headers=shop),
        Step("/", headers=shop),
        Step("/", headers=blog),
        Step("/"),
    )
    assert [step.response.body for step in result.port] == [b"", b"1", b"1", b"none"]


def _cookie_apps(cookie: str) -> tuple[Flask, Quart]:
    old, new = Flask(__name__), Quart(__name__)
    old.get("/set")(lambda: ("", {"Set-Cookie": cookie}))
    new.get("/set")(lambda: ("", {"Set-Cookie": cookie}))
    for number, path in enumerate(("/", "/area/page", "/other")):
        old.add_url_rule(path, str(number), lambda: flask.request.cookies.get("p", "none"))
        new.add_url_rule(path, str(number), lambda: quart.request.cookies.get("p", "none"))
    return old, new


async def test_words_that_are_no_tokens() -> None:
    """``token_type`` has the name of a token, but its value is a word."""
    old, new = Flask(__name__), Quart(__name__)
    old.get("/")(lambda: {"token_type": "bearer"})
    new.get("/")(lambda: {"token_type": "Bearer"})
    cases = [Case("case", Step())]
    (result,) = [each async for each in compare_applications(old, new, cases)]
    explorer = await asyncio.to_thread(Explorer, old, new, cases)
    assert not explorer.learn(result).passed


async def test_system_exit() -> None:
    """A Flask view that raises SystemExit is an error of the application: it has no response."""
    old, new = Flask(__name__), Quart(__name__)

    @old.get("/")
    def leave() -> str:
        sys.exit(0)

    new.get("/")(lambda: "x")
    async with asyncio.timeout(30):
        result = await compare(old, new)
    assert result.original[0].response.status == 500
    assert result.errors == ("original, step 0: SystemExit: 0",)


async def test_an_error_after_the_response() -> None:
    """A function that runs when the response is closed may fail: a server logs it."""
    old, new = Flask(__name__), Quart(__name__)

    @old.get("/")
    def index() -> flask.Response:
        response = flask.Response("x")
        response.call_on_close(lambda: 1 / 0)
        return response

    new.get("/")(lambda: "x")
    result = await compare(old, new)
    assert result.port[0].response.body == result.original[0].response.body == b"x"
    assert result.errors == ("original, step 0: ZeroDivisionError: division by zero",)


async def test_a_response_without_an_end() -> None:
    """A response that never ends fails the case after the timeout of its step."""
    old, new = Flask(__name__), Quart(__name__)

    @old.get("/")
    def endless() -> flask.Response:
        def events() -> Iterator[str]:
            while True:
                yield "data: x\n\n"

        return flask.Response(events())

    @new.get("/")
    async def wait() -> str:
        await asyncio.Event().wait()
        return ""

    async with asyncio.timeout(60):
        result = await compare(old, new, Step(timeout=0.2))
    assert "response" in [finding.aspect for finding in result.findings]
    assert not result.passed


async def test_a_websocket_that_is_not_accepted() -> None:
    """An application that never answers the handshake fails the case, too."""
    app = Quart(__name__)

    @app.websocket("/")
    async def wait() -> None:
        await asyncio.Event().wait()
        await websocket.send("x")

    async with asyncio.timeout(60):
        result = await compare(app, app, Step(websocket=[], timeout=0.2))
    (finding,) = result.findings
    assert (finding.state, finding.aspect) == ("error", "response")
