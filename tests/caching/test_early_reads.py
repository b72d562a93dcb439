"""What is read before the first hook, or outside of requests, keeps an answer from being shared."""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from jinja2 import DictLoader
from quart import (
    Quart,
    after_this_request,
    appcontext_pushed,
    copy_current_request_context,
    g,
    has_request_context,
    render_template,
    request,
    request_started,
    session,
    websocket,
)
from quart.sessions import SecureCookieSession, SessionInterface
from quart.utils import run_sync
from werkzeug.routing import BaseConverter

from quartpatterns.caching import Cache
from quartpatterns.subclassing import FaithfulQuart

pytestmark = pytest.mark.checks("CA-9")
KEY = "a secret key of 32 characters...."
Read = Callable[[], Any]
visitor: ContextVar[str | None] = ContextVar("visitor", default=None)


@pytest.fixture(params=[Quart, FaithfulQuart])
def make(request: pytest.FixtureRequest) -> type[Quart]:
    """The class of the application."""
    made: type[Quart] = request.param
    return made


@pytest.fixture
def app(make: type[Quart]) -> Quart:
    """The application."""
    return with_key(make(__name__))


def with_key(app: Quart) -> Quart:
    app.secret_key = KEY
    return app


async def get(app: Quart, path: str = "/", **headers: str) -> str:
    """Return the body of a response; the keyword ``X_User`` is the header ``X-User``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await app.test_client().get(path, headers=named)
    return str(await response.get_data(as_text=True))


async def check_cookie(
    app: Quart,
    path: str = "/",
    cookie: str = "user={}",
    names: Sequence[str] = ("ada", "ada", "grace"),
) -> None:
    """Each visitor with a cookie sees the own name, and others see none."""
    for name in names:
        assert name in await get(app, path, Cookie=cookie.format(name))
    found = await get(app, path)
    assert "ada" not in found and "grace" not in found


async def check_session(app: Quart, *paths: str) -> None:
    """Each visitor with a session sees the own name."""

    @app.get("/set/<name>")
    async def set_name(name: str) -> str:
        session["user"] = name
        return ""

    for path in paths or ("/",):
        for name in ("ada", "grace"):
            client = app.test_client()
            await client.get(f"/set/{name}")
            response = await client.get(path)
            assert await response.get_data(as_text=True) == name


def show(app: Quart, cache: Cache, read: Read, **options: Any) -> None:
    """Add a cached view that shows what *read* returns."""

    @app.get("/")
    @cache.cached(**options)
    async def view() -> str:
        return str(read())


@pytest.mark.parametrize("kind", ["cookie", "session"])
async def test_overridden_dispatch(make: Any, kind: str) -> None:
    """An application reads the visitor before the signal ``request_started`` is sent."""

    class Application(make):  # type: ignore[misc]
        async def full_dispatch_request(self, context: Any = None) -> Any:
            # Iterating does not mark a session as accessed.
            g.name = request.cookies.get("user") if kind == "cookie" else dict(session).get("user")
            return await super().full_dispatch_request(context)

    app = with_key(Application(__name__))
    show(app, Cache(app), lambda: g.name)
    await (check_cookie(app) if kind == "cookie" else check_session(app))


@pytest.mark.parametrize("method", ["full_dispatch_request", "handle_request", "request_context"])
async def test_overridden_method_that_reads_nothing(make: Any, method: str) -> None:
    """What Quart itself reads before the signal does not count: the response is stored."""

    def call(self: Any, *args: Any) -> Any:
        return getattr(make, method)(self, *args)

    app = with_key(type("Application", (make,), {"__module__": __name__, method: call})(__name__))
    calls: list[int] = []
    show(app, Cache(app), lambda: calls.append(1))
    # Code before the dispatch may have read the cookies that Quart reads to open the session.
    headers = {"Cookie": "theme=dark"} if method == "full_dispatch_request" else {}
    for _ in range(3):
        await get(app, **headers)
    assert len(calls) == 1


async def test_converter(app: Quart) -> None:
    """A URL converter reads the visitor before the signal ``request_started`` is sent."""

    class Visitor(BaseConverter):
        def to_python(self, value: str) -> str:
            return f"{value} {request.cookies.get('user')}"

    cache = Cache(app)
    app.url_map.converters["visitor"] = Visitor

    @app.get("/<visitor:name>")
    @cache.cached()
    async def view(name: str) -> str:
        return name

    await check_cookie(app, "/hello")


async def test_session_interface_that_reads_a_cookie(app: Quart) -> None:
    """The cookie that names a session on the server does not count, but its values do."""
    stored: dict[str, dict[str, Any]] = {"1": {"user": "ada"}, "2": {"user": "grace"}}

    class Sessions(SessionInterface):
        async def open_session(self, app: Quart, request: Any) -> SecureCookieSession:
            return SecureCookieSession(stored.get(request.cookies.get("session"), {}))

        async def save_session(self, app: Quart, session: Any, response: Any) -> None:
            assert type(session) is SecureCookieSession

    app.session_interface = Sessions()  # type: ignore[assignment]
    cache, calls = Cache(app), []
    show(app, cache, lambda: session.get("user"))

    @app.get("/public")
    @cache.cached()
    async def public() -> str:
        calls.append(1)
        return "public"

    await check_cookie(app, cookie="session=1", names=["ada"])
    await check_cookie(app, cookie="session=2", names=["grace"])
    for number in ("1", "2"):
        assert await get(app, "/public", Cookie=f"session={number}") == "public"
    assert len(calls) == 1


@pytest.mark.parametrize("late", [True, False])
async def test_overridden_request(make: type[Quart], late: bool) -> None:
    """A request reads the visitor while it is created."""
    app = with_key(make(__name__))
    cache = Cache(app) if late else None

    class NamedRequest(app.request_class):  # type: ignore[misc, name-defined]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.visitor = self.cookies.get("user")

    app.request_class = NamedRequest
    show(app, cache or Cache(app), lambda: request.visitor)  # type: ignore[attr-defined]
    await check_cookie(app)


async def test_overridden_cookies(make: type[Quart]) -> None:
    """A request with cookies of its own keeps them."""
    app = with_key(make(__name__))

    class HeaderRequest(app.request_class):  # type: ignore[misc, name-defined]
        @property
        def cookies(self) -> Any:
            return {"user": self.headers.get("X-User", "")}

    app.request_class = HeaderRequest
    show(app, Cache(app), lambda: request.cookies["user"])
    for name in ("ada", "ada", "grace"):
        assert await get(app, X_User=name) == name
    assert await get(app) == ""


@pytest.mark.parametrize("kind", ["cookie", "session"])
async def test_signal(app: Quart, kind: str) -> None:
    """Receivers of ``request_started`` are called in any order."""

    def receiver(_: Any, **__: Any) -> None:
        g.name = request.cookies.get("user") if kind == "cookie" else dict(session).get("user")

    receivers = [lambda sender, **more: receiver(sender, **more) for _ in range(9)]
    for one in receivers:
        request_started.connect(one, app)
    show(app, Cache(app), lambda: g.name)
    await (check_cookie(app) if kind == "cookie" else check_session(app))


async def test_signal_of_contexts(app: Quart) -> None:
    def receiver(*_: Any, **__: Any) -> None:
        g.name = request.cookies.get("user") if has_request_context() else None

    appcontext_pushed.connect(receiver, app)
    show(app, Cache(app), lambda: g.name)
    if not isinstance(app, FaithfulQuart):  # It pushes this context first.
        await check_cookie(app)


class VisitorMiddleware:
    """ASGI middleware that reads the cookie."""

    def __init__(self, inner: Any, *, in_scope: bool) -> None:
        self.inner, self.in_scope = inner, in_scope

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        name = headers.get(b"cookie", b"").decode().partition("user=")[2] or None
        if self.in_scope:
            scope["user"] = name
        token = None if self.in_scope else visitor.set(name)
        try:
            await self.inner(scope, receive, send)
        finally:
            if token is not None:
                visitor.reset(token)


@pytest.mark.parametrize("in_scope", [True, False])
async def test_middleware(app: Quart, in_scope: bool) -> None:
    """ASGI middleware passes the visitor on, in the scope or in a context variable."""
    app.asgi_app = VisitorMiddleware(app.asgi_app, in_scope=in_scope)  # type: ignore[method-assign]
    show(app, Cache(app), lambda: request.scope["user"] if in_scope else visitor.get())  # type: ignore[typeddict-item]
    await check_cookie(app)


async def test_harmless_context_variable(app: Quart) -> None:
    """A setting names context variables that do not tell visitors apart."""
    app.config["CACHE_CONTEXT_VARIABLES"] = ["visitor"]
    app.asgi_app = VisitorMiddleware(app.asgi_app, in_scope=False)  # type: ignore[method-assign]
    calls: list[int] = []
    show(app, Cache(app), lambda: calls.append(1))
    for name in ("ada", "grace"):
        await get(app, Cookie=f"user={name}")
    assert len(calls) == 1


READS: dict[str, Read] = {
    "cookie": lambda: request.cookies.get("user"),
    "header": lambda: request.headers.get("Cookie"),
    "scope": lambda: request.scope["headers"],
    "g.user": lambda: g.user,
    "another attribute of g": lambda: g.visitor,
    "get of g": lambda: g.get("visitor"),
    "contents of g": lambda: vars(g)["visitor"],
    "attribute of the request": lambda: request.visitor,  # type: ignore[attr-defined]
    "private attribute": lambda: request._visitor,  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("what", list(READS))
@pytest.mark.parametrize("kind", ["async", "sync", "thread", "key", "background"])
async def test_functions_with_arguments(app: Quart, what: str, kind: str) -> None:
    """A function is not shared if it reads the visitor, whatever its arguments or its key are."""
    cache, read = Cache(app), READS[what]

    @app.before_request
    async def hook() -> None:
        name = request.cookies.get("user")
        g.user = g.visitor = name
        current: Any = request
        current.visitor = current._visitor = name

    async def function(number: int = 1) -> str:
        return str(await run_sync(read)() if kind == "thread" else read())

    def sync_function(number: int) -> str:
        return str(read())

    chosen: Any = sync_function if kind == "sync" else function
    memoized: Callable[..., Awaitable[str]] = cache.memoize()(chosen)
    keyed: Callable[..., Awaitable[str]] = cache.cached(key_prefix=lambda: "one key")(function)

    @app.get("/")
    async def view() -> str:
        if kind == "background":
            name, found = g.user, asyncio.get_running_loop().create_future()

            async def task() -> None:
                g.user = g.visitor = name
                found.set_result(await memoized(1))

            app.add_background_task(task)
            return str(await found)
        return await (keyed() if kind == "key" else memoized(1))

    await check_cookie(app)


async def test_arguments_are_part_of_the_key(app: Quart) -> None:
    """What is an argument, or was read to make the key, does not count."""
    cache, calls = Cache(app), []

    @app.before_request
    async def hook() -> None:
        g.user, g.lang = request.cookies.get("user"), "en"
        g.connection = asyncio.Lock()

    @cache.memoize()
    async def by_argument(user: str) -> str:
        calls.append("argument")
        assert g.connection
        return f"{g.user}"

    @cache.cached(key_prefix=lambda: f"menu of {g.user}")
    async def by_key() -> str:
        calls.append("key")
        return f"{g.user}"

    @app.get("/")
    async def view() -> str:
        return await by_argument(g.user) + await by_key()

    for _ in range(2):
        for name in ("ada", "grace"):
            assert await get(app, Cookie=f"user={name}") == name * 2
    assert sorted(calls) == ["argument", "argument", "key", "key"]


async def test_outside_of_requests(app: Quart) -> None:
    """The same holds in an application context."""

    @Cache(app).memoize()
    async def greeting(number: int) -> str:
        return f"Hello {g.visitor}"

    for name in ("ada", "grace"):
        async with app.app_context():
            g.visitor = name
            assert await greeting(1) == f"Hello {name}"


WEBSOCKET_READS: dict[str, Read] = {
    "cookie": lambda: websocket.cookies.get("user"),
    "headers": lambda: [value for _, value in websocket.headers],
    "g": lambda: g.user,
    "session": lambda: session.get("user"),
}


@pytest.mark.parametrize("what", list(WEBSOCKET_READS))
async def test_websockets(app: Quart, what: str) -> None:
    """Functions and fragments with one key are not shared by the visitors of a websocket."""
    cache, read = Cache(app), WEBSOCKET_READS[what]
    app.jinja_env.globals["read"] = read
    app.jinja_env.loader = DictLoader(
        {"part.html": "{% cache 60, 'a' %}{{ read() }}{% endcache %}"}
    )

    @app.before_websocket
    async def hook() -> None:
        g.user = websocket.cookies.get("user")

    @cache.cached(key_prefix="menu")
    async def menu() -> str:
        return str(read())

    @cache.memoize()
    async def number(value: int) -> str:
        return str(read())

    @app.websocket("/ws")
    async def ws() -> None:
        for text in (await menu(), await number(1), await render_template("part.html")):
            await websocket.send(text)

    @app.get("/set/<name>")
    async def set_name(name: str) -> str:
        session["user"] = name
        return ""

    for name in ("ada", "grace"):
        client = app.test_client()
        await client.get(f"/set/{name}")
        client.set_cookie("localhost", "user", name)
        async with client.websocket("/ws") as connection:
            for _ in range(3):
                received = str(await connection.receive())
                assert name in received and (name == "ada" or "ada" not in received)


FRAGMENTS = {
    "include": "{% cache 60, 'x' %}{% include 'name.html' %}{% endcache %}",
    "from": (
        "{% from 'macro.html' import name with context %}"
        "{% cache 60, 'x' %}{{ name() }}{% endcache %}"
    ),
    "import": (
        "{% import 'macro.html' as m with context %}{% cache 60, 'x' %}{{ m.name() }}{% endcache %}"
    ),
    "macro": (
        "{% macro name() %}{{ current_user.auth_id }}{% endmacro %}"
        "{% cache 60, 'x' %}{{ name() }}{% endcache %}"
    ),
    "set": "{% set u = current_user %}{% cache 60, 'x' %}{{ u.auth_id }}{% endcache %}",
    "another key": "{% cache 60, 'x', g.lang %}{{ current_user.auth_id }}{% endcache %}",
    "include with another key": "{% cache 60, 'x', 'en' %}{% include 'name.html' %}{% endcache %}",
    "block": "{% extends 'base.html' %}{% block x %}{{ current_user.auth_id }}{% endblock %}",
}


@pytest.mark.parametrize("kind", list(FRAGMENTS))
async def test_fragments_with_quart_auth(app: Quart, kind: str) -> None:
    """The user of quart-auth, who is a variable of all templates, wherever it is used."""
    quart_auth = pytest.importorskip("quart_auth", reason="quart-auth is not installed")
    app.config["QUART_AUTH_COOKIE_SECURE"] = False
    Cache(app)
    auth = quart_auth.QuartAuth(app)
    app.jinja_env.loader = DictLoader(
        {
            "name.html": "{{ current_user.auth_id }}",
            "macro.html": "{% macro name() %}{{ current_user.auth_id }}{% endmacro %}",
            "base.html": "{% cache 60, 'x' %}{% block x %}{% endblock %}{% endcache %}",
            "page.html": FRAGMENTS[kind],
        }
    )

    @app.get("/")
    async def view() -> str:
        g.lang = "en"
        return await render_template("page.html")

    for name in ("ada", "ada", "grace"):
        cookie = f"QUART_AUTH={auth.dump_token(name, app=app)}"
        assert await get(app, Cookie=cookie) == name
    assert await get(app) == "None"


async def test_fragment_with_the_user_as_key(app: Quart) -> None:
    """A fragment whose key names the user is stored for each user."""
    quart_auth = pytest.importorskip("quart_auth", reason="quart-auth is not installed")
    app.config["QUART_AUTH_COOKIE_SECURE"] = False
    Cache(app)
    auth = quart_auth.QuartAuth(app)
    calls: list[int] = []
    app.jinja_env.globals["count"] = lambda: calls.append(1)
    app.jinja_env.add_extension("jinja2.ext.do")
    source = (
        "{% cache 60, 'x', current_user.auth_id %}"
        "{% do count() %}{{ current_user.auth_id }}{% endcache %}"
    )
    app.jinja_env.loader = DictLoader({"page.html": source})

    @app.get("/")
    async def view() -> str:
        return await render_template("page.html")

    for _ in range(2):
        for name in ("ada", "grace"):
            cookie = f"QUART_AUTH={auth.dump_token(name, app=app)}"
            assert await get(app, Cookie=cookie) == name
    assert len(calls) == 2


async def test_session_in_a_fragment(app: Quart) -> None:
    """A template has the session as a variable."""
    Cache(app)
    source = "{% cache 60, 'x' %}{{ session['user'] }}{% endcache %}"
    app.jinja_env.loader = DictLoader({"page.html": source})

    @app.get("/")
    async def view() -> str:
        return await render_template("page.html")

    await check_session(app)


async def test_another_key_of_the_session(app: Quart) -> None:
    """A key from one value in the session is no reason to share what depends on another one."""
    show(app, Cache(app), lambda: session.get("user"), key_prefix=lambda: f"{session.get('lang')}")
    await check_session(app)


async def test_copied_context(app: Quart) -> None:
    """A hook starts a task, which reads the session while the view waits for it."""
    cache = Cache(app)

    @app.before_request
    async def hook() -> None:
        async def load() -> Any:
            return session.get("user")

        g.load = copy_current_request_context(load)
        g.task = asyncio.create_task(load())

    show(app, cache, lambda: "")

    @app.get("/load")
    @cache.cached()
    async def load() -> str:
        return str(await g.load())

    @app.get("/task")
    @cache.cached()
    async def task() -> str:
        return str(await g.task)

    await check_session(app, "/load", "/task")


async def test_query_and_body(app: Quart) -> None:
    """A response that depends on the query or on the body of a GET is not for other requests."""
    cache = Cache(app)
    show(app, cache, lambda: request.args.get("token"))

    @app.get("/url")
    @cache.cached()
    async def url() -> str:
        return request.full_path

    @app.get("/body")
    @cache.cached()
    async def body() -> str:
        return str(await request.get_json(silent=True))

    for name in ("ada", "grace"):
        assert await get(app, f"/?token={name}") == name
        assert name in await get(app, f"/url?token={name}")
        response = await app.test_client().get("/body", json={"user": name})
        assert name in str(await response.get_data(as_text=True))
    assert await get(app) == "None"


async def test_query_that_nobody_reads(app: Quart) -> None:
    """Without ``query_string`` all queries share the response of a view that reads none."""
    calls: list[int] = []
    show(app, Cache(app), lambda: calls.append(1))
    for query in ("", "?utm_source=a", "?utm_source=b"):
        await get(app, f"/{query}")
    assert len(calls) == 1


async def test_headers_for_one_visitor(app: Quart) -> None:
    """What hooks add to a response is not stored; a view that adds something is called."""

    @app.after_request
    async def add(response: Any) -> Any:
        response.set_cookie("seen", request.cookies.get("user", ""))
        return response

    @app.get("/")
    @Cache(app).cached()
    async def view() -> str:
        name = request.cookies.get("user", "") if "read" in request.path else ""

        @after_this_request
        async def add_name(response: Any) -> Any:
            response.headers["X-User"] = name
            return response

        return "page"

    for name in ("ada", "grace"):
        response = await app.test_client().get("/", headers={"Cookie": f"user={name}"})
        (cookie,) = response.headers.getlist("Set-Cookie")
        assert name in cookie
