"""The front page, and what tells a load balancer that the application is up."""

from __future__ import annotations

from quart import Blueprint, render_template

import yourapplication

site = Blueprint("site", __name__)


@site.get("/")
async def index() -> str:
    """The front page."""
    return await render_template("index.html")


@site.get("/health")
async def health() -> dict[str, str]:
    """That it serves, and which version."""
    return {"status": "ok", "version": yourapplication.__version__}
