"""The views that belong to no part of the application."""

from __future__ import annotations

from quart import render_template

from quartpatterns.packages.example.yourapplication import app


@app.route("/")
async def index() -> str:
    """The page that says hello."""
    return await render_template("index.html")
