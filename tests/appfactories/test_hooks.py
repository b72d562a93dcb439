"""Functions of a blueprint that set up an application."""

from __future__ import annotations

import pytest
from quart import Blueprint, Quart, current_app

from quartpatterns.appfactories import on_setup

pytestmark = pytest.mark.checks("AF-7")


async def test_function(app_class: type[Quart]) -> None:
    """A function runs once for each application, and can register functions."""
    calls: list[Quart] = []
    admin = Blueprint("admin", __name__)

    @on_setup(admin)
    def hook(app: Quart) -> None:
        calls.append(app)

        @app.after_request
        async def stamp(response):  # type: ignore[no-untyped-def]
            response.headers["X-Hook"] = "here"
            return response

    one, other = app_class("one", root_path="/"), app_class("other", root_path="/")
    one.register_blueprint(admin)
    one.register_blueprint(admin, name="again")
    other.register_blueprint(admin)
    assert calls == [one, other]
    assert (await one.test_client().get("/nope")).headers["X-Hook"] == "here"


async def test_coroutine_function(app_class: type[Quart]) -> None:
    """A coroutine function runs when the application starts, in its context."""
    calls: list[tuple[str, Quart]] = []
    parent = Blueprint("parent", __name__)
    child = Blueprint("child", __name__)
    parent.register_blueprint(child)

    @on_setup(child)
    async def hook(app: Quart) -> None:
        assert current_app.name == "one"
        calls.append((app.config["LATE"], app))

    app = app_class("one", root_path="/")
    app.register_blueprint(parent)
    app.config["LATE"] = "here"
    assert not calls
    async with app.test_app():
        assert calls == [("here", app)]


class AsyncCallable:
    """An object with an asynchronous ``__call__``."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def __call__(self, app: Quart) -> None:
        self.calls.append(app.name)


async def test_async_callable(app_class: type[Quart]) -> None:
    """An object that is called asynchronously runs when the application starts."""
    admin, hook = Blueprint("admin", __name__), AsyncCallable()
    on_setup(admin)(hook)
    app = app_class("one", root_path="/")
    app.register_blueprint(admin)
    assert hook.calls == []
    async with app.test_app():
        assert hook.calls == ["one"]


async def test_failure(app_class: type[Quart]) -> None:
    """An error of a function stops the registration, or the start-up."""
    early, late = Blueprint("early", __name__), Blueprint("late", __name__)

    @on_setup(early)
    def fail(app: Quart) -> None:
        raise ValueError("early")

    @on_setup(late)
    async def fail_later(app: Quart) -> None:
        raise ValueError("late")

    app = app_class("one", root_path="/")
    with pytest.raises(ValueError, match="early"):
        app.register_blueprint(early)
    app.register_blueprint(late)
    with pytest.raises(ValueError, match="late"):
        await app.startup()


def test_returns_the_function() -> None:
    """The decorator returns the function unchanged."""
    admin = Blueprint("admin", __name__)

    def hook(app: Quart) -> None: ...

    assert on_setup(admin)(hook) is hook


def test_registered_blueprint() -> None:
    """A blueprint that is already registered is refused, because the function would not run."""
    admin = Blueprint("admin", __name__)
    Quart("one", root_path="/").register_blueprint(admin)
    with pytest.raises(AssertionError, match="no longer be called"):
        on_setup(admin)(lambda app: None)
