"""The port: template inheritance with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import abort, render_template, request

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.templateinheritance import get_template_attribute, render_block

NEWS = [f"Item {number}" for number in range(1, 13)]
PER_PAGE = 4


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application: a layout, its child, and a part of a page alone."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})

    def news_page() -> dict[str, Any]:
        page = request.args.get("page", 1, type=int)
        start = (page - 1) * PER_PAGE
        if not 0 <= start < len(NEWS):
            abort(404, "There is no such page.")
        items = NEWS[start : start + PER_PAGE]
        return {"items": items, "page": page, "more": start + PER_PAGE < len(NEWS)}

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html")

    @app.get("/news")
    async def news() -> str:
        return await render_template("news.html", **news_page())

    @app.get("/news/items")
    async def news_items() -> str:
        return await render_block("news.html", "items", **news_page())

    @app.get("/title")
    async def title() -> str:
        return await render_block("news.html", "title")

    @app.get("/hello")
    async def hello() -> str:
        greet = await get_template_attribute("_cider.html", "hello")
        greeting: str = await greet(request.args.get("name", "World"))
        return greeting

    return app
