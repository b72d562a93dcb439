"""Cached pages and fragments of an application with a LoginManager."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from quart import Quart, render_template_string

from quartpatterns.caching import Cache
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    cached,
    current_user,
    login_required,
    login_user,
)

NAMES = {"1": "ada", "2": "grace"}


class User(UserMixin):
    def __init__(self, id: str) -> None:
        self.id, self.name = id, NAMES[id]


@pytest.fixture(params=[Quart, FaithfulQuart])
def app(request: pytest.FixtureRequest) -> Quart:
    """An application with a login."""
    made: Quart = request.param(__name__)
    made.secret_key = "a secret key of 32 characters...."
    manager = LoginManager(made)

    @manager.user_loader
    async def load(id: str) -> User:
        return User(id)

    @made.get("/login/<id>")
    async def login(id: str) -> str:
        login_user(User(id))
        return ""

    return made


async def pages(app: Quart, *ids: str) -> list[str]:
    """Return the page for each user; without an identifier, for a visitor."""
    found: list[str] = []
    for id_ in ids:
        client = app.test_client()
        if id_:
            await client.get(f"/login/{id_}")
        found.append(str(await (await client.get("/")).get_data(as_text=True)))
    return found


@pytest.mark.checks("CA-9")
@pytest.mark.parametrize(
    ("key", "text", "count"),
    [
        ("g.user.id", "current_user.name", 2),
        ("current_user.id", "g.user.name", 2),
        ("current_user.get_id()", "current_user.name", 2),
        ("g.user.name", "current_user.name", 4),
        ("'en'", "current_user.name", 4),
    ],
)
async def test_fragments(app: Quart, key: str, text: str, count: int) -> None:
    """A key with the user's id covers the user; another key covers only what it reads."""
    Cache(app)
    calls: list[int] = []
    app.jinja_env.add_extension("jinja2.ext.do")
    app.jinja_env.globals["count"] = lambda: calls.append(1)

    @app.get("/")
    @login_required
    async def view() -> str:
        return await render_template_string(
            f"{{% cache 60, 'x', {key} %}}{{% do count() %}}{{{{ {text} }}}}{{% endcache %}}"
        )

    assert await pages(app, "1", "2", "1", "2") == ["ada", "grace"] * 2
    assert len(calls) == count


@pytest.mark.checks("CA-9")
async def test_key_of_a_page(app: Quart) -> None:
    """The same holds for a page whose key names the user."""
    calls: list[int] = []

    @app.get("/")
    @login_required
    @Cache(app).cached(key_prefix=lambda: f"page of {current_user.id}")
    async def view() -> str:
        calls.append(1)
        return str(current_user.name)

    assert await pages(app, "1", "2", "1", "2") == ["ada", "grace"] * 2
    assert len(calls) == 2


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize("shows_user", [True, False])
async def test_first_response(
    app: Quart, caplog: pytest.LogCaptureFixture, shows_user: bool
) -> None:
    """Without a Cache the first response is shared, too, and nothing is logged."""
    calls: list[int] = []

    @app.get("/")
    @cached()
    async def view() -> str:
        calls.append(1)
        return str(getattr(current_user, "name", "nobody")) if shows_user else "page"

    with caplog.at_level(logging.WARNING, "quartpatterns.caching"):
        assert len(set(await pages(app, "", "", ""))) == 1
    assert len(calls) == 1 and not caplog.records
    if shows_user:
        assert await pages(app, "1", "2", "") == ["ada", "grace", "nobody"]


@pytest.mark.checks("VD-5")
async def test_view_added_later(caplog: pytest.LogCaptureFixture) -> None:
    """A view that is registered after the first request: the message names the remedy."""
    app = Quart(__name__)

    @app.before_request
    async def hook() -> None:
        pass

    async def view() -> Any:
        return "page"

    decorated = cached()(view)

    @app.get("/first")
    async def first() -> str:
        app.view_functions["first"] = decorated
        return str(await decorated())

    with caplog.at_level(logging.WARNING, "quartpatterns.caching"):
        for _ in range(3):
            assert await (await app.test_client().get("/first")).get_data(as_text=True) == "page"
    (record,) = caplog.records
    assert "create one, Cache(app)" in record.getMessage()
