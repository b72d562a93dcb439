"""The port: an application with templates, static files and data, with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

from quart import render_template

from quartpatterns.packaging import require_resources
from quartpatterns.subclassing import FaithfulQuart

NAME = __name__.partition(".")[0]
VERSION = metadata.version(NAME)


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application. It does not start if one of its files is missing."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    require_resources(app)

    @app.get("/")
    async def index() -> str:
        async with await app.open_resource("notice.txt", "r") as file:
            notice = await file.read()
        return await render_template("index.html", notice=notice, name=NAME, number=VERSION)

    @app.get("/version")
    async def version() -> dict[str, str]:
        return {"name": NAME, "version": VERSION}

    return app
