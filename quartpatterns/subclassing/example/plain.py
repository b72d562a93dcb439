"""The views of ``port.py`` on Quart as it is, to be measured beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Quart, render_template

__all__ = ["create_app"]


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """Make the application."""
    app = Quart(__name__)
    app.config.from_mapping(SECRET_KEY="dev")
    app.config.from_mapping(config or {})

    @app.get("/hello")
    async def hello() -> str:
        return "Hello, World!"

    @app.get("/json")
    async def data() -> dict[str, Any]:
        return {"id": 1, "name": "Ada", "tags": ["a", "b"]}

    @app.get("/template")
    async def template() -> str:
        return await render_template("subclassing/list.html", items=range(10))

    return app
