"""The news."""

from __future__ import annotations

from quart import Blueprint, abort, render_template

news = Blueprint("news", __name__, url_prefix="/news")

STORIES = ("One module became a package", "The package got blueprints")


@news.route("/")
async def index() -> str:
    """All stories."""
    return await render_template("news/index.html", stories=STORIES)


@news.route("/<int:number>")
async def story(number: int) -> str:
    """One story; the first has the number 1."""
    if not 1 <= number <= len(STORIES):
        abort(404)
    return await render_template("news/story.html", story=STORIES[number - 1])
