"""``PathDispatcher``: the first segment decides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from quart import Quart, request

from quartpatterns.appdispatch import ASGIApp, DispatcherMiddleware, PathDispatcher, not_found
from tests.appdispatch.wire import ask

USERS = {"alice", "é"}


def anywhere(name: str, cls: type[Quart] = Quart) -> Quart:
    """An application that answers every path."""
    app = cls(__name__)

    @app.get("/", defaults={"rest": ""})
    @app.get("/<path:rest>")
    async def view(rest: str) -> dict[str, str]:
        return {"app": name, "root": request.script_root, "path": request.path}

    return app


def dispatcher(asked: list[str] | None = None, cls: type[Quart] = Quart) -> PathDispatcher:
    async def create_app(name: str) -> Quart | None:
        if asked is not None:
            asked.append(name)
        return anywhere(name, cls) if name in USERS else None

    return PathDispatcher(anywhere("default", cls), create_app)


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
    answer = await ask(dispatcher(cls=app_class), path)
    assert json.loads(answer.body) == {"app": name, "root": root, "path": seen}


@pytest.mark.checks("AD-6")
@pytest.mark.parametrize(
    ("path", "location"),
    [("/alice", "/alice/"), ("//alice", "/alice/"), ("/é", "/%C3%A9/")],
)
async def test_redirect(path: str, location: str) -> None:
    answer = await ask(dispatcher(), path)
    assert (answer.status, answer.headers["location"]) == (308, f"http://localhost{location}")


@pytest.mark.checks("AD-6")
async def test_what_is_asked() -> None:
    """The factory is asked with "" for the root, and never for what is no name: . and .. ."""
    asked: list[str] = []
    app = dispatcher(asked)
    for path in ("/", "/./x", "/../x", "/nouser/q", "/nouser/q"):
        await ask(app, path)
    assert asked == ["", "nouser", "nouser"]


async def test_application_without_name() -> None:
    """A factory may have an application for the root itself."""

    async def create_app(name: str) -> Quart:
        return anywhere(f"[{name}]")

    answer = await ask(PathDispatcher(not_found, create_app), "/")
    assert json.loads(answer.body) == {"app": "[]", "root": "", "path": "/"}


@pytest.mark.checks("AD-6")
async def test_nested() -> None:
    """Below another dispatcher the first segment is the first one there."""
    app = DispatcherMiddleware(not_found, {"/users": dispatcher()})
    answer = await ask(app, "/users/alice/x")
    assert json.loads(answer.body) == {"app": "alice", "root": "/users/alice", "path": "/x"}
    answer = await ask(app, "/users/nouser/q")
    assert json.loads(answer.body) == {"app": "default", "root": "/users", "path": "/nouser/q"}
    answer = await ask(app, "/users/alice")
    assert answer.headers["location"] == "http://localhost/users/alice/"


async def test_root() -> None:
    """The server's root_path without its slash, and a path that doesn't lie under it."""
    answer = await ask(dispatcher(), "/mount", root_path="/mount")
    assert (answer.status, answer.headers["location"]) == (308, "http://localhost/mount/")
    asked: list[str] = []
    for path in ("/alice/x", "/mountalice/x"):
        await ask(dispatcher(asked), path, root_path="/mount")
    assert asked == []


@pytest.mark.checks("AD-6")
@pytest.mark.parametrize(
    ("path", "below"),
    [("/alice//x//y", "/alice/x//y"), ("//alice/", "/alice/"), ("/alice///", "/alice/")],
)
async def test_scope(path: str, below: str) -> None:
    """The path keeps its prefix, as ASGI has it, with one slash on each side of the segment."""
    seen: list[str] = []

    async def child(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.extend([scope["root_path"], scope["path"]])
            await not_found(scope, receive, send)

    async def create_app(name: str) -> ASGIApp:
        return child

    await ask(PathDispatcher(not_found, create_app), path)
    assert seen == ["/alice", below]
