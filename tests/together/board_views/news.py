"""A blueprint with a view."""

from __future__ import annotations

from quart import Blueprint

news = Blueprint("news", __name__, url_prefix="/news")


@news.get("/")
async def index() -> str:
    """The news."""
    return "news"
