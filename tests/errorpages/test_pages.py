from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from blockbuster import BlockBuster
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import DictLoader
from quart import Blueprint, Quart, Response, abort, redirect, websocket
from quart.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    NotFound,
    TooManyRequests,
    Unauthorized,
)

from quartpatterns._shared.settings import SettingError
from quartpatterns.errorpages import ErrorPages
from quartpatterns.subclassing import FaithfulQuart
from tests.examples import examples
from tests.serving import served

TEMPLATES = {
    "404.html": "<h1>Not here</h1> {{ request_id }} {{ description }}",
    "500.html": "<h1>Our fault</h1> {{ request_id }}",
    "error.html": "<h1>{{ code }} {{ name }}</h1> {{ description }} {{ error.code }}",
    "raises.html": "{{ 1 / 0 }}",
    "layout.html": "{% extends 'missing.html' %}",
}
SECRET = "the password is tiger"
ACCEPT = re.compile(r"(\*|\w+)/(\*|\w*)(;q=[\d.]*)?(,[\w/*;=.]*)*", re.ASCII)
PROBLEM = "application/problem+json"


def make_app(app_class: type[Quart], **options: Any) -> Quart:
    """Return an application with views that fail."""
    app = app_class(__name__)
    app.jinja_env.loader = DictLoader(TEMPLATES)
    if options.pop("pages", True):
        options = {"templates": {404: "404.html", 500: "500.html"}, **options}
        ErrorPages(app, **options)

    @app.get("/")
    async def index() -> str:
        return "index"

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError(SECRET)

    @app.get("/broken-sync")
    def broken_sync() -> str:
        raise RuntimeError(SECRET)

    @app.get("/status/<int:code>")
    async def status(code: int) -> str:
        abort(code)

    @app.websocket("/ws/<int:code>")
    async def ws(code: int) -> None:
        if code:
            abort(code)
        raise RuntimeError(SECRET)

    return app


async def get(app: Quart, path: str, **headers: str) -> tuple[int, str, str]:
    response = await app.test_client().get(
        path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    text = str(await response.get_data(as_text=True))
    return response.status_code, response.headers["Content-Type"], text


@pytest.mark.checks("EP-1", "EP-2", "EP-4")
@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        pytest.param("/nowhere", 404, "<h1>Not here</h1> one The requested URL", id="404"),
        pytest.param("/status/404", 404, "<h1>Not here</h1> one", id="404 of a view"),
        pytest.param("/broken", 500, "<h1>Our fault</h1> one", id="500"),
        pytest.param("/broken-sync", 500, "<h1>Our fault</h1> one", id="500 of a sync view"),
        pytest.param("/status/500", 500, "<h1>Our fault</h1> one", id="500 by abort"),
        pytest.param("/status/403", 403, "<h1>403 Forbidden</h1> You don&#39;t", id="default"),
        pytest.param("/status/418", 418, "<h1>418 I&#39;m a teapot</h1>", id="teapot"),
    ],
)
async def test_templates(app_class: type[Quart], path: str, status: int, text: str) -> None:
    found = await get(make_app(app_class, default="error.html"), path, X_Request_ID="one")
    assert found[:2] == (status, "text/html; charset=utf-8")
    assert found[2].startswith(text)
    assert SECRET not in found[2]


async def test_plain_page(app_class: type[Quart]) -> None:
    """A status without a template has a plain page, with everything escaped."""
    app = make_app(app_class)

    @app.get("/unavailable")
    async def unavailable() -> str:
        abort(503, "Come back <later> {code}")

    status, content_type, text = await get(app, "/unavailable", X_Request_ID="one")
    assert (status, content_type) == (503, "text/html; charset=utf-8")
    assert "<h1>Service Unavailable</h1>\n<p>Come back &lt;later&gt; {code}</p>" in text
    assert "<code>one</code>" in text


async def test_page_without_an_application_template(app_class: type[Quart]) -> None:
    app = app_class(__name__)
    ErrorPages(app)
    assert "<h1>Not Found</h1>" in (await get(app, "/nowhere"))[2]


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("", "text/html; charset=utf-8", id="empty"),
        pytest.param("*/*", "text/html; charset=utf-8", id="curl"),
        pytest.param(BROWSER, "text/html; charset=utf-8", id="browser"),
        pytest.param("image/png", "text/html; charset=utf-8", id="not available"),
        pytest.param("garbage;;q=,/", "text/html; charset=utf-8", id="invalid"),
        pytest.param("application/json", PROBLEM, id="JSON"),
        pytest.param(PROBLEM, PROBLEM, id="problem"),
        pytest.param("application/json, text/plain, */*", PROBLEM, id="script"),
        pytest.param("text/html;q=0.5, application/json", PROBLEM, id="JSON preferred"),
        pytest.param("text/html, application/json;q=0.5", "text/html; charset=utf-8", id="HTML"),
    ],
)
async def test_negotiation(app_class: type[Quart], accept: str, expected: str) -> None:
    """Accept chooses the format, and the response has Vary."""
    response = await make_app(app_class).test_client().get("/nowhere", headers={"Accept": accept})
    assert (response.status_code, response.headers["Content-Type"]) == (404, expected)
    assert response.headers["Vary"] == "Accept"


async def test_problem_document(app_class: type[Quart]) -> None:
    app = make_app(app_class)

    @app.get("/not-text")
    async def not_text() -> str:
        raise NotFound({"no": "text"})  # type: ignore[arg-type]

    headers = {"Accept": PROBLEM, "X-Request-ID": "one"}
    response = await app.test_client().get("/broken", headers=headers)
    document = await response.get_json()
    assert document.pop("detail").startswith("The server encountered an internal error")
    expected = {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    assert document == {**expected, "request_id": "one"}
    response = await app.test_client().get("/not-text", headers=headers)
    assert (await response.get_json())["detail"] == "{'no': 'text'}"


@pytest.mark.checks("EP-5")
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/api", True),
        ("/api/nowhere", True),
        ("/api//", True),
        ("/apiary", False),
        ("/API/nowhere", False),
        ("/nowhere/api/", False),
        ("/api/docs", False),
        ("/api/docs/nowhere", False),
        ("/api/docsx", True),
        ("/", False),
    ],
)
async def test_prefixes(app_class: type[Quart], path: str, problem: bool) -> None:
    """A prefix matches whole segments, the longest counts, and Accept does not."""
    app = app_class(__name__)
    ErrorPages(app, prefixes={"/api": "problem", "/api/docs": "html", "/": "html"})
    accept = "text/html" if problem else PROBLEM
    response = await app.test_client().get(path, headers={"Accept": accept})
    assert response.status_code == 404
    assert (response.headers["Content-Type"] == PROBLEM) is problem
    assert "Vary" not in response.headers


@pytest.mark.parametrize(
    ("path", "problem"), [("/api", False), ("/api/", True), ("/api/nowhere", True)]
)
async def test_prefix_that_ends_with_a_slash(
    app_class: type[Quart], path: str, problem: bool
) -> None:
    """It matches as ``request.path.startswith("/api/")`` does on Flask's page."""
    app = app_class(__name__)
    ErrorPages(app, prefixes={"/api/": "problem", "/": "html"})
    response = await app.test_client().get(path)
    assert (response.headers["Content-Type"] == PROBLEM) is problem


async def test_json_format(app_class: type[Quart]) -> None:
    """The members and headers are those of the handler on Flask's page."""
    app = app_class(__name__)
    ErrorPages(app, prefixes={"/": "json"})
    app.add_url_rule("/", view_func=lambda: "", methods=["GET"])
    headers = {"Accept": "text/html", "X-Request-ID": "one"}
    response = await app.test_client().put("/", headers=headers)
    assert (response.status_code, response.content_type) == (405, "application/json")
    assert await response.get_json() == {
        "code": 405,
        "name": "Method Not Allowed",
        "description": "The method is not allowed for the requested URL.",
    }
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert "Vary" not in response.headers and "X-Request-ID" not in response.headers


async def test_html_format_has_no_further_headers(app_class: type[Quart]) -> None:
    """A page has the headers that a handler of Flask gives it."""
    app = app_class(__name__)
    ErrorPages(app, prefixes={"/": "html"})
    response = await app.test_client().get("/nowhere", headers={"X-Request-ID": "one"})
    assert "Vary" not in response.headers and "X-Request-ID" not in response.headers


async def test_negotiated_part(app_class: type[Quart]) -> None:
    """Within a part with a format, another part lets the client decide."""
    app = app_class(__name__)
    ErrorPages(app, prefixes={"/": "html", "/shop/": "negotiated"})
    headers = {"Accept": PROBLEM, "X-Request-ID": "one"}
    response = await app.test_client().get("/shop/nowhere", headers=headers)
    assert (response.content_type, response.headers["X-Request-ID"]) == (PROBLEM, "one")
    assert response.headers["Vary"] == "Accept"
    response = await app.test_client().get("/nowhere", headers=headers)
    assert response.content_type == "text/html; charset=utf-8"


@pytest.mark.checks("EP-5")
async def test_blueprints(app_class: type[Quart]) -> None:
    """The innermost blueprint counts, and takes precedence over prefixes."""
    app = make_app(
        app_class,
        blueprints={"api": "problem", "api.docs": "html"},
        prefixes={"/": "html", "/api/docs": "problem"},
    )
    api = Blueprint("api", __name__, url_prefix="/api")
    for name in ("docs", "users"):
        inner = Blueprint(name, __name__, url_prefix=f"/{name}")
        inner.add_url_rule("/", view_func=forbidden)
        api.register_blueprint(inner)
    app.register_blueprint(api)
    assert (await get(app, "/api/users/"))[1] == PROBLEM
    assert (await get(app, "/api/docs/", Accept=PROBLEM))[1] == "text/html; charset=utf-8"
    assert (await get(app, "/api/nowhere", Accept=PROBLEM))[1] == "text/html; charset=utf-8"
    assert (await get(app, "/api/docs/nowhere"))[1] == PROBLEM


def forbidden() -> str:
    abort(403)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefixes": {"/api": "xml"}}, "one of html, json, problem, negotiated, not 'xml'"),
        ({"blueprints": {"api": "HTML"}}, "one of html, json, problem, negotiated, not 'HTML'"),
        ({"prefixes": {"api": "problem"}}, "must start with a slash: '/api'"),
        ({"templates": {200: "200.html"}}, "from 400 to 599"),
    ],
)
def test_invalid_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ErrorPages(Quart(__name__), **options)


async def own(error: Exception) -> ResponseReturnValue:
    return "own", 299


@pytest.mark.checks("EP-5")
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("key", "paths"),
    [
        pytest.param(404, {"/nowhere": 299, "/status/403": 403, "/broken": 500}, id="code"),
        pytest.param(NotFound, {"/nowhere": 299, "/status/403": 403}, id="class"),
        pytest.param(500, {"/broken": 299, "/status/500": 299, "/nowhere": 404}, id="500"),
        pytest.param(InternalServerError, {"/broken": 299, "/nowhere": 404}, id="500's class"),
        pytest.param(RuntimeError, {"/broken": 299, "/status/500": 500}, id="any class"),
        pytest.param(HTTPException, {"/nowhere": 299, "/broken": 299}, id="all HTTP errors"),
        pytest.param(Exception, {"/nowhere": 404, "/broken": 299}, id="all others"),
    ],
)
async def test_application_handlers_take_precedence(
    app_class: type[Quart], before: bool, key: Any, paths: dict[str, int]
) -> None:
    app = make_app(app_class, pages=not before)
    app.register_error_handler(key, own)
    if before:
        ErrorPages(app)
    found = {path: (await get(app, path))[0] for path in paths}
    assert found == paths


@pytest.mark.checks("EP-5")
async def test_own_handler_of_a_blueprint(app_class: type[Quart]) -> None:
    app = make_app(app_class)
    blog = Blueprint("blog", __name__, url_prefix="/blog")
    blog.add_url_rule("/entry", view_func=forbidden)
    blog.register_error_handler(HTTPException, own)
    app.register_blueprint(blog)
    assert (await get(app, "/blog/entry"))[0] == 299
    assert (await get(app, "/blog/nowhere"))[0] == 404


async def test_own_responses(app_class: type[Quart]) -> None:
    """Exceptions with a response, and redirects, are not changed."""
    app = make_app(app_class)

    @app.get("/response")
    async def response() -> str:
        abort(Response("own", 404))

    @app.get("/with-response")
    async def with_response() -> str:
        raise NotFound(response=Response("own", 404))

    @app.get("/redirect")
    async def redirected() -> Any:
        return redirect("/")

    @app.get("/folder/")
    async def folder() -> str:
        return "folder"

    assert (await get(app, "/response"))[2] == "own"
    assert (await get(app, "/with-response"))[2] == "own"
    assert (await get(app, "/redirect"))[0] == 302
    assert (await get(app, "/folder"))[0] == 308


async def test_headers_of_errors(app_class: type[Quart]) -> None:
    """Pages and problem documents keep the error's headers."""
    app = make_app(app_class)
    basic = WWWAuthenticate("basic", {"realm": "over here"})

    @app.get("/unauthorized")
    async def unauthorized() -> str:
        raise Unauthorized(www_authenticate=basic)

    @app.get("/busy")
    async def busy() -> str:
        raise TooManyRequests(retry_after=5)

    for accept in ("text/html", PROBLEM):
        client, headers = app.test_client(), {"Accept": accept}
        response = await client.get("/unauthorized", headers=headers)
        assert response.headers["WWW-Authenticate"] == 'Basic realm="over here"'
        assert (await client.get("/busy", headers=headers)).headers["Retry-After"] == "5"
        response = await client.post("/", headers=headers)
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
        assert response.headers.getlist("Content-Type")[0].startswith(accept)
        assert len(response.headers.getlist("Content-Type")) == 1


@pytest.mark.checks("EP-4")
async def test_original_exception(app_class: type[Quart]) -> None:
    """A template can use the original exception."""
    app = make_app(app_class, templates={500: "why.html"})
    why = "{{ error.original_exception.__class__.__name__ }}"
    app.jinja_env.loader = DictLoader({"why.html": why})
    assert (await get(app, "/broken"))[2] == "RuntimeError"
    assert (await get(app, "/status/500"))[2] == "NoneType"


# Propagation of exceptions


@pytest.mark.checks("EP-4")
@pytest.mark.parametrize(
    ("config", "page"),
    [
        pytest.param({}, True, id="production"),
        pytest.param({"PROPAGATE_EXCEPTIONS": False, "DEBUG": True}, True, id="debug only"),
        pytest.param({"PROPAGATE_EXCEPTIONS": False, "TESTING": True}, True, id="test only"),
        pytest.param({"PROPAGATE_EXCEPTIONS": True}, False, id="propagated"),
        pytest.param({"TESTING": True}, False, id="testing"),
        pytest.param({"DEBUG": True}, False, id="debug"),
    ],
)
async def test_propagation(
    app_class: type[Quart], config: dict[str, Any], page: bool, no_blocking: BlockBuster
) -> None:
    """Exceptions propagate as they do without error pages; HTTP errors are always pages."""
    for function in no_blocking.functions.values():
        # Quart's traceback page reads source files.
        function.can_block_in("quart/debug.py", "traceback_response")
    app, without = make_app(app_class), make_app(app_class, pages=False)
    app.config.update(config)
    without.config.update(config)
    found = await outcome(app)
    assert ("Our fault" in found) is page
    assert page or without_addresses(found) == without_addresses(await outcome(without))
    assert "Not here" in (await get(app, "/nowhere"))[2]


def without_addresses(text: str) -> str:
    """Return the start of *text* without memory addresses."""
    return re.sub("0x[0-9a-f]+", "", text)[:200]


async def outcome(app: Quart) -> str:
    try:
        return (await get(app, "/broken"))[2]
    except RuntimeError as error:
        return repr(error)


def exception_on(app: Quart, path: str) -> str:
    """Return the log message of an error in a view, which FaithfulQuart writes as Flask does."""
    is_faithful = isinstance(app, FaithfulQuart)
    return f"Exception on {path} [GET]" if is_faithful else f"Exception on request GET {path}"


# Errors while an error is handled


@pytest.mark.parametrize("template", ["raises.html", "missing.html", "layout.html"])
async def test_broken_template(
    app_class: type[Quart], template: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The plain page is sent with the id, and the template's error is logged."""
    app = make_app(app_class, templates={500: template})
    status, content_type, text = await get(app, "/broken", X_Request_ID="one")
    assert (status, content_type) == (500, "text/html; charset=utf-8")
    assert "<h1>Internal Server Error</h1>" in text and "<code>one</code>" in text
    assert SECRET not in text
    messages = [record.message for record in caplog.records]
    assert messages == [
        exception_on(app, "/broken") + " [request one]",
        f"The template {template} can't be rendered [request one]",
    ]


async def test_broken_context_processor(app_class: type[Quart]) -> None:
    """If a context processor fails, the plain page is sent."""
    app = make_app(app_class)

    @app.context_processor
    async def user() -> dict[str, Any]:
        raise ConnectionError(SECRET)

    status, _, text = await get(app, "/broken")
    assert (status, "<h1>Internal Server Error</h1>" in text) == (500, True)
    assert (await get(app, "/nowhere"))[0] == 404


async def test_slow_context_processor(app_class: type[Quart]) -> None:
    """If a context processor takes too long, the plain page is sent."""
    app = make_app(app_class, template_timeout=0.05)

    @app.context_processor
    async def user() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async with asyncio.timeout(20):  # without a limit of the helper, it would wait forever
        assert "<h1>Internal Server Error</h1>" in (await get(app, "/broken"))[2]


async def test_broken_handler(app_class: type[Quart]) -> None:
    """An error in a handler of the application is a 500."""
    app = make_app(app_class)

    @app.errorhandler(404)
    async def broken(error: Exception) -> str:
        raise RuntimeError(SECRET)

    status, _, text = await get(app, "/nowhere")
    assert status == 500 and "Our fault" in text


async def test_broken_after_request(app_class: type[Quart]) -> None:
    app = make_app(app_class)

    @app.after_request
    async def broken(response: Response) -> Response:
        raise RuntimeError(SECRET)

    status, _, text = await get(app, "/")
    assert status == 500 and "Our fault" in text


async def test_missing_template_at_startup(app_class: type[Quart]) -> None:
    """A missing template is an error at startup."""
    app = make_app(app_class, templates={404: "400.html"})
    with pytest.raises(Exception, match=r"can't find the template '400\.html'"):
        async with app.test_app():
            pass


async def test_templates_are_loaded_at_startup(app_class: type[Quart]) -> None:
    app = make_app(app_class, default="error.html")
    async with app.test_app():
        assert (await get(app, "/nowhere"))[0] == 404


@pytest.mark.checks("EP-5")
@pytest.mark.parametrize("code", [0, 404])
async def test_websocket(app_class: type[Quart], code: int) -> None:
    """A websocket ends as without error pages."""
    found = []
    for pages in (True, False):
        app = make_app(app_class, pages=pages)
        try:
            async with app.test_client().websocket(f"/ws/{code}") as socket:
                await socket.receive()
        except Exception as error:  # compared with the one without error pages
            found.append((type(error), str(getattr(error, "response", error)).split(" at ")[0]))
    assert found[0] == found[1]


async def test_accepted_websocket(app_class: type[Quart]) -> None:
    app = make_app(app_class)

    @app.websocket("/echo")
    async def echo() -> None:
        await websocket.send(await websocket.receive())

    async with app.test_client().websocket("/echo") as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"


@pytest.mark.slow
@settings(max_examples=examples(200))
@given(
    accept=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40)
    | st.from_regex(ACCEPT, fullmatch=True),
    sent=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40),
    path=st.text(max_size=20),
    app_class=st.sampled_from([Quart, FaithfulQuart]),
)
async def test_any_request(accept: str, sent: str, path: str, app_class: type[Quart]) -> None:
    """No header and no path turns a 404 into another error."""
    app = app_class(__name__)
    ErrorPages(app, prefixes={"/api": "problem"})
    headers = [(b"accept", accept.encode("latin-1")), (b"x-request-id", sent.encode("latin-1"))]
    messages: list[Any] = []

    body = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        if (message := next(body, None)) is None:
            await asyncio.Event().wait()
        return message

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {
        **{"type": "http", "method": "GET", "scheme": "http", "http_version": "1.1"},
        **{"path": f"/{path}", "raw_path": b"", "query_string": b"", "root_path": ""},
        **{"headers": [(b"host", b"localhost"), *headers], "asgi": {}, "extensions": {}},
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert messages[0]["status"] in (404, 308)
    identity = dict(messages[0]["headers"]).get(b"x-request-id", b"")
    assert re.fullmatch(rb"[!-~]*", identity)


# Over the wire


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.checks("EP-4")
@pytest.mark.parametrize("template", ["500.html", "raises.html"])
async def test_load(
    app_class: type[Quart], template: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two hundred concurrent failing requests have a page and a log message each."""
    app = make_app(app_class, templates={500: template})
    barrier = asyncio.Barrier(100)

    @app.get("/together")
    async def fail_together() -> str:
        await barrier.wait()
        raise RuntimeError(SECRET)

    async with served(app) as server:
        get = server.client.get
        paths = ["/together"] * 100 + ["/broken-sync"] * 100
        responses: list[httpx.Response] = await asyncio.gather(*map(get, paths))
        assert (await get("/")).text == "index"
    assert {response.status_code for response in responses} == {500}
    assert not any(SECRET in response.text for response in responses)
    ids = {response.headers["X-Request-ID"] for response in responses}
    assert len(ids) == 200
    assert all(response.headers["X-Request-ID"] in response.text for response in responses)
    texts = tuple(exception_on(app, path) for path in set(paths))
    logged = [record for record in caplog.records if record.message.startswith(texts)]
    assert {record.__dict__["request_id"] for record in logged} == ids
    assert len(logged) == 200


@pytest.mark.wire
@pytest.mark.parametrize("path", ["/nowhere", "/broken", "/api/nowhere"])
async def test_head(app_class: type[Quart], path: str) -> None:
    """HEAD has the headers of GET and no body."""
    app = make_app(app_class, prefixes={"/api": "problem"})
    headers = {"X-Request-ID": "one"}
    async with served(app) as server:
        whole = await server.client.get(path, headers=headers)
        head = await server.client.head(path, headers=headers)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    for name in ("content-type", "content-length", "x-request-id"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.wire
async def test_http_1_0_without_a_host(app_class: type[Quart]) -> None:
    async with served(make_app(app_class)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /nowhere HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert b" 404 " in answer.partition(b"\r\n")[0] and b"<h1>Not here</h1>" in answer


@pytest.mark.wire
async def test_error_after_the_response(app_class: type[Quart]) -> None:
    """An error in teardown_request is a 500 without a page and without a traceback."""
    app = make_app(app_class)

    @app.teardown_request
    async def broken(error: BaseException | None) -> None:
        raise RuntimeError(SECRET)

    async with served(app) as server:
        response = await server.client.get("/")
    assert response.status_code == 500
    assert SECRET not in response.text and "Traceback" not in response.text


@pytest.mark.parametrize("value", ["", 5, b"X-Request-ID"])
def test_invalid_setting(value: object) -> None:
    app = Quart(__name__)
    app.config["REQUEST_ID_HEADER"] = value
    with pytest.raises(SettingError, match="REQUEST_ID_HEADER must be a string"):
        ErrorPages(app)


@pytest.mark.parametrize("code", [399, 600])
def test_status_of_a_template(code: int) -> None:
    """Templates are only for 400 to 599."""
    ErrorPages(Quart(__name__), templates={400: "a.html", 599: "b.html"})
    with pytest.raises(ValueError, match="from 400 to 599"):
        ErrorPages(Quart(__name__), templates={code: "a.html"})
