"""The port: message flashing with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import abort, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from quartpatterns.flashing import Flashing, FlashTooLargeError, flash
from quartpatterns.subclassing import FaithfulQuart


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application: a login that flashes a message."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(SECRET_KEY="dev")
    app.config.from_mapping(config or {})
    Flashing(app)

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html")

    @app.route("/login", methods=["GET", "POST"])
    async def login() -> ResponseReturnValue:
        error = None
        if request.method == "POST":
            form = await request.form
            if form["username"] != "admin" or form["password"] != "secret":
                error = "Invalid credentials"
            else:
                await flash("You were successfully logged in")
                return redirect(url_for("index"))
        return await render_template("login.html", error=error)

    @app.post("/say")
    async def say() -> ResponseReturnValue:
        form = await request.form
        try:
            await flash(form["message"], form.get("category", "message"))
        except FlashTooLargeError:
            abort(400, "The message is too long, or too many messages are pending.")
        return redirect(url_for("index"))

    @app.get("/categories")
    async def categories() -> str:
        return await render_template("categories.html")

    @app.get("/filtered")
    async def filtered() -> str:
        return await render_template("filtered.html")

    @app.get("/redirect")
    async def redirected() -> ResponseReturnValue:
        return redirect(url_for("index"))

    return app
