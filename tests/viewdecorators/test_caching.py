"""``cached`` of view decorators is ``Cache.cached``; here is what it adds, and what the checks say.

The rules themselves are tested in ``tests/caching``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from weakref import WeakSet

import pytest
from quart import (
    Blueprint,
    Quart,
    Response,
    abort,
    flash,
    g,
    render_template_string,
    request,
    session,
)
from quart.views import MethodView

from quartpatterns._shared.visitors import READS
from quartpatterns.caching import Cache, cache_view_hit, default_cache
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    cached,
    current_user,
    login_required,
    login_user,
    templated,
)
from tests.serving import eventually


async def text(client: Any, path: str = "/a", **options: Any) -> str:
    response = await client.open(path, **{"method": "GET", **options})
    found = await response.get_data(as_text=True)
    assert isinstance(found, str)
    return found


class Counter:
    """A cached view at every path, whose response tells how often it was called."""

    def __init__(self, app: Quart, make: Callable[[], Any] = lambda: "", **options: Any) -> None:
        self.calls = 0

        async def view(path: str) -> Any:
            self.calls += 1
            return make() or f"answer {self.calls}"

        app.add_url_rule("/<path:path>", "view", cached(**options)(view), methods=["GET", "POST"])


@pytest.mark.checks("VD-4")
@pytest.mark.parametrize("kind", ["async", "sync", "blueprint", "class"])
async def test_kinds_of_views(app: Quart, kind: str) -> None:
    """The second response is the first one, for each kind of view."""
    calls: list[int] = []

    def sync_view() -> str:
        calls.append(1)
        return f"answer {len(calls)}"

    async def view() -> str:
        return sync_view()

    class ClassView(MethodView):
        decorators = [cached(timeout=60)]

        async def get(self) -> str:
            return sync_view()

    target = Blueprint("b", __name__) if kind == "blueprint" else app
    if kind == "class":
        target.add_url_rule("/a", view_func=ClassView.as_view("class_view"))
    elif kind == "sync":
        target.add_url_rule("/a", "a", cached(timeout=60)(sync_view))
    else:
        target.add_url_rule("/a", "a", cached(timeout=60)(view))
    if isinstance(target, Blueprint):
        app.register_blueprint(target)
    client = app.test_client()
    assert [await text(client) for _ in range(3)] == ["answer 1"] * 3
    assert len(calls) == 1


@pytest.mark.checks("VD-4")
async def test_timeout(app: Quart) -> None:
    Counter(app, timeout=0.05)
    client = app.test_client()
    assert await text(client) == "answer 1"
    await asyncio.sleep(0.1)
    assert await text(client) == "answer 2"


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize(
    ("path", "options"),
    [
        pytest.param("/b", {}, id="path"),
        pytest.param("/a?x=1", {}, id="query"),
        pytest.param("/a", {"method": "POST"}, id="method"),
        pytest.param("/a", {"headers": {"Host": "other.example"}}, id="host"),
        pytest.param("/a", {"headers": {"Accept-Language": "de"}}, id="header"),
    ],
)
async def test_other_responses(app: Quart, path: str, options: dict[str, Any]) -> None:
    """Another path, query, method, host or header in *vary* has another response."""
    counter = Counter(app, vary=["Accept-Language"])
    client = app.test_client()
    assert await text(client) == "answer 1"
    assert await text(client, path, **options) == "answer 2"
    assert await text(client) == "answer 1"
    assert counter.calls == 2


async def test_query_string(app: Quart) -> None:
    """The query can be ignored, as by default in ``Cache.cached``."""
    counter = Counter(app, query_string=False)
    for query in ("", "?x=1", "?x=2"):
        assert await text(app.test_client(), f"/a{query}") == "answer 1"
    assert counter.calls == 1


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"chunk"


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ("error", 500), id="error"),
        pytest.param(lambda: abort(410), id="error that is raised"),
        pytest.param(lambda: Response("a", headers={"Set-Cookie": "a=b"}), id="Set-Cookie"),
        pytest.param(lambda: str(session.setdefault("name", "ada")), id="session"),
        pytest.param(chunks, id="stream"),
    ],
)
async def test_not_stored(app: Quart, make: Callable[[], Any]) -> None:
    """An error, a stream or a private response is computed for each request."""
    counter = Counter(app, make)
    bodies = [await text(app.test_client()) for _ in range(3)]
    assert counter.calls == 3
    assert make is not chunks or bodies == ["chunk" * 3] * 3


@pytest.mark.checks("VD-5")
async def test_session_in_a_template(app: Quart) -> None:
    """A template that reads the session or flashed messages is for those who have none."""
    template = "{{ session.get('name', 'nobody') }}{{ get_flashed_messages() }}"
    calls: list[str] = []

    @app.get("/read")
    @cached()
    async def read() -> str:
        calls.append("read")
        return await render_template_string(template)

    @app.get("/plain")
    @cached()
    async def plain() -> str:
        calls.append("plain")
        return await render_template_string("plain")

    @app.get("/name")
    async def name() -> str:
        session["name"] = "ada"
        await flash("hello")
        return ""

    await text(app.test_client(), "/read")
    client = app.test_client()
    await text(client, "/name")
    assert await text(client, "/read") == "ada[&#39;hello&#39;]"
    assert await text(app.test_client(), "/read") == "nobody[]"
    for _ in range(3):
        await text(app.test_client(), "/plain")
    assert calls == ["read"] * 2 + ["plain"]


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize("vary", [[], ["Cookie"]], ids=["shared", "by cookie"])
@pytest.mark.parametrize("early", [True, False], ids=["before_request", "view"])
async def test_token_of_a_new_session(app: Quart, vary: list[str], early: bool) -> None:
    """A response that starts a session is private, whether the view or a hook starts it."""
    tokens = iter(range(100))

    def start() -> None:
        if "token" not in session:
            session["token"] = next(tokens)
        g.token = session["token"]

    if early:
        app.before_request(start)

    @app.get("/a")
    @cached(vary=vary)
    async def view() -> str:
        if not early:
            start()
        return f"token {g.token}"

    assert [await text(app.test_client()) for _ in range(3)] == ["token 0", "token 1", "token 2"]


@pytest.mark.checks("VD-5")
async def test_with_logins(app: Quart) -> None:
    """A cached view gets its own ``current_user``, and a protected one stays protected."""

    class User(UserMixin):
        id = "ada"

    LoginManager(app, login_view="login").user_loader(lambda _: User())

    @app.get("/login")
    async def login() -> str:
        return str(login_user(User()))

    @app.get("/a")
    @cached()
    async def view() -> str:
        return str(current_user.get_id())

    @app.get("/secret")
    @login_required
    @cached()
    async def secret() -> str:
        return "secret"

    client = app.test_client()
    assert await text(client) == "None"
    await text(client, "/login")
    assert await text(client) == "ada"
    assert await text(client, "/secret") == "secret"
    assert (await app.test_client().get("/secret")).status_code == 302
    assert await text(app.test_client()) == "None"


async def test_computed_once(app: Quart) -> None:
    """Requests at the same time share the response of one call."""
    calls = 0
    go_on = asyncio.Event()

    @app.get("/a")
    @cached()
    async def view() -> str:
        nonlocal calls
        calls += 1
        await go_on.wait()
        return f"answer {calls}"

    requests = [asyncio.create_task(text(app.test_client())) for _ in range(20)]
    await eventually(lambda: calls == 1)
    go_on.set()
    assert await asyncio.gather(*requests) == ["answer 1"] * 20


@pytest.mark.checks("VD-4")
async def test_memory_without_a_cache(app_class: type[Quart]) -> None:
    """Each application without a Cache has a memory of its own, with the default bound."""
    calls: list[str] = []

    @cached()
    async def view() -> str:
        calls.append("view")
        return "answer"

    apps = [app_class(__name__) for _ in range(2)]
    for app in apps:
        app.add_url_rule("/a", "view", view)
    for app in apps * 3:
        assert await text(app.test_client()) == "answer"
    assert len(calls) == 2
    client = apps[0].test_client()
    for number in range(510):
        await client.get(f"/a?{number}")
    (app_cache,) = apps[0].extensions["cache"].values()
    assert len(app_cache.store.records) == 500


async def test_signals(app: Quart) -> None:
    """The application is the sender of the signals, also without a Cache."""
    app.config["CACHE_ENABLE_SIGNALS"] = True
    senders: list[Quart] = []

    async def hit(sender: Quart, **_: Any) -> None:
        senders.append(sender)

    Counter(app)
    with cache_view_hit.connected_to(hit, app):
        for _ in range(2):
            await text(app.test_client())
    assert senders == [app]


async def test_cache_of_the_application(app: Quart) -> None:
    """The responses are in the first Cache of the application, which can delete them."""
    cache = Cache(app)
    other = Cache(app)
    counter = Counter(app)
    client = app.test_client()
    for query in ("", "?x=1"):
        await text(client, f"/a{query}")
    assert await cache.has("view//a")
    assert not await other.has("view//a")
    assert await cache.delete("view//a")
    assert await text(client) == "answer 3"
    assert counter.calls == 3


async def test_first_response_of_each_application(app_class: type[Quart]) -> None:
    """It is stored although a hook runs before, also in the second application of a process."""
    apps = [app_class(name) for name in ("one", "two")]
    counters = [Counter(one) for one in apps]
    for one in apps:
        one.before_request(lambda: None)
    for one in apps:
        for _ in range(2):
            assert await text(one.test_client(), headers={"X-Api-Key": "1"}) == "answer 1"
    assert [counter.calls for counter in counters] == [1, 1]


async def test_given_cache(app: Quart) -> None:
    """The responses are in the Cache that is given."""
    first, second = Cache(app), Cache(app)
    Counter(app, cache=second, tags=["pages"])
    assert await text(app.test_client()) == "answer 1"
    assert (await first.has("view//a"), await second.has("view//a")) == (False, True)
    await second.delete_tags("pages")
    assert await text(app.test_client()) == "answer 2"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"unless": lambda: True}, ["answer 1", "answer 2", "answer 3"]),
        (
            {"response_filter": lambda body: body != "answer 1"},
            ["answer 1", "answer 2", "answer 2"],
        ),
        ({"stale_while_revalidate": 60}, ["answer 1"] * 3),
    ],
    ids=["unless", "response_filter", "stale_while_revalidate"],
)
async def test_options(app: Quart, options: dict[str, Any], expected: list[str]) -> None:
    """Options are those of ``Cache.cached``."""
    Counter(app, **options)
    assert [await text(app.test_client()) for _ in range(3)] == expected


async def test_with_templated(app: Quart) -> None:
    """Decorators can be combined, and the view keeps its name."""
    calls: list[int] = []

    @app.get("/a")
    @cached()
    @templated("missing.html")
    async def view() -> str:
        calls.append(1)
        return "passed on"

    assert await text(app.test_client()) == await text(app.test_client()) == "passed on"
    assert len(calls) == 1 and view.__name__ == "view"


@pytest.mark.checks("VD-4")
@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((lambda: "",), {}, TypeError, r"@cached\(timeout=300\)"),
        ((-1,), {}, ValueError, "not a valid timeout"),
        ((float("nan"),), {}, ValueError, "not a valid timeout"),
        ((), {"vary": "Cookie"}, TypeError, "vary must be a list"),
    ],
)
def test_misuse(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cached(*arguments, **options)


USERS: dict[str, Callable[[], Any]] = {
    "current_user": lambda: current_user.get_id(),
    "g": lambda: g.user.get_id(),
}


@pytest.mark.parametrize(
    ("key", "view"), [("current_user", "current_user"), ("current_user", "g"), ("g", "g")]
)
@pytest.mark.parametrize("sync", [True, False])
async def test_key_of_the_user(app: Quart, key: str, view: str, sync: bool) -> None:
    """Each user has one response if the key names the user."""
    manager = LoginManager(app)
    calls: list[int] = []

    class User(UserMixin):
        def __init__(self, name: str) -> None:
            self.id = name

    @manager.user_loader
    async def load(name: str) -> User:
        return User(name)

    @app.get("/login/<name>")
    async def login(name: str) -> str:
        login_user(User(name))
        return ""

    def sync_view() -> str:
        calls.append(1)
        return str(USERS[view]())

    async def async_view() -> str:
        return sync_view()

    decorator = Cache(app).cached(key_prefix=lambda: f"page of {USERS[key]()}")
    app.add_url_rule("/a", "view", login_required(decorator(sync_view if sync else async_view)))
    clients = {name: app.test_client() for name in ("ada", "grace")}
    for name, client in clients.items():
        await client.get(f"/login/{name}")
    for _ in range(2):
        for name, client in clients.items():
            assert await text(client) == name
    assert len(calls) == 2


@pytest.fixture
def no_other_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the cached views of other tests, of which this process knows no application."""
    monkeypatch.setattr(default_cache, "_views", WeakSet())


@pytest.mark.usefixtures("no_other_views")
@pytest.mark.parametrize("kind", ["function", "class"])
async def test_only_requests_for_cached_views_are_recorded(app: Quart, kind: str) -> None:
    """Recording takes time, so that requests for views without a cache are not recorded."""
    recorded: list[bool] = []

    async def plain() -> str:
        current: Any = request
        recorded.append(READS in vars(current._get_current_object()))
        return "plain"

    def view_class() -> Any:
        class View(MethodView):
            @cached()
            async def get(self) -> str:
                return await plain()

        return View.as_view("cached")

    app.add_url_rule("/plain", "plain", plain)
    view: Any = cached()(plain) if kind == "function" else view_class()
    app.add_url_rule("/cached", "cached", view)
    client = app.test_client()
    for path in ("/cached", "/plain", "/plain", "/cached"):
        assert await text(client, path) == "plain"
    assert recorded == [True, False, False]


@pytest.mark.usefixtures("no_other_views")
@pytest.mark.parametrize("reads", [True, False])
async def test_cached_view_that_another_view_calls(app: Quart, reads: bool) -> None:
    """It is not shared if the request may tell visitors apart, also if it was not recorded."""
    calls: list[str] = []

    @app.get("/cached")
    @cached()
    async def view() -> str:
        calls.append("call")
        return str(g.user) if "user" in g else "all"

    @app.get("/plain")
    async def plain() -> Any:
        if reads:
            g.user = request.headers.get("X-User")
        return await view()

    client = app.test_client()
    assert await text(client, "/cached") == "all"
    for user in ("ada", "bob", "ada"):
        found = await text(client, "/plain", headers={"X-User": user})
        assert found == (user if reads else "all")
    # The first of these requests was not recorded, the others are.
    assert len(calls) == (4 if reads else 3)


@pytest.mark.usefixtures("no_other_views")
async def test_cached_function_that_is_no_view(app: Quart) -> None:
    """If a decorated function is no view, each request is recorded from the first one on."""
    calls: list[str] = []

    @app.get("/cached")
    @cached()
    async def view() -> str:
        return "cached"

    @cached()
    async def function() -> str:
        calls.append("call")
        return "function"

    @app.get("/plain")
    async def plain() -> Any:
        return await function()

    client = app.test_client()
    for _ in range(2):
        assert await text(client, "/plain") == "function"
    assert len(calls) == 1
