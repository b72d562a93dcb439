"""``flash`` is one function, with :class:`Flashing` and without."""

from __future__ import annotations

import pytest
from quart import Quart, render_template_string

from quartpatterns.flashing import Flashing
from quartpatterns.flashing import flash as flashing_flash
from quartpatterns.subclassing import flash as subclassing_flash
from quartpatterns.subclassing import names


def create_app(app_class: type[Quart], *, with_flashing: bool) -> Quart:
    app = app_class(__name__)
    app.secret_key = "secret"
    if with_flashing:
        Flashing().init_app(app)

    @app.post("/")
    async def save() -> str:
        await flashing_flash("one")
        await subclassing_flash("two", "error")
        await names.flash("three")
        return ""

    @app.get("/")
    async def show() -> str:
        template = "{% for each in get_flashed_messages() %}{{ each }} {% endfor %}"
        found = names.get_flashed_messages(True, ["error"])
        return f"{found} {await render_template_string(template)}"

    return app


@pytest.mark.parametrize("with_flashing", [True, False])
async def test_one_function(app_class: type[Quart], with_flashing: bool) -> None:
    """All messages are in one place, and are shown once and in their order."""
    client = create_app(app_class, with_flashing=with_flashing).test_client()
    response = await client.post("/")
    cookies = [text.partition("=")[0] for text in response.headers.getlist("Set-Cookie")]
    assert ("session" in cookies) is not with_flashing
    assert len(cookies) == (3 if with_flashing else 1)
    response = await client.get("/")
    text = await response.get_data(as_text=True)
    assert text == "[('error', 'two')] one two three "
    response = await client.get("/")
    assert await response.get_data(as_text=True) == "[] "
