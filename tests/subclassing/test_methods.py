"""Methods of the application that Quart has with other arguments or messages, next to Flask."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.logging import default_handler
from quart import Response, g, url_for, websocket
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from quartpatterns._shared import file_cache
from quartpatterns.subclassing import FaithfulBlueprint, FaithfulQuart, FaithfulRequest, names
from tests.counting_executor import CountingExecutor

TEXT = "héllo\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a file of UTF-16."""
    (tmp_path / "text").write_text(TEXT, encoding="utf-16-le", newline="")
    return tmp_path


@pytest.mark.parametrize("mode", ["r", "rt", "rb"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "latin1"])
async def test_resources(folder: Path, mode: str, encoding: str) -> None:
    """Resources of the application, of its instance folder and of a blueprint have an encoding."""
    path = str(folder)
    flask_app = flask.Flask(__name__, root_path=path, instance_path=path)
    app = FaithfulQuart(__name__, root_path=path, instance_path=path)
    flask_blueprint = flask.Blueprint("blue", __name__, root_path=path)
    blueprint = FaithfulBlueprint("blue", __name__, root_path=path)
    pairs: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (flask_app.open_resource, app.open_resource),
        (flask_app.open_instance_resource, app.open_instance_resource),
        (flask_blueprint.open_resource, blueprint.open_resource),
    ]
    for flask_open, quart_open in pairs:
        with flask_open("text", mode, encoding=encoding) as file:
            expected = file.read()
        async with await quart_open("text", mode, encoding=encoding) as resource:
            assert await resource.read() == expected


@pytest.mark.parametrize("mode", ["w", "x", "a", "r+", "wb"])
async def test_resources_for_writing(folder: Path, mode: str) -> None:
    """Only resources of the instance folder can be written."""
    path = str(folder)
    app = FaithfulQuart(__name__, root_path=path, instance_path=path)
    blueprint = FaithfulBlueprint("blue", __name__, root_path=path)
    for opening in (app.open_resource, blueprint.open_resource):
        with pytest.raises(ValueError, match="only be opened for reading"):
            await opening("text", mode)
    name = "new" if mode == "x" else "text"
    written: Any = TEXT.encode() if "b" in mode else TEXT
    async with await app.open_instance_resource(name, mode, encoding="utf-16-le") as file:
        await file.write(written)
    expected = TEXT.encode("utf-8" if "b" in mode else "utf-16-le")
    assert (folder / name).read_bytes().endswith(expected)


async def test_url_of_a_variable_self() -> None:
    """A variable of a rule can have the name ``self``."""
    flask_app, app = flask.Flask(__name__), FaithfulQuart(__name__)
    for each in (flask_app, app):
        each.add_url_rule("/<self>", "index")
    with flask_app.test_request_context():
        expected = flask.url_for("index", self="2", q="3")
    async with app.test_request_context("/"):
        assert url_for("index", self="2", q="3") == expected == "/2?q=3"


class Records(logging.Handler):
    """Keeps the messages of log records."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message of *record*."""
        assert record.exc_info is not None
        self.messages.append(record.getMessage())


@pytest.fixture
def records() -> Iterator[Records]:
    """Collect what the logger of the applications of this module writes."""
    handler = Records()
    logger = logging.getLogger(__name__)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.mark.parametrize("path", ["/fails", "/a/b%20c?d=e"])
async def test_log_of_an_error(records: Records, path: str) -> None:
    """An error that no handler answers is logged with Flask's message."""
    flask_app, app = flask.Flask(__name__), FaithfulQuart(__name__)
    for each in (flask_app, app):

        @each.route("/<path:path>", methods=["GET", "POST"])
        def fails(path: str) -> str:
            raise LookupError

    flask_app.test_client().post(path)
    response = await app.test_client().post(path)
    assert response.status_code == 500
    expected, logged = records.messages
    assert logged == expected


async def test_log_of_a_websocket(records: Records) -> None:
    """An error outside of a request is logged with Quart's message."""
    app = FaithfulQuart(__name__)

    @app.websocket("/ws")
    async def fails() -> None:
        await websocket.accept()
        raise LookupError

    async with app.test_client().websocket("/ws") as connection:
        with pytest.raises(Exception):  # noqa: B017
            await connection.receive()
    app.log_exception((None, None, None))
    assert records.messages == ["Exception on websocket /ws", "Exception"]


async def test_representation_of_g() -> None:
    """The representation of ``g`` names the application."""
    flask_app, app = flask.Flask("name"), FaithfulQuart("name")
    with flask_app.app_context():
        expected = repr(flask.g)
    async with app.app_context():
        assert repr(g) == expected == "<flask.g of 'name'>"
        kept = g._get_current_object()
    assert "AppGlobals" in repr(kept)


def views(app: Any) -> dict[str, Any]:
    """Add views whose return values are no responses."""
    wrong: dict[str, Any] = {
        "nothing": None,
        "boolean": True,
        "number": 1.5,
        "short": ("a",),
        "long": ("a", 200, {}, "b"),
    }
    for name, value in wrong.items():
        app.add_url_rule(f"/{name}", name, lambda value=value: value)
    return wrong


async def test_wrong_return_values() -> None:
    """The errors for wrong return values say what Flask's say."""
    flask_app, app = flask.Flask(__name__), FaithfulQuart(__name__)
    flask_app.testing = app.testing = True
    views(flask_app)
    parts = {
        "nothing": "returned None",
        "boolean": "it was a bool",
        "number": "it was a float",
        "short": "tuple must have the form",
        "long": "tuple must have the form",
    }
    for name in views(app):
        with pytest.raises(TypeError) as expected:
            flask_app.test_client().get(f"/{name}")
        with pytest.raises(TypeError) as raised:
            await app.test_client().get(f"/{name}")
        for text in (str(expected.value), str(raised.value)):
            assert parts[name] in text.replace("The tuple", "tuple")


def add_nothing(app: Any, module: Any) -> None:
    """Use the application as it is."""


def add_view(app: Any, module: Any) -> None:
    """Add a view and hooks."""
    app.get("/")(lambda: "")
    app.before_request(lambda: None)
    app.teardown_appcontext(lambda error: None)


def add_blueprint(app: Any, module: Any) -> None:
    """Register a blueprint with static files and a command."""
    blueprint = module.Blueprint("blue", __name__, static_folder="static")
    blueprint.cli.command("late")(lambda: None)
    app.register_blueprint(blueprint)


def add_context(app: Any, module: Any) -> None:
    """Create contexts and a client."""
    app.app_context()
    app.test_client()
    assert app.json.dumps(1) == "1"


@pytest.mark.parametrize("use", [add_nothing, add_view, add_blueprint, add_context])
def test_application_is_freed(use: Callable[[Any, Any], None]) -> None:
    """An application without references is freed at once, as in Flask."""
    gc.disable()
    try:
        for module in (flask, names):
            app = module.Flask(__name__)
            assert app.view_functions["static"]
            use(app, module)
            alive = weakref.ref(app)
            del app
            assert alive() is None, module
    finally:
        gc.enable()


async def test_static_files_of_a_subclass(tmp_path: Path) -> None:
    """A method ``send_static_file`` of a subclass sends the static files."""
    (tmp_path / "a.txt").write_text("a")

    class Own(FaithfulQuart):
        async def send_static_file(self, filename: str) -> Response:
            response = await super().send_static_file(filename)
            response.headers["X-Own"] = filename
            return response

    app = Own(__name__, static_folder=str(tmp_path), static_url_path="/static")
    response = await app.test_client().get("/static/a.txt")
    assert (await response.get_data(), response.headers["X-Own"]) == (b"a", "a.txt")


def limits(request: Any) -> tuple[int | None, int | None]:
    """Return the limits of a form."""
    return request.max_form_memory_size, request.max_form_parts


async def test_form_limits() -> None:
    """Limits of forms: outside of a context, from the settings, set by a view, and none."""
    flask_app, app = flask.Flask(__name__), FaithfulQuart(__name__)
    headers = Headers()
    request: Any = FaithfulRequest(
        "GET",
        "http",
        "/",
        b"",
        headers,
        "",
        "1.1",
        {},  # type: ignore[typeddict-item]
        send_push_promise=None,  # type: ignore[arg-type]
    )
    flask_request: Any = flask.Request(EnvironBuilder().get_environ())
    assert limits(request) == limits(flask_request) == (500_000, 1_000)
    for size, parts in [(50, 3), (None, None)]:
        for each in (flask_app, app):
            each.config.update(MAX_FORM_MEMORY_SIZE=size, MAX_FORM_PARTS=parts)
        with flask_app.app_context():
            expected = limits(flask_request)
        async with app.app_context():
            assert limits(request) == expected == (size, parts)
    for changed in (request, flask_request):
        changed.max_form_memory_size, changed.max_form_parts = 30, 4
    async with app.app_context():
        assert limits(request) == limits(flask_request) == (30, 4)
    assert limits(request) == (30, 4)


def test_default_log_handler(capsys: pytest.CaptureFixture[str]) -> None:
    """``flask.logging.default_handler`` writes the log, and can be removed."""
    app = FaithfulQuart("test_default_log_handler")
    root, logging.root.handlers = logging.root.handlers, []
    try:
        assert app.logger.handlers == [default_handler]
        app.logger.error("written")
        app.logger.removeHandler(default_handler)
        assert not app.logger.handlers
    finally:
        logging.root.handlers = root
    assert "ERROR in test_methods: written" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["r", "rb"])
async def test_small_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counting_executor: CountingExecutor, mode: str
) -> None:
    """A small resource is read in a thread once, until it changes. It has a file's attributes."""
    monkeypatch.setattr(file_cache, "_SETTLED", -1.0)
    (tmp_path / "a.txt").write_bytes(b"1\r\n2\r\n")
    app = FaithfulQuart(__name__, root_path=str(tmp_path))
    blueprint = FaithfulBlueprint("b", __name__, root_path=str(tmp_path))

    async def lines(owner: Any) -> list[Any]:
        async with await owner.open_resource("a.txt", mode) as file:
            assert (file.name, file.mode) == (str(tmp_path / "a.txt"), mode)
            found = [line async for line in file]
            await file.seek(0)
            assert await file.read() == type(found[0])().join(found)
        assert file.closed
        return found

    wanted = ["1\n", "2\n"] if mode == "r" else [b"1\r\n", b"2\r\n"]
    async with app.app_context():
        for owner in (app, blueprint, app):
            assert await lines(owner) == wanted
        assert counting_executor.count == 1
        (tmp_path / "a.txt").write_bytes(b"3")
        assert await lines(app) == [b"3" if mode == "rb" else "3"]
        assert counting_executor.count == 2


async def test_large_and_missing_resources(tmp_path: Path) -> None:
    """A large resource is read from the disk, and a missing one is Python's error."""
    (tmp_path / "large.bin").write_bytes(content := bytes(200_000))
    app = FaithfulQuart(__name__, root_path=str(tmp_path))
    for size in (0, 1024 * 1024):
        app.config["FILE_CACHE_SIZE"] = size
        app.extensions.clear()
        async with await app.open_resource("large.bin") as file:
            assert await file.read() == content
        with pytest.raises(FileNotFoundError):
            async with await app.open_resource("missing"):
                pass
