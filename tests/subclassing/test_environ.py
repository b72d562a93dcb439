"""``request.environ``: the WSGI environment that Flask has, made from the ASGI scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
import quart
from werkzeug.wsgi import get_current_url

from quartpatterns.subclassing import FaithfulQuart, bridge_flask

# What the test clients do alike; Flask's has no REMOTE_PORT and is not multithreaded.
COMPARED = (
    "REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING SERVER_NAME SERVER_PORT SERVER_PROTOCOL"
    " REMOTE_ADDR CONTENT_TYPE CONTENT_LENGTH HTTP_HOST HTTP_COOKIE HTTP_X_A wsgi.url_scheme"
    " wsgi.version wsgi.run_once mine"
).split()


async def both(change: Callable[[Any], Any], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Return what *change* makes of the request in Flask, and here."""
    original = flask.Flask(__name__)
    port = FaithfulQuart(__name__)
    with original.test_request_context(*args, **kwargs):
        expected = change(flask.request)
    async with port.test_request_context(*args, **kwargs):
        return expected, change(quart.request)


REQUESTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("/",), {}),
    (("/a?b=c%20d&e=%C3%A9",), {"headers": {"X-A": "1", "Cookie": "a=b"}}),
    (("/caf\xe9/%2F",), {"base_url": "https://example.com:8443/m\xfcnt/"}),
    (("/p",), {"method": "POST", "data": {"a": "1"}}),
    (("/p",), {"method": "PUT", "json": [1]}),
    (("/",), {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}),
]


@pytest.mark.parametrize(("args", "kwargs"), REQUESTS)
async def test_variables(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    def variables(request: Any) -> Any:
        found = {name: request.environ.get(name) for name in COMPARED}
        return found, get_current_url(request.environ), request.environ is request.environ

    expected, found = await both(variables, *args, **kwargs)
    assert found == expected


def assign(environ: Any) -> None:
    environ["HTTP_X_A"] = environ["CONTENT_TYPE"] = environ["mine"] = "new"


def replace(environ: Any) -> None:
    environ.update({"HTTP_X_A": "new"}, CONTENT_TYPE="text/plain")
    environ |= {"HTTP_COOKIE": "c=d", "mine": 1}


def default(environ: Any) -> None:
    environ.setdefault("HTTP_X_A", "unused")
    environ.setdefault("HTTP_COOKIE", "c=d")
    environ.setdefault("mine", 1)


def remove(environ: Any) -> None:
    del environ["HTTP_X_A"]
    environ.pop("HTTP_HOST")
    environ.pop("HTTP_X_B", None)


@pytest.mark.parametrize("change", [assign, replace, default, remove])
async def test_changes(change: Callable[[Any], None]) -> None:
    """As in Flask, a header is changed in the request, and other variables here alone."""

    def changed(request: Any) -> Any:
        change(request.environ)
        names = ("X-A", "X-B", "Content-Type", "Cookie", "Host")
        headers = [request.headers.get(name) for name in names]
        return headers, [request.environ.get(name) for name in COMPARED], request.method

    kwargs = {"method": "POST", "headers": {"X-A": "1"}, "data": "x", "content_type": "a/b"}
    expected, found = await both(changed, "/", **kwargs)
    assert found == expected


async def test_no_input() -> None:
    """The body has another name. Nothing is read, or replaced, in silence."""
    app = FaithfulQuart(__name__)
    async with app.test_request_context("/", method="POST", data="x"):
        environ: Any = quart.request.environ  # type: ignore[attr-defined]
        assert "wsgi.input" not in environ and environ.get("wsgi.input") is None
        with pytest.raises(KeyError, match="request.body"):
            environ["wsgi.input"]
        with pytest.raises(TypeError, match="request.body"):
            environ["wsgi.input"] = None
        with pytest.raises(TypeError, match="request.body"):
            environ.update({"wsgi.input": None})
        with pytest.raises(KeyError, match="^'SERVER_SOFTWARE'$"):
            environ["SERVER_SOFTWARE"]
        # What applications assign to allow chunked requests.
        assert environ["wsgi.input_terminated"] is True
        environ["wsgi.input_terminated"] = 1
        assert await quart.request.get_data() == b"x"


async def test_behind_the_bridge() -> None:
    """Extensions for Flask, also on plain Quart, see the same environment as views."""
    app = bridge_flask(quart.Quart(__name__))

    @app.before_request
    async def note() -> None:
        quart.request.environ["mine"] = 1  # type: ignore[attr-defined]

    @app.get("/")
    def view() -> list[Any]:
        environ = flask.request.environ
        return [environ["mine"], environ["PATH_INFO"], "wsgi.input" in environ]

    response = await app.test_client().get("/")
    assert await response.get_json() == [1, "/", False]
