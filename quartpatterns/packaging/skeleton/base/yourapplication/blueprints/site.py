"""The front page and the health check."""

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
    """Return the status and the version, for load balancers and monitoring."""
    return {"status": "ok", "version": yourapplication.__version__}
