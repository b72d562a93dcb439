"""Sessions of the test client: cookies, redirects and preserved contexts, compared with Flask's."""

# The applications are built for both frameworks, so their decorators have no types.
# mypy: disable-error-code="untyped-decorator, no-untyped-call"

from __future__ import annotations

import asyncio
import inspect
import io
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, cast

import flask
import pytest
import quart
from itsdangerous import BadSignature
from werkzeug.test import ClientRedirectError

from quartpatterns.subclassing import FaithfulClient, FaithfulQuart, FaithfulResponse
from quartpatterns.subclassing.client_connections import FaithfulTestResponse
from quartpatterns.subclassing.sessions import FaithfulSessionInterface

Step = Callable[[Any], Any]
HOST = "http://example.com"


def build(cls: Any, module: Any) -> Any:
    """Return an application with synchronous views, which both frameworks run."""
    app: Any = cls(__name__, static_folder=None)
    app.secret_key = "for these tests only"

    @app.route("/change", methods=["GET", "POST"])
    def change() -> Any:
        module.session["n"] = module.session.get("n", 0) + 1
        return module.redirect("/show")

    @app.route("/show")
    def show() -> Any:
        return repr(module.session.get("n"))

    @app.route("/to/<path:location>")
    def to(location: str) -> Any:
        return app.response_class("", 302, headers={"Location": location.replace("!", "/")})

    @app.route("/loop")
    def loop() -> Any:
        return module.redirect("/loop")

    @app.route("/there")
    def there() -> Any:
        return module.redirect("/back")

    @app.route("/back")
    def back() -> Any:
        return module.redirect("/there")

    @app.route("/code/<int:code>", methods=["GET", "POST", "PUT"])
    def code(code: int) -> Any:
        return module.redirect("/echo?f=1", code)

    @app.route("/echo", methods=["GET", "POST", "PUT"])
    @app.route("/a/echo")
    def echo() -> Any:
        request = module.request
        return {
            "method": request.method,
            "length": request.content_length,
            "type": request.content_type,
            "args": request.args,
            "header": request.headers.get("X-A"),
            "host": request.host,
        }

    @app.route("/set")
    def set_cookies() -> Any:
        response = app.response_class("")
        response.set_cookie("root", "1")
        response.set_cookie("a", "2", path="/a")
        response.set_cookie("d", "3", domain="example.com")
        response.set_cookie("s", "4", secure=True, httponly=True, samesite="Lax", max_age=5)
        response.set_cookie("odd", 'ü ;,"')
        return response

    @app.route("/x/y/set")
    def set_default() -> Any:
        return "", {"Set-Cookie": "default=1"}

    @app.route("/delete")
    def delete() -> Any:
        response = app.response_class("")
        response.delete_cookie("root")
        return response

    for path in ("/", "/a", "/ax", "/a/b", "/x/y/b", "/x/b"):

        @app.route(path, endpoint=path.replace("/", "-"))
        def cookies() -> Any:
            return module.request.cookies.to_dict()

    return app


def get(path: str, **kwargs: Any) -> Step:
    """Return a step that sends a request."""
    return lambda client: client.get(path, **kwargs)


def follow(path: str, method: str = "GET", **kwargs: Any) -> Step:
    """Return a step that follows redirects."""
    return lambda client: client.open(path, method=method, follow_redirects=True, **kwargs)


def call(name: str, *args: Any, **kwargs: Any) -> Step:
    """Return a step that calls a method of the client."""
    return lambda client: getattr(client, name)(*args, **kwargs)


BODY = {"data": b"abc", "content_type": "text/plain", "headers": {"X-A": "h"}}
SESSIONS: dict[str, list[Step]] = {
    "session": [get("/change"), follow("/change", "POST", data={"a": "1"}), get("/show")],
    "loop": [follow("/loop")],
    "loop of two": [follow("/there")],
    "external": [follow("/to/http:!!other.example!x")],
    "subdomain": [follow("/to/http:!!a.localhost!show")],
    "same host": [follow("/to/http:!!localhost!echo?z=1")],
    "with a host": [follow("/code/302", base_url="http://my.host:81/")],
    "mounted": [follow("/code/302", base_url="http://localhost/m/")],
    **{
        f"{code} {method}": [follow(f"/code/{code}", method, **BODY)]
        for code in (301, 302, 303, 305, 307, 308)
        for method in ("GET", "POST", "PUT", "HEAD")
    },
    "cookies": [
        get("/set"),
        *(get(path) for path in ("/", "/a", "/ax", "/a/b")),
        *(
            get("/", base_url=host)
            for host in (HOST, "http://w.example.com", "http://anexample.com")
        ),
        get("/delete"),
        get("/"),
    ],
    "default path": [get("/x/y/set"), get("/x/y/b"), get("/x/b")],
    "set_cookie": [
        call("set_cookie", "k", "v"),
        call("set_cookie", "p", "v v;ü", path="/a"),
        call("set_cookie", "d", "1", domain="example.com", origin_only=False),
        call("set_cookie", "o", "1", domain="example.com"),
        call("set_cookie", "e"),
        get("/"),
        get("/a/b"),
        get("/", base_url=HOST),
        get("/", base_url="http://w.example.com"),
        call("set_cookie", "k", max_age=0),
        get("/"),
    ],
    "get_cookie": [
        call("set_cookie", "k", "v"),
        call("set_cookie", "p", "v v;ü", path="/a"),
        call(
            "set_cookie",
            "q",
            'a"b',
            domain="example.com",
            expires=datetime(2050, 1, 1),
            secure=True,
            httponly=True,
            samesite="Strict",
        ),
        call("get_cookie", "k"),
        call("get_cookie", "p", path="/a"),
        call("get_cookie", "q", "example.com"),
        call("get_cookie", "p"),
        call("delete_cookie", "k"),
        call("delete_cookie", "k"),
        call("get_cookie", "k"),
        call("delete_cookie", "p", path="/a"),
        call("get_cookie", "p", path="/a"),
    ],
}


async def outcome(client: Any, step: Step) -> Any:
    """Return what a step returns or raises."""
    try:
        result = step(client)
        if inspect.isawaitable(result):
            result = await result
        if not hasattr(result, "status_code"):
            return repr(result)
        data = result.get_data(as_text=True)
        return (
            result.status_code,
            (await data) if inspect.isawaitable(data) else data,
            result.text,
            [each.request.path for each in result.history],
            (result.request.method, result.request.url),
        )
    except (ClientRedirectError, RuntimeError, TypeError) as error:
        return type(error), str(error)


async def play(client: Any, steps: list[Step]) -> list[Any]:
    """Return the outcomes of all steps."""
    return [await outcome(client, step) for step in steps]


async def in_thread(function: Callable[[], Awaitable[Any]]) -> Any:
    """Run what calls Flask in a thread, where it may block."""

    async def main() -> Any:
        return await function()

    return await asyncio.to_thread(lambda: asyncio.run(main()))


@pytest.mark.parametrize("use_cookies", [True, False])
@pytest.mark.parametrize("steps", SESSIONS.values(), ids=SESSIONS)
async def test_sessions(steps: list[Step], use_cookies: bool) -> None:
    """The outcomes are those of Flask's client."""
    original = build(flask.Flask, flask).test_client(use_cookies=use_cookies)
    expected = await in_thread(lambda: play(original, steps))
    client = build(FaithfulQuart, quart).test_client(use_cookies=use_cookies)
    assert await play(client, steps) == expected


async def test_subdomain_redirects() -> None:
    """Redirects to subdomains are followed if the client allows it."""
    client = build(FaithfulQuart, quart).test_client(allow_subdomain_redirects=True)
    response = await client.get("/to/http:!!a.localhost!echo", follow_redirects=True)
    assert (await response.get_json())["host"] == "a.localhost"


async def test_relative_redirects() -> None:
    """A relative location is resolved as by a browser."""
    client = build(FaithfulQuart, quart).test_client()
    client.app.add_url_rule("/a/to", "a-to", lambda: ("", 302, {"Location": "echo?x=1"}))
    response = await client.get("/a/to", follow_redirects=True)
    assert response.request.full_path == "/a/echo?x=1"
    assert response.history[0].status_code == 302


async def test_stream_and_redirect() -> None:
    """A stream can't be sent again, and the error says so; another redirect drops it."""

    async def parts() -> Any:
        yield b"abc"

    client = build(FaithfulQuart, quart).test_client()
    with pytest.raises(RuntimeError, match="can't be sent again after a 307"):
        await client.post("/code/307", data=parts(), follow_redirects=True)
    response = await client.post("/code/303", data=parts(), follow_redirects=True)
    assert (await response.get_json())["method"] == "GET"


async def test_files_and_redirect() -> None:
    """A form with a file is sent again after 308, and the view gets all of it."""
    client = build(FaithfulQuart, quart).test_client()
    data = {"f": (io.BytesIO(b"x" * 1_000_000), "a.txt")}
    response = await client.post("/code/308", data=data, follow_redirects=True)
    assert (await response.get_json())["length"] > 1_000_000


async def test_cookies_of_quart() -> None:
    """Quart's order of arguments, its ``cookie_jar`` and a header ``Cookie`` work as before."""
    client = build(FaithfulQuart, quart).test_client()
    client.set_cookie("localhost", "a", "1")
    client.set_cookie(server_name="localhost:5000", key="b", value="2")
    client.set_cookie("w.example.com", "c", "3", domain="example.com")
    assert {cookie.name: cookie.value for cookie in client.cookie_jar} == {
        "a": "1",
        "b": "2",
        "c": "3",
    }
    response = await client.get("/", headers={"Cookie": "given=0"})
    assert await response.get_json() == {"given": "0", "a": "1", "b": "2"}
    assert await (await client.get("/", base_url="http://x.example.com")).get_json() == {"c": "3"}
    client.delete_cookie("localhost", "a")
    client.delete_cookie(server_name="localhost", key="b")
    assert await (await client.get("/")).get_json() == {}
    client.set_cookie("a", "1")
    client.cookie_jar.clear()
    assert await (await client.get("/")).get_json() == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda client: client.set_cookie("localhost", "a"),
        lambda client: client.set_cookie("localhost", "a", "1", 5),
        lambda client: client.delete_cookie("localhost", "a", "/"),
    ],
)
async def test_unclear_cookies(change: Callable[[Any], None]) -> None:
    """An order of arguments that has two meanings is an error."""
    with pytest.raises(TypeError, match="_cookie"):
        change(build(FaithfulQuart, quart).test_client())


@pytest.mark.parametrize(
    "header", ["a=1; Max-Age=-1", "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=1; max-age=0"]
)
async def test_expired_cookies(header: str) -> None:
    """A cookie that has ended is deleted; a wrong Max-Age is ignored (RFC 6265, 5.2.2)."""
    app = build(FaithfulQuart, quart)
    app.add_url_rule("/end", "end", lambda: ("", {"Set-Cookie": header}))
    app.add_url_rule("/odd", "odd", lambda: ("", {"Set-Cookie": "b=2; Max-Age=soon"}))
    client = app.test_client()
    client.set_cookie("a", "1")
    await client.get("/end")
    await client.get("/odd")
    assert await (await client.get("/")).get_json() == {"b": "2"}


async def test_cookies_of_websockets() -> None:
    """A websocket gets the cookies of its path."""
    app = build(FaithfulQuart, quart)

    @app.websocket("/a/ws")
    async def handler() -> None:
        await quart.websocket.send_json([quart.websocket.cookies.to_dict(), quart.websocket.url])

    client = app.test_client()
    client.set_cookie("root", "1")
    client.set_cookie("a", "2", path="/a")
    client.set_cookie("b", "3", path="/b")
    for path, kwargs, url in (
        ("/a/ws?x=1", {}, "ws://localhost/a/ws?x=1"),
        ("/a/ws", {"url_scheme": "https"}, "wss://localhost/a/ws"),
        ("wss://localhost/a/ws", {"subprotocols": ["chat"]}, "wss://localhost/a/ws"),
    ):
        async with client.websocket(path, **kwargs) as websocket:
            assert await websocket.receive_json() == [{"root": "1", "a": "2"}, url]


def preserving(cls: Any, module: Any) -> Any:
    """Return an application for the tests of contexts."""
    app = cls(__name__, static_folder=None)
    app.secret_key = "for these tests only"
    app.testing = True

    @app.route("/", methods=["GET", "POST"])
    def index() -> str:
        module.g.user = "ada"
        module.session["a"] = 1
        return "x"

    @app.route("/error")
    def error() -> str:
        module.g.user = "bob"
        raise LookupError

    return app


class Block:
    """``async with`` for what Flask enters with ``with``."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager

    async def __aenter__(self) -> Any:
        enter = getattr(self.manager, "__aenter__", None)
        return await enter() if enter else self.manager.__enter__()

    async def __aexit__(self, *error: object) -> Any:
        leave = getattr(self.manager, "__aexit__", None)
        return await leave(*error) if leave else self.manager.__exit__(*error)


async def maybe(value: Any) -> Any:
    """Return *value*, awaited if it has to be."""
    return await value if inspect.isawaitable(value) else value


async def contexts(app: Any, module: Any) -> list[Any]:
    """Return what is seen inside and after blocks of a client."""
    seen: list[Any] = []
    ends: list[str] = []
    app.teardown_request(lambda error: ends.append(f"request {error!r}"))
    app.teardown_appcontext(lambda error: ends.append(f"application {error!r}"))

    def look() -> None:
        seen.append(
            (
                bool(module.g),
                bool(module.request) and module.request.path,
                bool(module.current_app),
                bool(module.session) and dict(module.session),
                module.has_request_context(),
                module.g.get("user") if module.g else None,
                tuple(ends),
            )
        )
        ends.clear()

    client = app.test_client()
    look()
    async with Block(client):
        look()
        await maybe(client.post("/", json={"a": 1}))
        look()
        seen.append(await maybe(module.request.get_json()))
        await maybe(client.post("/", data={"a": "1"}))
        seen.append((await maybe(module.request.form)).to_dict())
        await maybe(client.post("/", data={"f": (io.BytesIO(b"x" * 300_000), "a.txt")}))
        seen.append(len((await maybe(module.request.files))["f"].read()))
        await maybe(client.get("/"))
        seen.append((await maybe(module.request.get_data()), await maybe(module.request.form)))
        look()
        app.testing = False
        app.config["PROPAGATE_EXCEPTIONS"] = False
        await maybe(client.get("/error"))
        look()
        await maybe(client.get("/missing"))
        look()
        with pytest.raises(RuntimeError, match="Cannot nest client invocations"):
            async with Block(client):
                pass
        current = module.request._get_current_object()
        async with Block(client.session_transaction()) as session:
            seen.append(current is module.request._get_current_object())
            session["b"] = 2
        await maybe(client.get("/"))
        look()
        seen.append(module.url_for("index", _external=True))
    look()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    async with Block(client):
        await maybe(client.get("/"))
        look()
        with pytest.raises(LookupError):
            await maybe(client.get("/error"))
        look()
    look()
    client = app.test_client()  # Flask's pushes the contexts of the error later.
    async with Block(app.test_request_context("/outer")):
        async with Block(client):
            await maybe(client.get("/"))
            look()
        look()
        transaction = client.session_transaction("/q?a=1", method="POST", base_url="https://x")
        async with Block(transaction) as session:
            seen.append(dict(session))
    look()
    return seen


async def test_preserved_contexts() -> None:
    """Inside a block, and after it, the contexts are those of Flask."""
    original = preserving(flask.Flask, flask)
    expected = await in_thread(lambda: contexts(original, flask))
    assert await contexts(preserving(FaithfulQuart, quart), quart) == expected


async def test_session_errors() -> None:
    """The errors of a session that can't be opened are those of Flask."""
    app = FaithfulQuart(__name__)
    with pytest.raises(RuntimeError, match="Session backend did not open a session"):
        async with app.test_client().session_transaction():
            pass
    for use in (
        lambda client: client.session_transaction().__aenter__(),
        lambda client: client.get_cookie("a"),
        lambda client: client.set_cookie("a"),
        lambda client: client.delete_cookie("a"),
    ):
        with pytest.raises(TypeError, match="Cookies are disabled"):
            await maybe(use(app.test_client(use_cookies=False)))


async def test_synchronous_block() -> None:
    """``with client`` says what to write."""
    with pytest.raises(TypeError, match="async with"), FaithfulQuart(__name__).test_client():
        pass


async def test_responses() -> None:
    """A response can be entered, closed and read more than once."""
    app = preserving(FaithfulQuart, quart)
    client = app.test_client()
    with await client.get("/", buffered=True) as response:
        assert response.text == "x"
    async with client.get("/") as response:
        assert (await response.data, response.text) == (b"x", "x")
    closed: list[str] = []
    response.call_on_close(lambda: closed.append("closed"))
    await response.close()
    response.close()  # There is nothing more to call, so nothing to await.
    assert closed == ["closed"]
    assert isinstance(response, app.response_class)
    responses = await asyncio.gather(client.get("/"), asyncio.create_task(client.get("/")))
    assert [each.request.method for each in responses] == ["GET", "GET"]
    sent = await client.post("/?q=1", json={"a": [1]})
    assert await sent.request.get_json() == {"a": [1]}
    assert sent.request.args.to_dict() == {"q": "1"}


async def test_headers_of_responses() -> None:
    """A header in Latin-1, as WSGI servers send it, is read."""
    app = FaithfulQuart(__name__)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-name", "café".encode("latin1"))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    app.asgi_app = asgi  # type: ignore[method-assign]
    assert (await app.test_client().get("/")).headers["X-Name"] == "café"


async def test_own_client_class() -> None:
    """A client class with arguments of its own is made as in Flask."""

    class Client(FaithfulClient):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.authentication = kwargs.pop("authentication")
            super().__init__(*args, **kwargs)

        async def open(self, *args: Any, **kwargs: Any) -> FaithfulTestResponse:
            kwargs.setdefault("headers", {"X-A": self.authentication})
            return await super().open(*args, **kwargs)

    app = build(FaithfulQuart, quart)
    app.test_client_class = Client
    client = app.test_client(authentication="key")
    assert (await (await client.get("/echo")).get_json())["header"] == "key"
    assert client.application is app
    app.test_client_class = None
    assert (await app.test_client(False).get("/echo")).status_code == 200
    with pytest.raises(TypeError, match="response_class"):
        FaithfulClient(app, quart.Response)


async def test_own_response_class() -> None:
    """Responses are of the application's class, with its JSON provider."""

    class Response(FaithfulResponse):
        @property
        def shout(self) -> str:
            return str(self.status_code)

    app = build(FaithfulQuart, quart)
    app.response_class = Response
    response = await app.test_client().get("/echo")
    assert (response.shout, response.json_module) == ("200", app.json)


def test_signer_is_used_again() -> None:
    """It depends on the keys, and on what a subclass may change."""
    app = FaithfulQuart(__name__)
    interface = FaithfulSessionInterface()
    made = interface.get_signing_serializer
    assert made(app) is None
    app.secret_key = "first"
    first = made(app)
    assert first is not None and made(app) is first
    token = first.dumps({"a": 1})
    app.secret_key, app.config["SECRET_KEY_FALLBACKS"] = "second", ["first"]
    second: Any = made(app)
    assert second is not first and second.loads(token) == {"a": 1}
    app.config["SECRET_KEY_FALLBACKS"] = None
    with pytest.raises(BadSignature):
        cast(Any, made(app)).loads(token)
    interface.salt = "other"
    with pytest.raises(BadSignature):
        cast(Any, made(app)).loads(second.dumps({"a": 1}))
