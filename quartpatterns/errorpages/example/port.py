"""The port: error pages and API errors with Quart.

The part below ``/shop`` is an extra: its errors are pages or problem documents, as the client
prefers, with the id of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Response, abort, jsonify, render_template, request
from quart.typing import ResponseReturnValue

from quartpatterns.errorpages import APIError, ErrorPages
from quartpatterns.subclassing import FaithfulQuart

USERS = {"ada": {"user_id": "420", "name": "Ada"}, "grace": {"user_id": "421", "name": "Grace"}}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application: pages, a blog in HTML, an API in JSON, and a shop."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    app.register_blueprint(blog())
    app.register_blueprint(api())
    app.register_blueprint(shop())
    ErrorPages(
        app,
        templates={403: "403.html", 404: "404.html", 410: "410.html", 500: "500.html"},
        default="error.html",
        prefixes={"/": "html", "/api/": "json", "/shop/": "negotiated"},
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
    async def user_profile() -> str:
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
    async def page_not_found(error: Exception) -> tuple[str, int]:
        return await render_template("no_entry.html"), 404

    return blog


def api() -> Blueprint:
    """Return a blueprint whose errors are JSON."""
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.errorhandler(404)
    async def resource_not_found(error: Exception) -> ResponseReturnValue:
        return jsonify(error=str(error)), 404

    @api.get("/cheese/<name>")
    async def get_one_cheese(name: str) -> Response:
        if name != "brie":
            abort(404, description=f"There is no cheese {name}.")
        return jsonify(name=name)

    @api.get("/user")
    async def user_api() -> Response:
        user_id = request.args.get("user_id")
        if not user_id:
            raise APIError("No user id provided!")
        user = next((user for user in USERS.values() if user["user_id"] == user_id), None)
        if not user:
            raise APIError("No such user!", status_code=404)
        return jsonify(user)

    @api.get("/broken")
    async def broken() -> str:
        raise RuntimeError("this text is only in the log")

    return api


def shop() -> Blueprint:
    """Return a blueprint for browsers and programs: each gets errors in its own format."""
    shop = Blueprint("shop", __name__, url_prefix="/shop")

    @shop.get("/orders/<int:number>")
    async def order(number: int) -> Response:
        if number > 1000:
            raise APIError("Too many orders", status_code=409, payload={"limit": 1000})
        abort(404, f"There is no order {number}.")

    @shop.get("/broken")
    async def broken() -> str:
        raise RuntimeError("this text is only in the log")

    return shop
