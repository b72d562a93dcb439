"""An answer that was made for one visitor is not given to another one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from quart import Quart, Request, g, render_template_string, request, session
from quart.sessions import SecureCookieSession, SessionInterface
from werkzeug.datastructures import Headers

from quartpatterns._shared.visitors import loading_into_globals
from quartpatterns.caching import Cache
from quartpatterns.caching.recorded_globals import loaded_globals
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.request import FaithfulRequest
from quartpatterns.viewdecorators import cached as cached_without_cache
from tests.subclassing.serving import Client, scope

pytestmark = pytest.mark.checks("CA-9")
KEY = "a secret key of 32 characters...."


@pytest.fixture(params=[Quart, FaithfulQuart])
def app(request: pytest.FixtureRequest) -> Quart:
    """An application with both kinds of request."""
    made: Quart = request.param(__name__)
    made.secret_key = KEY
    return made


async def get(app: Quart, path: str = "/", **headers: str) -> str:
    """Return the body of a response; the keyword ``X_Api_Key`` is the header ``X-Api-Key``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await app.test_client().get(path, headers=named)
    return str(await response.get_data(as_text=True))


READERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "cookie": ("Cookie", lambda: request.cookies.get("user")),
    "cookie by index": (
        "Cookie",
        lambda: request.cookies["user"] if "user" in request.cookies else 0,
    ),
    "getlist of cookies": ("Cookie", lambda: request.cookies.getlist("user")),
    "all cookies": ("Cookie", lambda: dict(request.cookies)),
    "unpacked cookies": ("Cookie", lambda: {**request.cookies}),
    "cookies as text": ("Cookie", lambda: str(request.cookies)),
    "items of cookies": ("Cookie", lambda: list(request.cookies.items())),
    "values of cookies": ("Cookie", lambda: list(request.cookies.values())),
    "cookie header": ("Cookie", lambda: request.headers.get("Cookie")),
    "another case": ("Cookie", lambda: request.headers.get("cOOKIE")),
    "API key": ("X-Api-Key", lambda: request.headers.get("X-Api-Key")),
    "API key by index": ("X-Api-Key", lambda: request.headers["x-api-key"]),
    "API key in": (
        "X-Api-Key",
        lambda: "X-Api-Key" in request.headers and request.headers["X-Api-Key"],
    ),
    "getlist": ("X-Api-Key", lambda: request.headers.getlist("X-Api-Key")),
    "host of a proxy": ("X-Forwarded-Host", lambda: request.headers.get("X-Forwarded-Host")),
    "address of a proxy": ("X-Forwarded-For", lambda: list(request.access_route)),
    "all headers": ("X-Api-Key", lambda: dict(request.headers)),
    "iterated headers": ("X-Api-Key", lambda: [value for _, value in request.headers]),
    "copied headers": ("X-Api-Key", lambda: str(Headers(request.headers))),
    "headers as text": ("X-Api-Key", lambda: str(request.headers)),
    "list of headers": ("X-Api-Key", lambda: request.headers.to_wsgi_list()),
    "scope": ("X-Api-Key", lambda: request.scope["headers"]),
    "authorization": (
        "Authorization",
        lambda: request.authorization and request.authorization.token,
    ),
    "bearer": ("Authorization", lambda: request.headers.get("Authorization")),
}


@pytest.fixture(params=list(READERS))
def reader(request: pytest.FixtureRequest) -> tuple[str, Callable[[], Any]]:
    """A header, and a function that reads it."""
    return READERS[request.param]


def value(header: str, name: str) -> str:
    values = {"Cookie": f"theme=dark; user={name}", "Authorization": f"Bearer {name}"}
    return values.get(header, name)


@pytest.mark.parametrize("place", ["view", "sync view", "before_request", "preprocessor"])
@pytest.mark.parametrize("decorator", ["Cache", "viewdecorators"])
async def test_never_shared(
    app: Quart, reader: tuple[str, Callable[[], Any]], place: str, decorator: str
) -> None:
    """Neither the next visitor nor one without a name gets the answer."""
    header, read = reader
    cached = Cache(app).cached() if decorator == "Cache" else cached_without_cache()

    def note(*_: Any) -> None:
        g.who = read()

    def view() -> str:
        return str(read() if "view" in place else g.who)

    async def async_view() -> str:
        return view()

    if place == "before_request":
        app.before_request(note)
    elif place == "preprocessor":
        app.url_value_preprocessor(note)
    app.add_url_rule("/", "view", cached(view if place == "sync view" else async_view))
    for name in ("ada", "ada", "grace"):
        assert name in await get(app, **{header.replace("-", "_"): value(header, name)})
    if "index" not in str(read) and header != "X-Api-Key":
        assert "ada" not in await get(app)


@pytest.mark.parametrize("early", [True, False])
async def test_wsgi_environment(early: bool) -> None:
    """It has all headers, also if a hook has read it before."""
    app = FaithfulQuart(__name__)
    cache = Cache(app)

    def read() -> str:
        return str(request.environ["HTTP_X_API_KEY"])  # type: ignore[attr-defined]

    if early:
        app.before_request(lambda: read() and None)

    @cache.memoize()
    async def function() -> str:
        return read()

    @app.get("/")
    async def view() -> str:
        return await function()

    for name in ("ada", "grace"):
        assert await get(app, X_Api_Key=name) == name


async def test_client_address(app: Quart) -> None:
    """The address of the client tells visitors apart."""

    @app.get("/")
    @Cache(app).cached()
    async def view() -> str:
        return str(request.remote_addr)

    for address in ("1.1.1.1", "2.2.2.2"):
        scope = {"client": (address, 1)}
        headers = {} if isinstance(app, FaithfulQuart) else {"Remote-Addr": address}
        response = await app.test_client().get("/", headers=headers, scope_base=scope)
        assert await response.get_data(as_text=True) == address


class Calls:
    """A cached view that counts its calls and shows what *read* returns."""

    def __init__(self, app: Quart, read: Callable[[], Any], **options: Any) -> None:
        self.count = 0
        self.cache = Cache(app)

        @app.get("/")
        @self.cache.cached(**options)
        async def view() -> str:
            self.count += 1
            return f"{read()}"


@pytest.mark.parametrize("in_hook", [True, False])
@pytest.mark.parametrize("named", [True, False])
async def test_visitors_without_a_name_share(app: Quart, in_hook: bool, named: bool) -> None:
    """What was looked for and missing is shared by those who lack it as well."""

    def read() -> Any:
        return request.cookies.get("user") if named else request.headers.get("X-Api-Key")

    @app.before_request
    async def hook() -> None:
        g.user = read() if in_hook else None

    calls = Calls(app, lambda: g.user if in_hook else read())
    header = {"Cookie": "user=ada"} if named else {"X_Api_Key": "ada"}
    assert await get(app, **header) == "ada"
    assert [await get(app) for _ in range(3)] == ["None"] * 3
    assert await get(app, **header) == "ada"
    assert await get(app, Cookie="theme=dark") == "None"
    assert calls.count == 3


@pytest.mark.parametrize(
    "read",
    [
        lambda: request.accept_languages.best,
        lambda: request.user_agent.string,
        lambda: request.headers.get("X-Request-Id"),
        lambda: request.host + str(request.content_length) + str(request.referrer),
        lambda: request.headers.get("If-None-Match"),
    ],
)
async def test_harmless_headers(app: Quart, read: Callable[[], Any]) -> None:
    """Headers that don't name a visitor, and cookies that nobody reads, don't matter."""
    calls = Calls(app, read)
    for _ in range(2):
        await get(app, User_Agent="a", X_Request_Id="1", Cookie="_ga=1", X_Api_Key="ada")
    assert calls.count == 1


@pytest.mark.parametrize(
    ("vary", "header", "read"),
    [
        ("Cookie", "Cookie", lambda: request.cookies.get("user")),
        ("cookie", "Cookie", lambda: dict(request.cookies)),
        ("X-Api-Key", "X-Api-Key", lambda: request.headers.get("X-Api-Key")),
        ("X-Forwarded-Host", "X-Forwarded-Host", lambda: request.headers["X-Forwarded-Host"]),
        ("Authorization", "Authorization", lambda: request.headers["Authorization"]),
    ],
)
async def test_vary(app: Quart, vary: str, header: str, read: Callable[[], Any]) -> None:
    """A header in vary makes each visitor an own response."""
    calls = Calls(app, read, vary=[vary])
    for _ in range(2):
        for name in ("ada", "grace"):
            sent = {header.replace("-", "_"): value(header, name)}
            assert name in await get(app, **sent)
    assert calls.count == 2


KEYS: dict[str, Callable[[], Any]] = {
    "cookie": lambda: request.cookies.get("user"),
    "g": lambda: g.user,
    "session": lambda: session.get("user"),
    "header": lambda: request.headers.get("X-Api-Key"),
}


@pytest.mark.parametrize("option", ["key_prefix", "make_cache_key", "assigned"])
@pytest.mark.parametrize("kind", list(KEYS))
async def test_key_of_a_visitor(app: Quart, option: str, kind: str) -> None:
    """A key that names the visitor is stored, and each visitor gets the own response."""
    who = KEYS[kind]
    cache = Cache(app)
    calls: list[int] = []

    @app.before_request
    async def hook() -> None:
        if kind == "g":
            g.user = request.cookies.get("user")

    def key(*_: Any, **__: Any) -> str:
        return f"page of {who()}"

    options: dict[str, Any] = {} if option == "assigned" else {option: key}

    @cache.cached(**options)
    async def view() -> str:
        calls.append(1)
        return str(who())

    if option == "assigned":
        view.make_cache_key = key
    app.add_url_rule("/", "view", view)

    @app.get("/login/<name>")
    async def login(name: str) -> str:
        session["user"] = name
        return ""

    clients = {name: app.test_client() for name in ("ada", "grace")}
    for name, client in clients.items():
        if kind == "session":
            await client.get(f"/login/{name}")
    for _ in range(2):
        for name, client in clients.items():
            headers = {"Cookie": f"user={name}", "X-Api-Key": name} if kind != "session" else {}
            response = await client.get("/", headers=headers)
            assert await response.get_data(as_text=True) == name
    assert len(calls) == 2


VIEWS: dict[str, Callable[[], Any]] = {
    "g": lambda: g.user,
    "get of g": lambda: g.get("user"),
    "in g": lambda: "user" in g and g.pop("user"),
    "contents of g": lambda: vars(g._get_current_object())["user"],
    "session": lambda: session.get("user"),
    "cookie": lambda: request.cookies.get("user"),
}


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("key", [lambda: g.lang, lambda: g.get("lang"), lambda: g.lang_object])
@pytest.mark.parametrize("sync", [True, False])
async def test_key_of_something_else(
    app: Quart, view: str, key: Callable[[], Any], sync: bool
) -> None:
    """A key from one attribute of ``g`` is no reason to share what depends on another one."""
    read = VIEWS[view]

    @app.before_request
    async def hook() -> None:
        g.user = request.cookies.get("user") or session.get("user")
        g.lang, g.lang_object = "en", Headers({"lang": "en"})

    def sync_view() -> str:
        return str(read())

    async def async_view() -> str:
        return str(read())

    cached = Cache(app).cached(key_prefix=lambda: f"page in {key()}")
    app.add_url_rule("/", "view", cached(sync_view if sync else async_view))

    @app.get("/login/<name>")
    async def login(name: str) -> str:
        session["user"] = name
        return ""

    for name in ("ada", "grace"):
        client = app.test_client()
        if view != "cookie":
            await client.get(f"/login/{name}")
            response = await client.get("/")
        else:
            response = await client.get("/", headers={"Cookie": f"user={name}"})
        assert await response.get_data(as_text=True) == name
    assert "ada" not in await get(app)


async def test_key_in_g(app: Quart) -> None:
    """What does not depend on the visitor is shared by all who have the key."""

    @app.before_request
    async def hook() -> None:
        g.user, g.lang = request.cookies.get("user"), "en"

    def read() -> str:
        g.setdefault("connection", object())
        return f"{g.lang} {'connection' in g}"

    calls = Calls(app, read, key_prefix=lambda: f"page in {g.lang}")
    assert await get(app, Cookie="user=ada") == "en True"
    assert await get(app, Cookie="user=grace") == "en True"
    assert calls.count == 1


async def test_missing_in_g(app: Quart) -> None:
    """What is made while ``g`` lacks an attribute is not for those who have it."""

    @app.before_request
    async def hook() -> None:
        g.lang = "en"
        if "user" in request.cookies:
            g.user = request.cookies["user"]

    calls = Calls(app, lambda: g.get("user"), key_prefix=lambda: f"page in {g.lang}")
    assert [await get(app) for _ in range(2)] == ["None", "None"]
    assert calls.count == 1
    assert await get(app, Cookie="user=ada") == "ada"


async def test_key_that_names_nobody(app: Quart) -> None:
    """A key function that does not read what the view reads is no reason to share."""
    Calls(app, lambda: request.cookies.get("user"), make_cache_key=lambda: request.path)
    assert [await get(app, Cookie=f"user={name}") for name in ("ada", "grace")] == ["ada", "grace"]


async def test_logged_once(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A message says why nothing is shared, and what to write."""
    Calls(app, lambda: request.cookies.get("user"))
    with caplog.at_level(logging.WARNING, "quartpatterns.caching"):
        for name in ("ada", "grace"):
            await get(app, Cookie=f"user={name}")
    (record,) = caplog.records
    message = record.getMessage()
    assert "cookie user" in message and 'vary=["Cookie"]' in message and "key_prefix" in message
    assert "ada" not in message


async def test_functions(app: Quart) -> None:
    """A function that a view calls is not a view; its value is not shared either."""
    cache = Cache(app)

    @cache.cached()
    async def greeting() -> str:
        return f"Hello {request.cookies.get('user')}"

    @app.get("/")
    async def view() -> str:
        return await greeting()

    for name in ("ada", "grace"):
        assert await get(app, Cookie=f"user={name}") == f"Hello {name}"
    assert await get(app) == "Hello None"


async def test_stale_response(app: Quart) -> None:
    """The task that computes a stale response anew has the headers of its request."""
    calls = Calls(
        app, lambda: request.headers.get("X-Api-Key"), timeout=0.01, stale_while_revalidate=60
    )
    assert [await get(app) for _ in range(3)] == ["None"] * 3
    assert await get(app, X_Api_Key="ada") == "ada"
    assert await get(app) == "None"
    assert calls.count


@pytest.fixture
def quart_auth() -> Iterator[Any]:
    """The extension, which is a development tool here."""
    yield pytest.importorskip("quart_auth", reason="quart-auth is not installed")


@pytest.mark.parametrize("login", ["cookie", "bearer"])
@pytest.mark.parametrize("place", ["view", "before_request", "template"])
@pytest.mark.parametrize("decorator", ["Cache", "viewdecorators"])
async def test_quart_auth(
    app: Quart, quart_auth: Any, login: str, place: str, decorator: str
) -> None:
    """Visitors who are logged in with quart-auth have their own pages, others share theirs."""
    app.config["QUART_AUTH_COOKIE_SECURE"] = False
    app.config["QUART_AUTH_MODE"] = login
    auth = quart_auth.QuartAuth(app)
    cached = Cache(app).cached() if decorator == "Cache" else cached_without_cache()
    calls: list[int] = []

    @app.before_request
    async def hook() -> None:
        if place == "before_request":
            g.name = quart_auth.current_user.auth_id

    @app.get("/")
    @cached
    async def view() -> str:
        calls.append(1)
        if place == "template":
            template = app.jinja_env.from_string("{{ current_user.auth_id }}")
            return await template.render_async(current_user=quart_auth.current_user)
        return str(g.name if place == "before_request" else quart_auth.current_user.auth_id)

    def headers(name: str) -> dict[str, str]:
        token = auth.dump_token(name, app=app)
        return (
            {"Cookie": f"QUART_AUTH={token}"}
            if login == "cookie"
            else {"Authorization": f"Bearer {token}"}
        )

    for name in ("ada", "grace", "ada"):
        assert await get(app, **headers(name)) == name
    assert [await get(app) for _ in range(3)] == ["None"] * 3
    assert await get(app, **headers("grace")) == "grace"
    assert len(calls) == 5


async def test_key_with_quart_auth(app: Quart, quart_auth: Any) -> None:
    app.config["QUART_AUTH_COOKIE_SECURE"] = False
    auth = quart_auth.QuartAuth(app)
    who = quart_auth.current_user
    calls = Calls(app, lambda: who.auth_id, key_prefix=lambda: f"page of {who.auth_id}")
    for _ in range(2):
        for name in ("ada", "grace"):
            cookie = f"QUART_AUTH={auth.dump_token(name, app=app)}"
            assert await get(app, Cookie=cookie) == name
    assert calls.count == 2


async def test_request_works_as_before(app: Quart) -> None:
    """The objects that record behave as those that they replace."""
    Cache(app)
    found: list[Any] = []

    @app.get("/")
    async def view() -> str:
        headers, cookies = request.headers, request.cookies
        assert headers is request.headers and cookies is request.cookies
        assert type(headers).__mro__[1].__name__.endswith("Headers")
        current: Any = request._get_current_object()  # type: ignore[attr-defined]
        assert isinstance(current, Request)
        if isinstance(app, FaithfulQuart):
            assert isinstance(current, FaithfulRequest)
        same = headers.copy()
        assert type(same) in type(headers).__mro__
        assert headers == same and same == headers and not headers != same
        assert headers.get("X-A") == headers["x-a"] == "1" and "X-A" in headers
        assert headers.get("X-None") is None and headers.get("X-A", type=int) == 1
        assert len(headers) == len(list(headers)) == len(list(headers.keys()))
        assert dict(headers)["X-A"] == "1" and Headers(headers).getlist("X-A") == ["1"]
        assert str(headers) == str(same)
        headers["X-New"] = "2"
        assert request.headers["X-New"] == "2"
        assert dict(cookies) == {"a": "1", "b": "2"} and cookies == cookies.copy()
        assert cookies.get("a") == cookies["a"] == "1" and len(cookies) == 2
        assert cookies.to_dict() == {**cookies} and sorted(cookies) == ["a", "b"]
        assert request.authorization is None
        found.append(request.remote_addr)
        return "done"

    assert await get(app, Cookie="a=1; b=2", X_A="1") == "done"
    assert found and found[0]


FUNCTIONS: dict[str, Callable[[], Any]] = {
    "cookie": lambda: request.cookies.get("user"),
    "session": lambda: session.get("user"),
    "API key": lambda: request.headers.get("X-Api-Key"),
    "g": lambda: g.user,
}


@pytest.mark.parametrize("kind", ["cached", "sync", "memoize", "fragment"])
@pytest.mark.parametrize("what", list(FUNCTIONS))
@pytest.mark.parametrize("inside", [True, False])
async def test_fixed_keys(app: Quart, kind: str, what: str, inside: bool) -> None:
    """A function or fragment with one key for all visitors is not shared if it reads who it is.

    The same holds for a cached view that it is part of.
    """
    cache = Cache(app)
    read = FUNCTIONS[what]
    app.jinja_env.globals["read"] = read

    @app.before_request
    async def hook() -> None:
        g.user = request.cookies.get("user") if what == "g" else None

    def sync_part() -> str:
        return str(read())

    async def part() -> str:
        return str(read())

    async def fragment() -> str:
        return await render_template_string("{% cache 60, 'part' %}{{ read() }}{% endcache %}")

    parts: dict[str, Any] = {
        "cached": cache.cached(key_prefix="part")(part),
        "sync": cache.cached(key_prefix="part")(sync_part),
        "memoize": cache.memoize()(part),
        "fragment": fragment,
    }

    async def view() -> str:
        first, second = await asyncio.gather(parts[kind](), parts[kind]())
        assert first == second
        return str(first)

    app.add_url_rule("/", "view", cache.cached()(view) if inside else view)

    @app.get("/login/<name>")
    async def login(name: str) -> str:
        session["user"] = name
        return ""

    for name in ("ada", "grace"):
        client = app.test_client()
        if what == "session":
            await client.get(f"/login/{name}")
            headers = {}
        else:
            headers = {"Cookie": f"user={name}", "X-Api-Key": name}
        for _ in range(2):
            response = await client.get("/", headers=headers)
            assert await response.get_data(as_text=True) == name
    assert await get(app) == "None"


async def test_fixed_key_of_quart_auth(app: Quart, quart_auth: Any) -> None:
    """A fragment that shows the user of quart-auth, after others have used the user."""
    Cache(app)
    quart_auth.QuartAuth(app)

    @app.get("/login/<name>")
    async def login(name: str) -> str:
        quart_auth.login_user(quart_auth.AuthUser(name))
        return ""

    async def view() -> str:
        source = "{% cache 60, 'part' %}{{ current_user.auth_id }}{% endcache %}"
        return await render_template_string(source)

    app.add_url_rule("/", "view", quart_auth.login_required(view))
    for name in ("ada", "grace"):
        async with app.test_client() as client:
            await client.get(f"/login/{name}", scheme="https")
            response = await client.get("/", scheme="https")
            assert await response.get_data(as_text=True) == name


async def test_fixed_key_is_shared(app: Quart) -> None:
    """What reads nothing of the visitor is shared, in requests that have cookies, too."""
    calls: list[int] = []
    cache = Cache(app)

    @cache.cached(key_prefix="menu")
    async def menu() -> str:
        calls.append(1)
        g.setdefault("connection", object())
        return f"{request.accept_languages.best} {request.path}"

    @app.get("/")
    async def view() -> str:
        session["seen"] = 1
        found: list[str] = list(await asyncio.gather(menu(), menu()))
        assert session.modified and session["seen"]
        return found[0]

    for name in ("ada", "grace"):
        await get(app, Cookie=f"user={name}")
    assert len(calls) == 1


async def test_session_from_a_header(app: Quart) -> None:
    """A session interface that uses no cookie opens the session before anything is recorded."""

    class Sessions(SessionInterface):
        async def open_session(self, app: Quart, request: Any) -> SecureCookieSession:
            name = request.headers.get("X-Session")
            return SecureCookieSession({"user": name} if name else {})

        async def save_session(self, *_: Any) -> None:
            pass

    app.session_interface = Sessions()  # type: ignore[assignment]

    @app.before_request
    async def hook() -> None:
        g.user = session.get("user")

    calls = Calls(app, lambda: g.user)
    assert [await get(app, X_Session=name) for name in ("ada", "grace")] == ["ada", "grace"]
    assert [await get(app) for _ in range(2)] == ["None", "None"]
    assert calls.count == 3


async def test_vary_of_a_private_response(app: Quart) -> None:
    """A response that is not shared names the headers too, because a proxy may store it."""
    cache = Cache(app)

    @app.get("/")
    @cache.cached(vary=["Accept-Language"])
    async def index() -> str:
        return "text"

    client = app.test_client()
    for headers in ({"Authorization": "Bearer x"}, {}, {}):
        response = await client.get("/", headers=headers)
        assert response.headers.getlist("Vary") == ["Accept-Language"]


async def test_one_task_with_many_requests(app: Quart) -> None:
    """What was recorded of a request does not stay in the context of a task that makes others."""
    Cache(app)

    @app.before_request
    async def load() -> None:
        with loading_into_globals():
            g.user = request.cookies.get("user")

    @app.get("/")
    @cached_without_cache()
    async def index() -> str:
        return str(g.user)

    seen: list[int] = []

    @app.after_request
    async def count(response: Any) -> Any:
        seen.append(len(loaded_globals.get()))
        return response

    for _ in range(20):
        client = Client()
        headers = [(b"host", b"localhost"), (b"cookie", b"user=ada")]
        await app(scope(headers=headers), client.receive, client.send)  # type: ignore[arg-type]
    assert seen == [1] * 20


async def test_context_variable_without_a_user(app: Quart) -> None:
    """A context variable that is set to None, because there is no user, tells visitors apart."""
    user: ContextVar[str | None] = ContextVar("user", default="unset")

    def load() -> str | None:
        with loading_into_globals():
            user.set(request.cookies.get("user"))
        return user.get()

    Calls(app, load)
    assert [await get(app), await get(app, Cookie="user=ada")] == ["None", "ada"]
