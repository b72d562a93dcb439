"""Responses of views and values of functions: stored for the right visitors and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from quart import (
    Blueprint,
    Quart,
    Response,
    abort,
    after_this_request,
    g,
    redirect,
    request,
    session,
    websocket,
)
from quart.views import MethodView, View
from quart.wrappers.response import IOBody

from quartpatterns.caching import Cache, cache_view_hit, cache_view_miss


async def text(client: Any, path: str = "/a", **options: Any) -> str:
    response = await client.open(path, **{"method": "GET", **options})
    found = await response.get_data(as_text=True)
    assert isinstance(found, str)
    return found


class Counter:
    """A cached view at every path, whose response tells how often it was called."""

    def __init__(self, app: Quart, cache: Cache, make: Any = None, **options: Any) -> None:
        self.calls = 0
        self.make = make

        async def view(**_: Any) -> Any:
            self.calls += 1
            number = self.calls
            await asyncio.sleep(0)
            return self.make() if self.make is not None else f"answer {number}"

        self.view: Any = cache.cached(**options)(view)
        methods = ["GET", "POST", "DELETE"]
        app.add_url_rule("/<path:path>", "view", self.view, methods=methods)


@pytest.mark.checks("CA-4")
@pytest.mark.parametrize("form", ["async", "sync", "blueprint", "class", "method", "dispatch"])
async def test_kinds_of_views(app: Quart, cache: Cache, form: str) -> None:
    """The second response is the first one, for each kind of view."""
    calls: list[int] = []
    cached = cache.cached(timeout=60)

    def sync_view() -> str:
        calls.append(1)
        return f"answer {len(calls)}"

    async def view() -> str:
        return sync_view()

    class Decorated(MethodView):
        decorators = [cached]

        async def get(self) -> str:
            return sync_view()

    class OneMethod(MethodView):
        @cached
        async def get(self) -> str:
            return sync_view()

    class Dispatched(View):
        @cache.cached(key_prefix="constant")
        async def dispatch_request(self, **kwargs: Any) -> str:
            return sync_view()

    target = Blueprint("b", __name__) if form == "blueprint" else app
    classes = {"class": Decorated, "method": OneMethod, "dispatch": Dispatched}
    if form in classes:
        target.add_url_rule("/a", view_func=classes[form].as_view("shown"))
    else:
        target.add_url_rule("/a", "a", cached(sync_view if form == "sync" else view))
    if isinstance(target, Blueprint):
        app.register_blueprint(target)
    client = app.test_client()
    assert [await text(client) for _ in range(3)] == ["answer 1"] * 3
    response = await client.get("/a")
    assert "ETag" not in response.headers and len(calls) == 1


@pytest.mark.checks("CA-4")
async def test_whole_answer(app: Quart, cache: Cache) -> None:
    """Status, repeated headers and bytes come back unchanged, in a new response object."""
    body = bytes(range(256)) + b"\n\n"

    def make() -> Response:
        response = Response(body, 203, mimetype="application/octet-stream")
        response.headers.add("Link", "</a>; title=ü")
        response.headers.add("Link", "</b>")
        return response

    counter = Counter(app, cache, make)
    answers = [await app.test_client().get("/a") for _ in range(3)]
    for answer in answers:
        assert (answer.status_code, await answer.get_data(as_text=False)) == (203, body)
        assert answer.headers.getlist("Link") == ["</a>; title=ü", "</b>"]
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Length"] == str(len(body))
    assert counter.calls == 1
    assert len({id(answer) for answer in answers}) == 3


@pytest.mark.checks("CA-4")
async def test_headers_that_are_not_stored(app: Quart, cache: Cache) -> None:
    """Headers of a single response or connection are not in the cached one."""
    headers = {"Age": "1", "Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Keep-Alive": "timeout=5"}
    Counter(app, cache, lambda: Response("", headers={**headers, "X-A": "b"}))
    first, second = [await app.test_client().get("/a") for _ in range(2)]
    assert all(name in first.headers for name in headers)
    assert not any(name in second.headers for name in headers)
    assert second.headers["X-A"] == "b"


@pytest.mark.checks("CA-4")
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
async def test_kinds_of_answers(app: Quart, cache: Cache, make: Callable[[], Any]) -> None:
    counter = Counter(app, cache, make)
    one, two = [await app.test_client().get("/a") for _ in range(2)]
    assert (one.status_code, list(one.headers)) == (two.status_code, list(two.headers))
    assert await one.get_data(as_text=False) == await two.get_data(as_text=False)
    assert counter.calls == 1


@pytest.mark.checks("CA-4")
async def test_timeout(app: Quart, cache: Cache) -> None:
    """After its timeout a response is computed anew; the attribute changes the timeout."""
    counter = Counter(app, cache, timeout=0.05)
    client = app.test_client()
    assert await text(client) == "answer 1"
    await asyncio.sleep(0.1)
    counter.view.cache_timeout = 60
    assert await text(client) == "answer 2"
    await asyncio.sleep(0.1)
    assert await text(client) == "answer 2"


@pytest.mark.checks("CA-4", "CA-8")
@pytest.mark.parametrize(
    ("path", "options", "is_part"),
    [
        pytest.param("/b", {}, True, id="path"),
        pytest.param("/a?x=1", {}, False, id="query"),
        pytest.param("/a", {"method": "HEAD"}, False, id="HEAD"),
        pytest.param("/a", {"headers": {"Host": "other.example"}}, True, id="host"),
        pytest.param("/a", {"headers": {"Host": "localhost:81"}}, True, id="port"),
        pytest.param("/a", {"scheme": "https"}, True, id="scheme"),
        pytest.param("/a", {"headers": {"Accept-Language": "de"}}, True, id="header"),
        pytest.param("/a", {"headers": {"Accept": "text/css"}}, False, id="another header"),
        pytest.param("/mount/a", {"root_path": "/mount"}, True, id="mount"),
        pytest.param("/%C3%A4", {}, True, id="not ASCII"),
        pytest.param("/%25s%25(x)s", {}, True, id="percent"),
        pytest.param("/" + "x" * 5000, {}, True, id="long"),
    ],
)
async def test_parts_of_the_key(
    app: Quart, cache: Cache, path: str, options: dict[str, Any], is_part: bool
) -> None:
    """A request that differs in a part of the key has its own response."""
    counter = Counter(app, cache, vary=["Accept-Language"])
    client = app.test_client()
    await text(client)
    for _ in range(2):
        await text(client, path, **options)
    assert await text(client) == "answer 1"
    assert counter.calls == 1 + is_part


@pytest.mark.checks("CA-4")
async def test_query_string(app: Quart, cache: Cache) -> None:
    """Each query has its own response, whatever the order of its names; values keep theirs."""
    counter = Counter(app, cache, query_string=True)
    client = app.test_client()
    for query in ("?x=1&y=2", "?y=2&x=1", "", "?", "?x=1", "?x=1&x=2", "?x=2&x=1", "?x=12"):
        await text(client, f"/a{query}")
    assert counter.calls == 6


@pytest.mark.checks("CA-8")
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_unsafe_methods(app: Quart, cache: Cache, method: str) -> None:
    counter = Counter(app, cache)
    for _ in range(2):
        await text(app.test_client(), method=method)
    await text(app.test_client())
    assert counter.calls == 3


@pytest.mark.checks("CA-8")
async def test_head_is_not_stored(app: Quart, cache: Cache) -> None:
    """A view may omit the body for HEAD; a GET gets it all the same."""

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        return "" if request.method == "HEAD" else "body"

    client = app.test_client()
    assert (await client.head("/a")).status_code == 200
    assert await text(client) == "body"


def private(header: str, value: str) -> Callable[[], Response]:
    return lambda: Response("private", headers={header: value})


def write() -> str:
    session["token"] = "secret"
    return ""


def set_cookie() -> Response:
    response = Response("mine")
    response.set_cookie("user", "ada")
    return response


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"chunk"


def sync_chunks() -> Iterator[bytes]:
    yield b"chunk" * 3


@pytest.mark.checks("CA-9", "CA-10")
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(set_cookie, id="Set-Cookie"),
        pytest.param(private("Vary", "Cookie"), id="Vary: Cookie"),
        pytest.param(private("Vary", "*"), id="Vary: *"),
        pytest.param(private("Vary", "Accept"), id="Vary: another header"),
        pytest.param(private("Cache-Control", "private"), id="private"),
        pytest.param(private("Cache-Control", "no-store"), id="no-store"),
        pytest.param(write, id="session written"),
        pytest.param(lambda: ("error", 500), id="error"),
        pytest.param(lambda: ("error", 404), id="not found"),
        pytest.param(lambda: abort(410), id="error that is raised"),
        pytest.param(lambda: ("part", 206), id="part"),
        pytest.param(lambda: ("", 304), id="not modified"),
    ],
)
async def test_not_stored(app: Quart, cache: Cache, make: Callable[[], Any]) -> None:
    """A private response or an error is computed for each request."""
    counter = Counter(app, cache, make)
    for _ in range(3):
        await app.test_client().get("/a")
    assert counter.calls == 3


@pytest.mark.checks("CA-10")
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(chunks, id="async"),
        pytest.param(sync_chunks, id="sync"),
        pytest.param(lambda: Response(chunks()), id="response"),
        pytest.param(lambda: Response(IOBody(BytesIO(b"chunk" * 3))), id="file"),
    ],
)
async def test_streams(app: Quart, cache: Cache, make: Callable[[], Any]) -> None:
    """A stream arrives completely each time, and is not stored."""
    counter = Counter(app, cache, make)
    assert [await text(app.test_client()) for _ in range(3)] == ["chunk" * 3] * 3
    assert counter.calls == 3


@pytest.mark.checks("CA-9")
async def test_never_another_users_cookie(app: Quart, cache: Cache) -> None:
    """Of many visitors at the same time each gets only the own session."""

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        await asyncio.sleep(0.01)
        session["user"] = request.headers["X-User"]
        return request.headers["X-User"]

    async def visit(name: str) -> tuple[str, str | None]:
        response = await app.test_client().get("/a", headers={"X-User": name})
        return await response.get_data(as_text=True), response.headers.get("Set-Cookie")

    names = [f"user{number}" for number in range(20)]
    answers = await asyncio.gather(*map(visit, names))
    assert [body for body, _ in answers] == names
    assert len({cookie for _, cookie in answers}) == len(names)


@pytest.mark.checks("CA-9")
async def test_cookie_added_later(app: Quart, cache: Cache) -> None:
    """A cookie that is added after the view is in that response only."""

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        @after_this_request
        async def add(response: Any) -> Any:
            response.set_cookie("seen", "1")
            return response

        return "answer"

    first, second = [await app.test_client().get("/a") for _ in range(2)]
    assert "Set-Cookie" in first.headers and "Set-Cookie" not in second.headers


@pytest.mark.checks("CA-9")
async def test_visitors_with_a_session(app: Quart, cache: Cache) -> None:
    """Requests with credentials call the view; what reads nothing of a session is shared."""
    counter = Counter(app, cache)
    assert await text(app.test_client()) == "answer 1"
    assert await text(app.test_client(), headers={"Authorization": "x"}) == "answer 2"
    for cookie in ("session=anything", "theme=dark"):
        assert await text(app.test_client(), headers={"Cookie": cookie}) == "answer 1"
    assert counter.calls == 2


@pytest.mark.checks("CA-9")
@pytest.mark.parametrize("everything", [True, False])
async def test_reading_a_session(app: Quart, cache: Cache, everything: bool) -> None:
    """What is made for a visitor without a name is not for one who has a name."""

    @app.get("/set/<key>/<value>")
    async def set_(key: str, value: str) -> str:
        session[key] = value
        return ""

    calls: list[int] = []

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        calls.append(1)
        found = dict(session) if everything else {"name": session.get("name", "nobody")}
        return str(found.get("name", "nobody"))

    nobody, dark, ada = (app.test_client() for _ in range(3))
    await text(dark, "/set/theme/dark")
    await text(ada, "/set/name/ada")
    for _ in range(2):
        assert await text(nobody) == "nobody"
        assert await text(dark) == "nobody"
        assert await text(ada) == "ada"
    assert len(calls) == (5 if everything else 3)


@pytest.mark.checks("CA-9")
async def test_vary_by_cookie(app: Quart, cache: Cache) -> None:
    """With the cookie in the key each visitor has own responses."""

    @app.get("/set/<name>")
    async def name(name: str) -> str:
        session["name"] = name
        return ""

    calls: list[str] = []

    @app.get("/a")
    @cache.cached(vary=["Cookie"])
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


@pytest.mark.checks("CA-9")
async def test_vary_by_credentials(app: Quart, cache: Cache) -> None:
    """With ``Authorization`` in the key each user has own responses."""
    counter = Counter(app, cache, vary=["Authorization"])
    for _ in range(2):
        for number, user in enumerate(("ada", "bob"), 1):
            headers = {"Authorization": user}
            assert await text(app.test_client(), headers=headers) == f"answer {number}"
    assert counter.calls == 2


@pytest.mark.checks("CA-9")
async def test_vary_header(app: Quart, cache: Cache) -> None:
    """Every response names the headers in ``Vary``, for caches on the way."""
    Counter(app, cache, vary=["Accept-Language", "X-Theme"])
    for _ in range(2):
        response = await app.test_client().get("/a")
        assert set(response.vary) == {"Accept-Language", "X-Theme"}


@pytest.mark.checks("CA-11")
async def test_not_modified(app: Quart, cache: Cache) -> None:
    """A client that has the response gets 304 without a body, on a hit and on a miss."""
    counter = Counter(app, cache, lambda: Response("body", headers={"X-A": "b"}), etag=True)
    client = app.test_client()
    tag = (await client.get("/a")).headers["ETag"]
    for path, calls in (("/a", 1), ("/b", 2)):
        response = await client.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (response.status_code, response.headers["ETag"]) == (304, tag)
        assert await response.get_data(as_text=False) == b""
        assert counter.calls == calls
        response = await client.get(path, headers={"If-None-Match": '"other"'})
        assert (response.status_code, await response.get_data(as_text=True)) == (200, "body")
    assert counter.calls == 2


@pytest.mark.checks("CA-11")
async def test_own_tag(app: Quart, cache: Cache) -> None:
    """An ``ETag`` or date that the view sets is used."""

    def make() -> Response:
        response = Response("body")
        response.set_etag("mine", weak=True)
        response.headers["Last-Modified"] = "Thu, 01 Jan 2026 00:00:00 GMT"
        return response

    Counter(app, cache, make, etag=True)
    client = app.test_client()
    for _ in range(2):
        assert (await client.get("/a")).headers["ETag"] == 'W/"mine"'
        response = await client.get("/a", headers={"If-None-Match": 'W/"mine"'})
        assert response.status_code == 304
        since = {"If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT"}
        assert (await client.get("/a", headers=since)).status_code == 304


@pytest.mark.checks("CA-4")
async def test_unless(app: Quart, cache: Cache) -> None:
    """If it is true the view is called, and nothing is stored."""
    seen: list[Any] = []

    def unless(function: Any, *args: Any, **kwargs: Any) -> bool:
        seen.append((function.__name__, kwargs))
        return "fresh" in request.args

    counter = Counter(app, cache, unless=unless)
    client = app.test_client()
    assert await text(client) == "answer 1"
    assert await text(client, "/a?fresh") == "answer 2"
    assert await text(client) == "answer 1"
    assert seen[0] == ("view", {"path": "a"}) and counter.calls == 2


@pytest.mark.checks("CA-4")
async def test_forced_update(app: Quart, cache: Cache) -> None:
    """If it is true the view is called, and its response is stored."""

    async def forced() -> bool:
        return "again" in request.args

    Counter(app, cache, forced_update=forced)
    client = app.test_client()
    assert await text(client) == "answer 1"
    assert await text(client, "/a?again") == "answer 2"
    assert await text(client) == "answer 2"


@pytest.mark.checks("CA-4")
async def test_response_filter(app: Quart, cache: Cache) -> None:
    """A response that it rejects is sent, and not stored."""
    counter = Counter(app, cache, response_filter=lambda rv: rv != "answer 1")
    client = app.test_client()
    assert [await text(client) for _ in range(3)] == ["answer 1", "answer 2", "answer 2"]
    assert counter.calls == 2


@pytest.mark.checks("CA-4")
async def test_hit_indication(app: Quart, cache: Cache) -> None:
    Counter(app, cache, response_hit_indication=True)
    answers = [await app.test_client().get("/a") for _ in range(2)]
    assert [answer.headers.get("hit_cache") for answer in answers] == [None, "True"]


@pytest.mark.checks("CA-4")
async def test_own_keys(app: Quart, cache: Cache) -> None:
    """A key may be a constant, or made by a function; each host has its own response anyway."""

    async def by_user(name: str) -> str:
        return f"user {name.lower()}"

    def by_theme() -> str:
        return "theme " + request.args.get("theme", "")

    calls: list[str] = []

    def view(name: str) -> str:
        calls.append(name)
        return f"{name} {len(calls)}"

    app.add_url_rule("/user/<name>", "a", cache.cached(make_cache_key=by_user)(view))
    app.add_url_rule("/theme/<name>", "b", cache.cached(key_prefix=by_theme)(view))
    app.add_url_rule("/all/<name>", "c", cache.cached(key_prefix="all")(view))
    client = app.test_client()
    assert await text(client, "/user/Ada") == await text(client, "/user/ADA") == "Ada 1"
    assert await text(client, "/theme/x?theme=a") == await text(client, "/theme/y?theme=a")
    assert await text(client, "/theme/y?theme=b") == "y 3"
    assert await text(client, "/all/x") == await text(client, "/all/y") == "x 4"
    assert await text(client, "/all/y", headers={"Host": "other"}) == "y 5"
    await cache.delete("all")
    await cache.delete("user ada")
    assert await text(client, "/all/y") == "y 6"
    assert await text(client, "/user/ada") == "ada 7"


@pytest.mark.checks("CA-5")
async def test_delete(app: Quart, cache: Cache) -> None:
    """The key of a path stands for its responses to all hosts."""
    counter = Counter(app, cache)
    client = app.test_client()
    hosts = [{"Host": "localhost"}, {"Host": "other"}]
    for path in ("/a", "/b"):
        for headers in hosts:
            await text(client, path, headers=headers)
    assert await cache.has("view//a")
    assert await cache.delete("view//a")
    assert not await cache.delete("view//a")
    assert not await cache.has("view//a")
    assert [await text(client, "/a", headers=headers) for headers in hosts] == [
        "answer 5",
        "answer 6",
    ]
    assert [await text(client, "/b", headers=headers) for headers in hosts] == [
        "answer 3",
        "answer 4",
    ]
    assert await cache.delete_cached(counter.view, "/b")
    assert await text(client, "/b") == "answer 7"


@pytest.mark.checks("CA-5")
async def test_delete_by_query(app: Quart, cache: Cache) -> None:
    """One query of a path is deleted, or all."""
    counter = Counter(app, cache, query_string=True)
    client = app.test_client()
    one, two = "/a?limit=15&mock=1", "/a?limit=20"
    await text(client, one)
    await text(client, two)
    assert await cache.delete_cached(counter.view, "/a", "mock=1&limit=15")
    assert [await text(client, one), await text(client, two)] == ["answer 3", "answer 2"]
    assert await cache.delete(counter.view.make_cache_key(path="/a", query_args={"limit": 20}))
    assert [await text(client, one), await text(client, two)] == ["answer 3", "answer 4"]
    assert await cache.delete_cached(counter.view, "/a")
    assert [await text(client, one), await text(client, two)] == ["answer 5", "answer 6"]
    assert await cache.delete("view//a")
    assert [await text(client, one), await text(client, two)] == ["answer 7", "answer 8"]


@pytest.mark.checks("CA-5")
async def test_delete_during(app: Quart, cache: Cache) -> None:
    """A response that is deleted while it is computed is not stored: it may be outdated."""
    value = "old"
    reached, go_on = asyncio.Event(), asyncio.Event()

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        found = value
        reached.set()
        await go_on.wait()
        return found

    slow = asyncio.create_task(text(app.test_client()))
    await reached.wait()
    value = "new"
    await cache.delete("view//a")
    go_on.set()
    assert await slow == "old"
    assert await text(app.test_client()) == "new"


@pytest.mark.checks("CA-5")
@pytest.mark.parametrize("form", ["cached", "memoize", "memoize all"])
async def test_delete_function_during(cache: Cache, form: str) -> None:
    """The same for the results of functions."""
    value = "old"
    reached, go_on = asyncio.Event(), asyncio.Event()
    decorator: Any = cache.cached(key_prefix="a") if form == "cached" else cache.memoize()

    async def compute() -> str:
        found = value
        reached.set()
        await go_on.wait()
        return found

    function = decorator(compute)
    slow = asyncio.create_task(function())
    await reached.wait()
    value = "new"
    if form == "memoize all":
        await cache.delete_memoized(function)
    elif form == "memoize":
        await cache.delete(function.make_cache_key(function.uncached))
    else:
        await cache.delete("a")
    go_on.set()
    assert await slow == "old"
    assert await function() == "new"


@pytest.mark.checks("CA-5")
async def test_tags(app: Quart, cache: Cache) -> None:
    """Everything with a tag is deleted at once, responses and results of functions."""
    calls: list[str] = []

    @app.get("/post/<int:number>")
    @cache.cached(tags=lambda number: ["posts", f"post {number}"])
    async def post(number: int) -> str:
        calls.append(f"post {number}")
        return str(len(calls))

    @cache.memoize(tags=["posts"])
    async def count() -> int:
        calls.append("count")
        return len(calls)

    client = app.test_client()

    async def get_all() -> list[Any]:
        return [await text(client, "/post/1"), await text(client, "/post/2"), await count()]

    assert await get_all() == await get_all() == ["1", "2", 3]
    await cache.delete_tags("post 1")
    assert await get_all() == ["4", "2", 3]
    await cache.delete_tags("posts", "nothing")
    assert await get_all() == ["5", "6", 7]
    assert await get_all() == ["5", "6", 7]


@pytest.mark.checks("CA-4")
async def test_functions(app: Quart, cache: Cache) -> None:
    """With a key of its own, the value of a function is cached, with and without a request."""
    calls: list[int] = []

    @cache.cached(timeout=60, key_prefix="list")
    async def listed() -> list[Any]:
        calls.append(1)
        return [len(calls), (1, 2)]

    @cache.cached(timeout=60, key_prefix="sync")
    def synchronous() -> int:
        calls.append(1)
        return len(calls)

    @app.get("/a")
    async def view() -> dict[str, Any]:
        return {"listed": await listed(), "synchronous": await synchronous()}

    async with app.app_context():
        assert await listed() == [1, (1, 2)]
    assert await listed() == [1, (1, 2)]  # of the application it was initialized for
    for _ in range(2):
        response = await app.test_client().get("/a")
        assert await response.get_json() == {"listed": [1, [1, 2]], "synchronous": 2}
    assert await listed.uncached() == [3, (1, 2)]
    assert await cache.delete("list")
    assert (await listed())[0] == 4
    assert listed.make_cache_key() == "list"


@pytest.mark.checks("CA-2", "CA-4")
async def test_none(cache: Cache) -> None:
    """None is stored only with ``cache_none``."""
    calls: list[str] = []

    @cache.cached(key_prefix="a")
    async def none_ignored() -> object:
        calls.append("a")
        return None

    @cache.cached(key_prefix="b", cache_none=True)
    async def none_stored() -> object:
        calls.append("b")
        return None

    for _ in range(3):
        assert await none_ignored() is None
        assert await none_stored() is None
    assert calls == ["a", "b", "a", "a"]
    assert (await cache.has("a"), await cache.has("b")) == (False, True)


@pytest.mark.checks("CA-4")
async def test_source_check(app: Quart, cache: Cache) -> None:
    """With a source check, other code has another key."""

    def one() -> str:
        return "one"

    def two() -> str:
        return "two"

    for options, expected in (({}, "one"), ({"source_check": True}, "two")):
        decorate = cache.cached(key_prefix=f"key {options}", **options)  # type: ignore[arg-type]
        assert await decorate(one)() == "one"
        assert await decorate(two)() == expected


@pytest.mark.checks("CA-4")
async def test_signals(app: Quart, cache: Cache) -> None:
    """Receivers get hits and misses."""
    received: list[tuple[str, str, Any]] = []

    async def hit(sender: Quart, **values: Any) -> None:
        received.append(("hit", values["cache_key"], values["kwargs"]))

    def miss(sender: Quart, **values: Any) -> None:
        assert values["cache"] is cache
        received.append(("miss", values["cache_key"], values["kwargs"]))

    Counter(app, cache)
    cache.enable_signals = True
    with cache_view_hit.connected_to(hit, app), cache_view_miss.connected_to(miss, app):
        for _ in range(2):
            await text(app.test_client())
    await text(app.test_client())
    assert received == [("miss", "view//a", {"path": "a"}), ("hit", "view//a", {"path": "a"})]


async def test_websocket(app: Quart, cache: Cache) -> None:
    """In a websocket values are cached; a key with the path of a request is an error."""
    calls: list[int] = []

    @cache.cached(key_prefix="value")
    async def value() -> int:
        calls.append(1)
        return len(calls)

    @cache.cached()
    async def page() -> str:
        return ""

    @app.websocket("/ws")
    async def ws() -> None:
        await cache.set("name", await websocket.receive())
        await websocket.send(f"{await cache.get('name')} {await value()} {await value()}")
        try:
            await page()
        except RuntimeError as error:
            await websocket.send(str(error))

    async with app.test_client().websocket("/ws") as client:
        await client.send("ada")
        assert await client.receive() == "ada 1 1"
        assert "use a key_prefix without %s, or memoize" in await client.receive()


async def test_before_request_still_runs(app: Quart, cache: Cache) -> None:
    """A hit is still a request: hooks run, and what they refuse is refused."""
    Counter(app, cache)

    @app.before_request
    async def closed() -> Any:
        g.seen = True
        return ("closed", 403) if "closed" in request.args else None

    client = app.test_client()
    assert await text(client) == "answer 1"
    assert await text(client, "/a?closed") == "closed"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((lambda: "",), {}, TypeError, r"@cache.cached\(\)"),
        ((-1,), {}, ValueError, "-1 is not a valid timeout: give seconds"),
        (("60",), {}, ValueError, "seconds"),
        ((), {"vary": "Cookie"}, TypeError, "vary must be a list"),
        ((), {"tags": "posts"}, TypeError, r"tags=\['posts'\]"),
        ((), {"stale_while_revalidate": -1}, ValueError, "seconds"),
    ],
)
def test_misuse(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Cache().cached(*arguments, **options)
