"""Cached pages whose layout shows flashed messages, a CSRF token and the user's name."""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, redirect, render_template, render_template_string, request, session
from quart import flash as quart_flash

from quartpatterns.caching import Cache
from quartpatterns.flashing import Flashing, flash
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    cached,
    current_user,
    login_required,
    login_user,
    logout_user,
)
from quartpatterns.wtforms import CSRFProtect

TEMPLATES = {
    "_messages.html": "{% for text in get_flashed_messages() %}<p>{{ text }}</p>{% endfor %}",
    "_visitor.html": "{{ current_user.name if current_user.is_authenticated else 'nobody' }}",
    "_token.html": '<input name="csrf_token" value="{{ csrf_token() }}">',
    "direct.html": "{% for text in get_flashed_messages() %}<p>{{ text }}</p>{% endfor %}news",
    "parts.html": (
        '{{ per_visitor("_messages.html") }}[{{ per_visitor("_visitor.html") }}]'
        '<form method="post" action="/save">{{ per_visitor("_token.html") }}</form>news'
    ),
    "token.html": '<input name="csrf_token" value="{{ csrf_token() }}">news',
}


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = self.name = name


def create_app(make: type[Quart], folder: Path, *, cookies: bool, decorator: str) -> Quart:
    """Return an application with a login, flashed messages, a form and cached pages."""
    for name, source in TEMPLATES.items():
        (folder / name).write_text(source)
    app = make(__name__, template_folder=str(folder))
    app.secret_key = "a secret key of 32 characters...."
    cache = Cache(app)
    if cookies:
        Flashing(app)
    CSRFProtect(app)
    manager = LoginManager(app)
    app.extensions["calls"] = calls = {"direct": 0, "parts": 0, "token": 0}
    keep: Any = cache.cached(timeout=60) if decorator == "Cache" else cached(timeout=60)

    @manager.user_loader
    async def load_user(name: str) -> User:
        return User(name)

    def page(name: str) -> None:
        async def view() -> str:
            calls[name] += 1
            return await render_template(f"{name}.html")

        app.add_url_rule(f"/{name}", name, keep(view))

    for name in calls:
        page(name)

    @app.get("/login/<name>")
    async def login(name: str) -> str:
        login_user(User(name))
        return ""

    @app.get("/logout")
    @login_required
    async def logout() -> str:
        logout_user()
        return ""

    @app.post("/save")
    async def save() -> Any:
        name = current_user.name if current_user.is_authenticated else "nobody"
        text = f"Saved {(await request.form)['text']} for {name}."
        await (flash(text) if cookies else quart_flash(text))
        return redirect("/parts")

    @app.get("/theme")
    async def theme() -> str:
        session["theme"] = "dark"
        return ""

    return app


class Browser:
    """A client with its own cookies, and the token of the page that it has seen last."""

    def __init__(self, app: Quart) -> None:
        self.client = app.test_client()
        self.token = ""

    async def get(self, path: str) -> str:
        response = await self.client.get(path)
        body = str(await response.get_data(as_text=True))
        assert response.status_code == 200, body
        if found := re.search(r'value="([^"]+)"', body):
            self.token = found[1]
        return body

    async def save(self, text: str) -> int:
        form = {"text": text, "csrf_token": self.token}
        return int((await self.client.post("/save", form=form)).status_code)


@pytest.fixture(params=[Quart, FaithfulQuart])
def make(request: pytest.FixtureRequest) -> type[Quart]:
    """The class of the application."""
    made: type[Quart] = request.param
    return made


@pytest.fixture(params=[True, False], ids=["cookies", "session"])
def cookies(request: pytest.FixtureRequest) -> bool:
    """Whether messages are in cookies of their own, or in the session."""
    return bool(request.param)


@pytest.fixture(params=["Cache", "viewdecorators"])
def app(make: type[Quart], cookies: bool, tmp_path: Path, request: pytest.FixtureRequest) -> Quart:
    """The application."""
    return create_app(make, tmp_path, cookies=cookies, decorator=request.param)


async def test_everybody_gets_hits(app: Quart) -> None:
    """Visitors, former visitors with a session cookie and members share one page."""
    calls = app.extensions["calls"]
    anonymous, former, ada, grace = (Browser(app) for _ in range(4))
    await former.get("/theme")
    await former.get("/login/eve")
    await former.get("/logout")
    await ada.get("/login/ada")
    await grace.get("/login/grace")
    for _ in range(2):
        assert "[nobody]" in await anonymous.get("/parts")
        assert "[nobody]" in await former.get("/parts")
        assert "[ada]" in await ada.get("/parts")
        assert "[grace]" in await grace.get("/parts")
    assert calls["parts"] == 1


@pytest.mark.parametrize("first", ["member", "anonymous"])
async def test_messages_and_tokens(app: Quart, first: str) -> None:
    """Each gets the own message, once, and a token that works; nobody gets another one's."""
    ada, other = Browser(app), Browser(app)
    await ada.get("/login/ada")
    for browser in (ada, other) if first == "member" else (other, ada):
        await browser.get("/parts")
    assert ada.token and other.token and ada.token != other.token
    assert await ada.save("a poem") == 302
    assert "Saved" not in await other.get("/parts")
    assert "<p>Saved a poem for ada.</p>" in await ada.get("/parts")
    assert "Saved" not in await ada.get("/parts")
    assert await other.save("a song") == 302
    assert "Saved" not in await ada.get("/parts")
    assert "<p>Saved a song for nobody.</p>" in await other.get("/parts")
    assert "Saved" not in await other.get("/parts")
    assert app.extensions["calls"]["parts"] == 1

    ada.token, other.token = other.token, ada.token
    assert await ada.save("with the token of another visitor") == 400


async def test_head_shows_nothing(app: Quart) -> None:
    """A request for the headers takes no message away."""
    browser = Browser(app)
    await browser.get("/parts")
    await browser.save("a poem")
    response = await browser.client.head("/parts")
    assert response.status_code == 200
    assert "Saved a poem" in await browser.get("/parts")


async def test_layout_without_parts(app: Quart) -> None:
    """A page that asks for messages itself is shared by all who have none."""
    calls = app.extensions["calls"]
    anonymous, former, ada = (Browser(app) for _ in range(3))
    await former.get("/theme")
    await ada.get("/login/ada")
    for browser in (anonymous, former, ada, anonymous):
        assert await browser.get("/direct") == "news"
    assert calls["direct"] == 1
    await ada.get("/parts")
    assert await ada.save("a poem") == 302
    assert await anonymous.get("/direct") == "news"
    assert await ada.get("/direct") == "<p>Saved a poem for ada.</p>news"
    assert await ada.get("/direct") == "news"
    assert await anonymous.get("/direct") == "news"
    assert calls["direct"] == 2


async def test_message_first(app: Quart) -> None:
    """A page that is made for somebody with a message is not stored."""
    ada, other = Browser(app), Browser(app)
    await ada.get("/parts")
    await ada.save("a poem")
    assert "Saved a poem" in await ada.get("/direct")
    assert await other.get("/direct") == "news"
    assert await ada.get("/direct") == "news"


async def test_token_in_the_page(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A page with a token is made for each visitor; one log message says why, and what to do."""
    app.debug = True
    browsers = [Browser(app) for _ in range(3)]
    with caplog.at_level(logging.WARNING, "quartpatterns.caching"):
        for browser in browsers:
            await browser.get("/token")
            await browser.get("/token")
    assert len({browser.token for browser in browsers}) == 3
    (record,) = caplog.records
    message = record.getMessage()
    assert "session csrf_token" in message and "per_visitor" in message
    assert browsers[0].token not in message


async def test_cache_status(app: Quart) -> None:
    """In debug mode a header says what the cache has done, and why."""
    statuses: list[str] = []
    browser = Browser(app)

    async def status(path: str) -> None:
        statuses.append(str((await browser.client.get(path)).headers.get("Cache-Status")))

    await status("/direct")
    app.debug = True
    await status("/direct")
    await status("/parts")
    await browser.get("/parts")
    await browser.save("a poem")
    await status("/direct")
    assert statuses[:3] == ["None", "quartpatterns; hit", "quartpatterns; fwd=miss; stored"]
    assert "flash" in statuses[3] and "detail=" in statuses[3]


async def test_other_caches(app: Quart) -> None:
    """A page with parts for one visitor is private; other pages vary by what was looked for."""
    for _ in range(2):
        response = await Browser(app).client.get("/parts")
        assert response.cache_control.private and "Set-Cookie" in response.headers
        response = await Browser(app).client.get("/direct")
        assert "Cookie" in response.vary


async def test_view_that_flashes(app: Quart, cookies: bool) -> None:
    """A view that flashes is called for each visitor, so that no message is lost."""

    @app.get("/flash")
    @cached()
    async def view() -> str:
        await (flash("hello") if cookies else quart_flash("hello"))
        return "done"

    for _ in range(2):
        browser = Browser(app)
        assert await browser.get("/flash") == "done"
        assert await browser.get("/direct") == "<p>hello</p>news"


async def test_etag(make: type[Quart], cookies: bool, tmp_path: Path) -> None:
    """The ETag is that of the visitor's page, so that nobody gets 304 for another one's."""
    app = create_app(make, tmp_path, cookies=cookies, decorator="Cache")
    cache: Cache
    [cache] = app.extensions["cache"]
    calls = 0

    @app.get("/tagged")
    @cache.cached(timeout=60, etag=True)
    async def tagged() -> str:
        nonlocal calls
        calls += 1
        return await render_template_string('{{ per_visitor("_visitor.html") }}')

    tags: list[str] = []
    for name in ("ann", "bob", "ann"):
        browser = Browser(app)
        await browser.get(f"/login/{name}")
        response = await browser.client.get("/tagged", headers={"If-None-Match": ", ".join(tags)})
        tags.append(response.headers["ETag"])
        assert response.status_code == (304 if len(tags) == 3 else 200)
        assert await response.get_data(as_text=True) == ("" if len(tags) == 3 else name)
    assert tags[0] == tags[2] != tags[1] and calls == 1


async def test_changed_marks(make: type[Quart], cookies: bool, tmp_path: Path) -> None:
    """A part whose place can't be found again is an error, and no strange comment in the page."""
    app = create_app(make, tmp_path, cookies=cookies, decorator="Cache")

    @app.get("/loud")
    @cached()
    async def loud() -> str:
        return await render_template_string('{{ per_visitor("_visitor.html")|upper }}')

    for _ in range(2):
        assert (await app.test_client().get("/loud")).status_code == 500
