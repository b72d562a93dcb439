"""The port: a favicon with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import render_template

from quartpatterns.favicon import add_favicon
from quartpatterns.subclassing import FaithfulQuart


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application: a link in the page, a view, and a redirect."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    add_favicon(app)
    add_favicon(app, path="/redirect/favicon.ico", endpoint="redirect", redirect=True)

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html")

    return app
