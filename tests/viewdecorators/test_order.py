"""A decorator above the route protects nothing, and that is never silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from quart import Blueprint, Quart
from quart.views import View

from quartpatterns.viewdecorators import (
    DecoratorOrderError,
    LoginManager,
    cached,
    fresh_login_required,
    login_required,
    roles_required,
    templated,
)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DECORATORS = [
    pytest.param(login_required, id="login_required"),
    pytest.param(fresh_login_required, id="fresh_login_required"),
    pytest.param(roles_required("admin"), id="roles_required"),
]
protections = pytest.mark.parametrize("protect", DECORATORS)
WRONG = "write the route above login_required"


def write_secret(protect: Decorator, route: Decorator) -> None:
    """The wrong order, where nothing tells which application it is for."""

    @protect
    @route
    async def secret() -> str:
        return "secret"


@pytest.mark.checks("VD-1")
@protections
def test_above_the_route(app: Quart, protect: Decorator) -> None:
    """On an application it fails where it is written."""
    LoginManager(app)
    with pytest.raises(DecoratorOrderError, match=WRONG):

        @protect
        @app.get("/secret")
        async def secret() -> str:
            return "secret"


@pytest.mark.checks("VD-1")
@protections
def test_in_a_blueprint(app: Quart, protect: Decorator) -> None:
    """In a blueprint it fails when that is registered, also within another."""
    LoginManager(app)
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__)

    @protect
    @inner.get("/secret")
    async def secret() -> str:
        return "secret"

    outer.register_blueprint(inner)
    with pytest.raises(DecoratorOrderError, match=r"'outer\.inner\.secret'.*" + WRONG):
        app.register_blueprint(outer)


@pytest.mark.checks("VD-1")
@protections
def test_manager_comes_later(app: Quart, protect: Decorator) -> None:
    """What is registered already is looked at when the LoginManager comes."""
    write_secret(protect, app.get("/secret"))
    with pytest.raises(DecoratorOrderError, match=WRONG):
        LoginManager(app)


@pytest.mark.checks("VD-1")
def test_websocket(app: Quart) -> None:
    LoginManager(app)
    with pytest.raises(DecoratorOrderError, match=WRONG):

        @login_required
        @app.websocket("/ws")
        async def ws() -> None: ...


@pytest.mark.checks("VD-1")
def test_with_another_decorator_between(app: Quart) -> None:
    """The route may stand anywhere below, not only next to it."""
    LoginManager(app)
    with pytest.raises(DecoratorOrderError, match=WRONG):

        @login_required
        @templated()
        @app.get("/secret")
        async def secret() -> str:
            return "secret"


@pytest.mark.checks("VD-1")
def test_one_of_two(app: Quart) -> None:
    """A role that is asked for above the route is as little asked for."""
    LoginManager(app)
    with pytest.raises(DecoratorOrderError, match=WRONG):

        @roles_required("admin")
        @app.get("/secret")
        @login_required
        async def secret() -> None: ...


@pytest.mark.checks("VD-1")
def test_endpoint(app: Quart) -> None:
    """A function that is registered by the name of an endpoint, too."""
    LoginManager(app)
    with pytest.raises(DecoratorOrderError, match=WRONG):

        @login_required
        @app.endpoint("secret")
        async def secret() -> None: ...


def test_right_orders(app: Quart) -> None:
    """Nothing that is right is taken for wrong."""
    LoginManager(app)

    async def view() -> None: ...

    class Shown(View):
        decorators = [login_required, roles_required("admin")]

        async def dispatch_request(self, **_: Any) -> str:
            return ""

    both = login_required(roles_required("admin")(view))
    app.add_url_rule("/both", "both", both)
    app.add_url_rule("/again", "again", both)
    app.add_url_rule("/templated", "templated", login_required(templated()(view)))
    app.add_url_rule("/outside", "outside", templated()(login_required(view)))
    app.add_url_rule("/shown", "shown", Shown.as_view("shown"))
    app.add_url_rule("/shown2", "shown2", Shown.as_view("shown2"))
    app.add_url_rule("/public", "public", lambda: "public")
    pages = Blueprint("pages", __name__)
    pages.add_url_rule("/page", "page", both)
    app.register_blueprint(pages, url_prefix="/one")
    app.register_blueprint(pages, url_prefix="/two", name="two")


def test_callables_without_a_hash(app: Quart) -> None:
    """An object that can't be remembered is registered as it is."""
    LoginManager(app)

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]
        __name__ = __qualname__ = "unhashable"

        def __call__(self) -> str:
            return ""

        def __eq__(self, other: object) -> bool:
            return True

    app.add_url_rule("/bare", "bare", Unhashable())
    app.add_url_rule("/safe", "safe", login_required(Unhashable()))


@pytest.mark.checks("VD-5")
@protections
def test_cached_above(protect: Decorator) -> None:
    """A cache above the login would answer in its place."""

    async def view() -> str:
        return ""

    for protected in (protect(view), templated()(protect(view))):
        with pytest.raises(DecoratorOrderError, match="login_required above it"):
            cached()(protected)


@pytest.mark.checks("VD-1")
@protections
def test_without_manager(app: Quart, protect: Decorator) -> None:
    """It fails where it is written also in an application that has no LoginManager."""
    with pytest.raises(DecoratorOrderError, match=WRONG):

        @protect
        @app.get("/secret")
        async def secret() -> str:
            return "secret"


@pytest.mark.checks("VD-1")
@protections
def test_blueprint_without_manager(app: Quart, protect: Decorator) -> None:
    """The same in a blueprint, when that is registered on such an application."""
    blueprint = Blueprint("pages", __name__)

    def write() -> None:
        @protect
        @blueprint.get("/secret")
        async def secret() -> str:
            return "secret"

    write()
    with pytest.raises(DecoratorOrderError, match=r"'pages\.secret'.*" + WRONG):
        app.register_blueprint(blueprint)


@pytest.mark.checks("VD-1")
def test_right_without_manager(app: Quart) -> None:
    """What is written in the right order is registered, there too."""
    blueprint = Blueprint("pages", __name__)

    @app.get("/secret")
    @login_required
    async def secret() -> str:
        return "secret"

    @blueprint.get("/other")
    @login_required
    async def other() -> str:
        return "other"

    app.register_blueprint(blueprint)
    assert {"secret", "pages.other"} <= set(app.view_functions)
