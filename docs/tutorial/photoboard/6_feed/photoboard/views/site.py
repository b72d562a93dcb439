"""The front page."""

from __future__ import annotations

from quart import Blueprint, redirect, render_template, url_for
from quart.typing import ResponseReturnValue
from sqlalchemy import select

from photoboard.cache import cache
from photoboard.languages import languages
from photoboard.models import Album, db

site = Blueprint("site", __name__)


@site.get("/")
async def start() -> ResponseReturnValue:
    """Redirect to the front page in the visitor's language."""
    return redirect(url_for("site.index", lang_code=languages.negotiate()))


@site.get("/<lang_code>/")
@cache.cached(timeout=60, query_string=True, tags=["albums"])
async def index() -> str:
    """The albums, the newest first."""
    page = await db.paginate(select(Album).order_by(Album.id.desc()), per_page=24)
    return await render_template("index.html", page=page)
