"""The port: HTTP method overrides with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Response, jsonify, render_template, request

from quartpatterns.methodoverrides import HTTPMethodOverrideMiddleware
from quartpatterns.subclassing import FaithfulQuart


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application with the middleware."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    app.asgi_app = HTTPMethodOverrideMiddleware(app.asgi_app)  # type: ignore[method-assign]
    methods = ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE"]

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html")

    @app.route("/seen", methods=methods)
    async def seen() -> Response:
        form = (await request.form).to_dict(flat=False)
        return jsonify(method=request.method, form=form, content_length=request.content_length)

    @app.delete("/post")
    async def delete() -> str:
        return "deleted"

    return app
