"""A page that is cached for a minute."""

from __future__ import annotations

from datetime import UTC, datetime

from quart import Blueprint, render_template

from yourapplication.caching import cache

blueprint = Blueprint("clock", __name__, url_prefix="@{pages}/clock")


@blueprint.get("/")
@cache.cached(timeout=60)
async def index() -> str:
    """Render the current time."""
    return await render_template("clock.html", now=datetime.now(UTC))
