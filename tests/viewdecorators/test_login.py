"""Logging in and out, and the protection of sessions."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import pytest
from quart import Quart, g, render_template_string, request, session, websocket

from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    confirm_login,
    current_user,
    fresh_login_required,
    login_fresh,
    login_user,
    logout_user,
)


@dataclass
class User(UserMixin):
    id: str
    is_active: bool = True


@pytest.fixture
def app(app: Quart) -> Quart:
    manager = LoginManager(app, login_view="login", refresh_view="refresh")

    @manager.user_loader
    async def load(user_id: str) -> User:
        await asyncio.sleep(0)
        return User(user_id)

    @app.get("/login")
    def login() -> str:
        options: dict[str, Any] = {
            key: value == "1" for key, value in request.args.items() if key != "name"
        }
        active = options.pop("active", True)
        return str(login_user(User(request.args.get("name", "ada"), active), **options))

    @app.get("/logout")
    async def logout() -> str:
        logout_user()
        return "" if current_user else "nobody"

    @app.get("/refresh")
    async def refresh() -> str:
        confirm_login()
        return "confirmed"

    @app.get("/me")
    async def me() -> dict[str, Any]:
        return {
            "id": current_user.get_id(),
            "authenticated": current_user.is_authenticated,
            "fresh": login_fresh(),
            "session": sorted(session),
        }

    @app.get("/fresh")
    @fresh_login_required
    async def fresh() -> str:
        return "fresh"

    return app


async def body(client: Any, path: str, **options: Any) -> Any:
    response = await client.get(path, **options)
    assert response.status_code == 200
    return await (response.get_json() if response.is_json else response.get_data(as_text=True))


async def test_login_and_logout(app: Quart) -> None:
    """Nobody is logged in before the login and after the logout."""
    client = app.test_client()
    nobody: dict[str, Any] = {"id": None, "authenticated": False, "fresh": False, "session": []}
    assert await body(client, "/me") == nobody
    assert await body(client, "/login") == "True"
    me = await body(client, "/me")
    assert (me["id"], me["authenticated"], me["fresh"]) == ("ada", True, True)
    assert await body(client, "/logout") == "nobody"
    assert await body(client, "/me") == nobody


async def test_loader_may_be_synchronous(app: Quart) -> None:
    def load(user_id: str) -> User:
        return User(user_id.upper())

    app.extensions["quartpatterns.viewdecorators"].user_loader(load)
    client = app.test_client()
    await client.get("/login")
    assert (await body(client, "/me"))["id"] == "ADA"


async def test_users_side_by_side(app: Quart) -> None:
    """Requests at the same time have each their own user."""

    async def visit(name: str) -> str:
        client = app.test_client()
        await client.get(f"/login?name={name}")
        found: str = (await body(client, "/me"))["id"]
        return found

    names = [f"user{number}" for number in range(30)]
    assert await asyncio.gather(*map(visit, names)) == names


async def test_inactive(app: Quart) -> None:
    """An inactive user is not logged in, unless the login is forced."""
    client = app.test_client()
    assert await body(client, "/login?active=0") == "False"
    assert (await body(client, "/me"))["id"] is None
    assert await body(client, "/login?active=0&force=1") == "True"


async def test_fresh(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login is fresh for a time, and again after ``confirm_login``."""
    app.config["LOGIN_FRESH_LIFETIME"] = 3600
    client = app.test_client()
    assert (await client.get("/fresh")).location.startswith("/login?next=")
    await client.get("/login")
    assert await body(client, "/fresh") == "fresh"
    later = time.time() + 3601
    monkeypatch.setattr("quartpatterns.viewdecorators.login._now", lambda: int(later))
    assert (await client.get("/fresh")).location == "/refresh?next=%2Ffresh"
    stale = await client.get("/fresh", headers={"Accept": "application/json"})
    assert (await stale.get_json())["message"] == "log in again"
    assert (await body(client, "/me"))["authenticated"]
    await client.get("/refresh")
    assert await body(client, "/fresh") == "fresh"
    await client.get("/login?fresh=0")
    assert (await client.get("/fresh")).status_code == 302


@pytest.mark.parametrize("key", ["_fresh", "_fresh_since"])
@pytest.mark.parametrize("value", ["now", 10**400, -1, None, 1.5, 1], ids=repr)
async def test_forged_freshness(app: Quart, key: str, value: Any) -> None:
    """An invalid value or time is not fresh."""
    app.config["LOGIN_FRESH_LIFETIME"] = 3600

    @app.get("/forge")
    async def forge() -> str:
        session[key] = value
        return ""

    client = app.test_client()
    await client.get("/login")
    await client.get("/forge")
    assert (await client.get("/fresh")).status_code == 302


@pytest.mark.parametrize(
    ("protection", "authenticated", "fresh"),
    [(None, True, True), ("basic", True, False), ("strong", False, False)],
)
async def test_session_protection(
    app: Quart, protection: str | None, authenticated: bool, fresh: bool
) -> None:
    """A session from another browser is not fresh, or is not logged in."""
    app.config["SESSION_PROTECTION"] = protection
    client = app.test_client()
    await client.get("/login", headers={"User-Agent": "one"})
    me = await body(client, "/me", headers={"User-Agent": "one"})
    assert (me["authenticated"], me["fresh"]) == (True, True)
    me = await body(client, "/me", headers={"User-Agent": "other \xff"})
    assert me["authenticated"] is authenticated
    if authenticated:
        assert me["fresh"] is fresh


async def test_another_value(app: Quart) -> None:
    """A login or logout changes nothing else in the session, as with Flask-Login."""

    @app.get("/put")
    async def put() -> str:
        session["basket"] = ["book"]
        return ""

    client = app.test_client()
    await client.get("/put")
    await client.get("/login?name=ada")
    await client.get("/login?name=bob")
    assert "basket" in (await body(client, "/me"))["session"]
    await client.get("/logout")
    assert (await body(client, "/me"))["session"] == ["basket"]


async def test_fixation(app: Quart) -> None:
    """A login does not log in a session that an attacker has planted before."""
    attacker = app.test_client()

    @app.get("/put")
    async def put() -> str:
        session["planted"] = True
        return ""

    planted = (await attacker.get("/put")).headers["Set-Cookie"].partition(";")[0]
    victim = app.test_client(use_cookies=False)
    await victim.get("/login", headers={"Cookie": planted})
    assert (await body(attacker, "/me"))["id"] is None


async def test_regenerate(app: Quart) -> None:
    """A session interface with ``regenerate`` gives the session a new id."""
    seen: list[Any] = []
    interface = type(app.session_interface)
    app.session_interface = type(
        "ServerSide", (interface,), {"regenerate": lambda _, s: seen.append(s)}
    )()
    await app.test_client().get("/login")
    assert len(seen) == 1


async def test_contents_of_the_cookie(app: Quart) -> None:
    """The session contains the id, the freshness and a hash."""
    cookie = (await app.test_client().get("/login")).headers["Set-Cookie"]
    interface: Any = app.session_interface
    value = cookie.partition("=")[2].partition(";")[0]
    data = interface.get_signing_serializer(app).loads(value)
    assert sorted(data) == ["_fresh", "_id", "_user_id"]
    assert "HttpOnly" in cookie


async def test_vary(app: Quart) -> None:
    """Every page has ``Vary: Cookie``, a static file has not."""
    client = app.test_client()
    assert "Cookie" in (await client.get("/me")).vary
    assert "Cookie" in (await client.get("/nowhere")).vary
    assert "Cookie" not in (await client.get("/static/nothing.css")).vary


async def test_template(app: Quart) -> None:
    @app.get("/page")
    async def page() -> str:
        return await render_template_string(
            "{% if current_user.is_authenticated %}{{ current_user.id }}{% else %}nobody{% endif %}"
        )

    client = app.test_client()
    assert await body(client, "/page") == "nobody"
    await client.get("/login")
    assert await body(client, "/page") == "ada"


async def test_websocket(app: Quart) -> None:
    """A websocket has a user, and can't change the login, because it sets no cookie."""

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(current_user.get_id())
        for change in (lambda: login_user(User("bob")), logout_user, confirm_login):
            try:
                change()
            except RuntimeError as error:
                await websocket.send(str(error))
            else:
                await websocket.send("allowed")

    client = app.test_client()
    await client.get("/login")
    async with client.websocket("/ws") as connection:
        assert await connection.receive() == "ada"
        for _ in range(3):
            assert "in an HTTP request" in str(await connection.receive())


async def test_before_request_of_others(app: Quart) -> None:
    """Every ``before_request`` function gets the user, also one that was registered earlier."""
    seen: list[Any] = []
    other = type(app)(__name__)
    other.secret_key = "a key"

    @other.before_request
    async def look() -> None:
        seen.append(g.user)

    LoginManager(other)
    await other.test_client().get("/")
    assert seen == [None]


async def test_misuse(app: Quart) -> None:
    """Each error names the remedy."""
    with pytest.raises(RuntimeError, match="create only one"):
        LoginManager(app)
    other = type(app)(__name__)
    other.config["SESSION_PROTECTION"] = "extreme"
    with pytest.raises(ValueError, match="'basic', 'strong' or None"):
        LoginManager(other)
    other = type(app)(__name__)
    other.config["LOGIN_FRESH_LIFETIME"] = 0
    with pytest.raises(ValueError, match="LOGIN_FRESH_LIFETIME must be"):
        LoginManager(other)
    async with app.test_request_context("/"):
        await app.preprocess_request()
        with pytest.raises(TypeError, match=r"get_id\(\)"):
            login_user(object())
        with pytest.raises(TypeError, match=r"get_id\(\)"):
            login_user(type("Odd", (), {"get_id": lambda self: 1.5})())
        with pytest.raises(TypeError, match=r"datetime\.timedelta, not 60"):
            login_user(User("ada"), remember=True, duration=60)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    app.extensions["quartpatterns.viewdecorators"]._user_loader = None
    async with app.test_request_context("/"):
        session["_user_id"] = "ada"
        with pytest.raises(RuntimeError, match="user_loader"):
            await app.preprocess_request()
