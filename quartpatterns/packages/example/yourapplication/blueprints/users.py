"""The people."""

from __future__ import annotations

from quart import Blueprint, abort, render_template

users = Blueprint("users", __name__, url_prefix="/users")

NAMES = ("Ada", "Grace")


@users.route("/<name>")
async def profile(name: str) -> str:
    """The page of a person."""
    if name not in NAMES:
        abort(404)
    return await render_template("users/profile.html", name=name)
