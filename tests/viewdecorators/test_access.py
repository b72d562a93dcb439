"""Who may see a view, and the responses to others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import pytest
from quart import Blueprint, Quart, ResponseReturnValue, g, request, session, websocket
from quart.testing import WebsocketResponseError
from quart.views import MethodView, View

from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    fresh_login_required,
    login_required,
    login_user,
    roles_required,
)
from tests.serving import served


@dataclass
class User(UserMixin):
    id: str
    roles: Any = ()


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


async def page() -> str:
    return "page"


async def silent() -> None: ...


USERS = {
    "ada": User("ada", ["admin", "author"]),
    "bob": User("bob", ["author"]),
    "odd": User("odd", "admin"),
}


@pytest.fixture
def app(app: Quart) -> Quart:
    manager = LoginManager(app, login_view="login")

    @manager.user_loader
    async def load(user_id: str) -> User | None:
        return USERS.get(user_id)

    @app.route("/login", methods=["GET", "POST"])
    async def login() -> str:
        if request.method == "POST":
            login_user(USERS[request.args["name"]])
        return "the login page"

    return app


async def status(app: Quart, path: str, name: str | None = None, **options: Any) -> int:
    """The status of *path* for the user *name*."""
    client = app.test_client()
    if name:
        await client.post(f"/login?name={name}")
    return (await client.get(path, **options)).status_code


@pytest.mark.checks("VD-1")
@pytest.mark.parametrize("kind", ["async", "sync", "blueprint", "view", "methods", "flask"])
async def test_every_kind_of_view(app: Quart, kind: str) -> None:
    """Each kind of view is called only after a login."""

    async def view(number: int) -> str:
        return f"{g.user.id} {number}"

    def sync_view(number: int) -> str:
        return f"{g.user.id} {number}"

    @wraps(view)
    def of_flask(*args: Any, **kwargs: Any) -> Any:
        """Return an awaitable from a plain function, as decorators for Flask do."""
        return view(*args, **kwargs)

    class Shown(View):
        decorators = [login_required]

        async def dispatch_request(self, **kwargs: Any) -> ResponseReturnValue:
            return await view(**kwargs)

    class Methods(MethodView):
        decorators = [login_required]

        def get(self, number: int) -> str:
            return sync_view(number)

    views: dict[str, Callable[[], Any]] = {
        "async": lambda: login_required(view),
        "sync": lambda: login_required(sync_view),
        "blueprint": lambda: login_required(view),
        "view": lambda: Shown.as_view("shown"),
        "methods": lambda: Methods.as_view("methods"),
        "flask": lambda: login_required(of_flask),
    }
    target: Quart | Blueprint = Blueprint("b", __name__) if kind == "blueprint" else app
    target.add_url_rule("/<int:number>", "page", views[kind]())
    if isinstance(target, Blueprint):
        app.register_blueprint(target)
    client = app.test_client()
    refused = await client.get("/7?a=1&b=2")
    assert refused.status_code == 302
    assert refused.location == "/login?next=%2F7%3Fa%3D1%26b%3D2"
    assert "Cookie" in refused.vary
    await client.post("/login?name=ada")
    allowed = await client.get("/7?a=1")
    assert await allowed.get_data(as_text=True) == "ada 7"


def test_names_are_kept() -> None:
    """The decorated function has the name and docstring of the view."""

    async def view() -> None:
        """What it does."""

    for decorator in (login_required, fresh_login_required, roles_required("admin")):
        decorated = decorator(view)
        assert (decorated.__name__, decorated.__doc__) == ("view", "What it does.")


@pytest.mark.checks("VD-1")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 302),
        ({"Accept": "*/*"}, 302),
        ({"Accept": "text/html,application/json;q=0.9"}, 302),
        ({"Accept": "application/json"}, 401),
        ({"Accept": "application/json, text/html;q=0.5"}, 401),
        ({"Accept": "application/*"}, 401),
        ({"X-Requested-With": "XMLHttpRequest"}, 401),
        ({"Content-Type": "application/json"}, 401),
        ({"Accept": ";;q=x, \x7f"}, 302),
    ],
)
async def test_json_clients(app: Quart, headers: dict[str, str], expected: int) -> None:
    """A client that prefers JSON gets 401 as JSON."""
    app.add_url_rule("/page", "page", login_required(page))
    response = await app.test_client().get("/page", headers=headers)
    assert response.status_code == expected
    if expected == 401:
        assert await response.get_json() == {"error": "unauthorized", "message": "log in first"}
        assert "WWW-Authenticate" in response.headers
        assert "Location" not in response.headers


async def test_error_handler(app: Quart) -> None:
    """The application's handler for 401 replaces the response."""
    app.add_url_rule("/page", "page", login_required(page))

    @app.errorhandler(401)
    async def unauthorized(error: Any) -> ResponseReturnValue:
        return "our own", 401

    headers = {"Accept": "application/json"}
    response = await app.test_client().get("/page", headers=headers)
    assert (response.status_code, await response.get_data(as_text=True)) == (401, "our own")


async def test_no_login_view(app_class: type[Quart]) -> None:
    """Without a login page the response is 401."""
    app = app_class(__name__)
    LoginManager(app)
    app.add_url_rule("/page", "page", login_required(page))
    assert await status(app, "/page") == 401


@pytest.mark.parametrize(
    ("roles", "name", "expected"),
    [
        (["admin"], None, 302),
        (["admin"], "ada", 200),
        (["admin"], "bob", 403),
        (["author"], "bob", 200),
        (["admin", "author"], "ada", 200),
        (["admin", "author"], "bob", 403),
        (["admin"], "odd", 500),
    ],
)
async def test_roles(app: Quart, roles: list[str], name: str | None, expected: int) -> None:
    """All of the roles are required; a string is not a collection of roles."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.add_url_rule("/page", "page", roles_required(*roles)(page))
    assert await status(app, "/page", name) == expected


@pytest.mark.parametrize("roles", [(), (len,), ("admin", 1)])
def test_invalid_roles(roles: Any) -> None:
    with pytest.raises(TypeError, match=r"@roles_required\(\"admin\"\)"):
        roles_required(*roles)


@pytest.mark.parametrize("decorator", [login_required, fresh_login_required])
def test_class_as_view(decorator: Any) -> None:
    """A class is an error; the message says where to write the decorator."""
    with pytest.raises(TypeError, match=r"decorators = \[...\]"):
        decorator(View)


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [(login_required, "ada"), (roles_required("admin"), "ada"), (fresh_login_required, "ada")],
    ids=["login", "roles", "fresh"],
)
async def test_websocket(app: Quart, decorator: Decorator, expected: str) -> None:
    """A websocket is refused with 401 before it is accepted."""

    @app.websocket("/ws")
    @decorator
    async def ws() -> None:
        await websocket.send(g.user.id)

    client = app.test_client()
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/ws") as connection:
            await connection.receive()
    assert refused.value.response.status_code == 401
    await client.post("/login?name=ada")
    async with client.websocket("/ws") as connection:
        assert await connection.receive() == expected


async def test_websocket_roles(app: Quart) -> None:
    """A missing role refuses a websocket with 403."""
    app.add_websocket("/ws", "ws", roles_required("admin")(silent))
    client = app.test_client()
    await client.post("/login?name=bob")
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/ws") as connection:
            await connection.receive()
    assert refused.value.response.status_code == 403


@pytest.mark.wire
async def test_websocket_on_the_wire(app: Quart) -> None:
    """Hypercorn answers the handshake with 401."""
    app.add_websocket("/ws", "ws", login_required(silent))
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with served(app) as server:
        response = await server.client.get("/ws", headers=handshake)
    assert response.status_code == 401


@pytest.mark.checks("VD-3")
async def test_no_manager(app_class: type[Quart]) -> None:
    """Without a LoginManager a protected view is an error, which names the remedy."""
    app = app_class(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.add_url_rule("/page", "page", login_required(page))
    async with app.test_request_context("/page"):
        with pytest.raises(RuntimeError, match=r"LoginManager\(app\)"):
            await app.dispatch_request()


@pytest.mark.checks("VD-3")
async def test_user_is_not_loaded(app: Quart) -> None:
    """Without the functions before the request, the decorator loads the user."""
    app.add_url_rule("/page", "page", login_required(page))
    async with app.test_request_context("/page"):
        session["_user_id"] = "ada"
        assert await app.dispatch_request() == "page"
        assert g.user is USERS["ada"]


@pytest.mark.checks("VD-1")
async def test_options(app: Quart) -> None:
    """OPTIONS works, and HEAD is redirected."""
    app.add_url_rule("/page", "page", login_required(page))
    client = app.test_client()
    assert (await client.options("/page")).status_code == 200
    assert (await client.head("/page")).status_code == 302


async def test_forged_session(app: Quart) -> None:
    """Ids that are not strings, or not those of a user, log nobody in."""
    app.add_url_rule("/page", "page", login_required(page))

    @app.post("/forge")
    async def forge() -> str:
        session["_user_id"] = await request.get_json()
        return ""

    for forged in (None, 1, ["ada"], {"a": "b"}, "eve", ""):
        client = app.test_client()
        await client.post("/forge", json=forged)
        assert (await client.get("/page")).status_code == 302
