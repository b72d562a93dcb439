"""The people."""

from flask import Blueprint, abort, render_template

users = Blueprint("users", __name__, url_prefix="/users")

NAMES = ("Ada", "Grace")


@users.route("/<name>")
def profile(name: str) -> str:
    if name not in NAMES:
        abort(404)
    return render_template("users/profile.html", name=name)
