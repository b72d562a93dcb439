"""What templates use."""

from flask import current_app, render_template, request, url_for
from markupsafe import Markup


def paragraphs(text):
    return Markup("").join(Markup("<p>{}</p>").format(line) for line in text.splitlines() if line)


def search_term():
    return request.values.get("q", "")


def card(notice):
    """Return the HTML of one notice."""
    return Markup(render_template("board/_card.html", notice=notice))


def init_app(app):
    app.add_template_filter(paragraphs)
    app.jinja_env.filters["shout"] = lambda text: text.upper() + "!"
    app.jinja_env.globals["card"] = card
    app.jinja_env.tests["long"] = lambda text: len(text) > 20

    @app.context_processor
    def search():
        return {"search_term": search_term(), "home": url_for("index")}

    @app.template_global()
    def page_size():
        return current_app.config["PAGE_SIZE"]
