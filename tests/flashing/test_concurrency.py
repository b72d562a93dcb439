"""Overlapping requests of one user: no message is lost, whatever the order of the responses."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from http.cookies import SimpleCookie

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart, render_template_string, session

from quartpatterns.flashing import Flashing, flash
from quartpatterns.flashing.example import original
from tests.examples import examples
from tests.serving import served

PAGE = "{% for message in get_flashed_messages() %}[{{ message }}]{% endfor %}"


def make_app() -> Quart:
    """Return an application that flashes, shows, and is polled in the background."""
    app = Quart(__name__)
    app.secret_key = "secret"
    Flashing(app)

    @app.get("/flash/<message>")
    async def flash_message(message: str) -> str:
        await flash(message)
        return ""

    @app.get("/show")
    async def show() -> str:
        return await render_template_string(PAGE)

    @app.get("/poll")
    async def poll() -> str:
        session["polls"] = session.get("polls", 0) + 1
        return ""

    return app


@dataclass(frozen=True, slots=True)
class Response:
    """A response that the browser has not received yet."""

    cookies: list[str]
    body: str


@dataclass(slots=True)
class Browser:
    """A browser that receives a response when the test says so."""

    app: Quart
    jar: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    async def send(self, path: str) -> Response:
        """Send a request with the current cookies."""
        client = self.app.test_client(use_cookies=False)
        headers = {"Cookie": cookie_header(self.jar)} if self.jar else {}
        response = await client.get(path, headers=headers)
        body = await response.get_data(as_text=True)
        return Response(response.headers.getlist("Set-Cookie"), body)

    def receive(self, response: Response) -> None:
        """Store the cookies of a response, and read its page."""
        store(self.jar, response.cookies)
        self.seen += re.findall(r"\[(.*?)\]", response.body)


def cookie_header(jar: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in jar.items())


def store(jar: dict[str, str], cookies: list[str]) -> None:
    for name, morsel in (pair for cookie in cookies for pair in SimpleCookie(cookie).items()):
        if morsel["max-age"] == "0":
            jar.pop(name, None)
        else:
            jar[name] = morsel.value


Step = tuple[str, int]
kinds = st.sampled_from(["flash", "show", "poll", "receive", "receive"])


@pytest.mark.checks("FL-7")
@settings(max_examples=examples(300))
@given(st.lists(st.tuples(kinds, st.integers(0, 3)), max_size=16))
def test_any_order(steps: list[Step]) -> None:
    """A browser with several open requests sees every message, in any order of responses."""
    seen, flashed, last = asyncio.run(browse(steps))
    assert set(seen) == set(flashed)
    assert last == ""


async def browse(steps: list[Step]) -> tuple[list[str], list[str], str]:
    """Run *steps* and return the seen messages, the flashed messages and a last page."""
    browser = Browser(make_app())
    sent: list[Response] = []
    flashed: list[str] = []
    for number, (kind, which) in enumerate(steps):
        if kind == "flash":
            flashed.append(f"m{number}")
            sent.append(await browser.send(f"/flash/m{number}"))
        elif kind != "receive":
            sent.append(await browser.send(f"/{kind}"))
        elif sent:
            browser.receive(sent.pop(which % len(sent)))
    for response in sent:
        browser.receive(response)
    browser.receive(await browser.send("/show"))
    return browser.seen, flashed, (await browser.send("/show")).body


@pytest.mark.checks("FL-7")
@settings(max_examples=examples(100))
@given(st.lists(st.sampled_from(["flash", "show", "poll"]), max_size=12))
def test_sequential_requests(kinds: list[str]) -> None:
    """If requests do not overlap, each message is seen once and in order."""
    steps = [step for kind in kinds for step in ((kind, 0), ("receive", 0))]
    seen, flashed, last = asyncio.run(browse(steps))
    assert seen == flashed
    assert last == ""


@pytest.mark.checks("FL-7")
async def test_background_request() -> None:
    """The response of a request that started before the message does not remove it."""
    browser = Browser(make_app())
    slow = await browser.send("/poll")
    browser.receive(await browser.send("/flash/hello"))
    browser.receive(slow)
    browser.receive(await browser.send("/show"))
    assert browser.seen == ["hello"]


def test_background_request_of_the_original() -> None:
    """In Flask the session cookie is overwritten, and the message is lost."""
    app = with_poll(original.create_app())  # type: ignore[no-untyped-call]
    jar: dict[str, str] = {}
    slow = app.test_client(use_cookies=False).get("/poll")
    flashed = app.test_client(use_cookies=False).post("/say", data={"message": "hello"})
    store(jar, flashed.headers.getlist("Set-Cookie"))
    store(jar, slow.headers.getlist("Set-Cookie"))
    page = app.test_client(use_cookies=False).get("/", headers={"Cookie": cookie_header(jar)})
    assert "hello" not in page.text


def with_poll(app: Flask) -> Flask:
    from flask import session as flask_session

    @app.get("/poll")
    def poll() -> str:
        flask_session["polls"] = 1
        return ""

    return app


@pytest.mark.wire
@pytest.mark.checks("FL-7")
async def test_concurrent_requests() -> None:
    """Twelve concurrent requests to a real server flash twelve messages; one page shows them."""
    async with served(make_app()) as server:
        paths = [f"/flash/m{number}" for number in range(12)]
        await asyncio.gather(*map(server.client.get, paths))
        page = await server.client.get("/show")
        assert sorted(re.findall(r"\[(.*?)\]", page.text)) == sorted(f"m{n}" for n in range(12))
        assert (await server.client.get("/show")).text == ""
