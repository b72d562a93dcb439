"""The page for an error is the one that Flask and Quart send."""

from __future__ import annotations

import pytest
from flask import Flask
from flask import abort as flask_abort
from quart import Quart, abort

from quartpatterns.compare.error_page import error_page

STATUSES = (400, 403, 404, 405, 413, 500)


def sent_by_flask(status: int, text: str | None) -> str:
    app = Flask(__name__)
    app.add_url_rule("/", "index", lambda: flask_abort(status, description=text))
    return app.test_client().get("/").text


async def sent_by_quart(status: int, text: str | None) -> str:
    app = Quart(__name__)

    @app.get("/")
    async def index() -> str:
        abort(status, description=text)

    response = await app.test_client().get("/")
    return str(await response.get_data(as_text=True))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("text", [None, 'It\'s <b>"this"</b> & that.'])
async def test_error_page(status: int, text: str | None) -> None:
    page = error_page(status, text)
    assert page == sent_by_flask(status, text)
    assert page == await sent_by_quart(status, text)


def test_text() -> None:
    assert error_page(404, "No <user>.") == (
        "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
        "<p>No &lt;user&gt;.</p>\n"
    )


def test_unknown_status() -> None:
    with pytest.raises(KeyError):
        error_page(299)
