"""Settings, sessions, URLs and debug mode, compared with Flask."""

from __future__ import annotations

import json
import logging
import os
import uuid
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import flask
import flask.cli
import pytest
import quart
import quart.cli
from flask.json.provider import DefaultJSONProvider
from flask.json.tag import JSONTag
from flask.sessions import session_json_serializer
from markupsafe import Markup
from werkzeug.routing import BuildError, EndpointPrefix, RequestRedirect, Rule, Submount

from quartpatterns.subclassing import FaithfulQuart, names
from quartpatterns.subclassing.json import FastJSONProvider
from quartpatterns.subclassing.urls import RuleWarning
from tests.serving import served
from tests.subclassing.serving import scope

FRAMEWORKS: list[Any] = [flask.Flask, FaithfulQuart]


@pytest.fixture(autouse=True)
def no_blocking() -> None:
    """Turn the guard off, because Flask blocks."""


@pytest.fixture(autouse=True)
def same_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of signatures, so that two of the same data are equal."""
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: 1_700_000_000)


class DecimalProvider(DefaultJSONProvider):
    """A provider that can write one more type."""

    @staticmethod
    def default(o: Any) -> Any:
        return str(o) if isinstance(o, Decimal) else DefaultJSONProvider.default(o)


class UnsortedProvider(DefaultJSONProvider):
    sort_keys = False


class SpacedProvider(DefaultJSONProvider):
    """A provider with a format of its own."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return "json:" + super().dumps(obj, **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        text = s.decode() if isinstance(s, bytes) else s
        return super().loads(text.removeprefix("json:"), **kwargs)


SESSIONS: list[dict[str, Any]] = [
    {"user_id": 7, "_fresh": True, "_id": "ab", "csrf_token": "x"},
    {"z": 1, "a": {"y": [1, 2, {"c": None, "b": 1.5}], "x": ()}},
    {"t": (1, (2, "x")), "b": b"bytes", "m": Markup("<b>"), "u": uuid.UUID(int=1)},
    {"when": datetime(2024, 2, 29, 12, tzinfo=UTC), "_flashes": [("info", "hello")]},
    {"umlaut": "ä\u2028", "dict": {" t": 1}, "one": {"x": 1}},
    {"nested": {" d": [{" t": [1]}]}, "long": "x" * 600},
]


async def session_cookies(values: dict[str, Any], provider: Any) -> list[str]:
    """Return the cookies of Flask and of FaithfulQuart, and check that they can be read."""
    cookies: list[str] = []
    app: Any
    for framework, module in ((flask.Flask, flask), (FaithfulQuart, quart)):
        app = framework(__name__)
        app.json = provider(app)
        app.secret_key = "dev"
        session: Any = module.session

        def write(session: Any = session) -> str:
            session.update(values)
            return ""

        def read(session: Any = session) -> str:
            assert dict(session) == values or provider is DecimalProvider
            return "ok"

        app.add_url_rule("/write", view_func=write)
        app.add_url_rule("/read", view_func=read)
        client = app.test_client()
        if framework is flask.Flask:
            cookies.append(client.get("/write").headers["Set-Cookie"])
            assert client.get("/read").status_code == 200
        else:
            cookies.append((await client.get("/write")).headers["Set-Cookie"])
            assert (await client.get("/read")).status_code == 200
    return cookies


@pytest.mark.parametrize("values", SESSIONS)
@pytest.mark.parametrize(
    "provider", [DefaultJSONProvider, UnsortedProvider, SpacedProvider, FastJSONProvider]
)
async def test_session_bytes(values: dict[str, Any], provider: Any) -> None:
    """The session cookie has the same bytes as Flask's, with any JSON provider."""
    theirs, ours = await session_cookies(values, provider)
    assert ours == theirs


async def test_session_of_own_type() -> None:
    """A type that the JSON provider can write can be in the session."""
    theirs, ours = await session_cookies({"sum": Decimal("1.5"), "a": 1}, DecimalProvider)
    assert ours == theirs


async def test_registered_tag() -> None:
    """A tag that an extension registers with Flask's serializer holds here as well."""

    class TagSet(JSONTag):
        key = " test-set"

        def check(self, value: Any) -> bool:
            return isinstance(value, set)

        def to_json(self, value: Any) -> Any:
            return sorted(value)

        def to_python(self, value: Any) -> Any:
            return set(value)

    session_json_serializer.register(TagSet, index=0)
    try:
        theirs, ours = await session_cookies({"roles": {"a", "b"}}, DefaultJSONProvider)
        assert ours == theirs
    finally:
        del session_json_serializer.order[0], session_json_serializer.tags[" test-set"]


@pytest.mark.parametrize("name", ["subdomain", "host"])
def test_rule_that_cannot_match(name: str) -> None:
    """A rule with a subdomain or host that is not matched is a warning at the line of the rule."""
    app = FaithfulQuart(__name__)
    with pytest.warns(RuleWarning, match=f"{name}_matching=True") as caught:

        @app.get("/", **{name: "api"})
        async def index() -> str:
            return ""

    assert caught[0].filename == __file__
    page = names.Blueprint("page", __name__, subdomain="admin")
    page.add_url_rule("/", view_func=index)
    with pytest.warns(RuleWarning, match="subdomain='admin'.*subdomain_matching=True"):
        app.register_blueprint(page)
    with pytest.warns(RuleWarning, match="subdomain_matching=True"):
        app.add_websocket("/ws", view_func=index, endpoint="ws", subdomain="api")


def test_rule_without_host() -> None:
    """With host matching, a rule without a host is never matched."""
    app = FaithfulQuart(__name__, host_matching=True, static_host="static.example")
    with pytest.warns(RuleWarning, match="it has no host: pass host="):
        app.add_url_rule("/", "a")
    with pytest.warns(RuleWarning, match="subdomain='x' is ignored: pass host="):
        app.add_url_rule("/", "b", subdomain="x")
    with pytest.raises(AssertionError, match="static_host/host_matching"):
        FaithfulQuart(__name__, static_host="static.example")


def test_rules_that_match() -> None:
    """No warning for rules that match, or that only build URLs."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app = FaithfulQuart(__name__, subdomain_matching=True)
        app.add_url_rule("/", "a", subdomain="api")
        app = FaithfulQuart(__name__, host_matching=True, static_host="static.example")
        app.add_url_rule("/", "a", host="api.example")
        app = FaithfulQuart(__name__)
        app.url_map.default_subdomain = "www"
        app.add_url_rule("/", "a", subdomain="www")
        app.add_url_rule("/", "b", subdomain="api", build_only=True)
        app.add_url_rule("/", "c")


def test_url_build_error_handlers() -> None:
    """The handlers receive all arguments of url_for, as in Flask."""
    received: list[Any] = []
    for framework in FRAMEWORKS:
        app = framework(__name__)
        app.config["SERVER_NAME"] = "shop.example"

        def handle(error: BuildError, endpoint: str, values: dict[str, Any]) -> str:
            received.append((endpoint, dict(sorted(values.items()))))
            return "handled"

        app.url_build_error_handlers.append(handle)
        arguments = {"_anchor": "x", "_scheme": "https", "_method": "POST", "_external": True}
        assert app.url_for("missing", a=1, **arguments) == "handled"
        assert app.url_for("missing") == "handled"
    assert received[:2] == received[2:]


URLS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"_external": False}),
    ({"PREFERRED_URL_SCHEME": "https"}, {}),
    ({"PREFERRED_URL_SCHEME": "https"}, {"_scheme": "http"}),
    ({"APPLICATION_ROOT": "/shop"}, {}),
    ({"APPLICATION_ROOT": "/shop/"}, {"_external": False, "_anchor": "a b'c"}),
    ({"APPLICATION_ROOT": "/shop", "PREFERRED_URL_SCHEME": "https"}, {"q": "ä b", "_anchor": "ü"}),
    ({}, {"_scheme": "https"}),
    ({}, {"_scheme": "https", "_external": False}),
    ({}, {"_scheme": "", "_external": True}),
    ({"SERVER_NAME": None}, {}),
]


@pytest.mark.parametrize(("settings", "arguments"), URLS)
def test_urls_outside_of_requests(settings: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Links in mails: scheme, root and errors are Flask's."""
    results: list[str] = []
    for framework in FRAMEWORKS:
        app = framework(__name__)
        app.config.update({"SERVER_NAME": "shop.example"} | settings)
        app.add_url_rule("/reset", "reset")
        try:
            results.append(app.url_for("reset", **arguments))
        except (RuntimeError, ValueError) as error:
            results.append(repr(error))
    assert results[0] == results[1]


async def test_url_for_in_requests() -> None:
    """In requests, url_for keeps the host and the mount point of the request."""
    app = FaithfulQuart(__name__)
    app.config.update(SERVER_NAME="shop.example", PREFERRED_URL_SCHEME="https")

    @app.get("/where")
    async def where() -> list[str]:
        url_for = names.url_for
        return [url_for("where"), url_for("where", _external=True), url_for(".where", _anchor="a")]

    response = await app.test_client().get("/where", url_scheme="http")
    assert await response.get_json() == ["/where", "http://shop.example/where", "/where#a"]


async def test_quart_user_keeps_secure_urls() -> None:
    """Quart's own setting PREFER_SECURE_URLS still works."""
    app = FaithfulQuart(__name__)
    app.config.update(SERVER_NAME="shop.example", PREFER_SECURE_URLS=True)
    app.add_url_rule("/", "index")
    assert app.url_for("index") == "https://shop.example/"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith(("FLASK_", "QUART_")):
            monkeypatch.delenv(name)
    return monkeypatch


def test_prefixed_environment(environment: pytest.MonkeyPatch) -> None:
    """Variables of both prefixes are read; QUART_ wins, and FLASK_ is a warning."""
    environment.setenv("FLASK_A", "1")
    environment.setenv("FLASK_B", "flask")
    environment.setenv("FLASK_D__X__Y", "[1]")
    environment.setenv("QUART_B", "quart")
    environment.setenv("OTHER_C", "3")
    app = FaithfulQuart(__name__)
    with pytest.warns(UserWarning, match="FLASK_A, FLASK_B, FLASK_D__X__Y") as caught:
        assert app.config.from_prefixed_env()
    assert caught[0].filename == __file__
    found = {key: app.config.get(key) for key in ("A", "B", "C", "D")}
    assert found == {"A": 1, "B": "quart", "C": None, "D": {"X": {"Y": [1]}}}


@pytest.mark.parametrize(("prefix", "expected"), [("FLASK", 1), ("QUART", 2), ("OTHER", 3)])
def test_given_prefix(environment: pytest.MonkeyPatch, prefix: str, expected: int) -> None:
    """A prefix that is given is the only one that is read, without a warning."""
    for number, name in enumerate(("FLASK", "QUART", "OTHER"), 1):
        environment.setenv(f"{name}_A", str(number))
        environment.setenv(f"{name}_{name}", "x")
    app = FaithfulQuart(__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app.config.from_prefixed_env(prefix)
    assert app.config["A"] == expected
    others = {"FLASK", "QUART", "OTHER"} - {prefix}
    assert not others & app.config.keys()


def test_no_warning_without_flask_variables(environment: pytest.MonkeyPatch) -> None:
    """Without FLASK_ variables there is no warning."""
    environment.setenv("QUART_A", '{"b": 1}')
    app = FaithfulQuart(__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app.config.from_prefixed_env(loads=json.loads)
    assert app.config["A"] == {"b": 1}


async def test_debug_error_on_a_server() -> None:
    """A server gets the traceback page in debug mode; only the test client raises."""
    app = FaithfulQuart(__name__)
    app.debug = True

    @app.get("/")
    async def index() -> str:
        raise LookupError("secret")

    with pytest.raises(LookupError):
        await app.test_client().get("/")
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope(), receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 500
    assert b"LookupError" in sent[1]["body"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_redirect_that_loses_a_form(
    code: int, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In debug mode, a routing redirect that drops the body is Flask's error."""
    monkeypatch.setattr(RequestRedirect, "code", code)
    results: list[str] = []
    app: Any
    for framework in FRAMEWORKS:
        app = framework(__name__)
        app.debug = True
        app.add_url_rule("/user/", "user", methods=["GET", "POST", "PUT"])
        client = app.test_client()
        try:
            sent = client.open("/user", method=method, data=b"x")
            response = sent if framework is flask.Flask else await sent
            results.append(f"{response.status_code} {response.headers['Location']}")
        except AssertionError as error:
            results.append(f"{type(error).__name__}: {error}")
    assert results[0] == results[1]
    assert ("canonical URL" in results[0]) == (code < 304 and method != "GET")


@pytest.mark.parametrize("debug", [False, True])
async def test_file_of_other_form(*, debug: bool) -> None:
    """In debug mode, a missing file that came as a field names the right enctype."""
    results: list[str] = []
    app: Any
    for framework in FRAMEWORKS:
        app = framework(__name__)
        app.debug = debug

        def upload() -> str:
            return str(flask.request.files["photo"])

        async def upload_async() -> str:
            return str((await names.request.files)["photo"])

        chosen = upload if framework is flask.Flask else upload_async
        app.add_url_rule("/", "upload", chosen, methods=["POST"])
        client = app.test_client()
        for data in ({"photo": "me.png"}, {"other": "x"}):
            try:
                sent = client.post("/", data=data)
                response = sent if framework is flask.Flask else await sent
                results.append(str(response.status_code))
            except Exception as error:
                results.append(f"{type(error).__name__}: {error}")
    assert results[:2] == results[2:]
    assert ('enctype="multipart/form-data"' in results[0]) == debug


async def test_files_in_debug_mode() -> None:
    """Files that were sent are read as before in debug mode."""
    app = FaithfulQuart(__name__)
    app.debug = True

    @app.post("/")
    async def upload() -> str:
        content: bytes = (await names.request.files)["photo"].read()
        return content.decode()

    head = 'Content-Disposition: form-data; name="photo"; filename="a"'
    body = f"--x\r\n{head}\r\n\r\nhello\r\n--x--\r\n".encode()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await app.test_client().post("/", data=body, headers=headers)
    assert await response.get_data(as_text=True) == "hello"


async def test_explained_templates(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """EXPLAIN_TEMPLATE_LOADING logs the same text as Flask, also about blueprints."""
    (tmp_path / "both.html").write_text("x")
    texts: list[list[str]] = []
    app: Any
    page: Any
    for framework, module in ((flask.Flask, flask), (FaithfulQuart, names)):
        app = framework("explained", root_path=str(tmp_path), template_folder=str(tmp_path))
        app.config["EXPLAIN_TEMPLATE_LOADING"] = True
        page = module.Blueprint("page", "pages", root_path=str(tmp_path), template_folder=".")
        render: Any = module.render_template

        def view(template: str, render: Any = render) -> Any:
            return render(template)

        async def view_async(template: str, render: Any = render) -> Any:
            return await render(template)

        chosen = view if framework is flask.Flask else view_async
        page.add_url_rule("/<template>", "view", chosen)
        app.register_blueprint(page)
        app.logger.setLevel(logging.INFO)
        caplog.clear()
        client = app.test_client()
        for name in ("both.html", "missing.html"):
            sent = client.get(f"/{name}")
            if framework is FaithfulQuart:
                await sent
        texts.append([r.getMessage() for r in caplog.records if "Locating" in r.getMessage()])
    assert len(texts[0]) == 2
    assert texts[0] == texts[1]
    assert "blueprint 'page'" in texts[1][1]


async def test_reloaded_templates(tmp_path: Path) -> None:
    """TEMPLATES_AUTO_RELOAD None follows DEBUG; an option of the environment comes first."""
    for debug, setting, option, expected in (
        (True, None, None, True),
        (False, None, None, False),
        (True, False, None, False),
        (False, True, None, True),
        (True, None, False, False),
    ):
        found = []
        for framework in FRAMEWORKS:
            app = framework(__name__)
            app.config.update(DEBUG=debug, TEMPLATES_AUTO_RELOAD=setting)
            if option is not None:
                app.jinja_options = {"auto_reload": option}
            found.append(app.jinja_env.auto_reload)
        assert found == [expected, expected]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/sub/a", "/item/7", "/none"])
async def test_rules_of_werkzeug(method: str, path: str) -> None:
    """Rules without methods match every method, as in Flask."""
    results: list[Any] = []
    app: Any
    for framework in FRAMEWORKS:
        app = framework(__name__, static_folder=None)
        app.url_map.add(Rule("/", endpoint="index"))
        app.url_map.add(Submount("/sub", [Rule("/a", endpoint="index")]))
        app.url_map.add(EndpointPrefix("in", [Rule("/item/<int:number>", endpoint="dex")]))

        def index(number: int = 0, app: Any = app) -> str:
            return f"{number} {app.url_for('index')}"

        app.view_functions["index"] = index
        client = app.test_client()
        sent = client.open(path, method=method)
        response = sent if framework is flask.Flask else await sent
        body = response.get_data()
        results.append(
            (
                response.status_code,
                body if framework is flask.Flask else await body,
                response.headers.get("Allow"),
            )
        )
    assert results[0] == results[1]


class _nothing:  # noqa: N801
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("sort", ["endpoint", "methods", "match"])
def test_routes_command(sort: str) -> None:
    """``quart routes`` shows rules without methods as ``flask routes`` does."""
    outputs: list[str] = []
    app: Any
    for framework, command in (
        (flask.Flask, flask.cli.routes_command),
        (FaithfulQuart, quart.cli.routes_command),
    ):
        app = framework(__name__)
        app.url_map.add(Rule("/", endpoint="index"))
        app.add_url_rule("/post", "post", methods=["POST"])
        done = app.test_cli_runner().invoke(command, ["--sort", sort])
        assert done.exit_code == 0, done.output
        outputs.append(done.output)
    assert outputs[0] == outputs[1]


async def test_template_attribute(tmp_path: Path) -> None:
    """get_template_attribute returns a macro that is called without await, as in Flask."""
    (tmp_path / "_lib.html").write_text(
        "{% macro hello(name, n=1) %}<b>{{ name|upper }}</b>{{ names|map('upper')|sort }}{{ n }}"
        "{% endmacro %}{% macro list(xs) %}{% for x in xs %}{{ loop.length }}{{ x }}{% endfor %}"
        "{% endmacro %}{% set version = 7 %}{% macro show(f) %}{{ f() }}{% endmacro %}"
    )
    results: list[list[Any]] = []
    app: Any
    for module in (flask, names):
        app = module.Flask(__name__, template_folder=str(tmp_path))
        app.jinja_env.globals["names"] = ["b", "a"]
        get = module.get_template_attribute
        context = app.app_context()
        with context if module is flask else _nothing():
            if module is not flask:
                await context.push()
            found = [
                get("_lib.html", "hello")("<x>", n=2),
                get("_lib.html", "list")(iter("abc")),
                get("_lib.html", "version"),
                type(get("_lib.html", "hello")("x")).__name__,
            ]
            with pytest.raises(AttributeError):
                get("_lib.html", "missing")
            if module is not flask:

                async def later() -> str:
                    return ""

                with pytest.raises(TypeError, match="has to be awaited"):
                    get("_lib.html", "show")(later)
                await context.pop(None)
        results.append(found)
    assert results[0] == results[1]


async def test_redirect_with_a_class() -> None:
    """redirect accepts the class of the response, which an application overrides."""

    class Own(flask.Response):
        pass

    assert isinstance(names.redirect("/a", 307, Own), Own)
    assert names.redirect("/a", Response=Own).headers["Location"] == "/a"
    app = FaithfulQuart(__name__)
    async with app.app_context():
        assert isinstance(names.redirect("/a", 303), quart.Response)


@pytest.mark.parametrize("size", [0, 1, 1000, 65536, 65537])
async def test_x_sendfile(size: int, tmp_path: Path) -> None:
    """The front server sends the file; the response has its headers and no body.

    Flask declares the length of the file. An ASGI server refuses a body that is shorter.
    """
    (tmp_path / "a.bin").write_bytes(b"x" * size)
    results: list[Any] = []
    app: Any
    for framework in FRAMEWORKS:
        app = framework(__name__, static_folder=str(tmp_path), static_url_path="/static")
        app.config["USE_X_SENDFILE"] = True
        for headers in ({}, {"Range": "bytes=0-1"}):
            sent = app.test_client().get("/static/a.bin", headers=headers)
            response = sent if framework is flask.Flask else await sent
            kept = {key.lower(): value for key, value in response.headers.items() if key != "Date"}
            length = kept.pop("content-length", None)
            assert framework is flask.Flask or length in {"0", None}
            results.append((response.status_code, kept))
    assert results[:2] == results[2:]


async def test_x_sendfile_on_the_wire(tmp_path: Path) -> None:
    """The server accepts the response, and the connection stays open."""
    (tmp_path / "a.bin").write_bytes(b"x" * 5000)
    app = FaithfulQuart(__name__, static_folder=str(tmp_path), static_url_path="/static")
    app.config["USE_X_SENDFILE"] = True
    async with served(app) as server:
        for _ in range(2):
            response = await server.client.get("/static/a.bin")
            assert response.headers["X-Sendfile"] == str(tmp_path / "a.bin")
            assert (response.content, response.headers["Content-Length"]) == (b"", "0")


async def test_invented_methods_are_not_cached() -> None:
    """A rule that matches every method has no entry in the cache, which clients could fill."""
    app = FaithfulQuart(__name__, static_folder=None)
    app.url_map.add(Rule("/", endpoint="index"))
    app.view_functions["index"] = lambda: "x"
    client: Any = app.test_client()
    for number in range(5):
        assert (await client.open("/", method=f"M{number}")).status_code == 200
    assert app.url_map.matches == {}  # type: ignore[attr-defined]
