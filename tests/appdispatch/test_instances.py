"""Applications created on demand: once, limited in number, stopped when unused."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from quart import Quart
from werkzeug.exceptions import NotFound

from quartpatterns.appdispatch import (
    ASGIApp,
    PathDispatcher,
    StartupError,
    SubdomainDispatcher,
    not_found,
    unavailable,
)
from tests.appdispatch.wire import Log, echo, failing, fetch, lifespan
from tests.serving import eventually


class Factory:
    """A factory of applications that log; it returns None for names that begin with ``no``."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.log = Log()

    async def __call__(self, name: str) -> Quart | None:
        self.calls.append(name)
        await asyncio.sleep(0.01)
        return None if name.startswith("no") else self.log.hooks(echo(name), name)


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.mark.checks("AD-5", "AD-7")
async def test_concurrent_requests(factory: Factory) -> None:
    """Concurrent requests for a name create and start one application."""
    app = PathDispatcher(not_found, factory)
    answers = await asyncio.gather(*(fetch(app, "/alice/") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert (factory.calls, factory.log) == (["alice"], ["start alice"])


@pytest.mark.checks("AD-7")
async def test_names_do_not_wait_for_each_other() -> None:
    """The creation of one application does not delay requests for another."""
    go = asyncio.Event()

    async def create_app(name: str) -> Quart:
        if name == "slow":
            await go.wait()
        return echo(name)

    app = PathDispatcher(not_found, create_app)
    slow = asyncio.create_task(fetch(app, "/slow/"))
    assert (await asyncio.wait_for(fetch(app, "/fast/"), 60)).status == 200
    go.set()
    assert (await slow).status == 200


@pytest.mark.checks("AD-5", "AD-6")
async def test_none_is_not_remembered(factory: Factory) -> None:
    """The factory is called again for a name for which it returned None."""
    app = PathDispatcher(echo("default"), factory)
    for _ in range(2):
        assert (await fetch(app, "/nouser/")).status == 404
    assert factory.calls == ["nouser", "nouser"]
    assert len(app.instances) == 0


@pytest.mark.checks("AD-7")
async def test_factory_error_is_not_remembered() -> None:
    """An error of the factory reaches all waiting requests, and the next one calls it again."""
    calls: list[str] = []

    async def create_app(name: str) -> Quart:
        calls.append(name)
        await asyncio.sleep(0.01)
        if len(calls) == 1:
            raise LookupError("database is down")
        return echo(name)

    app = PathDispatcher(not_found, create_app)
    both = await asyncio.gather(fetch(app, "/a/"), fetch(app, "/a/"), return_exceptions=True)
    assert [str(error) for error in both] == ["database is down"] * 2
    assert (await fetch(app, "/a/")).status == 200


async def async_factory(name: str) -> Quart:
    return echo(name)


class AsyncCallable:
    async def __call__(self, name: str) -> Quart:
        return echo(name)


def sync_factory(name: str) -> Quart:
    assert threading.current_thread() is not threading.main_thread()
    return echo(name)


@pytest.mark.checks("AD-5")
@pytest.mark.parametrize(
    "create_app",
    [
        pytest.param(sync_factory, id="function"),
        pytest.param(async_factory, id="coroutine function"),
        pytest.param(AsyncCallable(), id="callable"),
        pytest.param(lambda name: async_factory(name), id="lambda"),
    ],
)
async def test_kinds_of_factory(create_app: Any) -> None:
    """Synchronous factories run in a thread, asynchronous ones on the event loop."""
    assert (await fetch(PathDispatcher(not_found, create_app), "/a/")).status == 200
    app = SubdomainDispatcher("example.com", create_app)
    assert (await fetch(app, "/", host="a.example.com")).status == 200


@pytest.mark.checks("AD-5")
async def test_http_exception() -> None:
    """Returning NotFound(), as in Flask's page, is an error that says to return None."""

    def create_app(name: str) -> Any:
        return NotFound()

    with pytest.raises(TypeError, match="return None if there is no application"):
        await fetch(PathDispatcher(not_found, create_app), "/a/")


async def test_cancelled_request(factory: Factory) -> None:
    """If the first request is cancelled, others still get the application."""
    app = PathDispatcher(not_found, factory)
    first = asyncio.create_task(fetch(app, "/alice/"))
    await asyncio.sleep(0)
    second = asyncio.create_task(fetch(app, "/alice/"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).status == 200
    assert factory.calls == ["alice"]


@pytest.mark.checks("AD-10")
async def test_lifespan(factory: Factory) -> None:
    """The shutdown of the dispatcher stops all applications, and then the default one."""
    default = factory.log.hooks(echo("default"), "default")
    app = PathDispatcher(default, factory)
    async with lifespan(app) as messages:
        await fetch(app, "/alice/")
        await fetch(app, "/bob/")
        assert factory.log == ["start default", "start alice", "start bob"]
    assert sorted(factory.log[3:5]) == ["stop alice", "stop bob"]
    assert factory.log[5:] == ["stop default"]
    assert messages[1] == {"type": "lifespan.shutdown.complete"}
    assert len(app.instances) == 0


async def test_subdomain_lifespan(factory: Factory) -> None:
    """The same is true for SubdomainDispatcher."""
    default = factory.log.hooks(echo("default"), "default")
    app = SubdomainDispatcher("example.com", factory, default_app=default)
    async with lifespan(app):
        await fetch(app, "/", host="alice.example.com")
    assert factory.log == ["start default", "start alice", "stop alice", "stop default"]


async def test_shutdown_waits_for_creation(factory: Factory) -> None:
    """An application that is being created during the shutdown is stopped too."""
    app = PathDispatcher(not_found, factory)
    async with lifespan(app):
        request = asyncio.create_task(fetch(app, "/alice/"))
        await asyncio.sleep(0)
    await request
    assert factory.log == ["start alice", "stop alice"]


async def test_shutdown_waits_for_stop() -> None:
    """The shutdown waits for an application that is already being stopped."""
    log = Log()

    async def create_app(name: str) -> Quart:
        app = echo(name)

        @app.after_serving
        async def close() -> None:
            await asyncio.sleep(0.2 if name == "a" else 0)
            log.append(f"closed {name}")

        return app

    app = PathDispatcher(not_found, create_app, max_instances=1)
    async with lifespan(app) as messages:
        await fetch(app, "/a/")
        await fetch(app, "/b/")
    assert messages[1] == {"type": "lifespan.shutdown.complete"}
    assert sorted(log) == ["closed a", "closed b"]


async def test_shutdown_failures(factory: Factory) -> None:
    """The errors of all applications are reported to the server."""

    async def create_app(name: str) -> Quart:
        app = echo(name)

        @app.after_serving
        async def fail() -> None:
            raise RuntimeError(f"{name} is busy")

        return app

    app = PathDispatcher(factory.log.hooks(echo("default"), "default"), create_app)
    async with lifespan(app) as messages:
        await asyncio.gather(fetch(app, "/a/"), fetch(app, "/b/"))
    assert messages[1]["type"] == "lifespan.shutdown.failed"
    assert messages[1]["message"] == "a: a is busy; b: b is busy"
    assert factory.log == ["start default", "stop default"]


@pytest.mark.checks("AD-5")
async def test_max_instances(factory: Factory) -> None:
    """The least recently used application is stopped, and created again for a new request."""
    app = PathDispatcher(not_found, factory, max_instances=2)
    for name in ("a", "b", "a", "c"):
        await fetch(app, f"/{name}/")
    await eventually(lambda: "stop b" in factory.log)
    assert len(app.instances) == 2
    assert "a" in app.instances and "c" in app.instances
    await fetch(app, "/b/")
    assert factory.calls == ["a", "b", "c", "b"]


@pytest.mark.checks("AD-5")
async def test_unknown_names_stop_nothing(factory: Factory) -> None:
    """Requests for unknown names do not stop an application."""
    app = PathDispatcher(not_found, factory, max_instances=1)
    await fetch(app, "/alice/")
    await asyncio.gather(*(fetch(app, f"/no{number}/") for number in range(20)))
    assert "alice" in app.instances
    assert factory.log == ["start alice"]


def waiting(name: str, log: Log, go: asyncio.Event) -> Quart:
    """Return an application whose view waits."""
    app = log.hooks(Quart(__name__), name)

    @app.get("/")
    async def view() -> str:
        log.append(f"request {name}")
        await go.wait()
        log.append(f"response {name}")
        return ""

    return app


@pytest.mark.checks("AD-5")
async def test_not_stopped_during_a_request() -> None:
    """An application with a request is not stopped before the request has ended."""
    log, go = Log(), asyncio.Event()

    async def create_app(name: str) -> Quart:
        return waiting(name, log, go) if name == "busy" else log.hooks(echo(name), name)

    app = PathDispatcher(not_found, create_app, max_instances=1)
    busy = asyncio.create_task(fetch(app, "/busy/"))
    await eventually(lambda: "request busy" in log)
    await fetch(app, "/a/")
    await fetch(app, "/b/")
    await eventually(lambda: "stop b" in log)
    assert "stop busy" not in log
    go.set()
    assert (await busy).status == 200
    await fetch(app, "/c/")
    await eventually(lambda: "stop busy" in log)
    assert log.index("response busy") < log.index("stop busy")


@pytest.mark.checks("AD-5")
async def test_all_busy() -> None:
    """More than max_instances applications exist only while all have requests."""
    log, go = Log(), asyncio.Event()

    async def create_app(name: str) -> Quart:
        return waiting(name, log, go)

    app = PathDispatcher(not_found, create_app, max_instances=2)
    requests = [asyncio.create_task(fetch(app, f"/{number}/")) for number in range(5)]
    await eventually(lambda: len(log) == 10)
    assert len(app.instances) == 5
    go.set()
    await asyncio.gather(*requests)
    assert len(app.instances) == 2
    await eventually(lambda: len([line for line in log if line.startswith("stop")]) == 3)


async def test_stop_before_start() -> None:
    """A new application of a name starts only when the old one has stopped."""
    log, closing = Log(), asyncio.Event()

    async def create_app(name: str) -> Quart:
        app = log.hooks(echo(name), name)

        @app.after_serving
        async def close() -> None:
            if name == "a":
                await closing.wait()

        return app

    app = PathDispatcher(not_found, create_app, max_instances=1)
    await fetch(app, "/a/")
    await fetch(app, "/b/")
    again = asyncio.create_task(fetch(app, "/a/"))
    await asyncio.sleep(0.05)
    assert log == ["start a", "start b", "stop a"]
    closing.set()
    assert (await again).status == 200
    assert log[3:4] == ["start a"]


async def test_failed_stop_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The failed shutdown of an unused application is logged."""

    async def create_app(name: str) -> Quart:
        app = echo(name)

        @app.after_serving
        async def fail() -> None:
            raise RuntimeError("still busy")

        return app

    app = PathDispatcher(not_found, create_app, max_instances=1)
    await fetch(app, "/a/")
    await fetch(app, "/b/")
    await eventually(
        lambda: "the shutdown of an unused application failed: a: still busy" in caplog.text
    )


@pytest.mark.checks("AD-7")
async def test_failed_start_is_not_remembered() -> None:
    """A failed start-up is an error for the server, and the next request tries again."""
    tries: list[str] = []

    async def create_app(name: str) -> Quart:
        tries.append(name)
        return failing("no disk") if len(tries) == 1 else echo(name)

    app = PathDispatcher(not_found, create_app)
    with pytest.raises(StartupError, match="a: no disk"):
        await fetch(app, "/a/")
    assert (await fetch(app, "/a/")).status == 200


@pytest.mark.checks("AD-7")
@pytest.mark.parametrize("kind", ["path", "subdomain"])
async def test_replacement_is_not_remembered(kind: str) -> None:
    """on_startup_failure answers one request; the next one tries again."""
    tries: list[str] = []

    async def create_app(name: str) -> Quart:
        tries.append(name)
        return failing("no disk") if len(tries) == 1 else echo(name)

    apps: dict[str, Callable[[], Awaitable[Any]]] = {
        "path": lambda: fetch(path, "/a/"),
        "subdomain": lambda: fetch(subdomain, "/", host="a.example.com"),
    }
    path = PathDispatcher(not_found, create_app, on_startup_failure=unavailable)
    subdomain = SubdomainDispatcher("example.com", create_app, on_startup_failure=unavailable)
    assert [(await apps[kind]()).status for _ in range(2)] == [503, 200]


variable = contextvars.ContextVar("variable", default="outside")


async def test_context() -> None:
    """An application starts in the context of its dispatcher, not of the request."""
    seen: list[str] = []

    async def create_app(name: str) -> Quart:
        app = echo(name)

        @app.before_serving
        async def note() -> None:
            seen.append(variable.get())

        return app

    app = PathDispatcher(not_found, create_app)
    token = variable.set("in a request")
    await fetch(app, "/a/")
    variable.reset(token)
    assert seen == ["outside"]


async def test_state() -> None:
    """The state of an application's lifespan is in its requests."""
    seen: list[Any] = []

    async def child(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = 1
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            seen.append(scope["state"])
            await not_found(scope, receive, send)

    async def create_app(name: str) -> ASGIApp:
        return child

    app = SubdomainDispatcher("example.com", create_app)
    async with lifespan(app):
        await fetch(app, "/", host="a.example.com", state={"server": 2})
    assert seen == [{"server": 2, "pool": 1}]


def test_invalid_max_instances() -> None:
    """max_instances must be positive."""
    with pytest.raises(ValueError, match="1 or more"):
        PathDispatcher(not_found, sync_factory, max_instances=0)
