"""The front page."""

from __future__ import annotations

from quart import Blueprint, render_template

site = Blueprint("site", __name__)


@site.get("/")
async def index() -> str:
    """The front page."""
    return await render_template("index.html")
