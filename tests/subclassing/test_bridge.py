"""``bridge_flask``: Flask's names in a Quart application."""

# Applications are Any: they are of both frameworks.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import gc
import io
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import flask
import flask.cli
import pytest
import quart.signals
from blockbuster import BlockBuster
from click.testing import CliRunner
from quart import Quart, render_template_string, request, session, websocket
from quart.cli import ScriptInfo
from quart.utils import run_sync

from quartpatterns.appdispatch import DispatcherMiddleware, WSGIMiddleware
from quartpatterns.subclassing import FaithfulQuart, async_to_sync, bridge_flask
from tests.subclassing import flask_extensions
from tests.subclassing.flask_extensions import EXTENSIONS, Extension

KEY = "for these tests only"


@pytest.fixture(params=[FaithfulQuart, Quart])
def app(request: pytest.FixtureRequest) -> Any:
    """Return a bridged application, of both frameworks."""
    made = bridge_flask(request.param("bridged", root_path=str(Path(__file__).parent)))
    made.secret_key = KEY
    made.config["PROPAGATE_EXCEPTIONS"] = True
    return made


def write_views(app: Any) -> None:
    """Add views and hooks that use nothing but the module ``flask``."""

    @app.before_request
    def before() -> None:
        flask.g.user = flask.request.args.get("user", "nobody")
        flask.session["seen"] = flask.request.path

    @app.after_request
    def after(response: Any) -> Any:
        if not response.direct_passthrough:
            response.headers["X-Length"] = str(len(response.get_data()))
            response.set_data(response.get_data(as_text=True).upper())
        return response

    @app.get("/names")
    def names() -> Any:
        assert flask.has_request_context() and flask.has_app_context()
        assert flask.current_app.name == "bridged"
        assert "flask.g" in repr(flask.g)
        return [flask.g.user, flask.url_for("names", a=1), flask.session["seen"]]

    @app.post("/form")
    def form() -> Any:
        files = flask.request.files
        data = flask.request.data.decode()
        values = sorted(flask.request.values.items())
        return [
            values,
            flask.request.form.getlist("a"),
            data,
            [f.read().decode() for f in files.values()],
        ]

    @app.post("/json")
    def json() -> Any:
        raw = flask.request.get_data(as_text=True)
        return flask.jsonify(flask.request.get_json(), flask.request.json, raw)

    @app.post("/stream")
    def stream() -> Any:
        return [flask.request.stream.read(2).decode(), flask.request.stream.read().decode()]

    @app.get("/flash")
    def flash() -> Any:
        flask.flash("hello", "info")
        return flask.redirect(flask.url_for("flashed"))

    @app.get("/flashed")
    def flashed() -> Any:
        text = "{{ get_flashed_messages(with_categories=True) }} {{ request.path }} {{ g.user }}"
        return flask.render_template_string(text, a=1)

    @app.get("/later")
    def later() -> Any:
        @flask.after_this_request
        def add(response: Any) -> Any:
            response.set_cookie("a", "b")
            return response

        return flask.make_response("later", 201, {"X-A": "1"})

    @app.get("/abort")
    def abort() -> Any:
        flask.abort(418, "short and stout")

    @app.get("/file")
    def file() -> Any:
        return flask.send_file(Path(__file__).parent / "__init__.py", mimetype="text/plain")

    @app.get("/bytes")
    def sent() -> Any:
        return flask.send_file(io.BytesIO(b"0123456789"), mimetype="text/plain", max_age=3)

    @app.get("/environ")
    def environ() -> Any:
        environ = flask.request.environ
        names = (
            "REQUEST_METHOD",
            "PATH_INFO",
            "QUERY_STRING",
            "HTTP_X_A",
            "wsgi.url_scheme",
            "HTTP_HOST",
        )
        return [environ[name] for name in names]


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("get", "/names?user=ada", {}),
    ("post", "/form?b=2", {"data": {"a": "1"}}),
    ("post", "/json", {"json": {"a": 1}}),
    ("post", "/json", {"data": b"no JSON", "headers": {"Content-Type": "application/json"}}),
    ("post", "/json", {"data": b"no JSON", "headers": {"Content-Type": "text/plain"}}),
    ("post", "/stream", {"data": b"data"}),
    ("get", "/flash", {}),
    ("get", "/flashed?user=bob", {}),
    ("get", "/later", {}),
    ("get", "/abort", {}),
    ("get", "/file", {}),
    ("get", "/file", {"headers": {"Range": "bytes=1-3"}}),
    ("get", "/bytes", {"headers": {"Range": "bytes=-3"}}),
    ("get", "/bytes", {"headers": {"Range": "bytes=20-"}}),
    ("get", "/environ?a=%C3%A9", {"headers": {"X-A": "1"}}),
]
COMPARED = (
    "X-Length",
    "Location",
    "Content-Type",
    "Cache-Control",
    "Content-Range",
    "ETag",
    "X-A",
    "Vary",
)


async def test_as_flask() -> None:
    """Code that only uses the module ``flask`` answers as on Flask."""
    original: Any = flask.Flask("bridged", root_path=str(Path(__file__).parent))
    port: Any = bridge_flask(FaithfulQuart("bridged", root_path=str(Path(__file__).parent)))
    answers: dict[Any, list[Any]] = {}
    for app in (original, port):
        app.secret_key = KEY
        write_views(app)
        client = app.test_client()
        answers[app] = []
        for method, path, options in REQUESTS:
            response = getattr(client, method)(path, **options)
            response = await response if app is port else response
            data = await response.get_data(as_text=False) if app is port else response.get_data()
            headers = {name: response.headers.get(name) for name in COMPARED}
            if app is original:
                response.close()
            answers[app].append((path, response.status_code, data, headers))
    assert answers[port] == answers[original]


async def test_form_in_debug_mode(app: Any) -> None:
    """The files of a form are read with its fields, and debug mode reads fields for files."""
    app.debug = True

    @app.post("/")
    async def view() -> list[str]:
        return [(await request.form)["a"], flask.request.form["a"]]

    response = await app.test_client().post("/", form={"a": "1"})
    assert await response.get_json() == ["1", "1"]


async def test_upload(app: Any, tmp_path: Path) -> None:
    """``save`` of an uploaded file is synchronous, as in Flask."""

    @app.post("/")
    def upload() -> str:
        flask.request.files["file"].save(tmp_path / "saved")
        return flask.request.form["name"] + str(flask.request.files["file"].filename)

    from quart.datastructures import FileStorage

    files = {"file": FileStorage(io.BytesIO(b"content"), "a.txt")}
    response = await app.test_client().post("/", files=files, form={"name": "ada"})
    assert await response.get_data(as_text=True) == "adaa.txt"
    assert (tmp_path / "saved").read_bytes() == b"content"


@pytest.mark.parametrize("kind", ["form", "json"])
async def test_body_on_loop(app: Any, kind: str) -> None:
    """On the event loop a body has to be read before; the error says how."""

    @app.post("/")
    async def view() -> Any:
        if kind == "form":
            read: Callable[[], Any] = lambda: flask.request.form["a"]  # noqa: E731
        else:
            read = lambda: flask.request.get_json()["a"]  # noqa: E731
        if "thread" in request.args:
            return await run_sync(read)()
        if "read" in request.args:
            await (request.form if kind == "form" else request.get_json())
        try:
            return read()
        except RuntimeError as error:
            return str(error)

    options: Any = {kind: {"a": "1"}}
    client = app.test_client()
    text = await (await client.post("/", **options)).get_data(as_text=True)
    assert "await request." in text and "run_sync" in text
    for query in ("?read=1", "?thread=1"):
        response = await client.post("/" + query, **options)
        assert await response.get_data(as_text=True) == "1"


async def test_scope() -> None:
    """Only the bridged application sets Flask's names, and only while it is current."""
    bridged, other, plain = bridge_flask(Quart("a")), bridge_flask(FaithfulQuart("b")), Quart("c")
    seen: list[Any] = []

    def look() -> str:
        seen.append(flask.current_app.name if flask.has_app_context() else None)
        return "ok"

    for app in (bridged, other, plain):
        app.get("/sync", endpoint="sync")(look)

        async def view() -> str:
            return look()

        app.get("/async")(view)
    clients = [app.test_client() for app in (bridged, other, plain)]
    await asyncio.gather(*(client.get(path) for client in clients for path in ("/sync", "/async")))
    assert sorted(map(str, seen)) == ["None", "None", "a", "a", "b", "b"]
    async with bridged.test_request_context("/"), other.test_request_context("/b"):
        assert (flask.current_app.name, flask.request.path) == ("b", "/b")
    assert not flask.has_app_context() and not flask.has_request_context()
    with pytest.raises(RuntimeError, match="outside of application context"):
        _ = flask.current_app.name


async def test_flask_inside() -> None:
    """A Flask application that runs in the same process, or is called by a view, is itself."""
    inner = flask.Flask("inner")
    app = bridge_flask(FaithfulQuart("outer"))

    @inner.get("/")
    def inner_view() -> str:
        flask.g.name = "inner"
        return f"{flask.current_app.name} {flask.request.args['a']}"

    @app.get("/")
    def view() -> list[str]:
        flask.g.name = "outer"
        text = inner.test_client().get("/?a=1").get_data(as_text=True)
        return [text, flask.current_app.name, flask.g.name, flask.request.path]

    response = await app.test_client().get("/")
    assert await response.get_json() == ["inner 1", "outer", "outer", "/"]


async def test_decorated_views(app: Any) -> None:
    """A decorator can look at the response of an asynchronous view, and of one it is given."""

    def decorator(view: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            response = flask.make_response(flask.current_app.ensure_sync(view)(*args, **kwargs))
            response.headers["X-Text"] = response.get_data(as_text=True)
            return response

        wrapper.__name__ = view.__name__
        return wrapper

    @app.get("/a/<int:number>")
    @decorator
    async def asynchronous(number: int) -> str:
        await asyncio.sleep(0)
        session["a"] = number
        return f"{request.path} {flask.session['a']}"

    @app.get("/s")
    @decorator
    def synchronous() -> tuple[str, int]:
        return "sync", 201

    @app.get("/error")
    @decorator
    async def error() -> str:
        flask.abort(404)

    client = app.test_client()
    assert (await client.get("/a/7")).headers["X-Text"] == "/a/7 7"
    response = await client.get("/s")
    assert (response.status_code, response.headers["X-Text"]) == (201, "sync")
    assert (await client.get("/error")).status_code == 404


async def test_async_to_sync(app: Any) -> None:
    """A decorator that knows no coroutines gets the result, and so does a script."""

    def decorator(view: Callable[..., Any]) -> Any:
        return lambda number: view(number) + "!"

    @async_to_sync
    async def view(number: int) -> str:
        """Return the number."""
        await asyncio.sleep(0)
        return f"{number} {(await request.form)['a']} {flask.request.form['a']}"

    app.post("/<int:number>", endpoint="view")(decorator(view))
    response = await app.test_client().post("/7", form={"a": "b"})
    assert await response.get_data(as_text=True) == "7 b b!"
    async with app.test_request_context("/", method="POST", form={"a": "c"}):
        assert await view(8) == "8 c c"
    assert (view.__name__, view.__doc__) == ("view", "Return the number.")


async def test_replaced_dispatch(app: Any) -> None:
    """An extension can replace the method that calls the view by a synchronous function."""
    for kind, view in (("async", _asynchronous), ("sync", lambda: "text")):
        app.get(f"/{kind}", endpoint=kind)(view)

    def dispatch() -> Any:
        flask.g.endpoint = flask.request.endpoint
        return app.view_functions[flask.request.endpoint]()

    @app.after_request
    def name(response: Any) -> Any:
        response.headers["X-Name"] = flask.g.get("endpoint", "")
        return response

    assert (await app.test_client().get("/async")).headers["X-Name"] == ""
    app.dispatch_request = dispatch
    for kind in ("async", "sync"):
        response = await app.test_client().get(f"/{kind}")
        assert await response.get_data(as_text=True) == "text"
        assert response.headers["X-Name"] == kind


async def test_templates_on_the_event_loop(app: Any) -> None:
    """An extension renders a template in a function that an asynchronous template calls."""

    @app.context_processor
    async def names() -> dict[str, str]:
        return {"name": "Ada"}

    async def later() -> str:
        await asyncio.sleep(0)
        return "later"

    def snippet(source: str) -> str:
        return flask.render_template_string(source, later=later)

    app.jinja_env.globals["snippet"] = snippet

    @app.get("/")
    async def index() -> str:
        return await render_template_string("{{ snippet('{{ name }}!') }} {{ name }}")

    @app.get("/later")
    async def waits() -> str:
        with pytest.raises(RuntimeError, match="the template waits for something"):
            snippet("{{ later() }}")
        return "refused"

    client = app.test_client()
    assert await (await client.get("/")).get_data(as_text=True) == "Ada! Ada"
    assert await (await client.get("/later")).get_data(as_text=True) == "refused"


async def test_replaced_error_handling(app: Any) -> None:
    """Flask-CORS replaces both methods by synchronous functions that convert the response."""

    def wrapper(method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(error: Any) -> Any:
            response = app.make_response(method(error))
            response.headers["X-Name"] = type(error).__name__
            return response

        return wrapped

    app.handle_exception = wrapper(app.handle_exception)
    app.handle_user_exception = wrapper(app.handle_user_exception)
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/error")
    async def error() -> None:
        raise ValueError

    @app.errorhandler(404)
    async def not_found(error: Any) -> Any:
        return flask.request.path, 404

    client = app.test_client()
    response = await client.get("/none")
    assert (response.status_code, response.headers["X-Name"]) == (404, "NotFound")
    assert await response.get_data(as_text=True) == "/none"
    response = await client.get("/error")
    assert (response.status_code, response.headers["X-Name"]) == (500, "ValueError")


async def _asynchronous() -> str:
    await asyncio.sleep(0)
    return "text"


def test_async_to_sync_in_a_script() -> None:
    @async_to_sync
    async def add(one: int, other: int) -> int:
        return one + other

    assert add(1, other=2) == 3


async def test_threads_wait_for_each_other(app: Any) -> None:
    """Threads that wait for asynchronous views leave threads to these views."""
    app.config["SYNC_THREADS"] = 2
    inside = 0

    def decorator(view: Any) -> Any:
        return lambda: flask.current_app.ensure_sync(view)()

    async def view() -> str:
        nonlocal inside
        inside += 1
        for _ in range(100):
            if inside < 2:  # Until both threads wait.
                await asyncio.sleep(0.01)
        text: str = await app.sync_to_async(lambda: "from a thread")()
        return text + str(await app.sync_to_async(decorator(view_below))())

    async def view_below() -> str:
        text: str = await app.sync_to_async(lambda: "!")()
        return text

    app.get("/", endpoint="index")(decorator(view))
    before = set(threading.enumerate())
    async with app.test_app() as running, asyncio.timeout(20):
        responses = await asyncio.gather(*(running.test_client().get("/") for _ in range(8)))
        texts = {await response.get_data(as_text=True) for response in responses}
    assert texts == {"from a thread!"}
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("bridged-")]


async def test_application_context(app: Any) -> None:
    """``with`` and ``push`` work where no event loop runs, and say what to write where one does."""
    torn_down: list[Any] = []

    @app.teardown_appcontext
    async def tear_down(error: Any) -> None:
        torn_down.append((flask.current_app.name, error))

    def script() -> str:
        with app.app_context():
            flask.g.a = "g"
            context = app.app_context()
            context.push()
            assert not hasattr(flask.g, "a")
            context.pop()
            return f"{flask.current_app.name} {flask.g.a}"

    assert await asyncio.to_thread(script) == "bridged g"
    assert torn_down == [("bridged", None)] * 2
    with pytest.raises(RuntimeError, match="async with"), app.app_context():
        pass
    async with app.app_context():
        assert flask.current_app.name == "bridged"
    assert not flask.has_app_context()


async def test_background_task_and_websocket(app: Any) -> None:
    """The application is current in background tasks and websockets."""
    names: list[str] = []

    @app.get("/")
    async def view() -> str:
        app.add_background_task(lambda: names.append(flask.current_app.name))
        return "ok"

    @app.websocket("/ws")
    async def socket() -> None:
        await websocket.send(f"{flask.current_app.name} {flask.has_request_context()}")

    async with app.test_app() as running:
        client = running.test_client()
        await client.get("/")
        async with client.websocket("/ws") as connection:
            assert await connection.receive() == "bridged False"
    assert names == ["bridged"]


async def test_client_block() -> None:
    """``flask.session`` and ``flask.g`` are there after a request in ``async with client``."""
    app = bridge_flask(FaithfulQuart("bridged"))
    app.secret_key = KEY

    @app.get("/<name>")
    async def view(name: str) -> str:
        flask.session["name"] = flask.g.name = name
        return name

    async with app.test_client() as client:
        for name in ("ada", "bob"):
            await client.get("/" + name)
            assert flask.request.path == "/" + name
            assert flask.session["name"] == name
            assert (flask.g.name, flask.current_app.name) == (name, "bridged")
    assert not flask.has_request_context() and not flask.has_app_context()


async def test_beside_flask() -> None:
    """A Flask original that is mounted next to the application is itself, also in its threads."""
    original, port = flask.Flask("original"), bridge_flask(FaithfulQuart("port"))

    def view() -> list[str]:
        flask.g.path = flask.request.path
        return [flask.current_app.name, flask.g.path, flask.request.args["a"]]

    original.get("/view")(view)
    port.get("/view")(view)
    port.asgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        port.asgi_app, {"/old": WSGIMiddleware(original.wsgi_app)}
    )
    client = port.test_client()
    paths = ["/view?a=1", "/old/view?a=2"] * 5
    responses = await asyncio.gather(*(client.get(path) for path in paths))
    expected = [["port", "/view", "1"], ["original", "/view", "2"]] * 5
    assert [await response.get_json() for response in responses] == expected


async def test_copied_context(app: Any) -> None:
    """``flask.copy_current_request_context`` works in another thread."""
    torn_down: list[str] = []

    @app.teardown_request
    def tear_down(error: Any) -> None:
        torn_down.append(flask.request.path)

    @app.get("/")
    def view() -> str:
        flask.session["a"] = "1"
        results: list[str] = []

        @flask.copy_current_request_context
        def work() -> None:
            results.append(f"{flask.request.path} {flask.session['a']} {flask.current_app.name}")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return results[0]

    response = await app.test_client().get("/")
    assert await response.get_data(as_text=True) == "/ 1 bridged"
    assert torn_down == ["/", "/"]


async def test_signals(app: Any) -> None:
    """Functions that are connected to Flask's signals receive those of the application."""
    received: list[str] = []

    def receiver(name: str) -> Callable[..., None]:
        return lambda sender, **values: received.append(f"{name} {sender is app} {sorted(values)}")

    names = [
        "request_started",
        "template_rendered",
        "request_finished",
        "request_tearing_down",
        "appcontext_tearing_down",
    ]
    receivers = [receiver(name) for name in names]
    for name, function in zip(names, receivers, strict=True):
        getattr(flask, name).connect(function, app)

    @app.get("/")
    async def view() -> str:
        return await quart.render_template_string("x")

    await app.test_client().get("/")
    assert received == [
        "request_started True []",
        "template_rendered True ['context', 'template']",
        "request_finished True ['response']",
        "request_tearing_down True ['exc']",
        "appcontext_tearing_down True ['exc']",
    ]


def test_nothing_is_left() -> None:
    """An application that is not used any more leaves nothing behind."""
    app = bridge_flask(Quart("gone"))
    connected = len(quart.signals.request_started.receivers)
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None
    assert len(quart.signals.request_started.receivers) < connected


def test_classes() -> None:
    """The class stays one of the user's, a second call changes nothing, and Flask is refused."""

    class MyQuart(FaithfulQuart):
        pass

    app = MyQuart("mine")
    assert bridge_flask(app) is app
    made = type(app)
    bridge_flask(app)
    assert type(app) is made
    assert made.__name__ == "MyQuart" and issubclass(made, MyQuart)
    assert type(MyQuart("other")) is MyQuart
    with pytest.raises(TypeError, match="Flask"):
        bridge_flask(flask.Flask("flask"))  # type: ignore[type-var]


def test_command() -> None:
    """A command that is written for Flask has an application context."""
    app: Any = bridge_flask(FaithfulQuart("bridged"))

    @app.cli.command()
    @flask.cli.with_appcontext
    def show() -> None:
        click.echo(flask.current_app.name)

    result = CliRunner().invoke(app.cli, ["show"], obj=ScriptInfo(create_app=lambda: app))
    assert (result.exit_code, result.output) == (0, "bridged\n"), result.exception


@pytest.fixture
def same_loggers() -> Iterator[None]:
    """Enable the loggers again that the ``env.py`` of Flask-Migrate disables."""
    before = {name for name in logging.root.manager.loggerDict if logging.getLogger(name).disabled}
    yield
    for name in logging.root.manager.loggerDict.keys() - before:
        logging.getLogger(name).disabled = False


@pytest.mark.usefixtures("same_loggers")
@pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda each: each.module)
async def test_extension(extension: Extension, no_blocking: BlockBuster) -> None:
    """Each extension that is installed works on Flask and with the bridge, as the README says."""
    no_blocking.deactivate()  # Extensions for Flask read files when they need them.
    pytest.importorskip(extension.module)
    assert await flask_extensions.run(extension, "flask") is None
    failed = await flask_extensions.run(extension, "bridge")
    assert (failed is None) is extension.works, failed
