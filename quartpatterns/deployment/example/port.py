"""The port: an application with layered configuration, and the commands that deploy it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quart import Quart, abort, render_template
from quart.utils import run_sync

from quartpatterns.deployment import (
    Archive,
    ConfigurationMissingError,
    Deployment,
    load_configuration,
    parse_settings,
)
from quartpatterns.subclassing import FaithfulQuart

FOLDER = Path(__file__).parent
SETTINGS = ("GREETING", "ITEMS_PER_PAGE", "SUPPORT")
VARIABLES = {
    "given": "YOURAPPLICATION_CONFIG",
    "unset": "YOURAPPLICATION_UNSET",
    "missing": "YOURAPPLICATION_MISSING",
    "broken": "YOURAPPLICATION_BROKEN",
}
# The page sets env.user and env.hosts. Other projects have these settings in deploy.toml.
DEPLOY: dict[str, Any] = {
    "name": "yourapplication",
    "user": "appuser",
    "folder": "/var/www/yourapplication",
    "python": "3.12",
    "files": {"application.cfg": "{host}.cfg"},
    "hosts": {"server1.example.com": {}, "server2.example.com": {}},
}
RELEASE = Archive(Path("dist/yourapplication-1.0.release.tar"), "yourapplication", "1.0", "3.12", "0" * 64, 4_000_000)  # fmt: skip  # noqa: E501


def make_app(variable: str) -> FaithfulQuart:
    app = FaithfulQuart(__name__)
    load_configuration(app, "quartpatterns.deployment.example.default_config", variable)
    return app


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    # The WSGI file of the page, here asgi.py, does this before it imports the application.
    os.environ.setdefault("YOURAPPLICATION_CONFIG", str(FOLDER / "application.cfg"))
    os.environ.setdefault("YOURAPPLICATION_MISSING", "/nowhere/application.cfg")
    os.environ.setdefault("YOURAPPLICATION_BROKEN", str(FOLDER / "broken.cfg"))
    app = make_app("YOURAPPLICATION_CONFIG")
    app.config.from_mapping(config or {})
    deployment = Deployment(parse_settings(DEPLOY, root=Path("yourapplication")))

    @app.get("/settings")
    async def settings() -> dict[str, Any]:
        return {key: app.config[key] for key in SETTINGS}

    @app.get("/start/<kind>")
    def start(kind: str) -> dict[str, object]:  # not async, because it reads files
        if kind not in VARIABLES:
            abort(404)
        try:
            started = make_app(VARIABLES[kind])
        except ConfigurationMissingError:
            return {"started": False, "variable": VARIABLES[kind]}
        return {"started": True, "greeting": started.config["GREETING"]}

    # What follows is not on Flask's page: a page with links, the texts of the errors, the commands
    # that deploy, and the health check that they use.

    @app.get("/")
    async def index() -> str:
        settings = {key: app.config[key] for key in SETTINGS}
        return await render_template(
            "deployment/index.html", settings=settings, variables=VARIABLES
        )

    @app.get("/errors/<kind>")
    def errors(kind: str) -> dict[str, object]:  # not async, because it reads files
        if kind not in VARIABLES:
            abort(404)
        try:
            make_app(VARIABLES[kind])
        except ConfigurationMissingError as error:
            return {"error": str(error).replace(str(FOLDER), ".")}
        return {"error": None}

    @app.get("/plan")
    async def plan() -> str:
        # In a thread, because plan() reads files.
        planned = await run_sync(deployment.plan)("deploy", ["server1.example.com"], RELEASE)
        return await render_template(
            "deployment/plan.html", lines=[action for _, _, action in planned]
        )

    @app.get("/health")
    async def health() -> str:
        return "ok"

    return app
