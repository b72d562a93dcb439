"""The port's views, without decorators."""

# pyright: basic
# As the rest of the port: Quart's form has no types.

from __future__ import annotations

from quart import render_template, request
from quart.views import MethodView


async def index() -> str:
    """The page with links to the others."""
    return await render_template("index.html")


async def user(username: str | None = None) -> str:
    """Whoever the URL names, and whoever it does not."""
    return await render_template("user.html", username=username)


class Shout(MethodView):
    """What is sent, in capitals."""

    async def get(self) -> str:
        """An empty form."""
        return await render_template("shout.html", text="")

    async def post(self) -> str:
        """The form with the answer."""
        text = (await request.form).get("text", "")
        return await render_template("shout.html", text=text.upper())
