"""Requests of one user that overlap: whatever the order of the answers, no message is lost."""

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
from tests.serving import served

PAGE = "{% for message in get_flashed_messages() %}[{{ message }}]{% endfor %}"


def make() -> Quart:
    """An application that flashes, shows, and is polled by its pages."""
    app = Quart(__name__)
    app.secret_key = "a key"
    Flashing(app)

    @app.get("/say/<message>")
    async def say(message: str) -> str:
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
class Answer:
    """What is on its way to the browser."""

    cookies: list[str]
    body: str


@dataclass(slots=True)
class Browser:
    """A browser whose answers arrive when the test says so."""

    app: Quart
    jar: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    async def ask(self, path: str) -> Answer:
        """Send a request with the cookies of this moment."""
        client = self.app.test_client(use_cookies=False)
        headers = {"Cookie": cookie_header(self.jar)} if self.jar else {}
        response = await client.get(path, headers=headers)
        body = await response.get_data(as_text=True)
        return Answer(response.headers.getlist("Set-Cookie"), body)

    def receive(self, answer: Answer) -> None:
        """Take the cookies of an answer, and read its page."""
        take(self.jar, answer.cookies)
        self.seen += re.findall(r"\[(.*?)\]", answer.body)


def cookie_header(jar: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in jar.items())


def take(jar: dict[str, str], cookies: list[str]) -> None:
    for name, morsel in (pair for cookie in cookies for pair in SimpleCookie(cookie).items()):
        if morsel["max-age"] == "0":
            jar.pop(name, None)
        else:
            jar[name] = morsel.value


Step = tuple[str, int]
kinds = st.sampled_from(["say", "show", "poll", "arrive", "arrive"])


@pytest.mark.checks("FL-7")
@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(kinds, st.integers(0, 3)), max_size=16))
def test_any_order(steps: list[Step]) -> None:
    """A browser with several requests on their way sees every message, whatever arrives first."""
    seen, said, last = asyncio.run(browse(steps))
    assert set(seen) == set(said)
    assert last == ""


async def browse(steps: list[Step]) -> tuple[list[str], list[str], str]:
    """Take *steps*, then let everything arrive; what was seen, what was said, and a last page."""
    browser = Browser(make())
    on_their_way: list[Answer] = []
    said: list[str] = []
    for number, (kind, which) in enumerate(steps):
        if kind == "say":
            said.append(f"m{number}")
            on_their_way.append(await browser.ask(f"/say/m{number}"))
        elif kind != "arrive":
            on_their_way.append(await browser.ask(f"/{kind}"))
        elif on_their_way:
            browser.receive(on_their_way.pop(which % len(on_their_way)))
    for answer in on_their_way:
        browser.receive(answer)
    browser.receive(await browser.ask("/show"))
    return browser.seen, said, (await browser.ask("/show")).body


@pytest.mark.checks("FL-7")
@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["say", "show", "poll"]), max_size=12))
def test_one_after_the_other(kinds: list[str]) -> None:
    """Where requests do not overlap, each message is seen once and in order."""
    steps = [step for kind in kinds for step in ((kind, 0), ("arrive", 0))]
    seen, said, last = asyncio.run(browse(steps))
    assert seen == said
    assert last == ""


@pytest.mark.checks("FL-7")
async def test_background_request() -> None:
    """The answer of a slow request that started before the message does not take it away."""
    browser = Browser(make())
    slow = await browser.ask("/poll")
    browser.receive(await browser.ask("/say/hello"))
    browser.receive(slow)
    browser.receive(await browser.ask("/show"))
    assert browser.seen == ["hello"]


def test_background_request_of_the_original() -> None:
    """The same with Flask: the session's cookie is overwritten, and the message is lost."""
    app = with_poll(original.create_app())  # type: ignore[no-untyped-call]
    jar: dict[str, str] = {}
    slow = app.test_client(use_cookies=False).get("/poll")
    said = app.test_client(use_cookies=False).post("/say", data={"message": "hello"})
    take(jar, said.headers.getlist("Set-Cookie"))
    take(jar, slow.headers.getlist("Set-Cookie"))
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
async def test_at_once() -> None:
    """Twelve requests at once on a real server flash twelve messages, and one page shows them."""
    async with served(make()) as server:
        paths = [f"/say/m{number}" for number in range(12)]
        await asyncio.gather(*map(server.client.get, paths))
        page = await server.client.get("/show")
        assert sorted(re.findall(r"\[(.*?)\]", page.text)) == sorted(f"m{n}" for n in range(12))
        assert (await server.client.get("/show")).text == ""
