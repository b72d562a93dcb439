"""A Flask part with Flask-Login and a Quart part of one application share sessions and cookies."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]
import pytest
import quart
from quart import Quart

import quartpatterns.viewdecorators as ours
from quartpatterns.viewdecorators import LoginManager, UserMixin

SETTINGS: dict[str, Any] = {"SECRET_KEY": "one key"}
BROWSER, OTHER = "Mozilla/5.0 (X11) Ä", "curl/8.5"


class OurUser(UserMixin):
    def __init__(self, id: str) -> None:
        self.id = id


class TheirUser(flask_login.UserMixin):  # type: ignore[misc]
    def __init__(self, id: str) -> None:
        self.id = id


def flask_part(**config: Any) -> flask.Flask:
    """The same pages as those of :func:`quart_part`, with Flask-Login."""
    app = flask.Flask(__name__)
    app.config.update(SETTINGS, **config)
    manager = flask_login.LoginManager(app)
    manager.user_loader(TheirUser)

    @app.get("/login/<name>")
    def login(name: str) -> str:
        options: dict[str, Any] = {"remember": "remember" in flask.request.args}
        if "hours" in flask.request.args:
            options["duration"] = timedelta(hours=int(flask.request.args["hours"]))
        return str(flask_login.login_user(TheirUser(name), **options))

    @app.get("/logout")
    def logout() -> str:
        return str(flask_login.logout_user())

    @app.get("/me")
    def me() -> dict[str, Any]:
        # The loader applies the protection of the session, and so it is the first.
        name = flask_login.current_user.get_id()
        return {
            "name": name,
            "fresh": flask_login.login_fresh(),
            "remembered": flask_login.login_remembered(),
        }

    @app.get("/session")
    def session() -> dict[str, Any]:
        return dict(flask.session)

    @app.get("/secret")
    @flask_login.login_required  # type: ignore[untyped-decorator]
    def secret() -> str:
        return "secret"

    return app


def quart_part(app_class: type[Quart], **config: Any) -> Quart:
    app = app_class(__name__)
    app.config.update(SETTINGS, **config)
    manager = LoginManager(app)

    @manager.user_loader
    async def load_user(user_id: str) -> OurUser:
        return OurUser(user_id)

    @app.get("/login/<name>")
    async def login(name: str) -> str:
        options: dict[str, Any] = {"remember": "remember" in quart.request.args}
        if "hours" in quart.request.args:
            options["duration"] = timedelta(hours=int(quart.request.args["hours"]))
        return str(ours.login_user(OurUser(name), **options))

    @app.get("/logout")
    async def logout() -> str:
        return str(ours.logout_user())

    @app.get("/me")
    async def me() -> dict[str, Any]:
        return {
            "name": ours.current_user.get_id(),
            "fresh": ours.login_fresh(),
            "remembered": ours.login_remembered(),
        }

    @app.get("/session")
    async def session() -> dict[str, Any]:
        return dict(quart.session)

    @app.get("/secret")
    @ours.login_required
    async def secret() -> str:
        return "secret"

    return app


class Browser:
    """One browser that visits both parts: it sends the cookies of one to the other."""

    def __init__(self, app_class: type[Quart], **config: Any) -> None:
        self.flask = flask_part(**config).test_client(use_cookies=False)
        self.quart = quart_part(app_class, **config).test_client(use_cookies=False)
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []
        self.agent = BROWSER
        self.headers: dict[str, str] = {}

    def _sent(self, *, latin1: bool = True) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        agent = self.agent.encode().decode("latin-1") if latin1 else self.agent
        return {"User-Agent": agent, **self.headers, **({"Cookie": cookies} if cookies else {})}

    def _received(self, set_cookies: list[str]) -> None:
        self.set_cookies = set_cookies
        for line in set_cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["expires"].startswith("Thu, 01 Jan 1970") or morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.coded_value

    async def on_flask(self, path: str) -> Any:
        response = self.flask.get(path, headers=self._sent())
        self._received(response.headers.getlist("Set-Cookie"))
        return response.json if response.is_json else (response.status_code, response.text)

    async def on_quart(self, path: str) -> Any:
        client = {"client": ("127.0.0.1", 1234)}
        # Quart's test client encodes headers as UTF-8, the others as Latin-1.
        headers = self._sent(latin1=type(self.quart.app) is not Quart)
        response = await self.quart.get(path, headers=headers, scope_base=client)
        self._received(response.headers.getlist("Set-Cookie"))
        if response.is_json:
            return await response.get_json()
        return response.status_code, await response.get_data(as_text=True)

    def close(self) -> None:
        """Forget the session, as a browser that is closed does."""
        self.cookies.pop("session", None)


Visit = Callable[[str], Awaitable[Any]]


def parts(browser: Browser, first: str) -> tuple[Visit, Visit]:
    visits = browser.on_flask, browser.on_quart
    return visits if first == "flask" else (visits[1], visits[0])


directions = pytest.mark.parametrize("first", ["flask", "quart"])
LOGGED_IN = {"name": "ada", "fresh": True, "remembered": False}
NOBODY = {"name": None, "fresh": False, "remembered": False}


@directions
@pytest.mark.parametrize("protection", ["strong", "basic", None])
async def test_session(app_class: type[Quart], first: str, protection: str | None) -> None:
    """A login on one part is a fresh login on the other one, and so is a logout."""
    browser = Browser(app_class, SESSION_PROTECTION=protection)
    here, there = parts(browser, first)
    assert await here("/login/ada") == (200, "True")
    for visit in (here, there, here, there):
        assert await visit("/me") == LOGGED_IN
        assert await visit("/secret") == (200, "secret")
    browser.agent = OTHER  # Somebody who has stolen the cookie.
    stolen = {"strong": NOBODY, "basic": LOGGED_IN | {"fresh": False}, None: LOGGED_IN}[protection]
    before = dict(browser.cookies)
    for visit in (here, there):
        browser.cookies = dict(before)
        assert await visit("/me") == stolen
        assert (await visit("/secret"))[0] == (401 if protection == "strong" else 200)
    browser.agent, browser.cookies = BROWSER, before
    assert await there("/logout") == (200, "True")
    for visit in (here, there):
        assert await visit("/me") == NOBODY
        assert (await visit("/secret"))[0] == 401


@directions
@pytest.mark.parametrize("protection", ["strong", "basic", None])
async def test_remember_cookie(app_class: type[Quart], first: str, protection: str | None) -> None:
    """A reopened browser is remembered on both parts and not fresh, until a logout on one."""
    browser = Browser(app_class, SESSION_PROTECTION=protection)
    here, there = parts(browser, first)
    await here("/login/ada?remember")
    assert "_remember" not in await here("/session")
    assert await there("/me") == LOGGED_IN | {"remembered": True}
    browser.close()
    assert await there("/me") == {"name": "ada", "fresh": False, "remembered": True}
    browser.close()
    assert await here("/me") == {"name": "ada", "fresh": False, "remembered": True}
    assert await there("/me") == {"name": "ada", "fresh": False, "remembered": True}
    assert await there("/logout") == (200, "True")
    assert "remember_token" not in browser.cookies
    for visit in (here, there):
        assert await visit("/me") == NOBODY


@pytest.mark.parametrize("name", ["ada", "佐藤", "a|b", "1"])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {
            "REMEMBER_COOKIE_NAME": "keep",
            "REMEMBER_COOKIE_DURATION": timedelta(days=3),
            "REMEMBER_COOKIE_DOMAIN": "example.org",
            "REMEMBER_COOKIE_PATH": "/app",
            "REMEMBER_COOKIE_SECURE": True,
            "REMEMBER_COOKIE_HTTPONLY": False,
            "REMEMBER_COOKIE_SAMESITE": "Lax",
        },
        {"REMEMBER_COOKIE_DURATION": 3600, "SECRET_KEY": b"\x9e\x8f"},
    ],
    ids=["default", "all", "seconds"],
)
async def test_same_cookies(
    app_class: type[Quart], name: str, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both parts set the same remember cookie, with the same attributes, and the same session."""
    seen: list[Any] = []
    for path in (f"/login/{name}?remember", f"/login/{name}?remember&hours=7"):
        for part in ("flask", "quart"):
            browser = Browser(app_class, **config)
            visit, _ = parts(browser, part)
            await visit(path)
            cookie = config.get("REMEMBER_COOKIE_NAME", "remember_token")
            lines = [each for each in browser.set_cookies if each.startswith(f"{cookie}=")]
            # The seconds may differ.
            seen.append(([line.replace(line[line.find(":") :][:6], "") for line in lines], None))
            browser.cookies = {key: browser.cookies[key] for key in ("session",)}
            seen[-1] = (seen[-1][0], await visit("/session"))
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]
    assert len(seen[0][0]) == 1


@pytest.mark.parametrize(
    ("agent", "headers"),
    [
        (BROWSER, {}),
        ("", {}),
        (BROWSER, {"X-Forwarded-For": "203.0.113.7, 10.0.0.1"}),
        ("Ä\u20ac", {"X-Forwarded-For": " 2001:db8::1"}),
    ],
)
async def test_same_identifier(app_class: type[Quart], agent: str, headers: dict[str, str]) -> None:
    """The session's ``_id`` is Flask-Login's SHA-512 of the address and the browser."""
    found: list[str] = []
    for part in ("flask", "quart"):
        browser = Browser(app_class)
        browser.agent, browser.headers = agent, headers
        visit, _ = parts(browser, part)
        await visit("/login/ada")
        found.append((await visit("/session"))["_id"])
    assert found[0] == found[1]
    if agent == BROWSER and not headers:
        client = f"{b'127.0.0.1'!r}|{BROWSER.encode().decode('latin-1').encode()!r}"
        assert found[0] == hashlib.sha512(client.encode()).hexdigest()


async def test_newer_identifier(app_class: type[Quart]) -> None:
    """A session of Flask-Login's development version is valid, and stays as it is."""
    browser = Browser(app_class, SESSION_PROTECTION="strong")
    browser.agent = "agent"
    identifier = hashlib.sha512(b"127.0.0.1|agent").hexdigest()

    @browser.quart.app.get("/put")
    async def put() -> str:
        quart.session.update(_user_id="ada", _fresh=True, _id=identifier)
        return ""

    await browser.on_quart("/put")
    assert await browser.on_quart("/me") == LOGGED_IN
    assert (await browser.on_quart("/session"))["_id"] == identifier


async def test_strong_protection_after_a_reopened_browser(app_class: type[Quart]) -> None:
    """Flask-Login logs a remembered user out with the second request; the Quart part does not."""
    for part, expected in (("flask", None), ("quart", "ada")):
        browser = Browser(app_class, SESSION_PROTECTION="strong")
        visit, _ = parts(browser, part)
        await visit("/login/ada?remember")
        browser.close()
        assert (await visit("/me"))["name"] == "ada"
        assert (await visit("/me"))["name"] == expected


@pytest.mark.parametrize("order", ["fqfq", "qffq", "qqff"])
async def test_strong_protection_on_both_parts(app_class: type[Quart], order: str) -> None:
    """A reopened browser stays logged in on both parts, if it goes to the Quart part in time."""
    browser = Browser(app_class, SESSION_PROTECTION="strong")
    await browser.on_flask("/login/ada?remember")
    browser.close()
    for part in order:
        visit = browser.on_flask if part == "f" else browser.on_quart
        assert (await visit("/me"))["name"] == "ada"


async def test_next_in_the_session(app_class: type[Quart]) -> None:
    """With strong protection, Flask-Login finds ``session["next"]`` of the Quart part."""
    browser = Browser(app_class, SESSION_PROTECTION="strong", USE_SESSION_FOR_NEXT=True)
    app: Any = browser.quart.app
    app.login_manager.login_view = "/login"
    app.login_manager.login_message = None
    assert (await browser.on_quart("/secret?a=1"))[0] == 302
    assert (await browser.on_flask("/me"))["name"] is None
    assert (await browser.on_flask("/session"))["next"] == "/secret?a=1"


@pytest.mark.parametrize("cookie", ["", "|", "ada", "ada|", "ada|ü", "ada|0", "|" * 9, "\xff|\xff"])
async def test_forged_cookie(app_class: type[Quart], cookie: str) -> None:
    """A forged remember cookie is ignored."""
    browser = Browser(app_class)
    browser.cookies["remember_token"] = cookie
    assert await browser.on_quart("/me") == NOBODY


async def test_key_rotation(app_class: type[Quart]) -> None:
    """A remember cookie with a former secret key is valid, as a session is."""
    browser = Browser(app_class)
    await browser.on_flask("/login/ada?remember")
    browser.close()
    browser.quart.app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["one key"])
    assert (await browser.on_quart("/me"))["name"] == "ada"
    browser.close()
    browser.quart.app.config["SECRET_KEY_FALLBACKS"] = ["another"]
    assert (await browser.on_quart("/me"))["name"] is None


async def test_cookie_of_another_user(app_class: type[Quart]) -> None:
    """A login without ``remember`` deletes the remember cookie of another user."""
    browser = Browser(app_class)
    await browser.on_quart("/login/ada?remember")
    await browser.on_quart("/login/bob")
    assert "remember_token" not in browser.cookies
    await browser.on_quart("/login/ada?remember")
    await browser.on_quart("/login/ada")
    assert "remember_token" in browser.cookies


async def test_refresh_each_request(app_class: type[Quart]) -> None:
    """``REMEMBER_COOKIE_REFRESH_EACH_REQUEST`` renews a cookie, and gives nobody a new one."""
    browser = Browser(app_class, REMEMBER_COOKIE_REFRESH_EACH_REQUEST=True)
    await browser.on_quart("/login/ada")
    await browser.on_quart("/me")
    assert "remember_token" not in browser.cookies
    await browser.on_quart("/login/ada?remember")
    await browser.on_quart("/me")
    assert [line.partition("=")[0] for line in browser.set_cookies] == ["remember_token"]
