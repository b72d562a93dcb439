"""The names and options of Flask-Login, compared with Flask-Login where both can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import flask_login  # type: ignore[import-untyped]
import pytest
from blockbuster import BlockBuster
from quart import (
    Blueprint,
    Quart,
    ResponseReturnValue,
    g,
    get_flashed_messages,
    has_request_context,
    redirect,
    render_template_string,
    request,
    session,
    websocket,
)
from quart.testing import WebsocketResponseError

import quartpatterns.viewdecorators as ours
from quartpatterns._shared.settings import SettingError
from quartpatterns.viewdecorators import (
    AnonymousUserMixin,
    FlaskLoginClient,
    LoginManager,
    UserMixin,
    current_user,
    decode_cookie,
    encode_cookie,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
    roles_required,
    safe_next,
)


class User(UserMixin):
    roles = ("admin",)

    def __init__(self, id: Any) -> None:
        self.id = id


class IntUser(User):
    def get_id(self) -> Any:
        return self.id


class Loader:
    """A user loader that counts its calls."""

    def __init__(self, manager: LoginManager, kind: str) -> None:
        self.calls: list[Any] = []

        def load(user_id: str) -> User:
            self.calls.append(user_id)
            return User(user_id)

        async def load_async(user_id: str) -> User:
            await asyncio.sleep(0)
            return load(user_id)

        manager.user_loader(load_async if kind == "async" else load)


@pytest.fixture
def manager(app: Quart) -> LoginManager:
    made = LoginManager(app)

    @made.user_loader
    async def load(user_id: str) -> User:
        await asyncio.sleep(0)
        return User(user_id)

    return made


@pytest.fixture
def app(app: Quart) -> Quart:
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/login/<name>")
    async def log_in(name: str) -> str:
        login_user(User(name), remember="remember" in request.args)
        return ""

    @app.get("/logout")
    async def log_out() -> str:
        return str(logout_user())

    return app


async def text(client: Any, path: str, **options: Any) -> str:
    response = await client.get(path, **options)
    assert response.status_code == 200, path
    found: str = await response.get_data(as_text=True)
    return found


async def logged_in(app: Quart, name: str = "ada") -> Any:
    client = app.test_client()
    await client.get(f"/login/{name}")
    return client


def nothing() -> str:
    return ""


kinds = pytest.mark.parametrize("kind", ["async", "sync"])


@pytest.mark.checks("VD-3")
@kinds
async def test_lazy_loading(app: Quart, manager: LoginManager, kind: str) -> None:
    """The loader is called when the user is used, but before an asynchronous view."""
    loader = Loader(manager, kind)

    @app.get("/sync")
    def sync() -> str:
        return ""

    @app.get("/sync-used")
    def sync_used() -> str:
        return f"{current_user.id} {current_user.id} {g.user.id}"

    @app.get("/sync-g")
    def sync_g() -> str:
        return f"{g.user.id} {g.get('user').id}"

    @app.get("/async")
    async def async_used() -> str:
        return f"{current_user.id} {g.user.id}"

    @app.get("/protected")
    @login_required
    def protected() -> str:
        return f"{current_user.id}"

    client = await logged_in(app)
    expected = {
        "/sync": ("", 0),
        "/sync-used": ("ada ada ada", 1),
        "/sync-g": ("ada ada", 1),
        "/async": ("ada ada", 1),
        "/protected": ("ada", 1),
    }
    for path, (body, calls) in expected.items():
        loader.calls.clear()
        assert await text(client, path) == body
        assert len(loader.calls) == calls, path
    loader.calls.clear()
    await client.get("/static/nothing.css")
    await client.options("/async")
    assert not loader.calls


@pytest.mark.checks("VD-3")
async def test_lazy_asynchronous_views(app: Quart, manager: LoginManager) -> None:
    """With ``LOGIN_LAZY_LOADING`` they load the user too; where they can't, an error says how."""
    app.config["LOGIN_LAZY_LOADING"] = True
    loader = Loader(manager, "async")

    @app.get("/unused")
    async def unused() -> str:
        return ""

    @app.get("/used")
    async def used() -> str:
        with pytest.raises(RuntimeError, match=r"await current_app\.login_manager\.load_user\(\)"):
            str(current_user.id)
        await manager.load_user()
        return f"{current_user.id}"

    @app.get("/protected")
    @login_required
    async def protected() -> str:
        return f"{current_user.id} {g.user.id}"

    @app.get("/template")
    async def template() -> str:
        return await render_template_string("{{ current_user.id }}")

    client = await logged_in(app)
    expected = {"/unused": "", "/used": "ada", "/protected": "ada ada", "/template": "ada"}
    for path, body in expected.items():
        loader.calls.clear()
        assert await text(client, path) == body
        assert len(loader.calls) == bool(body), path


@pytest.mark.checks("VD-3")
async def test_concurrent_loading(app: Quart, manager: LoginManager) -> None:
    """Tasks of one request that ask for the user at the same time load it once."""
    app.config["LOGIN_LAZY_LOADING"] = True
    calls: list[str] = []

    @manager.user_loader
    async def load(user_id: str) -> User:
        calls.append(user_id)
        await asyncio.sleep(0.01)
        return User(user_id)

    @app.get("/")
    async def view() -> str:
        users = await asyncio.gather(*(manager.load_user() for _ in range(3)))
        return f"{len(set(map(id, users)))} {current_user.id}"

    assert await text(await logged_in(app), "/") == "1 ada"
    assert calls == ["ada"]


@pytest.mark.checks("VD-3")
async def test_loader_that_asks_for_the_user(app: Quart, manager: LoginManager) -> None:
    """It is an error that says so, also in a task that the loader has started."""
    app.config["LOGIN_LAZY_LOADING"] = True

    @manager.user_loader
    async def load(user_id: str) -> Any:
        return await asyncio.create_task(manager.load_user())

    @app.get("/")
    async def view() -> str:
        with pytest.raises(RuntimeError, match="must not ask for the current user"):
            await manager.load_user()
        return "ok"

    assert await text(await logged_in(app), "/") == "ok"


@pytest.mark.checks("VD-3")
async def test_hooks(app: Quart, manager: LoginManager) -> None:
    """Asynchronous hooks use the user of every request, also of static files and ``OPTIONS``."""
    seen: list[Any] = []

    @app.before_request
    async def before() -> None:
        g.user = current_user
        seen.append(current_user.get_id())

    @app.get("/page")
    def page() -> str:
        return f"{current_user.id} {g.user.id}"

    client = await logged_in(app)
    seen.clear()
    assert await text(client, "/page") == "ada ada"
    await client.options("/page")
    await client.get("/static/nothing.css")
    await client.get("/nowhere")
    assert seen == ["ada"] * 4


async def test_outside_of_a_request(app: Quart, manager: LoginManager) -> None:
    """Templates in an application context and background tasks see the anonymous user."""
    assert current_user.is_anonymous
    async with app.app_context():
        assert not current_user.is_authenticated
        found = await render_template_string("{{ current_user.is_authenticated }}")
        assert found == "False"
    seen: list[Any] = []

    async def task() -> None:
        seen.append(current_user.is_anonymous)

    @app.get("/start")
    async def start() -> str:
        app.add_background_task(task)
        return f"{current_user.id}"

    assert await text(await logged_in(app), "/start") == "ada"
    await asyncio.gather(*app.background_tasks)
    assert seen == [True]


async def test_request_context(app: Quart, manager: LoginManager) -> None:
    """In ``test_request_context`` the user is loaded when a synchronous loader can do it."""
    Loader(manager, "sync")
    async with app.test_request_context("/"):
        assert current_user.is_anonymous
        login_user(User("ada"))
        assert current_user.id == "ada"
        logout_user()
        assert current_user.is_anonymous
    async with app.test_request_context("/"):
        session["_user_id"] = "bob"
        assert current_user.id == "bob"


@kinds
async def test_request_loader(app: Quart, manager: LoginManager, kind: str) -> None:
    """It gets the request or websocket; the session has the user of the session only."""

    def from_header(connection: Any) -> User | None:
        name = connection.headers.get("X-Api-User")
        return User(name) if name else None

    async def from_header_async(connection: Any) -> User | None:
        return from_header(connection)

    loader: Callable[[Any], Any] = from_header_async if kind == "async" else from_header
    assert manager.request_loader(loader) is loader
    assert manager.request_callback is loader

    @app.get("/sync")
    @login_required
    def sync() -> str:
        return f"{current_user.id} {sorted(session)}"

    @app.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.send(current_user.id)

    api = {"X-Api-User": "bob"}
    client = app.test_client()
    assert await text(client, "/sync", headers=api) == "bob []"
    assert (await client.get("/sync")).status_code == 401
    async with client.websocket("/ws", headers=api) as connection:
        assert await connection.receive() == "bob"
    with pytest.raises(WebsocketResponseError):
        async with client.websocket("/ws") as connection:
            await connection.receive()
    client = await logged_in(app)
    assert (await text(client, "/sync", headers=api)).startswith("ada ")


@kinds
async def test_handlers(app: Quart, manager: LoginManager, kind: str) -> None:
    """The results of the handlers are the responses, also to websockets."""

    def respond() -> ResponseReturnValue:
        return f"for {request.path}" if has_request_context() else "a websocket", 418

    async def respond_async() -> ResponseReturnValue:
        return respond()

    handler: Callable[[], Any] = respond_async if kind == "async" else respond
    assert manager.unauthorized_handler(handler) is handler
    assert manager.needs_refresh_handler(handler) is handler

    @app.get("/page")
    @fresh_login_required
    async def page() -> str:
        return ""

    @app.websocket("/ws")
    @login_required
    async def ws() -> None: ...

    client = app.test_client()
    response = await client.get("/page", headers={"Accept": "application/json"})
    assert (response.status_code, await response.get_data(as_text=True)) == (418, "for /page")
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/ws") as connection:
            await connection.receive()
    assert refused.value.response.status_code == 418
    await client.get("/login/ada")
    assert (await client.get("/page", headers={"User-Agent": "other"})).status_code == 418


@kinds
async def test_signals(app: Quart, manager: LoginManager, kind: str) -> None:
    """Each of the nine signals is sent once, with the application as sender."""
    heard: list[str] = []
    names = [
        "session_protected",
        "user_accessed",
        "user_loaded_from_cookie",
        "user_loaded_from_request",
        "user_logged_in",
        "user_logged_out",
        "user_login_confirmed",
        "user_needs_refresh",
        "user_unauthorized",
    ]
    receivers: list[Any] = []
    for name in names:

        def receive(sender: Any, name: str = name, **kwargs: Any) -> None:
            heard.append(name + "".join(f" {key}={kwargs[key].id}" for key in kwargs))

        async def receive_async(
            sender: Any, receive: Callable[..., None] = receive, **kwargs: Any
        ) -> None:
            await asyncio.sleep(0)
            receive(sender, **kwargs)

        receivers.append(receive_async if kind == "async" else receive)
        # Only of this application: the receivers live until they are garbage collected.
        getattr(ours, name).connect(receivers[-1], sender=app)

    manager.request_loader(lambda _: User("bob") if "bob" in request.args else None)

    @app.get("/sync")
    def sync() -> str:
        return str(current_user.get_id())

    @app.get("/fresh")
    @fresh_login_required
    async def fresh() -> str:
        return ""

    @app.get("/confirm")
    async def confirm() -> str:
        ours.confirm_login()
        return ""

    async def after(path: str, **options: Any) -> list[str]:
        heard.clear()
        await client.get(path, **options)
        return sorted(heard)

    client = app.test_client()
    assert await after("/sync?bob") == ["user_accessed", "user_loaded_from_request user=bob"]
    assert await after("/fresh") == ["user_accessed", "user_unauthorized"]
    assert await after("/login/ada?remember") == ["user_logged_in user=ada"]
    assert await after("/sync") == ["user_accessed"]
    async with client.session_transaction() as stored:
        stored.clear()
    assert await after("/sync") == ["user_accessed", "user_loaded_from_cookie user=ada"]
    assert await after("/fresh") == ["user_accessed", "user_needs_refresh"]
    assert await after("/confirm") == ["user_login_confirmed"]
    assert await after("/sync", headers={"User-Agent": "other"}) == [
        "session_protected",
        "user_accessed",
    ]
    assert await after("/logout") == ["user_accessed", "user_logged_out user=ada"]


async def test_messages(app: Quart, manager: LoginManager) -> None:
    """The messages are flashed in their categories, and translated."""
    manager.login_view = manager.refresh_view = "/login"

    @app.get("/page")
    @fresh_login_required
    async def page() -> str:
        return ""

    @app.get("/messages")
    async def messages() -> Any:
        return [list(pair) for pair in get_flashed_messages(with_categories=True)]

    client = app.test_client()

    async def flashed(**options: Any) -> Any:
        await client.get("/page", **options)
        return await (await client.get("/messages")).get_json()

    assert await flashed() == [["message", flask_login.LOGIN_MESSAGE]]
    assert await flashed(headers={"Accept": "application/json"}) == []
    manager.login_message, manager.login_message_category = "Log in!", "warning"
    manager.localize_callback = str.upper
    assert await flashed() == [["warning", "LOG IN!"]]
    manager.login_message = None
    assert await flashed() == []
    await client.get("/login/ada")

    async def translate(message: str) -> str:
        return f"<{message}>"

    manager.localize_callback = translate
    other = {"User-Agent": "other"}
    assert await flashed(headers=other) == [["message", f"<{flask_login.REFRESH_MESSAGE}>"]]
    manager.needs_refresh_message, manager.needs_refresh_message_category = "Again!", "refresh"
    assert await flashed(headers=other) == [["refresh", "<Again!>"]]


@pytest.mark.checks("VD-1")
async def test_strong_as_an_attribute(app: Quart, manager: LoginManager) -> None:
    """The attribute protects, and the setting takes its place."""

    @app.get("/page")
    @login_required
    async def page() -> str:
        return ""

    other = {"User-Agent": "other"}
    cases: list[tuple[Any, str | None, int]] = [
        ("strong", None, 401),
        ("basic", None, 200),
        (None, None, 200),
        ("basic", "strong", 401),
        ("strong", "basic", 200),
    ]
    for attribute, setting, expected in cases:
        manager.session_protection = attribute
        app.config.pop("SESSION_PROTECTION", None)
        if setting:
            app.config["SESSION_PROTECTION"] = setting
        client = await logged_in(app)
        assert (await client.get("/page")).status_code == 200
        assert (await client.get("/page", headers=other)).status_code == expected
    with pytest.raises(ValueError, match="'basic', 'strong' or None"):
        manager.session_protection = "srtong"  # type: ignore[assignment]


async def test_strong_websocket(app: Quart, manager: LoginManager) -> None:
    """It refuses a websocket of another browser."""
    manager.session_protection = "strong"

    @app.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.send(current_user.id)

    client = await logged_in(app)
    async with client.websocket("/ws") as connection:
        assert await connection.receive() == "ada"
    with pytest.raises(WebsocketResponseError):
        async with client.websocket("/ws", headers={"User-Agent": "other"}) as connection:
            await connection.receive()


@pytest.mark.checks("VD-1")
@pytest.mark.parametrize("idiom", ["app", "blueprint", "own", "decorator"])
async def test_protected_static_files(
    app: Quart, manager: LoginManager, idiom: str, tmp_path: Any, no_blocking: BlockBuster
) -> None:
    """The view for static files can be protected, and a view can have the name ``static``."""
    no_blocking.functions["os.stat"].deactivate()  # Quart's own view for static files.
    (tmp_path / "a.txt").write_text("a file")
    path = "/static/a.txt"
    if idiom == "app":
        app.static_folder = str(tmp_path)
        app.view_functions["static"] = login_required(app.send_static_file)
    elif idiom == "decorator":
        app.static_folder = str(tmp_path)
        send = app.send_static_file

        @wraps(send)
        async def checked(filename: str) -> Any:
            return await send(filename) if current_user.is_authenticated else ("", 401)

        app.view_functions["static"] = checked
    elif idiom == "blueprint":
        pages = Blueprint("pages", __name__, static_folder=str(tmp_path), static_url_path="/files")
        app.register_blueprint(pages)
        app.view_functions["pages.static"] = login_required(pages.send_static_file)
        path = "/files/a.txt"
    else:

        async def static() -> str:
            return "a file" if current_user.is_authenticated else ""

        pages = Blueprint("pages", __name__)
        pages.add_url_rule("/own", "static", login_required(static))
        app.register_blueprint(pages)
        path = "/own"
    client = app.test_client()
    assert (await client.get(path)).status_code == 401
    await client.get("/login/ada")
    response = await client.get(path)
    assert await response.get_data(as_text=True) == "a file"
    assert "Cookie" in response.vary


@pytest.mark.checks("VD-1")
async def test_login_disabled(app: Quart, manager: LoginManager) -> None:
    """``LOGIN_DISABLED`` lets everybody in; only True does."""

    async def page() -> str:
        return ""

    decorators: dict[str, Any] = {
        "/a": login_required,
        "/b": fresh_login_required,
        "/c": roles_required("x"),
    }
    for path, decorate in decorators.items():
        app.add_url_rule(path, path, decorate(page))
    client = app.test_client()
    for disabled, expected in ((True, 200), (False, 401)):
        app.config["LOGIN_DISABLED"] = disabled
        for path in decorators:
            assert (await client.get(path)).status_code == expected
    app.config["LOGIN_DISABLED"] = "false"
    with pytest.raises(SettingError, match="LOGIN_DISABLED must be True or False"):
        await client.get("/a")


@pytest.mark.checks("VD-1")
async def test_options_method(app: Quart, manager: LoginManager) -> None:
    """The view itself answers ``OPTIONS`` without a login, as with Flask-Login."""

    async def page() -> str:
        return "answer"

    decorators: tuple[Any, ...] = (login_required, fresh_login_required, roles_required("x"))
    for number, decorate in enumerate(decorators):
        app.add_url_rule(f"/{number}", str(number), decorate(page), methods=["GET", "OPTIONS"])
    for number in range(len(decorators)):
        response = await app.test_client().options(f"/{number}")
        assert await response.get_data(as_text=True) == "answer"


PATHS = [
    "/secret",
    "/secret?a=1&b=2",
    "/secret/a%5Cb",
    "/secret/%C3%A4?q=%E2%82%AC",
    "/secret/a%20b%2Fc?x=%2F%2Fevil.example",
    "/secret/" + "a" * 3000,
]


@pytest.mark.checks("VD-2")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:20])
@pytest.mark.parametrize(
    "view", ["login", "/login", "/login?a=b", "https://login.example/", "http://localhost/x"]
)
async def test_next(app: Quart, manager: LoginManager, path: str, view: str) -> None:
    """The redirect is Flask-Login's, and the login returns to the URL."""
    theirs = flask.Flask(__name__)
    theirs.secret_key = "a key"
    their_manager = flask_login.LoginManager(theirs)
    their_manager.user_loader(User)
    their_manager.login_view = manager.login_view = view

    pairs: list[tuple[Any, Any]] = [
        (theirs, flask_login.login_required),
        (app, login_required),
    ]
    for target, protect in pairs:
        target.add_url_rule("/login", "login", lambda: "")
        target.add_url_rule("/secret", "secret", protect(lambda: "secret"))
        target.add_url_rule("/secret/<path:a>", "deep", protect(lambda a: a))

    @app.get("/back")
    async def back() -> Any:
        return redirect(safe_next(request.args.get("next"), default="/lost"))

    expected = theirs.test_client().get(path)
    response = await app.test_client().get(path)
    assert (response.status_code, response.location) == (302, expected.location)
    if view == "login":
        query = urlsplit(response.location).query
        client = await logged_in(app)
        returned = (await client.get(f"/back?{query}")).location
        found = await text(client, returned)
        assert found == await text(client, path)
        assert parse_qs(query)


async def test_next_in_the_session(app: Quart, manager: LoginManager) -> None:
    app.config["USE_SESSION_FOR_NEXT"] = True
    manager.session_protection = "strong"
    manager.login_view = "login"
    app.add_url_rule("/secret", "secret", login_required(nothing))

    @app.get("/login")
    async def login() -> Any:
        assert current_user.is_anonymous
        return session.pop("next", "")

    client = app.test_client()
    assert (await client.get("/secret?a=1")).location == "/login"
    assert await text(client, "/login") == "/secret?a=1"


async def test_login_pages(app: Quart, manager: LoginManager) -> None:
    """Blueprints have their own login pages; ``FORCE_HOST_FOR_REDIRECTS`` is the host of all."""
    pages, others = Blueprint("pages", __name__), Blueprint("others", __name__)
    for number, target in enumerate((app, pages, others)):
        target.add_url_rule(f"/secret{number}", "secret", login_required(nothing))
    app.register_blueprint(pages)
    app.register_blueprint(others)
    async with app.app_context():
        ours.set_login_view("/app-login")
        ours.set_login_view("/pages-login", blueprint=pages)
    client = app.test_client()

    async def location(number: int) -> str | None:
        found: str | None = (await client.get(f"/secret{number}")).location
        return found

    assert await location(0) == "/app-login?next=%2Fsecret0"
    assert await location(1) == "/pages-login?next=%2Fsecret1"
    assert await location(2) == "/app-login?next=%2Fsecret2"
    manager.blueprint_login_views["others"] = "https://login.example/"
    assert await location(2) == "https://login.example/?next=http%3A%2F%2Flocalhost%2Fsecret2"
    app.config["FORCE_HOST_FOR_REDIRECTS"] = "good.example"
    assert await location(0) == "//good.example/app-login?next=%2Fsecret0"


async def test_int_ids(app: Quart, manager: LoginManager) -> None:
    """``get_id()`` may return an int, and the loader gets it."""
    manager.user_loader(lambda user_id: IntUser(user_id) if user_id == 7 else None)

    @app.get("/login")
    async def login() -> str:
        return str(login_user(IntUser(7)))

    @app.get("/me")
    async def me() -> str:
        return repr(current_user.id)

    client = app.test_client()
    await client.get("/login")
    assert await text(client, "/me") == "7"


async def test_login_user_of_the_proxy(app: Quart, manager: LoginManager) -> None:
    """``login_user(current_user)`` logs in the user, and not the proxy."""

    @app.get("/again")
    async def again() -> str:
        login_user(current_user)
        return f"{current_user.id}"

    assert await text(await logged_in(app), "/again") == "ada"


async def test_anonymous_user(app: Quart, manager: LoginManager) -> None:
    """``anonymous_user`` makes the user if nobody is logged in."""

    class Guest(AnonymousUserMixin):
        name = "guest"

    @app.get("/name")
    async def name() -> str:
        return str(current_user.name)

    for made in (Guest, lambda: Guest()):
        manager.anonymous_user = made
        assert await text(app.test_client(), "/name") == "guest"

    async def factory() -> Any: ...

    with pytest.raises(TypeError, match="synchronous"):
        manager.anonymous_user = factory


async def test_id_attribute(app: Quart, manager: LoginManager) -> None:
    manager.id_attribute = "get_token"
    user = User("ada")
    user.get_token = lambda: "token"  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    async with app.test_request_context("/"):
        login_user(user)
        assert session["_user_id"] == "token"


def test_user_classes() -> None:
    """The base classes behave as Flask-Login's, except that the anonymous user is false."""

    def facts(module: Any) -> list[Any]:
        class Person(module.UserMixin):  # type: ignore[misc]
            def __init__(self, id: Any) -> None:
                self.id = id

        class Inactive(Person):
            is_active = False

        one, same, other = Person(1), Person("1"), Person(2)
        nobody = module.AnonymousUserMixin()
        with pytest.raises(NotImplementedError):
            module.UserMixin().get_id()
        return [
            one == same,
            one != same,
            one == other,
            one != other,
            one == "1",
            len({one, same}),
            one.is_authenticated,
            one.is_anonymous,
            one.get_id(),
            Inactive(1).is_authenticated,
            (nobody.is_authenticated, nobody.is_active, nobody.is_anonymous, nobody.get_id()),
        ]

    assert facts(ours) == facts(flask_login)
    assert not AnonymousUserMixin()


@pytest.mark.parametrize("key", ["key", "\x9e\x8f", b"\x9e\x8f"])
@pytest.mark.parametrize("payload", ["1", "佐藤", "", "a|b"])
async def test_cookie_functions(app: Quart, key: Any, payload: str) -> None:
    """The encoded cookies are Flask-Login's."""
    theirs = flask.Flask(__name__)
    theirs.secret_key = app.secret_key = key
    with theirs.app_context():
        expected = flask_login.encode_cookie(payload)
        assert flask_login.encode_cookie(payload, key="other") == ours.encode_cookie(
            payload, key="other"
        )
    async with app.app_context():
        assert ours.encode_cookie(payload) == expected
        assert ours.decode_cookie(expected) == payload
        assert ours.decode_cookie(expected, key="other") is None


async def test_no_secret_key(app: Quart) -> None:
    app.secret_key = None
    async with app.app_context():
        with pytest.raises(RuntimeError, match="SECRET_KEY"):
            ours.encode_cookie("a")


@pytest.mark.parametrize("fresh", [True, False])
async def test_client(app: Quart, manager: LoginManager, fresh: bool) -> None:
    """``FlaskLoginClient`` is logged in, and has the methods of the application's client."""
    made: Any = app
    made.test_client_class = FlaskLoginClient
    manager.session_protection = None

    @app.get("/me")
    async def me() -> str:
        return f"{current_user.id} {ours.login_fresh()}"

    @app.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.send(current_user.id)

    client: Any = made.test_client(user=User("ada"), fresh_login=fresh)
    own: Any = type(app).test_client_class
    assert isinstance(client, own)
    with pytest.raises(RuntimeError, match=r"await client\.log_in\(\)"):
        client.websocket("/ws")
    await client.log_in()
    async with client.websocket("/ws") as connection:
        assert await connection.receive() == "ada"
    assert await text(client, "/me") == f"ada {fresh}"
    async with made.test_client(user=User("bob")).session_transaction() as stored:
        assert stored["_user_id"] == "bob"
    assert (await made.test_client().get("/logout")).status_code == 200
    async with made.test_client(user=User("eve")) as client:
        assert await text(client, "/me") == "eve True"
        await client.get("/logout")
        assert session == {}


def test_same_manager_again(app: Quart, manager: LoginManager) -> None:
    """``init_app`` after ``LoginManager(app)`` changes nothing."""
    before = len(app.before_request_funcs[None])
    manager.init_app(app)
    assert len(app.before_request_funcs[None]) == before
    assert app.login_manager is manager  # type: ignore[attr-defined]


@pytest.mark.parametrize("wanted", [True, False])
async def test_context_processor(app: Quart, wanted: bool) -> None:
    LoginManager(app, wanted)
    async with app.test_request_context("/"):
        found = await render_template_string("{{ current_user is defined }}")
        assert found == str(wanted)


@pytest.mark.parametrize("view", ["protected", "sync", "missing"])
async def test_page_of_a_failed_loader(app: Quart, view: str) -> None:
    """An error page whose template uses ``current_user`` works while the loader fails."""
    manager = LoginManager(app)
    failing: list[bool] = []

    class GoneError(Exception):
        pass

    class User(UserMixin):
        id = "ada"

    @manager.user_loader
    async def load(user_id: str) -> User:
        if failing:
            raise GoneError
        return User()

    @app.errorhandler(GoneError)
    async def unavailable(error: GoneError) -> tuple[str, int]:
        template = "unavailable {{ current_user.is_authenticated }}"
        return await render_template_string(template), 503

    @app.get("/login")
    async def login() -> str:
        login_user(User())
        return ""

    @app.get("/protected")
    @login_required
    async def protected() -> str:
        return "Hello"

    @app.get("/sync")
    def sync() -> str:
        return str(current_user.get_id())

    client = app.test_client()
    await client.get("/login")
    failing.append(True)
    response = await client.get(f"/{view}")
    assert response.status_code == 503
    assert await response.get_data(as_text=True) == "unavailable False"
    failing.clear()
    assert (await client.get("/protected")).status_code == 200


@pytest.mark.parametrize("keys", ["old key", b"old key"])
async def test_fallback_keys_in_a_string(app: Quart, keys: Any) -> None:
    """Each character would be a valid key; no cookie is accepted."""
    async with app.app_context():
        app.config["SECRET_KEY_FALLBACKS"] = keys
        with pytest.raises(SettingError, match="SECRET_KEY_FALLBACKS must be a list") as caught:
            decode_cookie(encode_cookie("ada", "o"))
        assert "old" not in str(caught.value)
    with pytest.raises(SettingError, match="SECRET_KEY_FALLBACKS"):
        LoginManager(app)


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        (None, "Cookie"),
        ("Accept", "Accept, Cookie"),
        ("cookie", "cookie"),
        ("a, Cookie", "a, Cookie"),
    ],
)
async def test_vary(app: Quart, manager: LoginManager, vary: str | None, expected: str) -> None:
    """``Vary`` keeps what the view has set."""

    @app.get("/vary")
    async def view() -> tuple[str, dict[str, str]]:
        return "", {} if vary is None else {"Vary": vary}

    assert (await app.test_client().get("/vary")).headers.getlist("Vary") == [expected]
