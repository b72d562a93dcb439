"""Applications made on demand: once, bounded, closed when unused, never under a request."""

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
from tests.appdispatch.wire import Log, ask, echo, failing, lifespan
from tests.serving import eventually


class Factory:
    """A factory of applications that log; names that begin with ``no`` are nobody's."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.log = Log()

    async def __call__(self, name: str) -> Quart | None:
        self.asked.append(name)
        await asyncio.sleep(0.01)
        return None if name.startswith("no") else self.log.hooks(echo(name), name)


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.mark.checks("AD-5", "AD-7")
async def test_once(factory: Factory) -> None:
    """However many ask at once, the factory is called once, and the application started once."""
    app = PathDispatcher(not_found, factory)
    answers = await asyncio.gather(*(ask(app, "/alice/") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert (factory.asked, factory.log) == (["alice"], ["start alice"])


@pytest.mark.checks("AD-7")
async def test_names_dont_wait_for_each_other() -> None:
    """One slow application keeps nobody waiting but those who ask for it."""
    go = asyncio.Event()

    async def create_app(name: str) -> Quart:
        if name == "slow":
            await go.wait()
        return echo(name)

    app = PathDispatcher(not_found, create_app)
    slow = asyncio.create_task(ask(app, "/slow/"))
    assert (await asyncio.wait_for(ask(app, "/fast/"), 1)).status == 200
    go.set()
    assert (await slow).status == 200


@pytest.mark.checks("AD-5", "AD-6")
async def test_nobody_is_not_kept(factory: Factory) -> None:
    """A name that is nobody's is asked for each time: a user may come later."""
    app = PathDispatcher(echo("default"), factory)
    for _ in range(2):
        assert (await ask(app, "/nobody/")).status == 404
    assert factory.asked == ["nobody", "nobody"]
    assert len(app.instances) == 0


@pytest.mark.checks("AD-7")
async def test_factory_error_is_not_kept() -> None:
    """What the factory raises reaches all who wait, and the next one asks again."""
    calls: list[str] = []

    async def create_app(name: str) -> Quart:
        calls.append(name)
        await asyncio.sleep(0.01)
        if len(calls) == 1:
            raise LookupError("database is down")
        return echo(name)

    app = PathDispatcher(not_found, create_app)
    both = await asyncio.gather(ask(app, "/a/"), ask(app, "/a/"), return_exceptions=True)
    assert [str(error) for error in both] == ["database is down"] * 2
    assert (await ask(app, "/a/")).status == 200


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
    """Synchronous factories run in a thread, asynchronous ones on the loop."""
    assert (await ask(PathDispatcher(not_found, create_app), "/a/")).status == 200
    app = SubdomainDispatcher("example.com", create_app)
    assert (await ask(app, "/", host="a.example.com")).status == 200


@pytest.mark.checks("AD-5")
async def test_http_exception() -> None:
    """The page's NotFound() is a WSGI application: the error says what to return instead."""

    def create_app(name: str) -> Any:
        return NotFound()

    with pytest.raises(TypeError, match="return None where there is none"):
        await ask(PathDispatcher(not_found, create_app), "/a/")


async def test_asker_goes_away(factory: Factory) -> None:
    """Who asked first may be cancelled: the others still get the application."""
    app = PathDispatcher(not_found, factory)
    first = asyncio.create_task(ask(app, "/alice/"))
    await asyncio.sleep(0)
    second = asyncio.create_task(ask(app, "/alice/"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).status == 200
    assert factory.asked == ["alice"]


@pytest.mark.checks("AD-10")
async def test_lifespan(factory: Factory) -> None:
    """What was made on demand is shut down with the dispatcher, and so is the default."""
    default = factory.log.hooks(echo("default"), "default")
    app = PathDispatcher(default, factory)
    async with lifespan(app) as said:
        await ask(app, "/alice/")
        await ask(app, "/bob/")
        assert factory.log == ["start default", "start alice", "start bob"]
    assert sorted(factory.log[3:5]) == ["stop alice", "stop bob"]
    assert factory.log[5:] == ["stop default"]
    assert said[1] == {"type": "lifespan.shutdown.complete"}
    assert len(app.instances) == 0


async def test_subdomain_lifespan(factory: Factory) -> None:
    default = factory.log.hooks(echo("default"), "default")
    app = SubdomainDispatcher("example.com", factory, default_app=default)
    async with lifespan(app):
        await ask(app, "/", host="alice.example.com")
    assert factory.log == ["start default", "start alice", "stop alice", "stop default"]


async def test_shutdown_waits_for_start(factory: Factory) -> None:
    """One that is just being made when the server stops is shut down too."""
    app = PathDispatcher(not_found, factory)
    async with lifespan(app):
        asking = asyncio.create_task(ask(app, "/alice/"))
        await asyncio.sleep(0)
    await asking
    assert factory.log == ["start alice", "stop alice"]


async def test_shutdown_waits_for_close() -> None:
    """One that is just being closed when the server stops is closed to its end."""
    log = Log()

    async def create_app(name: str) -> Quart:
        app = echo(name)

        @app.after_serving
        async def close() -> None:
            await asyncio.sleep(0.2 if name == "a" else 0)
            log.append(f"closed {name}")

        return app

    app = PathDispatcher(not_found, create_app, max_instances=1)
    async with lifespan(app) as said:
        await ask(app, "/a/")
        await ask(app, "/b/")
    assert said[1] == {"type": "lifespan.shutdown.complete"}
    assert sorted(log) == ["closed a", "closed b"]


async def test_shutdown_failures(factory: Factory) -> None:
    async def create_app(name: str) -> Quart:
        app = echo(name)

        @app.after_serving
        async def fail() -> None:
            raise RuntimeError(f"{name} is busy")

        return app

    app = PathDispatcher(factory.log.hooks(echo("default"), "default"), create_app)
    async with lifespan(app) as said:
        await asyncio.gather(ask(app, "/a/"), ask(app, "/b/"))
    assert said[1]["type"] == "lifespan.shutdown.failed"
    assert said[1]["message"] == "a: a is busy; b: b is busy"
    assert factory.log == ["start default", "stop default"]


@pytest.mark.checks("AD-5")
async def test_bounded(factory: Factory) -> None:
    """The one used longest ago is closed for the newest, and made anew when it is wanted."""
    app = PathDispatcher(not_found, factory, max_instances=2)
    for name in ("a", "b", "a", "c"):
        await ask(app, f"/{name}/")
    await eventually(lambda: "stop b" in factory.log)
    assert len(app.instances) == 2
    assert "a" in app.instances and "c" in app.instances
    await ask(app, "/b/")
    assert factory.asked == ["a", "b", "c", "b"]


@pytest.mark.checks("AD-5")
async def test_nobody_displaces_nobody(factory: Factory) -> None:
    """Names that a stranger makes up close no application."""
    app = PathDispatcher(not_found, factory, max_instances=1)
    await ask(app, "/alice/")
    await asyncio.gather(*(ask(app, f"/no{number}/") for number in range(20)))
    assert "alice" in app.instances
    assert factory.log == ["start alice"]


def waiting(name: str, log: Log, go: asyncio.Event) -> Quart:
    """An application whose view waits."""
    app = log.hooks(Quart(__name__), name)

    @app.get("/")
    async def view() -> str:
        log.append(f"ask {name}")
        await go.wait()
        log.append(f"answer {name}")
        return ""

    return app


@pytest.mark.checks("AD-5")
async def test_never_under_a_request() -> None:
    """An application with a request under way outlives the bound, and is closed after it."""
    log, go = Log(), asyncio.Event()

    async def create_app(name: str) -> Quart:
        return waiting(name, log, go) if name == "busy" else log.hooks(echo(name), name)

    app = PathDispatcher(not_found, create_app, max_instances=1)
    busy = asyncio.create_task(ask(app, "/busy/"))
    await eventually(lambda: "ask busy" in log)
    await ask(app, "/a/")
    await ask(app, "/b/")
    await eventually(lambda: "stop b" in log)
    assert "stop busy" not in log
    go.set()
    assert (await busy).status == 200
    await ask(app, "/c/")
    await eventually(lambda: "stop busy" in log)
    assert log.index("answer busy") < log.index("stop busy")


@pytest.mark.checks("AD-5")
async def test_all_busy() -> None:
    """More than the bound run only while all of them are used."""
    log, go = Log(), asyncio.Event()

    async def create_app(name: str) -> Quart:
        return waiting(name, log, go)

    app = PathDispatcher(not_found, create_app, max_instances=2)
    asking = [asyncio.create_task(ask(app, f"/{number}/")) for number in range(5)]
    await eventually(lambda: len(log) == 10)
    assert len(app.instances) == 5
    go.set()
    await asyncio.gather(*asking)
    assert len(app.instances) == 2
    await eventually(lambda: len([line for line in log if line.startswith("stop")]) == 3)


async def test_close_before_anew() -> None:
    """One of the same name starts only when the old one is closed: its files are free then."""
    log, closing = Log(), asyncio.Event()

    async def create_app(name: str) -> Quart:
        app = log.hooks(echo(name), name)

        @app.after_serving
        async def close() -> None:
            if name == "a":
                await closing.wait()

        return app

    app = PathDispatcher(not_found, create_app, max_instances=1)
    await ask(app, "/a/")
    await ask(app, "/b/")
    again = asyncio.create_task(ask(app, "/a/"))
    await asyncio.sleep(0.05)
    assert log == ["start a", "start b", "stop a"]
    closing.set()
    assert (await again).status == 200
    assert log[3:4] == ["start a"]


async def test_failed_close_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def create_app(name: str) -> Quart:
        app = echo(name)

        @app.after_serving
        async def fail() -> None:
            raise RuntimeError("still busy")

        return app

    app = PathDispatcher(not_found, create_app, max_instances=1)
    await ask(app, "/a/")
    await ask(app, "/b/")
    await eventually(
        lambda: "shutdown of an unused application failed: a: still busy" in caplog.text
    )


@pytest.mark.checks("AD-7")
async def test_failed_start_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """One that doesn't start is an error for the server, and tried anew for the next request."""
    tries: list[str] = []

    async def create_app(name: str) -> Quart:
        tries.append(name)
        return failing("no disk") if len(tries) == 1 else echo(name)

    app = PathDispatcher(not_found, create_app)
    with pytest.raises(StartupError, match="a: no disk"):
        await ask(app, "/a/")
    assert (await ask(app, "/a/")).status == 200


@pytest.mark.checks("AD-7")
@pytest.mark.parametrize("kind", ["path", "subdomain"])
async def test_stand_in_is_not_kept(kind: str) -> None:
    """on_startup_failure answers this request; the next one tries anew."""
    tries: list[str] = []

    async def create_app(name: str) -> Quart:
        tries.append(name)
        return failing("no disk") if len(tries) == 1 else echo(name)

    apps: dict[str, Callable[[], Awaitable[Any]]] = {
        "path": lambda: ask(path, "/a/"),
        "subdomain": lambda: ask(subdomain, "/", host="a.example.com"),
    }
    path = PathDispatcher(not_found, create_app, on_startup_failure=unavailable)
    subdomain = SubdomainDispatcher("example.com", create_app, on_startup_failure=unavailable)
    assert [(await apps[kind]()).status for _ in range(2)] == [503, 200]


variable = contextvars.ContextVar("variable", default="outside")


async def test_context() -> None:
    """An application's tasks see what its dispatcher's surroundings set, no request's own."""
    seen: list[str] = []

    async def create_app(name: str) -> Quart:
        app = echo(name)

        @app.before_serving
        async def note() -> None:
            seen.append(variable.get())

        return app

    app = PathDispatcher(not_found, create_app)
    token = variable.set("in a request")
    await ask(app, "/a/")
    variable.reset(token)
    assert seen == ["outside"]


async def test_state() -> None:
    """What an application's start-up leaves in its state is there in its first request."""
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
        await ask(app, "/", host="a.example.com", state={"server": 2})
    assert seen == [{"server": 2, "pool": 1}]


def test_bad_bound() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        PathDispatcher(not_found, sync_factory, max_instances=0)
