"""Views without decorators, which the original's central map imports at once."""

from flask import render_template


def index() -> str:
    return render_template("central.html")


def user(username: str) -> str:
    return render_template("user.html", username=username)
