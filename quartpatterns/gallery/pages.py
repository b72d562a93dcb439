"""The pages of the gallery itself: the index, and one about each pattern."""

from __future__ import annotations

from quart import Blueprint, Response, abort, redirect, render_template, url_for
from quart.typing import ResponseReturnValue
from quart.utils import run_sync

from quartpatterns import __version__, catalog
from quartpatterns.gallery.sources import exhibit, stylesheet

__all__ = ["pages"]

pages = Blueprint("gallery", __name__)


@pages.app_context_processor
def version() -> dict[str, str]:
    """What every page may say."""
    return {"version": __version__}


@pages.get("/")
async def index() -> str:
    """The 26 patterns, by group."""
    shelves = {
        group: [pattern for pattern in catalog.PATTERNS if pattern.group == group]
        for group in catalog.GROUPS
    }
    return await render_template("gallery/index.html", shelves=shelves)


@pages.get("/gallery/<name>")
async def pattern(name: str) -> str:
    """What a pattern is, how its port and its original are written, and where they differ."""
    try:
        found = catalog.get(name)
    except LookupError as error:
        abort(404, description=str(error.args[0]))
    shown = await run_sync(exhibit)(found)
    return await render_template("gallery/pattern.html", pattern=found, exhibit=shown)


@pages.get("/gallery/code.css")
async def code_css() -> Response:
    """The colours of highlighted code."""
    response = Response(await run_sync(stylesheet)(), mimetype="text/css")
    response.cache_control.public = True
    response.cache_control.max_age = 3600
    return response


@pages.get("/favicon.ico")
async def favicon() -> ResponseReturnValue:
    """The icon, where browsers look for it."""
    return redirect(url_for("static", filename="icon.svg"))


@pages.app_errorhandler(404)
async def not_found(error: Exception) -> tuple[str, int]:
    """A page for what is not there."""
    description = getattr(error, "description", "")
    return await render_template("gallery/not_found.html", description=description), 404
