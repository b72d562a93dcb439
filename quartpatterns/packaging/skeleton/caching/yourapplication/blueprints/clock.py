"""A page that is made once a minute, however many ask for it."""

from __future__ import annotations

from datetime import UTC, datetime

from quart import Blueprint, render_template

from yourapplication.cache import cache

clock = Blueprint("clock", __name__, url_prefix="/clock")


@clock.get("/")
@cache.cached(timeout=60)
async def index() -> str:
    """The time at which this page was made."""
    return await render_template("clock.html", now=datetime.now(UTC))
