"""The front page."""

from __future__ import annotations

from quart import Blueprint, redirect, render_template, url_for
from quart.typing import ResponseReturnValue

from photoboard.languages import languages

site = Blueprint("site", __name__)


@site.get("/")
async def start() -> ResponseReturnValue:
    """Redirect to the front page in the visitor's language."""
    return redirect(url_for("site.index", lang_code=languages.negotiate()))


@site.get("/<lang_code>/")
async def index() -> str:
    """The front page."""
    return await render_template("index.html")
