"""The application: hooks, errors, blueprints, commands, threads and flashed messages."""

from __future__ import annotations

import asyncio
import threading
import types
from pathlib import Path
from typing import Any, NoReturn

import flask
import pytest
from quart import (
    Blueprint,
    Quart,
    Response,
    current_app,
    render_template_string,
    request,
    websocket,
)
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.settings import SettingError
from quartpatterns.subclassing import (
    FaithfulBlueprint,
    FaithfulQuart,
    FaithfulResponse,
    FaithfulSessionInterface,
    flash,
    send_file,
    send_from_directory,
)
from quartpatterns.subclassing import names as flask_names
from quartpatterns.subclassing.example.port import create_app
from tests.counting_executor import CountingExecutor


@pytest.fixture
def app() -> FaithfulQuart:
    """Return an empty application."""
    made = FaithfulQuart(__name__, static_folder=None)
    made.secret_key = "for these tests only"
    return made


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Own", "1")],
        [("Content-Type", "application/json")],
        [("Content-Type", "text/html"), ("X-Own", "1")],
    ],
)
async def test_headers_of_an_error(app: FaithfulQuart, headers: list[tuple[str, str]]) -> None:
    """An error has the headers that Flask sends: an own body without a type is no HTML."""

    class OwnError(HTTPException):
        code = 400

        def get_headers(self, *_: Any) -> list[tuple[str, str]]:
            return headers

    def fail() -> NoReturn:
        raise OwnError

    original = flask.Flask(__name__, static_folder=None)
    original.add_url_rule("/", view_func=fail)
    app.add_url_rule("/", view_func=fail)
    expected = original.test_client().get("/")
    response = await app.test_client().get("/")
    assert await response.get_data(as_text=False) == expected.data
    assert dict(response.headers) == dict(expected.headers)


@pytest.mark.checks("SC-1")
async def test_ordered_parameters() -> None:
    """Parameters and form fields keep their order, including several values of one name."""
    client = create_app().test_client()
    expected = [["b", "2"], ["a", "1"], ["b", "3"]]
    first = {"a": "1", "b": "2"}
    response = await client.get("/parameters?b=2&a=1&b=3")
    assert await response.get_json() == {"ordered": expected, "first": first}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    # A long form is parsed in several parts.
    for times in (1, 3000):
        data = b"&".join([b"b=2&a=1&b=3"] * times)
        response = await client.post("/parameters", data=data, headers=kind)
        assert await response.get_json() == {"ordered": expected * times, "first": first}


async def test_teardown_error(app: FaithfulQuart) -> None:
    """Teardown functions receive an error even if it was answered, as in Flask."""
    received: list[str] = []

    @app.get("/")
    async def view() -> str:
        raise LookupError

    @app.teardown_request
    def teardown_request(error: BaseException | None) -> None:
        received.append(type(error).__name__)

    @app.teardown_appcontext
    async def teardown_context(error: BaseException | None) -> None:
        received.append(type(error).__name__)

    assert (await app.test_client().get("/")).status_code == 500
    assert received == ["LookupError", "LookupError"]


async def test_session_error(app: FaithfulQuart) -> None:
    """An error while the session is opened is handled like an error of a view."""

    class Broken(FaithfulSessionInterface):
        async def open_session(self, app: Quart, request: Any) -> Any:
            raise LookupError

    app.session_interface = Broken()

    @app.errorhandler(500)
    async def handler(error: Exception) -> tuple[str, int]:
        return "handled", 500

    response = await app.test_client().get("/")
    assert (response.status_code, await response.get_data()) == (500, b"handled")


async def test_own_response_class(app: FaithfulQuart) -> None:
    """Each response in an ``after_request`` function has the application's own class."""
    seen: list[tuple[type, bytes]] = []

    @app.after_request
    async def see(response: Any) -> Any:
        seen.append((type(response), await response.get_data()))
        return response

    @app.get("/werkzeug")
    async def werkzeug() -> WerkzeugResponse:
        return WerkzeugResponse(iter([b"a", b"b"]))

    client = app.test_client()
    await client.get("/werkzeug")
    await client.get("/nowhere")
    assert seen[0] == (FaithfulResponse, b"ab")
    assert seen[1][0] is FaithfulResponse
    assert b"Not Found" in seen[1][1]


async def test_trusted_host_page(app: FaithfulQuart) -> None:
    """A host that is not trusted reaches no view, and an error handler can response it."""
    app.config["TRUSTED_HOSTS"] = [".example.com"]

    @app.get("/")
    async def view() -> str:
        return request.host

    @app.errorhandler(400)
    async def refused(error: Exception) -> tuple[str, int]:
        return "refused", 400

    client = app.test_client()
    for host, expected in [("a.example.com", b"a.example.com"), ("evil.example", b"refused")]:
        response = await client.get("/", headers={"Host": host})
        assert await response.get_data() == expected


def test_async_url_defaults(app: FaithfulQuart) -> None:
    """Asynchronous URL defaults are refused when they are registered."""

    async def defaults(endpoint: str, values: dict[str, Any]) -> None:
        """Never called."""

    unsafe: Any = defaults
    for owner in (app, FaithfulBlueprint("one", __name__)):
        with pytest.raises(TypeError, match="plain def"):
            owner.url_defaults(unsafe)
    plain = Blueprint("two", __name__)
    plain.url_defaults(unsafe)
    with pytest.raises(TypeError, match="plain def"):
        app.register_blueprint(plain)


@pytest.mark.parametrize("blueprint_class", [Blueprint, FaithfulBlueprint])
def test_async_commands(app: FaithfulQuart, blueprint_class: type[Blueprint]) -> None:
    """Asynchronous commands run in an application context."""
    blueprint = blueprint_class("group", __name__)

    @app.cli.command("alone")
    async def alone() -> None:
        await asyncio.sleep(0)
        print(current_app.name)  # noqa: T201  what a command says

    @blueprint.cli.command("inside")
    async def inside() -> None:
        print(current_app.name)  # noqa: T201

    @app.cli.command("plain", with_appcontext=True)
    def plain() -> None:
        print(current_app.name)  # noqa: T201

    app.register_blueprint(blueprint)
    for args in (["alone"], ["group", "inside"], ["plain"]):
        result = app.test_cli_runner().invoke(args=args)
        assert (result.exit_code, result.output) == (0, f"{app.name}\n"), result.exception


@pytest.mark.parametrize("blueprint_class", [Blueprint, FaithfulBlueprint])
async def test_static_of_blueprints(
    app: FaithfulQuart, blueprint_class: type[Blueprint], tmp_path: Path
) -> None:
    """Static files of a blueprint have Flask's headers."""
    (tmp_path / "a.txt").write_text("hello")
    blueprint = blueprint_class(
        "b", __name__, static_folder=str(tmp_path), static_url_path="/b-static"
    )
    app.register_blueprint(blueprint)
    client = app.test_client()
    response = await client.get("/b-static/a.txt")
    assert (await response.get_data(), response.headers["Cache-Control"]) == (b"hello", "no-cache")
    tag = {"If-None-Match": response.headers["ETag"]}
    assert (await client.get("/b-static/a.txt", headers=tag)).status_code == 304
    assert (await client.get("/b-static/../secret")).status_code == 404


async def test_pages_of_blueprints(app: FaithfulQuart, counting_executor: CountingExecutor) -> None:
    """A page of a blueprint, or of a nested one, is rendered without a thread."""
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__, url_prefix="/in")

    @outer.context_processor
    async def names() -> dict[str, str]:
        return {"name": "outer"}

    for blueprint in (outer, inner):

        @blueprint.get("/")
        async def page() -> str:
            return await render_template_string("{{ name }}, {{ request.path }}")

    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    for path in ("/", "/in/"):
        response = await app.test_client().get(path)
        assert await response.get_data(as_text=True) == f"outer, {path}"
    assert counting_executor.count == 0


@pytest.mark.parametrize(("size", "count"), [(0, None), (1, 1), (64 * 1024, 1), (200_000, None)])
async def test_small_files(
    app: FaithfulQuart,
    counting_executor: CountingExecutor,
    tmp_path: Path,
    size: int,
    count: int | None,
) -> None:
    """A small file needs one call in a thread, and files of any size are sent completely."""
    (tmp_path / "a.bin").write_bytes(
        content := bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    )

    @app.get("/")
    async def view() -> Response:
        return await send_from_directory(tmp_path, "a.bin")

    client = app.test_client()
    response = await client.get("/")
    assert (await response.get_data(), response.content_length) == (content, size)
    assert count is None or counting_executor.count == count
    if size > 1:
        part = await client.get("/", headers={"Range": "bytes=1-1000"})
        assert (part.status_code, await part.get_data()) == (206, content[1:1001])
    head = await client.head("/")
    assert (await head.get_data(), head.content_length) == (b"", size)


async def test_arguments_of_send_file(app: FaithfulQuart, tmp_path: Path) -> None:
    """An argument has one name, a path can be bytes, and ``USE_X_SENDFILE`` is applied."""
    (tmp_path / "a.txt").write_text("hello")
    app.config["USE_X_SENDFILE"] = True
    async with app.test_request_context("/"):
        with pytest.raises(TypeError, match="'cache_timeout' is Quart's name of 'max_age'"):
            await send_file(tmp_path / "a.txt", max_age=5, cache_timeout=5)
        path: Any = bytes(tmp_path / "a.txt")
        response = await send_file(path, cache_timeout=5)
    assert response.headers["X-Sendfile"] == str(tmp_path / "a.txt")
    assert response.headers["Cache-Control"] == "public, max-age=5"


async def test_threads_end(app: FaithfulQuart) -> None:
    """The threads of ``SYNC_THREADS`` exist from start-up to shutdown."""
    app.config["SYNC_THREADS"] = 3

    @app.get("/")
    def view() -> str:
        return threading.current_thread().name

    async with app.test_app() as served:
        response = await served.test_client().get("/")
        name = str(await response.get_data(as_text=True))
        assert name.startswith(app.name)
    assert name not in {thread.name for thread in threading.enumerate()}


async def test_set_up_after_a_websocket(app: FaithfulQuart) -> None:
    """Set-up after the first websocket is an error, as after the first request."""

    @app.websocket("/")
    async def handler() -> None:
        await websocket.send("hello")

    async with app.test_client().websocket("/") as connection:
        await connection.receive()
    with pytest.raises(AssertionError):
        app.add_url_rule("/late", "late", lambda: "late")


async def test_teardown_order(app: FaithfulQuart) -> None:
    """``teardown_request`` functions run in reverse order, those of the blueprint first."""
    order: list[str] = []
    blueprint = Blueprint("blueprint", __name__)
    for name, owner in (("app", app), ("blueprint", blueprint)):
        for number in (1, 2):
            owner.teardown_request(lambda error, text=f"{name} {number}": order.append(text))
    blueprint.add_url_rule("/", "view", lambda: "")
    app.register_blueprint(blueprint)
    await app.test_client().get("/")
    assert order == ["blueprint 2", "blueprint 1", "app 2", "app 1"]


async def test_generator_function(app: FaithfulQuart) -> None:
    """A synchronous generator function becomes an asynchronous iterator, as in Quart."""

    def numbers() -> Any:
        yield from range(3)

    items: Any = await app.ensure_async(numbers)()
    assert [item async for item in items] == [0, 1, 2]


async def test_ignored_error() -> None:
    """Teardown functions do not receive an error that the application ignores."""
    received: list[BaseException | None] = []

    class App(FaithfulQuart):
        def should_ignore_error(self, error: BaseException | None) -> bool:
            return isinstance(error, LookupError)

    app = App(__name__, static_folder=None)
    app.teardown_request(received.append)

    @app.get("/<kind>")
    async def view(kind: str) -> str:
        raise LookupError if kind == "ignored" else ValueError

    for kind in ("ignored", "other"):
        await app.test_client().get(f"/{kind}")
    assert received[0] is None
    assert isinstance(received[1], ValueError)


async def test_emptied_session(app: FaithfulQuart) -> None:
    """A session that was emptied is removed from the client, even if it was not read."""
    interface = FaithfulSessionInterface()
    response = FaithfulResponse("")
    session = interface.session_class()
    await interface.save_session(app, session, response)
    assert "Set-Cookie" not in response.headers
    session.modified, session.accessed = True, False
    await interface.save_session(app, session, response)
    assert "session=;" in response.headers["Set-Cookie"]


async def test_two_applications(app: FaithfulQuart) -> None:
    """A request has the context of its own application inside the context of another one."""
    app.add_url_rule("/", "view", lambda: current_app.name)
    async with FaithfulQuart("other", static_folder=None).app_context():
        response = await app.test_client().get("/")
        assert await response.get_data(as_text=True) == app.name
        assert current_app.name == "other"


@pytest.mark.parametrize("count", [0, "8", 1.5, True])
async def test_invalid_sync_threads(app: FaithfulQuart, count: Any) -> None:
    """An invalid number of threads is an error at start-up."""
    app.config["SYNC_THREADS"] = count
    with pytest.raises(SettingError, match="SYNC_THREADS must be a whole number"):
        await app.startup()


async def test_flash_without_await(app: FaithfulQuart) -> None:
    """Under ``TESTING`` a flash that was not awaited is an error that names the remedy."""

    @app.get("/<int:awaited>")
    async def view(awaited: int) -> str:
        flashed = flash("hello")
        if awaited:
            await flashed
        return ""

    app.testing = True
    client = app.test_client()
    assert (await client.get("/1")).status_code == 200
    with pytest.raises(RuntimeError, match="await flash"):
        await client.get("/0")


async def test_blueprint_hooks(app: FaithfulQuart) -> None:
    """Hooks of nested blueprints run from the outermost to the innermost, and back."""
    log: list[str] = []
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    for name, owner in (("app", app), ("outer", outer), ("inner", inner)):

        def before(name: str = name) -> None:
            log.append(f"before {name}")

        async def after(response: Any, name: str = name) -> Any:
            log.append(f"after {name}")
            return response

        owner.before_request(before)
        owner.after_request(after)

    @inner.get("/")
    async def view() -> str:
        return ""

    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    await app.test_client().get("/")
    outward = ["after inner", "after outer", "after app"]
    assert log == ["before app", "before outer", "before inner", *outward]


async def test_unsupported_attributes(app: FaithfulQuart) -> None:
    """The error for an attribute of Flask's that does not exist names the replacement."""
    for name, instead in [
        ("ensure_sync", "ensure_async"),
        ("async_to_sync", "await the coroutine"),
        ("wsgi_app", "asgi_app"),
    ]:
        with pytest.raises(AttributeError, match=instead):
            getattr(app, name)
    async with app.test_request_context("/"):
        for name in ("stream", "input_stream"):
            with pytest.raises(AttributeError, match="request.body"):
                getattr(request, name)


@pytest.mark.parametrize("data", [bytearray(b"data"), memoryview(b"data")])
async def test_data(app: FaithfulQuart, data: Any) -> None:
    """As in Flask, the body can be a buffer, and it is sent as bytes."""

    @app.get("/")
    async def view() -> FaithfulResponse:
        response = FaithfulResponse("")
        response.set_data(data)
        return response

    expected = flask.Response("")
    expected.set_data(data)
    response = await app.test_client().get("/")
    assert await response.get_data() == expected.data == b"data"
    assert response.content_length == expected.content_length


def test_flask_names() -> None:
    """``quartpatterns.subclassing.names`` has all names of the module ``flask``."""
    names = {
        name
        for name, value in vars(flask).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    } - {"annotations"}
    assert names <= set(vars(flask_names))
