"""The front page."""

from __future__ import annotations

from quart import Blueprint, current_app, redirect, render_template, url_for
from quart.typing import ResponseReturnValue

site = Blueprint("site", __name__)


@site.get("/")
async def start() -> ResponseReturnValue:
    """Redirect to the front page in the visitor's language."""
    language = current_app.extensions["languages"].negotiate()
    return redirect(url_for("site.index", lang_code=language))


@site.get("/<lang_code>/")
async def index() -> str:
    """The front page."""
    return await render_template("index.html")
