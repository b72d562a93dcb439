"""The port's views, without decorators."""

# pyright: basic
# As the rest of the port: Quart's form has no types.

from __future__ import annotations

from quart import render_template, request
from quart.views import MethodView


async def index() -> str:
    """Return a page with links to the others."""
    return await render_template("index.html")


async def user(username: str | None = None) -> str:
    """A page for the user in the URL, or for nobody."""
    return await render_template("user.html", username=username)


class Shout(MethodView):
    """A form whose text is returned in capitals."""

    async def get(self) -> str:
        """Return the empty form."""
        return await render_template("shout.html")

    async def post(self) -> str:
        """Return the form with the result."""
        text = (await request.form).get("text", "")
        return await render_template("shout.html", text=text.upper())
