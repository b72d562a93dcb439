"""The message of a login is stored as all other messages are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart, session

from quartpatterns.flashing import Flashing, get_flashed_messages
from quartpatterns.streaming import stream_with_context
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    confirm_login,
    login_required,
    login_user,
    logout_user,
)


class User(UserMixin):
    id = "ada"


def create_app(app_class: type[Quart], *, login_first: bool) -> Quart:
    """Return an application with a login and messages."""
    app = app_class(__name__)
    app.secret_key = "a secret key of 32 characters...."
    manager, flashing = LoginManager(login_view="/login"), Flashing()
    for extension in (manager, flashing) if login_first else (flashing, manager):
        extension.init_app(app)

    @manager.user_loader
    async def load_user(user_id: str) -> User:
        return User()

    @app.get("/secret")
    @login_required
    async def secret() -> str:
        return "secret"

    @app.get("/slow")
    async def slow() -> str:
        session["seen"] = True
        return ""

    @app.get("/login")
    async def login() -> list[str]:
        return get_flashed_messages()

    @app.get("/stream/<name>")
    async def stream(name: str) -> Any:
        change: Any = {"in": lambda: login_user(User()), "out": logout_user, "new": confirm_login}

        @stream_with_context
        async def generate() -> AsyncIterator[str]:
            try:
                change[name]()
            except RuntimeError as error:
                yield str(error)

        return generate()

    return app


@pytest.fixture(params=[True, False], ids=["login first", "flashing first"])
def app(app_class: type[Quart], request: pytest.FixtureRequest) -> Quart:
    """The application, whose extensions are set up in both orders."""
    return create_app(app_class, login_first=request.param)


async def test_message(app: Quart) -> None:
    """A request that began before, and sends an older session back, does not lose the message."""
    client = app.test_client()
    older = await app.test_client().get("/slow")
    await client.get("/secret")
    client.set_cookie("localhost", "session", older.headers["Set-Cookie"].split("=")[1])
    response = await client.get("/login")
    assert await response.get_json() == ["Please log in to access this page."]


async def test_many_messages(app: Quart) -> None:
    """A client that never shows its messages is still redirected to the login."""
    client = app.test_client()
    for _ in range(80):
        assert (await client.get("/secret")).status_code == 302
    assert len(await (await client.get("/login")).get_json()) > 10


@pytest.mark.parametrize("name", ["in", "out", "new"])
async def test_stream(app: Quart, name: str) -> None:
    """A login in a stream is an error, because the session cookie has been sent."""
    response = await app.test_client().get(f"/stream/{name}")
    text = await response.get_data(as_text=True)
    assert "log users in and out before the view returns its stream" in str(text)
