"""The port: the two sites of Flask's page, with Quart, and what the helper adds to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Quart, g, render_template

from quartpatterns.appdispatch import DispatcherMiddleware
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.urlprocessors import LanguageURLs

HELLO = {"en": "Hello!", "de": "Guten Tag!", "fr": "Bonjour !"}


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """Return the site; below ``/blueprint`` is the one whose languages are on a blueprint."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    languages = LanguageURLs(app, languages=list(HELLO))

    @app.get("/<lang_code>/")
    async def index() -> str:
        return await render_template("index.html", hello=HELLO[g.lang_code], languages=HELLO)

    @app.get("/<lang_code>/about")
    async def about() -> str:
        return await render_template("about.html", languages=HELLO)

    # Not on the page: the language of the client, links to other languages, and URLs without one.

    @app.get("/")
    async def start() -> str:
        return await render_template("start.html", languages=HELLO, wanted=languages.negotiate())

    @app.get("/<lang_code>/contact")
    async def contact() -> str:
        return await render_template("contact.html", languages=HELLO)

    @app.get("/imprint")
    async def imprint() -> str:
        return await render_template("imprint.html")

    site = create_site(config or {})
    app.asgi_app = DispatcherMiddleware(app.asgi_app, {"/blueprint": site})  # type: ignore[method-assign]
    return app


def create_site(config: Mapping[str, Any]) -> Quart:
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config)
    frontend = Blueprint("frontend", __name__, url_prefix="/<lang_code>")
    LanguageURLs(frontend, languages=list(HELLO))

    @frontend.get("/")
    async def index() -> str:
        return await render_template("index.html", hello=HELLO[g.lang_code], languages=HELLO)

    @frontend.get("/about")
    async def about() -> str:
        return await render_template("about.html", languages=HELLO)

    # Not on the page: links to pages of the blueprint from outside of it.
    @app.get("/")
    async def start() -> str:
        return await render_template("frontend.html", languages=HELLO)

    app.register_blueprint(frontend)
    return app
