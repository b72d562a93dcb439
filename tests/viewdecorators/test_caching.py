"""An answer is kept for those it is for, and made once however many ask."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from cashews import Cache
from quart import (
    Blueprint,
    Quart,
    Response,
    abort,
    after_this_request,
    flash,
    g,
    redirect,
    render_template_string,
    request,
    session,
)
from quart.views import MethodView
from quart.wrappers.response import IOBody

from quartpatterns.viewdecorators import (
    LoginManager,
    StreamNotCachedError,
    UserMixin,
    cached,
    current_user,
    login_required,
    login_user,
    templated,
)
from tests.serving import eventually, served

of_cashews = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")


class Made:
    """A view that counts how often it is called."""

    __name__ = __qualname__ = "made"

    def __init__(self, make: Callable[[], Any] = lambda: "", *, pause: float = 0.0) -> None:
        self.make = make
        self.pause = pause
        self.calls = 0

    async def __call__(self, **_: Any) -> Any:
        self.calls += 1
        number = self.calls
        await asyncio.sleep(self.pause)
        return self.make() or f"answer {number}"


def install(app: Quart, made: Made, *decorators: Any, **options: Any) -> None:
    """*made* at every path, for GET and POST, below ``cached``."""

    async def view(**values: Any) -> Any:
        return await made(**values)

    app.add_url_rule(
        "/<path:path>", "view", cached(**options)(view), methods=["GET", "POST", "DELETE"]
    )


async def text(client: Any, path: str = "/a", **options: Any) -> str:
    response = await client.open(path, **{"method": "GET", **options})
    found = await response.get_data(as_text=True)
    assert isinstance(found, str)
    return found


@pytest.mark.checks("VD-4")
@pytest.mark.parametrize("kind", ["async", "sync", "blueprint", "class"])
async def test_kept(app: Quart, kind: str) -> None:
    """The second answer is the first, whatever kind of view made it."""
    calls: list[int] = []

    def sync_view() -> str:
        calls.append(1)
        return f"answer {len(calls)}"

    async def view() -> str:
        return sync_view()

    class Shown(MethodView):
        decorators = [cached(timeout=60)]

        async def get(self) -> str:
            return sync_view()

    target = Blueprint("b", __name__) if kind == "blueprint" else app
    if kind == "class":
        target.add_url_rule("/a", view_func=Shown.as_view("shown"))
    else:
        target.add_url_rule("/a", "a", cached(timeout=60)(sync_view if kind == "sync" else view))
    if isinstance(target, Blueprint):
        app.register_blueprint(target)
    client = app.test_client()
    assert [await text(client) for _ in range(3)] == ["answer 1"] * 3
    assert len(calls) == 1


@pytest.mark.checks("VD-4")
async def test_timeout(app: Quart) -> None:
    install(app, made := Made(), timeout=0.2)
    client = app.test_client()
    assert await text(client) == await text(client) == "answer 1"
    await asyncio.sleep(0.3)
    assert await text(client) == "answer 2"
    assert made.calls == 2


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize(
    ("path", "options"),
    [
        pytest.param("/b", {}, id="path"),
        pytest.param("/a?x=1", {}, id="query"),
        pytest.param("/a?x=%C3%A4&x", {}, id="another query"),
        pytest.param("/a", {"method": "HEAD"}, id="method"),
        pytest.param("/a", {"headers": {"Host": "other.example"}}, id="host"),
        pytest.param("/a", {"headers": {"Host": "localhost:81"}}, id="port"),
        pytest.param("/a", {"scheme": "https"}, id="scheme"),
        pytest.param("/a", {"headers": {"Accept-Language": "de"}}, id="header"),
        pytest.param("/mount/a", {"root_path": "/mount"}, id="mount"),
        pytest.param("/%C3%A4", {}, id="not ASCII"),
        pytest.param("/{0.__class__}", {}, id="braces"),
        pytest.param("/" + "x" * 5000, {}, id="long"),
    ],
)
async def test_told_apart(app: Quart, path: str, options: dict[str, Any]) -> None:
    """What makes another answer has an entry of its own."""
    install(app, made := Made(), vary=["Accept-Language"])
    client = app.test_client()
    await text(client)
    for _ in range(2):
        await text(client, path, **options)
    assert await text(client) == "answer 1"
    assert made.calls == 2


@pytest.mark.checks("VD-5")
async def test_vary_is_said(app: Quart) -> None:
    """Caches on the way are told the same, on every answer."""
    install(app, Made(), vary=["Accept-Language", "X-Theme"])
    client = app.test_client()
    for _ in range(2):
        response = await client.get("/a")
        assert set(response.vary) == {"Accept-Language", "X-Theme"}


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_unsafe_methods(app: Quart, method: str) -> None:
    """What changes something is never answered from the cache, nor kept."""
    install(app, made := Made())
    client = app.test_client()
    for _ in range(2):
        await text(client, method=method)
    await text(client)
    assert made.calls == 3


def private(header: str, value: str) -> Callable[[], Response]:
    return lambda: Response("private", headers={header: value})


def touch() -> str:
    session.get("name")
    return ""


def write() -> str:
    session["token"] = "secret"
    return ""


def set_cookie() -> Response:
    response = Response("mine")
    response.set_cookie("user", "ada")
    return response


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(set_cookie, id="Set-Cookie"),
        pytest.param(private("Vary", "Cookie"), id="Vary: Cookie"),
        pytest.param(private("Vary", "*"), id="Vary: *"),
        pytest.param(private("Vary", "Accept"), id="Vary: another header"),
        pytest.param(private("Cache-Control", "private"), id="private"),
        pytest.param(private("Cache-Control", "no-store"), id="no-store"),
        pytest.param(touch, id="session read"),
        pytest.param(write, id="session written"),
        pytest.param(lambda: ("error", 500), id="error"),
        pytest.param(lambda: ("error", 404), id="not found"),
        pytest.param(lambda: abort(410), id="error that is raised"),
        pytest.param(lambda: ("part", 206), id="part"),
    ],
)
async def test_not_kept(app: Quart, make: Callable[[], Any]) -> None:
    """What is one visitor's, or an error, is made for each."""
    install(app, made := Made(make))
    for _ in range(3):
        await app.test_client().get("/a")
    assert made.calls == 3


@pytest.mark.checks("VD-5")
async def test_session_in_a_template(app: Quart) -> None:
    """A template reads the session as a view does; a flashed message is one, too."""
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
    assert calls == ["read"] * 3 + ["plain"]


@pytest.mark.checks("VD-5")
async def test_never_another_users_cookie(app: Quart) -> None:
    """The session that a view makes is seen by its visitor alone, many at a time."""

    @app.get("/a")
    @cached()
    async def view() -> str:
        await asyncio.sleep(0.01)
        session["user"] = request.headers["X-User"]
        return request.headers["X-User"]

    async def asked(name: str) -> tuple[str, str | None]:
        response = await app.test_client().get("/a", headers={"X-User": name})
        return await response.get_data(as_text=True), response.headers.get("Set-Cookie")

    names = [f"user{number}" for number in range(20)]
    answers = await asyncio.gather(*map(asked, names))
    assert [body for body, _ in answers] == names
    assert len({cookie for _, cookie in answers}) == len(names)


@pytest.mark.checks("VD-5")
async def test_cookie_added_later(app: Quart) -> None:
    """What is added to an answer after the view is on that answer alone."""

    @app.get("/a")
    @cached()
    async def view() -> str:
        @after_this_request
        async def add(response: Any) -> Any:
            response.set_cookie("seen", "1")
            return response

        return "answer"

    first, second = [await app.test_client().get("/a") for _ in range(2)]
    assert "Set-Cookie" in first.headers and "Set-Cookie" not in second.headers


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize("early", [True, False], ids=["kept first", "kept later"])
async def test_visitors_with_a_session(app: Quart, early: bool) -> None:
    """Who brings a session or credentials has answers of his own; those without share one."""
    install(app, made := Made())
    cookie = {"Cookie": "session=anything"}
    if early:
        assert await text(app.test_client()) == "answer 1"
    before = made.calls
    assert await text(app.test_client(), headers=cookie) == f"answer {before + 1}"
    assert await text(app.test_client(), headers={"Authorization": "x"}) == f"answer {before + 2}"
    first = await text(app.test_client())
    assert await text(app.test_client(), headers={"Cookie": "theme=dark"}) == first
    assert first == ("answer 1" if early else "answer 3")


@pytest.mark.checks("VD-5")
async def test_vary_by_cookie(app: Quart) -> None:
    """With the cookie in the key each visitor has a cache of his own."""

    @app.get("/set/<name>")
    async def name(name: str) -> str:
        session["name"] = name
        return ""

    calls: list[str] = []

    @app.get("/a")
    @cached(vary=["Cookie"])
    async def view() -> str:
        calls.append(session.get("name", "nobody"))
        return calls[-1]

    ada, bob = app.test_client(), app.test_client()
    await text(ada, "/set/ada")
    await text(bob, "/set/bob")
    for _ in range(2):
        for client, expected in ((ada, "ada"), (bob, "bob"), (app.test_client(), "nobody")):
            assert await text(client) == expected
    assert calls == ["ada", "bob", "nobody"]


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize("vary", [[], ["Cookie"]], ids=["shared", "by cookie"])
@pytest.mark.parametrize("early", [True, False], ids=["before_request", "view"])
async def test_token_of_a_new_session(app: Quart, vary: list[str], early: bool) -> None:
    """A session that begins with this answer makes it private, whoever began it."""
    tokens = iter(range(100))

    def begin() -> None:
        if "token" not in session:
            session["token"] = next(tokens)
        g.token = session["token"]

    if early:
        app.before_request(begin)

    @app.get("/a")
    @cached(vary=vary)
    async def view() -> str:
        if not early:
            begin()
        return f"token {g.token}"

    assert [await text(app.test_client()) for _ in range(3)] == ["token 0", "token 1", "token 2"]


@pytest.mark.checks("VD-5")
async def test_with_logins(app: Quart) -> None:
    """``current_user`` in a cached view is the visitor, and a login stays a login."""

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


@pytest.mark.checks("VD-4")
async def test_whole_answer(app: Quart) -> None:
    """Status, headers of several values, and bytes come back as they were, each time anew."""
    body = bytes(range(256)) + b"\n\n"

    def make() -> Response:
        response = Response(body, 203, mimetype="application/octet-stream")
        response.headers.add("Link", "</a>")
        response.headers.add("Link", "</b>")
        response.set_etag("tag")
        return response

    install(app, made := Made(make))
    answers = [await app.test_client().get("/a") for _ in range(3)]
    for answer in answers:
        assert (answer.status_code, await answer.get_data(as_text=False)) == (203, body)
        assert answer.headers.getlist("Link") == ["</a>", "</b>"]
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Length"] == str(len(body))
        assert answer.headers["ETag"] == '"tag"'
    assert made.calls == 1
    assert len({id(answer) for answer in answers}) == 3


@pytest.mark.checks("VD-4")
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: redirect("/elsewhere"), id="redirect"),
        pytest.param(lambda: Response(status=204), id="no content"),
        pytest.param(lambda: {"a": [1]}, id="JSON"),
        pytest.param(lambda: ("text", 201, {"X-A": "b"}), id="tuple"),
        pytest.param(lambda: b"", id="empty"),
    ],
)
async def test_kinds_of_answers(app: Quart, make: Callable[[], Any]) -> None:
    """All that a view may return at once can be kept."""
    calls: list[int] = []

    @app.get("/a")
    @cached()
    async def view() -> Any:
        calls.append(1)
        return make()

    one, two = [await app.test_client().get("/a") for _ in range(2)]
    assert (one.status_code, list(one.headers)) == (two.status_code, list(two.headers))
    assert await one.get_data(as_text=False) == await two.get_data(as_text=False)
    assert len(calls) == 1


async def chunks() -> AsyncIterator[bytes]:
    yield b"chunk"


def sync_chunks() -> Iterator[bytes]:
    yield b"chunk"


@pytest.mark.checks("VD-5")
@pytest.mark.parametrize("kind", ["async", "sync", "response", "file"])
async def test_streams(app: Quart, kind: str) -> None:
    """A stream is refused, and the message says so: kept, it would be empty the second time."""
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @cached()
    async def view() -> Any:
        made: dict[str, Callable[[], Any]] = {
            "async": chunks,
            "sync": sync_chunks,
            "response": lambda: Response(chunks()),
            "file": lambda: Response(IOBody(BytesIO(b"file"))),
        }
        return made[kind]()

    app.add_url_rule("/a", "view", view)
    for headers in ({}, {"Cookie": "session=x"}):
        async with app.test_request_context("/a", headers=headers):
            with pytest.raises(
                StreamNotCachedError, match="'view' answers with a stream or a file"
            ):
                await view()


@pytest.mark.checks("VD-5")
async def test_stream_is_closed(app: Quart) -> None:
    """The stream that is refused does not stay open."""
    made = chunks()

    @cached()
    async def view() -> Any:
        return made

    async with app.test_request_context("/a"):
        with pytest.raises(StreamNotCachedError):
            await view()
    with pytest.raises(StopAsyncIteration):
        await anext(made)


@pytest.mark.checks("VD-4")
@pytest.mark.wire
async def test_made_once(app: Quart) -> None:
    """Fifty who ask at once wait for one answer."""
    install(app, made := Made(pause=0.2))
    async with served(app) as server:
        answers = await asyncio.gather(*(server.client.get("/a") for _ in range(50)))
    assert {answer.text for answer in answers} == {"answer 1"}
    assert made.calls == 1


async def test_others_do_not_wait(app: Quart) -> None:
    """Each key is made by itself: a slow page holds up no other."""
    release = asyncio.Event()

    @app.get("/<name>")
    @cached()
    async def view(name: str) -> str:
        if name == "slow":
            await release.wait()
        return name

    slow = asyncio.create_task(text(app.test_client(), "/slow"))
    assert await asyncio.wait_for(text(app.test_client(), "/fast"), 5) == "fast"
    assert not slow.done()
    release.set()
    assert await slow == "slow"


async def test_nobody_waits_for_what_is_not_shared(app: Quart) -> None:
    """After one private answer those that follow are made side by side."""
    running, most = 0, 0

    @app.get("/a")
    @cached()
    async def view() -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        session["a"] = 1
        return ""

    await text(app.test_client())
    await asyncio.gather(*(text(app.test_client()) for _ in range(10)))
    assert most == 10


async def test_failure(app: Quart) -> None:
    """An error is of the one whose view it was; those who waited ask for themselves."""
    calls: list[int] = []

    @app.get("/a")
    @cached()
    async def view() -> str:
        calls.append(1)
        number = len(calls)
        await asyncio.sleep(0.05)
        if number == 1:
            abort(503)
        return "well"

    answers = await asyncio.gather(*(app.test_client().get("/a") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 503]
    assert len(calls) == 5
    assert await text(app.test_client()) == "well"
    assert len(calls) == 5


@pytest.mark.wire
async def test_client_that_leaves(app: Quart) -> None:
    """When the first client goes away the next one who waits makes the answer."""
    install(app, made := Made(pause=0.3))
    async with served(app) as server:
        first = asyncio.create_task(server.client.get("/a"))
        await eventually(lambda: made.calls == 1)
        others = [asyncio.create_task(server.client.get("/a")) for _ in range(5)]
        await asyncio.sleep(0.1)
        first.cancel()
        answers = await asyncio.gather(*others)
    assert {answer.text for answer in answers} == {"answer 2"}
    assert made.calls == 2


async def test_waiting_client_that_leaves(app: Quart) -> None:
    """One who waits and goes away disturbs nobody."""
    install(app, made := Made(pause=0.2))
    tasks = [asyncio.create_task(text(app.test_client())) for _ in range(4)]
    await asyncio.sleep(0.05)
    tasks[2].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [found[0], found[1], found[3]] == ["answer 1"] * 3
    assert isinstance(found[2], asyncio.CancelledError)
    assert made.calls == 1


async def test_applications_share_nothing(app_class: type[Quart]) -> None:
    """Two applications of one factory have a memory each."""
    made = Made(pause=0.05)
    view = cached()(made)
    apps = [app_class(__name__) for _ in range(2)]
    for app in apps:
        app.add_url_rule("/a", "view", view)
    await asyncio.gather(*(text(app.test_client()) for app in apps * 3))
    assert made.calls == 2


@pytest.mark.checks("VD-4")
async def test_memory_is_bounded(app: Quart) -> None:
    """A client that invents queries fills no memory."""
    install(app, Made())
    client = app.test_client()
    for number in range(1100):
        await client.get(f"/a?{number}")
    (memory,) = [value for key, value in app.extensions.items() if key.endswith(".cached")]
    assert await memory.get_keys_count() == 1000


async def test_own_cache(app: Quart) -> None:
    """A cache of cashews is used as it is; a path is deleted by its pattern."""
    cache = Cache()
    cache.setup("mem://", check_interval=0)
    install(app, made := Made(), cache=cache, key="pages{}")
    client = app.test_client()
    await text(client, "/a?x=1")
    await text(client, "/a?x=2")
    await cache.delete_match("pages/a:*")
    assert await text(client, "/a?x=1") == "answer 3"
    assert made.calls == 3


@of_cashews
@pytest.mark.wire
@pytest.mark.checks("VD-4")
async def test_redis(app: Quart, redis_url: str) -> None:
    """Two processes share what is in Redis, where nothing is pickled of ours."""
    caches = []
    for _ in range(2):
        caches.append(cache := Cache())
        cache.setup(redis_url, client_side=False)
    body = bytes(range(256))
    made = Made(lambda: Response(body, 203))
    for number, cache in enumerate(caches):
        app.add_url_rule("/a", f"view{number}", cached(cache=cache, key="vd-test{}")(made))
        app.url_map.update()
    try:
        for number in range(2):
            view: Any = app.view_functions[f"view{number}"]
            async with app.test_request_context("/a"):
                response = await view()
                assert (response.status_code, await response.get_data(as_text=False)) == (203, body)
        assert made.calls == 1
    finally:
        for cache in caches:
            await cache.delete_match("vd-test*")
            await cache.close()


@of_cashews
async def test_redis_is_away(app: Quart) -> None:
    """A cache that can't be reached costs speed, not answers."""
    cache = Cache()
    cache.setup("redis://127.0.0.1:1/0")
    install(app, made := Made(), cache=cache)
    assert await text(app.test_client()) == "answer 1"
    assert await text(app.test_client()) == "answer 2"
    assert made.calls == 2
    await cache.close()


@pytest.mark.parametrize("found", [b"", b"garbage", b"[1]\nx", b'["a", []]\nx', "text", 7, ["a"]])
async def test_strange_values(app: Quart, found: Any) -> None:
    """What somebody else left under the key is no answer."""

    class Strange:
        async def get(self, key: str, default: Any = None) -> Any:
            return found

        async def set(self, key: str, value: Any, expire: Any = None) -> None: ...

    install(app, Made(), cache=Strange())
    assert await text(app.test_client()) == "answer 1"


async def test_with_templated(app: Quart) -> None:
    """Decorators stand above each other in any number."""
    calls: list[int] = []

    @app.get("/a")
    @cached()
    @templated("there is none")
    async def view() -> str:
        calls.append(1)
        return "passed on"

    assert await text(app.test_client()) == await text(app.test_client()) == "passed on"
    assert len(calls) == 1 and view.__name__ == "view"


@pytest.mark.checks("VD-4")
@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((lambda: "",), {}, ValueError, r"@cached\(timeout=300\)"),
        ((0,), {}, ValueError, "seconds"),
        ((-1,), {}, ValueError, "seconds"),
        ((float("nan"),), {}, ValueError, "seconds"),
        ((), {"vary": "Cookie"}, TypeError, "collection"),
    ],
)
def test_misuse(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cached(*arguments, **options)


def test_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra; with a cache of one's own nothing is missing."""
    monkeypatch.setitem(sys.modules, "cashews", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'quartpatterns\[caching\]'"):
        cached()
    cached(cache=Cache())
