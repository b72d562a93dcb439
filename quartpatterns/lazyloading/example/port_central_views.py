"""Views without decorators, which the port's central map imports at once."""

from __future__ import annotations

from quart import render_template


async def index() -> str:
    """Return a page with a link to the other view."""
    return await render_template("central.html")


async def user(username: str) -> str:
    """Return a page for the user in the URL."""
    return await render_template("user.html", username=username)
