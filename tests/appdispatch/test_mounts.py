"""``DispatcherMiddleware``: dispatching by prefix, and the lifespans of mounted applications."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypercorn.utils import LifespanFailureError
from quart import Quart

from quartpatterns.appdispatch import DispatcherMiddleware, StartupError, not_found, unavailable
from quartpatterns.subclassing import FaithfulQuart
from tests.appdispatch.wire import Log, echo, exchange, failing, fetch, lifespan, served


def dispatcher(cls: type[Quart] = Quart) -> DispatcherMiddleware:
    mounts = {"/a": "a", "/a/b": "a/b", "/a/b/c/d": "deep", "/é": "é", "/aa": "aa"}
    return DispatcherMiddleware(
        echo("app", cls), {prefix: echo(name, cls) for prefix, name in mounts.items()}
    )


@pytest.mark.checks("AD-2")
@pytest.mark.parametrize(
    ("path", "name", "root"),
    [
        ("/", "app", ""),
        ("/x/", "app", ""),
        ("/a/", "a", "/a"),
        ("/a/x/", "a", "/a"),
        ("/aa/x/", "aa", "/aa"),
        ("/a/b/x/", "a/b", "/a/b"),
        ("/a/b/c/d/x/", "deep", "/a/b/c/d"),
        ("/é/x/", "é", "/é"),
    ],
)
async def test_match(app_class: type[Quart], path: str, name: str, root: str) -> None:
    """The longest prefix matches, and the application gets it in root_path."""
    answer = await fetch(dispatcher(app_class), path)
    assert json.loads(answer.body) == {
        "app": name,
        "root": root,
        "path": path.removeprefix(root),
        "link": f"{root}/x/",
    }


@pytest.mark.checks("AD-2")
@pytest.mark.parametrize("path", ["/ab", "/aab/", "/A/", "//a/", "/x/a/", "/a%2Fx/"])
async def test_no_match(path: str) -> None:
    """A path that has a prefix only in part of a segment goes to the first application."""
    app, mounts = Quart("app"), {"/a": echo("a"), "/aa": echo("aa")}

    @app.get("/<path:rest>")
    async def rest(rest: str) -> str:
        return "app"

    assert (await fetch(DispatcherMiddleware(app, mounts), path)).body in (b"app", b"")
    assert (await fetch(DispatcherMiddleware(not_found, mounts), path)).status == 404


@pytest.mark.checks("AD-2")
async def test_catch_all(app_class: type[Quart]) -> None:
    """A catch-all route does not get the path " ", which Quart makes of an empty path."""
    child = app_class("child")

    @child.get("/", defaults={"rest": ""})
    @child.get("/<path:rest>")
    async def catch_all(rest: str) -> str:
        return f"[{rest}]"

    app = DispatcherMiddleware(not_found, {"/a": child})
    assert (await fetch(app, "/a")).status == 308
    assert (await fetch(app, "/a/")).body == b"[]"


@pytest.mark.checks("AD-2")
@pytest.mark.parametrize(
    ("path", "host", "location"),
    [
        pytest.param("/a", "localhost", "http://localhost/a/", id="plain"),
        pytest.param("/a/b", "example.com:80", "http://example.com/a/b/", id="default port"),
        pytest.param("/a", "[::1]:8000", "http://[::1]:8000/a/", id="IPv6"),
        pytest.param("/é", "localhost", "http://localhost/%C3%A9/", id="percent-encoded"),
        pytest.param("/a", None, "http://127.0.0.1/a/", id="no host"),
        pytest.param("/a", "bad host", "/a/", id="invalid host"),
        pytest.param("/a", "Example.COM:8000", "http://example.com:8000/a/", id="capitals"),
    ],
)
async def test_redirect(path: str, host: str | None, location: str) -> None:
    """A prefix without a slash is redirected to the prefix with a slash."""
    answer = await fetch(dispatcher(), path, host=host)
    assert (answer.status, answer.headers["location"]) == (308, location)


@pytest.mark.checks("AD-2")
async def test_root_without_the_method(app_class: type[Quart]) -> None:
    """A FaithfulQuart answers its mount point itself, as Flask: 404 without a rule for POST."""
    app = DispatcherMiddleware(not_found, {"/a": echo("a", app_class)})
    faithful = app_class is FaithfulQuart
    assert (await fetch(app, "/a", method="POST")).status == (404 if faithful else 308)
    answer = await fetch(app, "/a", host="Example.COM")
    assert (answer.status, answer.headers["location"]) == (308, "http://example.com/a/")


@pytest.mark.parametrize("host", ["a..example", "b" * 64, ".example"])
async def test_redirect_for_bad_host(host: str) -> None:
    """A host that can't be a host name is a 400, as in Flask."""
    answer = await fetch(dispatcher(), "/a", host=host)
    assert (answer.status, answer.headers.get("location")) == (400, None)


async def test_redirect_awaits_the_body() -> None:
    """The redirect arrives at once, and ends when the client has sent its body."""
    events: list[str] = []

    async def receive() -> dict[str, Any]:
        events.append("receive")
        more_body = events.count("receive") < 3
        return {"type": "http.request", "body": b"x", "more_body": more_body}

    async def send(message: dict[str, Any]) -> None:
        more_body = message.get("more_body")
        events.append("end" if more_body is False else "send")

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/a",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "server": ("127.0.0.1", 80),
    }
    await dispatcher()(scope, receive, send)
    assert events == ["send", "send", "receive", "receive", "receive", "end"]


async def test_redirect_keeps_query() -> None:
    """The redirect keeps the query string."""
    answer = await fetch(dispatcher(), "/a", query=b"b=%2F&c=1")
    assert answer.headers["location"] == "http://localhost/a/?b=%2F&c=1"


async def test_head() -> None:
    """The redirect of a HEAD request has no body."""
    answer = await fetch(dispatcher(), "/a", method="HEAD")
    assert (answer.status, answer.body) == (308, b"")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.checks("AD-2")
async def test_nested(app_class: type[Quart]) -> None:
    """url_for works in nested dispatchers below the root_path of a server."""
    inner = DispatcherMiddleware(echo("inner", app_class), {"/c": echo("c", app_class)})
    middle = DispatcherMiddleware(echo("middle", app_class), {"/b": inner})
    outer = DispatcherMiddleware(echo("outer", app_class), {"/a": middle})
    for path, name in [("/", "outer"), ("/a/", "middle"), ("/a/b/", "inner"), ("/a/b/c/", "c")]:
        seen = json.loads((await fetch(outer, f"/mount{path}", root_path="/mount")).body)
        root = f"/mount{path}".rstrip("/")
        assert seen == {"app": name, "root": root, "path": "/", "link": f"{root}/x/"}
        if path != "/":
            answer = await fetch(outer, root, root_path="/mount")
            assert (answer.status, answer.headers["location"]) == (308, f"http://localhost{root}/")


@pytest.mark.parametrize(
    ("root_path", "path", "name"),
    [
        pytest.param("/mount/", "/mount/a/x/", "a", id="final slash"),
        pytest.param("/mount", "/mountless/a/x/", "", id="half a segment"),
        pytest.param("/mount", "/a/x/", "", id="elsewhere"),
    ],
)
async def test_root_path(root_path: str, path: str, name: str) -> None:
    """A path that is not below the server's root_path matches no prefix."""
    answer = await fetch(dispatcher(), path, root_path=root_path)
    assert (json.loads(answer.body)["app"] if answer.status == 200 else "") == name


async def test_root_without_slash() -> None:
    """The server's root_path without a slash is redirected."""
    answer = await fetch(dispatcher(), "/mount", root_path="/mount")
    assert (answer.status, answer.headers["location"]) == (308, "http://localhost/mount/")


async def test_absolute_form() -> None:
    """The authority of an absolute target is not a path segment."""
    answer = await fetch(dispatcher(), "http://a/x/")
    assert json.loads(answer.body)["app"] == "app"
    answer = await fetch(dispatcher(), "http://localhost/a/x/")
    assert json.loads(answer.body)["app"] == "a"
    assert (await fetch(dispatcher(), "*", method="OPTIONS")).status == 404


async def test_scope_is_copied() -> None:
    """The dispatcher does not change the scope that it gets."""
    scopes: list[dict[str, Any]] = []

    async def child(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)

    scope = {"type": "http", "path": "/a/x", "root_path": "", "headers": []}
    never: Any = None
    await DispatcherMiddleware(child, {"/a": child})(scope, never, never)
    await DispatcherMiddleware(child, {"/b": child})(scope, never, never)
    assert (scopes[0]["root_path"], scopes[0]["path"]) == ("/a", "/a/x")
    assert scopes[1] is scope
    assert scope == {"type": "http", "path": "/a/x", "root_path": "", "headers": []}


@pytest.mark.parametrize(
    ("prefix", "remedy"),
    [
        ("", "first argument"),
        ("/", "first argument"),
        ("a", "must be written '/a'"),
        ("/a/", "must be written '/a'"),
    ],
)
def test_invalid_prefix(prefix: str, remedy: str) -> None:
    """An invalid prefix is an error that says how to write it."""
    with pytest.raises(ValueError, match=remedy):
        DispatcherMiddleware(not_found, {prefix: not_found})


@pytest.mark.checks("AD-10")
async def test_order_of_lifespans() -> None:
    """The first application starts first and stops last; one mounted twice is started once."""
    log = Log()
    a = log.hooks(echo("a"), "a")
    app = log.hooks(echo("app"), "app")
    async with lifespan(DispatcherMiddleware(app, {"/a": a, "/b": a, "/app": app})) as messages:
        assert messages == [{"type": "lifespan.startup.complete"}]
        assert log == ["start app", "start a"]
    assert log[2:] == ["stop a", "stop app"]
    assert messages[1:] == [{"type": "lifespan.shutdown.complete"}]


@pytest.mark.checks("AD-10")
async def test_nested_lifespans() -> None:
    """A nested dispatcher starts and stops its applications."""
    log = Log()
    inner = DispatcherMiddleware(not_found, {"/b": log.hooks(echo("b"), "b")})
    async with lifespan(DispatcherMiddleware(not_found, {"/a": inner})):
        assert log == ["start b"]
    assert log == ["start b", "stop b"]


@pytest.mark.checks("AD-10")
async def test_failure_is_reported() -> None:
    """The failure of one application is reported to the server, and the others are stopped."""
    log = Log()
    mounts = {"/a": log.hooks(echo("a"), "a"), "/b": failing("no database")}
    async with lifespan(DispatcherMiddleware(log.hooks(echo("app"), "app"), mounts)) as messages:
        assert messages == [{"type": "lifespan.startup.failed", "message": "/b: no database"}]
    assert sorted(log) == ["start a", "start app", "stop a", "stop app"]


async def test_all_failures_are_reported() -> None:
    """The message contains the failures of all applications."""
    mounts = {"/a": failing("no database"), "/b": failing("")}
    async with lifespan(DispatcherMiddleware(not_found, mounts)) as messages:
        assert messages[0]["message"] == "/a: no database; /b: no reason was given"


async def test_shutdown_failure_is_reported() -> None:
    """A failed shutdown is reported, and the others are stopped nevertheless."""
    log, bad = Log(), echo("bad")

    @bad.after_serving
    async def fail() -> None:
        raise RuntimeError("still busy")

    mounts = {"/bad": bad, "/a": log.hooks(echo("a"), "a")}
    async with lifespan(DispatcherMiddleware(log.hooks(echo("app"), "app"), mounts)) as messages:
        pass
    assert messages[1] == {"type": "lifespan.shutdown.failed", "message": "/bad: still busy"}
    assert log[2:] == ["stop a", "stop app"]


@pytest.mark.checks("AD-10")
async def test_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    """unavailable() answers 503 for an application that failed; only the log has its message."""
    mounts = {"/a": echo("a"), "/b": failing("no password for db.example")}
    app = DispatcherMiddleware(echo("app"), mounts, on_startup_failure=unavailable)
    async with lifespan(app) as messages:
        assert messages == [{"type": "lifespan.startup.complete"}]
        answer = await fetch(app, "/b/x/")
        assert (answer.status, b"db.example" in answer.body) == (503, False)
        assert (await fetch(app, "/a/x/")).status == 200
    assert messages[1] == {"type": "lifespan.shutdown.complete"}
    assert "application /b did not start: no password for db.example" in caplog.text


async def test_started_again() -> None:
    """An application that has failed answers again after a later start-up."""
    child, fails = echo("a"), [True, False]

    @child.before_serving
    async def start() -> None:
        if fails.pop(0):
            raise RuntimeError("not yet")

    app = DispatcherMiddleware(not_found, {"/a": child}, on_startup_failure=unavailable)
    for status in (503, 200):
        async with lifespan(app):
            assert (await fetch(app, "/a/")).status == status


async def test_own_replacement() -> None:
    """on_startup_failure gets the name of the application and its message."""
    errors: list[StartupError] = []

    def replacement(error: StartupError) -> Quart:
        errors.append(error)
        return echo("replacement")

    app = DispatcherMiddleware(
        not_found, {"/b": failing("no disk")}, on_startup_failure=replacement
    )
    async with lifespan(app):
        assert json.loads((await fetch(app, "/b/x/")).body)["app"] == "replacement"
    assert [(error.name, error.message) for error in errors] == [("/b", "no disk")]


async def test_error_in_on_startup_failure() -> None:
    """An error of on_startup_failure is reported as a failed start-up."""

    def replacement(error: StartupError) -> Quart:
        raise KeyError("page")

    app = DispatcherMiddleware(not_found, {"/b": failing("x")}, on_startup_failure=replacement)
    async with lifespan(app) as messages:
        assert messages == [{"type": "lifespan.startup.failed", "message": "'page'"}]


async def test_first_application_is_not_replaced() -> None:
    """on_startup_failure is not called for the first application."""
    app = DispatcherMiddleware(failing("no disk"), {}, on_startup_failure=unavailable)
    async with lifespan(app) as messages:
        assert messages == [{"type": "lifespan.startup.failed", "message": "no disk"}]


async def asserts_http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await not_found(scope, receive, send)


async def returns(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await not_found(scope, receive, send)


async def dies(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise RuntimeError("gone")
    await not_found(scope, receive, send)


@pytest.mark.checks("AD-10")
@pytest.mark.parametrize("child", [asserts_http, returns, dies])
async def test_without_lifespan(child: Any) -> None:
    """An application without lifespan support, or with a broken lifespan, gets requests."""
    app = DispatcherMiddleware(not_found, {"/a": child})
    async with lifespan(app) as messages:
        assert messages == [{"type": "lifespan.startup.complete"}]
        assert (await fetch(app, "/a/")).status == 404
    assert messages[1] == {"type": "lifespan.shutdown.complete"}


async def test_broken_lifespan_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error after start-up is logged; missing lifespan support is not."""
    async with lifespan(DispatcherMiddleware(not_found, {"/a": dies, "/b": asserts_http})):
        pass
    assert caplog.messages == ["the lifespan of /a ended with an error"]


async def test_state() -> None:
    """The state of an application's lifespan is only in its own requests."""
    seen: dict[str, Any] = {}

    def stateful(name: str) -> Any:
        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                scope["state"]["pool"] = f"pool of {name}"
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
            else:
                seen[name] = scope.get("state")
                await not_found(scope, receive, send)

        return app

    app = DispatcherMiddleware(stateful("app"), {"/a": stateful("a"), "/b": returns})
    async with lifespan(app):
        await fetch(app, "/a/", state={"server": 1})
        await fetch(app, "/", state={"server": 1})
    assert seen == {
        "a": {"server": 1, "pool": "pool of a"},
        "app": {"server": 1, "pool": "pool of app"},
    }


async def test_cancelled_server() -> None:
    """If the server cancels the lifespan, all applications are stopped."""
    log = Log()
    app = DispatcherMiddleware(not_found, {"/a": log.hooks(echo("a"), "a")})
    before = asyncio.all_tasks()
    incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    incoming.put_nowait({"type": "lifespan.startup"})
    started = asyncio.Event()

    async def send(message: dict[str, str]) -> None:
        started.set()

    serving = asyncio.create_task(app({"type": "lifespan", "state": {}}, incoming.get, send))
    await started.wait()
    serving.cancel()
    await asyncio.wait({serving})
    assert log == ["start a", "stop a"]
    assert asyncio.all_tasks() == before


@pytest.mark.wire
@pytest.mark.checks("AD-2")
async def test_on_the_wire() -> None:
    """It works behind Hypercorn, also in HTTP/1.0 without a Host header."""
    log = Log()
    app = DispatcherMiddleware(echo("app"), {"/a": log.hooks(echo("a"), "a")})
    async with served(app) as port:
        answer = await exchange(port, b"GET /a HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 308")
        assert b"location: http://h:1/a/\r\n" in answer
        answer = await exchange(port, b"GET /a HTTP/1.0\r\n\r\n")
        assert f"location: http://127.0.0.1:{port}/a/\r\n".encode() in answer
        answer = await exchange(port, b"GET /a/x/ HTTP/1.0\r\n\r\n")
        assert b'"app":"a"' in answer
        answer = await exchange(port, b"GET http://h/a/x/ HTTP/1.0\r\n\r\n")
        assert b'"app":"a"' in answer
        assert log == ["start a"]
    assert log == ["start a", "stop a"]


@pytest.mark.wire
@pytest.mark.checks("AD-10")
async def test_hypercorn_does_not_start() -> None:
    """Hypercorn does not serve if a mounted application fails, and shows its message."""
    app = DispatcherMiddleware(echo("app"), {"/b": failing("no database")})
    with pytest.raises(LifespanFailureError, match="/b: no database"):
        async with served(app):
            pass
