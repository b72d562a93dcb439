"""What dispatchers accept and return."""

from __future__ import annotations

from typing import assert_type

from flask import Flask
from quart import Quart

from quartpatterns.appdispatch import (
    ASGIApp,
    DispatcherMiddleware,
    LifespanError,
    PathDispatcher,
    RouteDispatcher,
    StartupError,
    SubdomainDispatcher,
    WSGIMiddleware,
    unavailable,
)


async def create_async(name: str) -> Quart | None:
    return Quart(name)


def create_sync(name: str) -> Quart | None:
    return Quart(name)


async def replace_async(error: StartupError) -> ASGIApp:
    return unavailable(error)


def accepts_applications_and_factories(app: Quart, flask_app: Flask) -> None:
    wsgi = WSGIMiddleware(flask_app, threads=8)
    mounts: dict[str, ASGIApp] = {
        "/quart": app,
        "/flask": wsgi,
        "/path": PathDispatcher(app, create_sync),
        "/host": SubdomainDispatcher("example.com", create_async, default_app=app),
    }
    DispatcherMiddleware(app.asgi_app, mounts, on_startup_failure=unavailable)
    DispatcherMiddleware(app.asgi_app, mounts, on_startup_failure=replace_async)
    asgi_app: ASGIApp = RouteDispatcher(app, wsgi)
    del asgi_app


def returns_what_it_says(dispatcher: SubdomainDispatcher, error: LifespanError) -> None:
    assert_type(dispatcher.subdomain("alice.example.com"), str | None)
    assert_type(len(dispatcher.instances), int)
    assert_type("alice" in dispatcher.instances, bool)
    assert_type(error.name, str)
    assert_type(unavailable(StartupError("a", "b")), ASGIApp)
