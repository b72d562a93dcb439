"""The page for a redirect is the one that Flask and Quart send."""

from __future__ import annotations

import flask
import quart

from quartpatterns.compare.redirect_page import redirect_page

TARGET = "/users?name='ada'&page=2"


async def test_redirect_page() -> None:
    flask_app = flask.Flask(__name__)
    flask_app.add_url_rule("/", "index", lambda: flask.redirect(TARGET))
    quart_app = quart.Quart(__name__)

    @quart_app.get("/")
    async def index() -> quart.typing.ResponseReturnValue:
        return quart.redirect(TARGET)

    page = redirect_page(TARGET)
    assert page == flask_app.test_client().get("/").text
    response = await quart_app.test_client().get("/")
    assert page == await response.get_data(as_text=True)
    assert '<a href="/users?name=&#39;ada&#39;&amp;page=2">' in page
