"""The port: error pages and API errors with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Response, abort, jsonify, render_template, request

from quartpatterns.errorpages import APIError, ErrorPages
from quartpatterns.subclassing import FaithfulQuart

USERS = {"ada", "grace"}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application: pages, a blog in HTML, and an API in JSON."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    app.register_blueprint(blog())
    app.register_blueprint(api())
    ErrorPages(
        app,
        templates={403: "403.html", 404: "404.html", 410: "410.html", 500: "500.html"},
        default="error.html",
        blueprints={"blog": "html", "api": "problem"},
        prefixes={"/blog": "html", "/api": "problem"},
    )

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html")

    @app.get("/forbidden")
    async def forbidden() -> str:
        abort(403)

    @app.get("/gone")
    async def gone() -> str:
        abort(410)

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError("this text is only in the log")

    @app.get("/unavailable")
    async def unavailable() -> str:
        abort(503, "Come back <later>.")

    @app.get("/profile")
    async def profile() -> str:
        username = request.args.get("username")
        if username is None:
            abort(400)
        if username not in USERS:
            abort(404)
        return await render_template("profile.html", username=username)

    @app.get("/foo")
    async def get_foo() -> str:
        raise APIError("This view is gone", status_code=410)

    @app.get("/bar")
    async def get_bar() -> str:
        raise APIError("Too many", payload={"limit": 3, "message": "lost"})

    return app


def blog() -> Blueprint:
    """Return a blueprint with its own error handler."""
    blog = Blueprint("blog", __name__, url_prefix="/blog")

    @blog.get("/<slug>")
    async def entry(slug: str) -> str:
        abort(410 if slug == "old" else 404)

    @blog.errorhandler(404)
    async def no_entry(error: Exception) -> tuple[str, int]:
        return await render_template("no_entry.html"), 404

    return blog


def api() -> Blueprint:
    """Return a blueprint whose errors are problem documents."""
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.get("/users/<name>")
    async def get_user(name: str) -> Response:
        if name not in USERS:
            abort(404, description=f"There is no user {name}.")
        return jsonify(name=name)

    @api.get("/broken")
    async def broken() -> str:
        raise RuntimeError("this text is only in the log")

    return api
