"""``RouteDispatcher``: a Flask application that moves to Quart route by route."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flask import Flask
from quart import Quart, request, url_for

from quartpatterns.appdispatch import (
    DispatcherMiddleware,
    RouteDispatcher,
    WSGIMiddleware,
    not_found,
)
from quartpatterns.compare import Case, File, Step
from quartpatterns.compare.pytest_plugin import AssertParity
from quartpatterns.subclassing import FaithfulQuart
from tests.appdispatch.twenty import create_flask, create_ported
from tests.appdispatch.wire import Log, echo, exchange, fetch, lifespan, served

pytestmark = pytest.mark.checks("AD-9")

GETS = ["/", "/users/", "/users", "/users/1", "/users/9", "/users/x", "/search?q=a%20b&q=c"]
GETS += ["/stream", "/files/a/b", "/teapot", "/crash", "/old", "/cookie", "/headers", "/time"]
GETS += ["/none", "/users//1", "/login", "/%C3%A9"]

CASES = [
    *(Case(f"GET {path}", Step(path)) for path in GETS),
    # The 404 and 405 pages of Flask and Quart are the same.
    *(Case(f"HEAD {path}", Step(path, method="HEAD")) for path in ("/users/1", "/time")),
    *(Case(f"OPTIONS {path}", Step(path, method="OPTIONS")) for path in ("/me", "/time")),
    Case("method of a ported path", Step("/users/1", method="POST", form={"name": "carol"})),
    Case("another method of a ported path", Step("/users/1", method="DELETE")),
    Case("a method that neither application has", Step("/users/1", method="PUT")),
    Case("a method of a wholly ported path", Step("/me", method="POST")),
    Case("a body", Step("/echo", method="POST", body=bytes(range(256)) * 1000)),
    Case("a body in chunks", Step("/echo", method="POST", body=[b"a" * 70000, b"b"])),
    Case(
        "a file",
        Step("/upload", method="POST", files={"file": File(b"x" * 200_000, "x.bin")}),
    ),
    Case("JSON", Step("/items/a", method="PUT", json={"b": [1, "é"]})),
    Case("a header", Step("/headers", headers={"X-Test": "yes"})),
]


def session(**options: Any) -> list[Case]:
    """Return a case that logs in with Flask and reads the session with Quart."""
    me = Step("/me", **options)
    login = Step("/login", method="POST", form={"user": "alice"})
    return [
        Case("a session in both applications", me, login, me, Step("/logout", method="POST"), me)
    ]


@pytest.mark.parametrize(
    ("cls", "cases"),
    [
        pytest.param(FaithfulQuart, session(), id="FaithfulQuart"),
        # Quart has no "Vary: Cookie" where a session is only read.
        pytest.param(Quart, session(ignore_headers=("vary",)), id="Quart"),
    ],
)
async def test_twenty_routes(
    assert_parity: AssertParity, cls: type[Quart], cases: list[Case]
) -> None:
    """All twenty routes answer as before after five of them have moved."""
    flask_app, ported = create_flask(), create_ported(create_flask(), cls)
    assert len(list(flask_app.url_map.iter_rules())) == 20
    assert len(list(ported.url_map.iter_rules())) == 5
    await asyncio.to_thread(assert_parity, flask_app, ported, cases=[*CASES, *cases])


@pytest.mark.wire
async def test_on_the_wire() -> None:
    """It works behind Hypercorn."""
    async with served(create_ported(create_flask())) as port:
        for path, body in [(b"/users/1", b'{"name":"alice"}'), (b"/time", b"now")]:
            answer = await exchange(port, b"GET " + path + b" HTTP/1.0\r\nHost: h\r\n\r\n")
            assert body in answer


def app_with(rule: str, cls: type[Quart] = Quart) -> Quart:
    app = cls(__name__, static_folder=None)

    @app.route(rule)
    async def new(**values: object) -> str:
        return f"new {request.script_root}"

    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(old_app()))  # type: ignore[method-assign]
    return app


def old_app() -> Flask:
    app = Flask(__name__)

    @app.route("/", defaults={"rest": ""}, methods=["GET", "POST"])
    @app.route("/<path:rest>", methods=["GET", "POST"])
    def old(rest: str) -> str:
        return "old"

    return app


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/x/1/", b"new "),
        ("POST", "/x/1/", b"old"),
        ("GET", "/x/y/", b"old"),
        ("GET", "/", b"old"),
        ("GET", "http://h/x/1/", b"new "),
    ],
)
async def test_match(app_class: type[Quart], method: str, path: str, body: bytes) -> None:
    """Path, converters and method select the application."""
    app = app_with("/x/<int:n>/", app_class)
    answer = await fetch(app, path, method=method)
    assert (answer.status, answer.body) == (200, body)


async def test_redirect() -> None:
    """Quart redirects to a ported rule with a slash."""
    answer = await fetch(app_with("/x/"), "/x")
    assert (answer.status, answer.headers["location"]) == (308, "http://localhost/x/")


async def test_mounted() -> None:
    """It works below a mount and below a root_path."""
    app = DispatcherMiddleware(not_found, {"/a": app_with("/x")})
    assert (await fetch(app, "/a/x")).body == b"new /a"
    assert (await fetch(app, "/a/y")).body == b"old"
    assert (await fetch(app, "/a")).headers["location"] == "http://localhost/a/"
    direct = app_with("/x")
    answer = await fetch(direct, "/a", root_path="/a")
    assert answer.headers["location"] == "http://localhost/a/"
    assert (await fetch(direct, "/x", root_path="/a")).status == 404


async def test_host_matching() -> None:
    """An application with host_matching gets only the requests for its hosts."""
    app = Quart(__name__, static_folder=None, host_matching=True)

    @app.get("/", host="new.example.com")
    async def new() -> str:
        return "new"

    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(old_app()))  # type: ignore[method-assign]
    assert (await fetch(app, "/", host="new.example.com")).body == b"new"
    assert (await fetch(app, "/", host="example.com")).body == b"old"
    assert (await fetch(app, "/", host="x" * 80 + ".com")).status < 500


def test_subdomain_matching() -> None:
    """An application with subdomain_matching is refused."""
    app = Quart(__name__, subdomain_matching=True)
    with pytest.raises(ValueError, match="select the subdomain with a SubdomainDispatcher"):
        RouteDispatcher(app, not_found)


async def test_static() -> None:
    """Quart's rule for static files matches all paths below it, as README.md says."""
    app = Quart(__name__)
    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(old_app()))  # type: ignore[method-assign]
    assert (await fetch(app, "/static/x.css")).status == 404


async def test_links_to_old_routes(app_class: type[Quart]) -> None:
    """The build error handler of README.md builds URLs of the Flask application."""
    flask_app = old_app()
    app = app_class(__name__)
    host = "" if app_class is Quart else "http://localhost"

    @app.url_build_error_handlers.append
    def old_url(error: Exception, endpoint: str, values: dict[str, object]) -> str:
        with flask_app.test_request_context(base_url=request.root_url):
            return flask_app.url_for(endpoint, **values)  # type: ignore[arg-type]

    @app.get("/x")
    async def x() -> str:
        outside = url_for("old", rest="c", _external=True)
        return f"{url_for('x')} {url_for('old', rest='a/b')} {outside}"

    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(flask_app))  # type: ignore[method-assign]
    assert (await fetch(app, "/x")).body == f"/x /a/b {host}/c".encode()
    mounted = DispatcherMiddleware(not_found, {"/m": app})
    assert (await fetch(mounted, "/m/x")).body == f"/m/x /m/a/b {host}/m/c".encode()


async def test_lifespan() -> None:
    """Both applications are started and stopped."""
    log = Log()
    app = log.hooks(echo("new"), "new")
    async with lifespan(RouteDispatcher(app, log.hooks(echo("old"), "old"))):
        assert log == ["start new", "start old"]
    assert log[2:] == ["stop new", "stop old"]
