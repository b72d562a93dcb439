"""The pages of the gallery: the index, and one about each pattern."""

from __future__ import annotations

from quart import Blueprint, Response, abort, redirect, render_template, url_for
from quart.typing import ResponseReturnValue

from quartpatterns import __version__, catalog
from quartpatterns._shared.threads import run_sync
from quartpatterns.gallery.content import code_stylesheet, pattern_content

__all__ = ["pages"]

pages = Blueprint("gallery", __name__)


@pages.app_context_processor
def version() -> dict[str, str]:
    """Return the variables of every template."""
    return {"version": __version__}


@pages.get("/")
async def index() -> str:
    """Return the index: the patterns by group."""
    groups = {
        group: [pattern for pattern in catalog.PATTERNS if pattern.group == group]
        for group in catalog.GROUPS
    }
    return await render_template("gallery/index.html", groups=groups)


@pages.get("/gallery/<name>")
async def pattern(name: str) -> str:
    """Return the page about a pattern: its README, its code, its cases and its differences."""
    try:
        found = catalog.get(name)
    except LookupError as error:
        abort(404, description=str(error.args[0]))
    content = await run_sync(pattern_content)(found)
    return await render_template("gallery/pattern.html", pattern=found, content=content)


@pages.get("/gallery/code.css")
async def code_css() -> Response:
    """Return the colours of highlighted code."""
    response = Response(await run_sync(code_stylesheet)(), mimetype="text/css")
    response.cache_control.public = True
    response.cache_control.max_age = 3600
    return response


@pages.get("/favicon.ico")
async def favicon() -> ResponseReturnValue:
    """Redirect to the icon."""
    return redirect(url_for("static", filename="icon.svg"))


@pages.app_errorhandler(404)
async def not_found(error: Exception) -> tuple[str, int]:
    """Return the page for an unknown URL."""
    description = getattr(error, "description", "")
    return await render_template("gallery/not_found.html", description=description), 404
