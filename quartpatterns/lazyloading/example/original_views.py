"""The original's views, without decorators."""

from flask import render_template, request
from flask.views import MethodView


def index() -> str:
    return render_template("index.html")


def user(username: str | None = None) -> str:
    return render_template("user.html", username=username)


class Shout(MethodView):
    def get(self) -> str:
        return render_template("shout.html")

    def post(self) -> str:
        text = request.form.get("text", "")
        return render_template("shout.html", text=text.upper())


shout = Shout.as_view("shout")
