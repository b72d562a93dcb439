"""The port: deferred request callbacks with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Response, g, jsonify, make_response, render_template, request
from quart.typing import ResponseReturnValue, ResponseTypes

from quartpatterns.deferredcallbacks import after_response, after_this_request
from quartpatterns.deferredcallbacks.example.text_list import create_text_list
from quartpatterns.subclassing import FaithfulQuart

LANGUAGES = ["en", "de", "fr"]
LAST_ORDERS = 100


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application, which keeps its last 100 orders.

    They are in the memory of the process, or with ``REDIS_URL`` in Redis.
    """
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    orders = create_text_list(app, "orders", LAST_ORDERS)

    @app.before_request
    async def detect_user_language() -> None:
        language = request.cookies.get("user_lang")

        if language not in LANGUAGES:
            language = request.accept_languages.best_match(LANGUAGES, "en")

            @after_this_request
            async def remember_language(response: Response) -> None:
                response.set_cookie("user_lang", language)

        g.language = language

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html")

    @app.get("/language")
    async def language() -> Response:
        return jsonify(language=g.language)

    @app.get("/first-form")
    async def first_form() -> str:
        @after_this_request
        async def say_nothing(response: Response) -> None:
            response.headers["X-Deferred"] = "first form"

        return "deferred"

    @app.get("/order-of-callbacks")
    async def order_of_callbacks() -> str:
        for name in ("one", "two", "three"):

            @after_this_request
            async def add(response: Response, name: str = name) -> None:
                response.headers.add("X-Called", name)

        return "called"

    @app.get("/replaced")
    async def replaced() -> str:
        @after_this_request
        async def replace(response: Response) -> ResponseTypes:
            return await make_response("another answer", 202)

        return "never seen"

    @app.post("/orders")
    async def order() -> ResponseReturnValue:
        name = (await request.form)["name"]
        after_response(orders.append, name)
        return "accepted", 202

    @app.get("/orders")
    async def list_orders() -> Response:
        return jsonify(await orders.all())

    return app
