"""``PathDispatcher``: dispatching by the first path segment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from quart import Quart, request

from quartpatterns.appdispatch import ASGIApp, DispatcherMiddleware, PathDispatcher, not_found
from tests.appdispatch.wire import fetch

USERS = {"alice", "é"}


def catch_all(name: str, cls: type[Quart] = Quart) -> Quart:
    """Return an application that answers every path."""
    app = cls(__name__)

    @app.get("/", defaults={"rest": ""})
    @app.get("/<path:rest>")
    async def view(rest: str) -> dict[str, str]:
        return {"app": name, "root": request.script_root, "path": request.path}

    return app


def dispatcher(calls: list[str] | None = None, cls: type[Quart] = Quart) -> PathDispatcher:
    async def create_app(name: str) -> Quart | None:
        if calls is not None:
            calls.append(name)
        return catch_all(name, cls) if name in USERS else None

    return PathDispatcher(catch_all("default", cls), create_app)


@pytest.mark.checks("AD-6")
@pytest.mark.parametrize(
    ("path", "name", "root", "seen"),
    [
        ("/", "default", "", "/"),
        ("/alice/", "alice", "/alice", "/"),
        ("/alice/x/y", "alice", "/alice", "/x/y"),
        ("/alice//x", "alice", "/alice", "/x"),
        ("//alice/x", "alice", "/alice", "/x"),
        ("/é/x", "é", "/é", "/x"),
        ("/nouser/q", "default", "", "/nouser/q"),
        ("/nouser", "default", "", "/nouser"),
        ("/alicex/", "default", "", "/alicex/"),
        ("/./alice/x", "default", "", "/./alice/x"),
        ("/../x", "default", "", "/../x"),
        ("http://localhost/alice/x", "alice", "/alice", "/x"),
    ],
)
async def test_match(app_class: type[Quart], path: str, name: str, root: str, seen: str) -> None:
    """The first segment selects the application and moves to root_path."""
    answer = await fetch(dispatcher(cls=app_class), path)
    assert json.loads(answer.body) == {"app": name, "root": root, "path": seen}


@pytest.mark.checks("AD-6")
@pytest.mark.parametrize(
    ("path", "location"),
    [("/alice", "/alice/"), ("//alice", "/alice/"), ("/é", "/%C3%A9/")],
)
async def test_redirect(path: str, location: str) -> None:
    """A segment without a slash is redirected to it with a slash."""
    answer = await fetch(dispatcher(), path)
    assert (answer.status, answer.headers["location"]) == (308, f"http://localhost{location}")


@pytest.mark.checks("AD-6")
async def test_calls_of_the_factory() -> None:
    """The factory is called with "" for the root, and not for the segments . and .. ."""
    calls: list[str] = []
    app = dispatcher(calls)
    for path in ("/", "/./x", "/../x", "/nouser/q", "/nouser/q"):
        await fetch(app, path)
    assert calls == ["", "nouser", "nouser"]


async def test_application_for_the_root() -> None:
    """A factory can return an application for the root."""

    async def create_app(name: str) -> Quart:
        return catch_all(f"[{name}]")

    answer = await fetch(PathDispatcher(not_found, create_app), "/")
    assert json.loads(answer.body) == {"app": "[]", "root": "", "path": "/"}


@pytest.mark.checks("AD-6")
async def test_nested() -> None:
    """Below a mount, the first segment after the prefix is used."""
    app = DispatcherMiddleware(not_found, {"/users": dispatcher()})
    answer = await fetch(app, "/users/alice/x")
    assert json.loads(answer.body) == {"app": "alice", "root": "/users/alice", "path": "/x"}
    answer = await fetch(app, "/users/nouser/q")
    assert json.loads(answer.body) == {"app": "default", "root": "/users", "path": "/nouser/q"}
    answer = await fetch(app, "/users/alice")
    assert answer.headers["location"] == "http://localhost/users/alice/"


async def test_root() -> None:
    """The root_path of the server is redirected; a path that is not below it has no segment."""
    answer = await fetch(dispatcher(), "/mount", root_path="/mount")
    assert (answer.status, answer.headers["location"]) == (308, "http://localhost/mount/")
    calls: list[str] = []
    for path in ("/alice/x", "/mountalice/x"):
        await fetch(dispatcher(calls), path, root_path="/mount")
    assert calls == []


@pytest.mark.checks("AD-6")
@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/alice//x//y", "/alice/x/y"),
        ("/alice/./x/y/.", "/alice/x/y/."),
        ("//alice/", "/alice/"),
        ("/alice///", "/alice/"),
    ],
)
async def test_scope(path: str, below: str) -> None:
    """As in ASGI, path includes root_path; as on the page, without empty segments and dots."""
    seen: list[str] = []

    async def child(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.extend([scope["root_path"], scope["path"]])
            await not_found(scope, receive, send)

    async def create_app(name: str) -> ASGIApp:
        return child

    await fetch(PathDispatcher(not_found, create_app), path)
    assert seen == ["/alice", below]
