"""The port: concurrent users, accessibility, and parity at any time."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from itsdangerous import TimestampSigner
from quart import Quart
from werkzeug.security import check_password_hash, generate_password_hash

from quartpatterns.compare.case import pattern_comparison
from quartpatterns.compare.parity import run_comparison
from quartpatterns.compare.processes import free_port
from quartpatterns.wtforms.example import port
from quartpatterns.wtforms.example.redis_users import RedisUsers
from quartpatterns.wtforms.example.users import TakenError, User, Users
from tests.serving import TIMEOUT, Served, served

COMPARISON = pattern_comparison("wtforms")  # reads files, so not in an event loop
FIELDS = {
    "username": "gracehop",
    "email": "grace@example.com",
    "password": "engine",
    "confirm": "engine",
    "accept_tos": "y",
}


async def token(client: httpx.AsyncClient, path: str) -> str:
    """Return the token in the page at *path*."""
    found = re.search(
        r'name="csrf_token" type="hidden" value="([^"]+)"', (await client.get(path)).text
    )
    assert found
    return found[1]


async def register(server: Served, **fields: str) -> httpx.Response:
    """Register a user with a new client."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", timeout=TIMEOUT
    ) as client:
        sent = {**FIELDS, **fields, "csrf_token": await token(client, "/register")}
        return await client.post("/register", data=sent)


@pytest.mark.wire
@pytest.mark.checks("WT-5")
async def test_concurrent_registrations() -> None:
    """Of concurrent registrations of one name one succeeds, and the others get an error."""
    async with served(port.create_app()) as server:
        responses = await asyncio.gather(
            *(register(server, email=f"{number}@example.com") for number in range(6))
        )
        statuses = sorted(response.status_code for response in responses)
        assert statuses == [200] * 5 + [302]
        for response in responses:
            assert response.status_code == 302 or "This name is taken." in response.text


@pytest.mark.wire
@pytest.mark.checks("WT-4")
async def test_accessible() -> None:
    """Fields have labels, and errors are marked for screen readers."""
    async with served(port.create_app()) as server:
        page = (await register(server, username="x", confirm="", accept_tos="")).text
    inputs = re.findall(r"<input[^>]* id=\"(\w+)\"[^>]*>", page)
    labels = re.findall(r'<label for="(\w+)">', page)
    assert set(labels) == set(inputs) - {"csrf_token"}
    for field in ("username", "password", "accept_tos"):
        (tag,) = re.findall(rf'<input[^>]* id="{field}"[^>]*>', page)
        assert 'aria-invalid="true"' in tag
        assert f'aria-describedby="{field}-errors"' in tag
        assert f'<ul class=errors id="{field}-errors">' in page
        assert f'<a href="#{field}">' in page
    (tag,) = re.findall(r'<input[^>]* id="email"[^>]*>', page)
    assert "aria-invalid" not in tag


@pytest.mark.checks("WT-18")
@pytest.mark.parametrize("username", ["gracehop", "nobody", ""])
async def test_a_login_computes_one_hash(username: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much is computed for an unknown user, so that the time does not tell who exists."""
    hashes: list[str] = []

    def counting(stored: str, password: str) -> bool:
        hashes.append(stored)
        return check_password_hash(stored, password)

    monkeypatch.setattr(port, "check_password_hash", counting)
    app = port.create_app({"WTF_CSRF_ENABLED": False})
    await app.extensions["users"].add(User("gracehop", "", generate_password_hash("engine")))
    form = {"username": username, "password": "guess"}
    response = await app.test_client().post("/login", form=form)
    page = await response.get_data(as_text=True)
    assert (response.status_code, "Unknown name, or wrong password." in page) == (200, True)
    assert [stored.split("$")[0] for stored in hashes] == ["scrypt:32768:8:1"]


@pytest.fixture(params=["memory", "redis"])
async def users(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Users]:
    """A store for three users."""
    if request.param == "memory":
        yield Users(limit=3)
        return
    app = Quart(__name__)
    store = RedisUsers(app, redis_url, limit=3)
    async with app.test_app():
        yield store


async def test_users(users: Users) -> None:
    """The store has each name once, and a limited number of users."""
    for name in ("ada", "ida", "grace", "edith"):
        await users.add(User(name, f"{name}@example.com", "hash"))
    assert await users.names("") == ["edith", "grace", "ida"]
    assert await users.has_email("ida@example.com")
    assert not await users.has_email("ada@example.com")
    assert await users.get("ida") == User("ida", "ida@example.com", "hash")
    assert await users.get("ada") is None
    with pytest.raises(TakenError):
        await users.add(User("ida", "other@example.com", "hash"))


async def test_users_of_several_processes(redis_url: str) -> None:
    """A user of one application is one of all that have the same Redis."""
    settings = {"REDIS_URL": redis_url, "WTF_CSRF_ENABLED": False}
    apps: list[Any] = [port.create_app(settings), port.create_app(settings)]
    async with apps[0].test_app(), apps[1].test_app():
        await apps[0].extensions["users"].add(User("hopper", "", generate_password_hash("engine")))
        form = {"username": "hopper", "password": "engine"}
        assert (await apps[1].test_client().post("/login", form=form)).status_code == 302


async def test_without_redis() -> None:
    """The answer is 503 while Redis fails."""
    app = port.create_app({"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})
    response = await app.test_client().get("/?q=a")
    assert response.status_code == 503
    assert b"Try again later" in await response.get_data()


async def test_applications_have_their_own_users() -> None:
    apps: list[Any] = [port.create_app(), port.create_app()]
    assert apps[0].extensions["users"] is not apps[1].extensions["users"]


async def test_parity_does_not_depend_on_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens contain the time: the cases pass even if a second passes with each signature."""
    # A token older than half of its lifetime, an hour, makes the port send a new one.
    clock = itertools.count(int(time.time()) - 1700)
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda signer: next(clock))
    failed = [
        result.case.name
        async for result in run_comparison(COMPARISON, "in process")
        if not result.passed
    ]
    assert failed == []
    assert next(clock) <= time.time()
