"""A decorator above the route protects nothing, and that is always an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from quart import Blueprint, Quart
from quart.testing.app import LifespanError
from quart.views import View

from quartpatterns.caching import Cache
from quartpatterns.viewdecorators import (
    DecoratorOrderError,
    LoginManager,
    cached,
    fresh_login_required,
    login_required,
    roles_required,
    templated,
)
from tests.serving import served

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DECORATORS = [
    pytest.param(login_required, id="login_required"),
    pytest.param(fresh_login_required, id="fresh_login_required"),
    pytest.param(roles_required("admin"), id="roles_required"),
]
protections = pytest.mark.parametrize("protect", DECORATORS)
WRONG = "write the route above login_required"


def write_secret(protect: Decorator, route: Decorator) -> None:
    """Write the decorators in the wrong order."""

    @protect
    @route
    async def secret() -> str:
        return "secret"


async def refused(app: Quart) -> None:
    """Check that the application does not start, and does not answer without a start."""
    with pytest.raises(LifespanError, match=WRONG):
        async with app.test_app():
            pass
    with pytest.raises(DecoratorOrderError, match=WRONG):
        async with app.app_context():
            pass


@pytest.mark.checks("VD-1")
@protections
async def test_above_the_route(app: Quart, protect: Decorator) -> None:
    """On an application with a LoginManager it fails at start."""
    LoginManager(app)
    write_secret(protect, app.get("/secret"))
    await refused(app)


@pytest.mark.checks("VD-1")
@protections
async def test_after_the_start(app: Quart, protect: Decorator) -> None:
    """A view that is decorated after the start fails at the next request."""
    LoginManager(app)
    async with app.app_context():
        write_secret(protect, app.get("/secret"))
    await refused(app)


@pytest.mark.checks("VD-1")
@protections
@pytest.mark.parametrize("manager", ["before", "after", "none"])
async def test_registered_again(app: Quart, protect: Decorator, manager: str) -> None:
    """As in Flask-Login, a view can be decorated where it is registered."""
    if manager == "before":
        LoginManager(app)

    @app.get("/one")
    async def one() -> str:
        return "secret"

    blueprint = Blueprint("pages", __name__)

    @blueprint.get("/two")
    def two() -> str:
        return "secret"

    app.register_blueprint(blueprint)
    app.add_url_rule("/late", "late")
    app.view_functions["late"] = protect(one)
    protected = protect(app.view_functions["one"])

    @app.get("/public")
    async def public() -> str:
        return "public"

    app.view_functions["one"] = protected
    for name in ["pages.two", *(["static"] if "static" in app.view_functions else [])]:
        app.view_functions[name] = protect(app.view_functions[name])
    if manager == "after":
        LoginManager(app)
    if manager == "none":
        async with app.test_app():
            return
    async with app.test_app():
        client = app.test_client()
        for path in ("/one", "/two", "/late", "/static/x"):
            assert (await client.get(path)).status_code == 401
        assert (await client.get("/public")).status_code == 200


@pytest.mark.checks("VD-1")
async def test_all_registered_again(app: Quart) -> None:
    """All views at once, in each way to write it."""
    LoginManager(app)

    @app.get("/one")
    @app.get("/two")
    async def one() -> str:
        return "secret"

    app.view_functions = {name: login_required(view) for name, view in app.view_functions.items()}
    app.view_functions.update({"one": fresh_login_required(app.view_functions["one"])})
    async with app.test_app():
        assert (await app.test_client().get("/one")).status_code == 401
    with pytest.raises(DecoratorOrderError, match=WRONG):
        app.view_functions["one"] = one


@pytest.mark.checks("VD-1")
async def test_one_of_two_registered_again(app: Quart) -> None:
    """It is an error if the same function is served without protection at another endpoint."""
    LoginManager(app)

    async def view() -> str:
        return "secret"

    app.add_url_rule("/one", "one", view)
    app.add_url_rule("/two", "two", view)
    app.view_functions["one"] = login_required(app.view_functions["one"])
    with pytest.raises(LifespanError, match="endpoint 'two' is registered"):
        async with app.test_app():
            pass


@pytest.mark.checks("VD-1")
@protections
def test_in_a_blueprint(app: Quart, protect: Decorator) -> None:
    """In a blueprint it fails when the blueprint is registered, also inside of another one."""
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
    """The LoginManager finds views that are registered already."""
    write_secret(protect, app.get("/secret"))
    with pytest.raises(DecoratorOrderError, match=WRONG):
        LoginManager(app)


@pytest.mark.checks("VD-1")
async def test_websocket(app: Quart) -> None:
    LoginManager(app)

    @login_required
    @app.websocket("/ws")
    async def ws() -> None: ...

    await refused(app)


@pytest.mark.checks("VD-1")
async def test_with_another_decorator_between(app: Quart) -> None:
    """The route may be anywhere below the decorator."""
    LoginManager(app)

    @login_required
    @templated()
    @app.get("/secret")
    async def secret() -> str:
        return "secret"

    await refused(app)


@pytest.mark.checks("VD-1")
async def test_one_of_two(app: Quart) -> None:
    """One of two protections above the route is an error as well."""
    LoginManager(app)

    @roles_required("admin")
    @app.get("/secret")
    @login_required
    async def secret() -> str:
        return ""

    await refused(app)


@pytest.mark.checks("VD-1")
async def test_endpoint(app: Quart) -> None:
    """The same for a view that is registered by its endpoint."""
    LoginManager(app)

    @login_required
    @app.endpoint("secret")
    async def secret() -> str:
        return ""

    await refused(app)


def test_right_orders(app: Quart) -> None:
    """Right orders are accepted."""
    LoginManager(app)

    async def view() -> str:
        return ""

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
    """An object that can't be in a set is registered without a check."""
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
    """A cache above the login would answer instead of it."""

    async def view() -> str:
        return ""

    for protected in (protect(view), templated()(protect(view))):
        with pytest.raises(DecoratorOrderError, match="login_required above cached"):
            cached()(protected)


@pytest.mark.checks("VD-1")
def test_cache_above() -> None:
    """The same for ``Cache.cached``, when the view is registered."""
    app = Quart(__name__)
    LoginManager(app)
    cache = Cache(app)

    async def view() -> str:
        return ""

    with pytest.raises(DecoratorOrderError, match="login_required above cached"):
        app.get("/a")(cache.cached()(login_required(view)))
    app.get("/b")(login_required(cache.cached()(view)))


@pytest.mark.checks("VD-1")
@protections
@pytest.mark.parametrize("in_blueprint", [False, True], ids=["application", "blueprint"])
async def test_without_manager(app: Quart, protect: Decorator, in_blueprint: bool) -> None:
    """An application without a LoginManager does not start."""
    if in_blueprint:
        blueprint = Blueprint("pages", __name__)
        write_secret(protect, blueprint.get("/secret"))
        app.register_blueprint(blueprint)
    else:
        write_secret(protect, app.get("/secret"))
    with pytest.raises(LifespanError, match=WRONG):
        async with app.test_app():
            pass


@pytest.mark.wire
@pytest.mark.checks("VD-1")
async def test_without_manager_on_the_wire(app: Quart) -> None:
    """A server that starts no lifespan answers 500."""
    write_secret(login_required, app.get("/secret"))

    async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await app(scope, receive, send)

    async with served(without_lifespan) as server:  # type: ignore[arg-type]
        response = await server.client.get("/secret")
    assert response.status_code == 500 and "secret" not in response.text


@pytest.mark.checks("VD-1")
async def test_right_without_manager(app: Quart) -> None:
    """The right order is registered and started there as well."""
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
    async with app.test_app():
        assert {"secret", "pages.other"} <= set(app.view_functions)
