"""The news."""

from flask import Blueprint, abort, render_template

news = Blueprint("news", __name__, url_prefix="/news")

STORIES = ("One module became a package", "The package got blueprints")


@news.route("/")
def index() -> str:
    return render_template("news/index.html", stories=STORIES)


@news.route("/<int:number>")
def story(number: int) -> str:
    if not 1 <= number <= len(STORIES):
        abort(404)
    return render_template("news/story.html", story=STORIES[number - 1])
