"""All examples of the page in one application: mounted, by subdomain, and by path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from quart import abort, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from quartpatterns.appdispatch import DispatcherMiddleware, PathDispatcher, SubdomainDispatcher
from quartpatterns.subclassing import FaithfulQuart

DEFAULTS = {"DOMAIN": "localhost", "MAX_USERS": 100}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the frontend, with the other applications mounted below it.

    Arguments:
        config: ``DOMAIN`` is the domain of the subdomains, ``MAX_USERS`` the maximum of users.
    """
    users = {"alice", "bob"}
    application = create_frontend(users, config or {})

    def make_app(name: str) -> FaithfulQuart | None:
        return create_user_app(name) if name in users else None

    application.asgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        application.asgi_app,
        {
            "/hello": create_hello(),
            "/backend": create_backend(),
            "/subdomain": SubdomainDispatcher(application.config["DOMAIN"], make_app),
            "/path": PathDispatcher(create_default(), make_app),
        },
    )
    return application


def create_frontend(users: set[str], config: Mapping[str, Any]) -> FaithfulQuart:
    app = FaithfulQuart(__name__)
    app.config.from_mapping(DEFAULTS)
    app.config.from_mapping(config)

    @app.get("/")
    async def index() -> str:
        port = urlsplit(f"//{request.host}").port
        domain = app.config["DOMAIN"] + (f":{port}" if port else "")
        return await render_template("index.html", users=sorted(users), domain=domain)

    @app.post("/users")
    async def add_user() -> ResponseReturnValue:
        name = (await request.form).get("name", "")
        if not re.fullmatch("[a-z0-9-]{1,30}", name):
            abort(400, "A name has 1 to 30 of the characters a to z, 0 to 9 and the hyphen.")
        if len(users) >= app.config["MAX_USERS"]:
            abort(400, "The number of users has reached MAX_USERS.")
        users.add(name)
        return redirect(url_for("index"), 303)

    @app.get("/x/")
    async def x() -> dict[str, str]:
        return where("frontend")

    return app


def create_hello() -> FaithfulQuart:
    app = FaithfulQuart(__name__)

    @app.get("/")
    async def hello_world() -> str:
        return "Hello World!"

    return app


def create_backend() -> FaithfulQuart:
    app = FaithfulQuart(__name__)

    @app.get("/")
    @app.get("/x/")
    async def x() -> dict[str, str]:
        return where("backend")

    return app


def create_default() -> FaithfulQuart:
    app = FaithfulQuart(__name__)

    @app.get("/", defaults={"rest": ""})
    @app.get("/<path:rest>")
    async def x(rest: str) -> dict[str, str]:
        return where("default")

    return app


def create_user_app(user: str) -> FaithfulQuart:
    app = FaithfulQuart(__name__)

    @app.get("/")
    @app.get("/x/y")
    @app.get("/x")
    async def x() -> dict[str, str]:
        return where(user)

    return app


def where(application: str) -> dict[str, str]:
    """Return the application that answers, and the values that it gets."""
    return {
        "application": application,
        "script_root": request.script_root,
        "path": request.path,
        "link": url_for("x"),
    }
