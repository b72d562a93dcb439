"""The habits in docs/coming_from_flask/index.md: each row is what happens."""

# Applications are Any: they are of both classes.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import gc
import io
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import click
import flask
import pytest
import quart
from blockbuster import BlockBuster
from quart import Blueprint, Quart, current_app, g, request, session
from quart.datastructures import FileStorage
from quart.utils import run_sync

from quartpatterns import subclassing
from quartpatterns.subclassing import FaithfulQuart
from tests.assembled import DOCS

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")

PAGE = DOCS / "coming_from_flask" / "index.md"
PROVEN: set[str] = set()
Test = Callable[..., Any]


def habit(*rows: str) -> Callable[[Test], Test]:
    """Say which rows of the page a test proves, by their first cells."""
    PROVEN.update(rows)
    return lambda test: test


@pytest.fixture
def tracebacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Free tracebacks with coroutines that nobody has awaited, before the next test."""
    yield
    caplog.get_records("call").clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def app(app_class: type[Quart]) -> Any:
    """An application of both classes, which answers errors with 500."""
    made = app_class("habits")
    made.secret_key = "for these tests only"
    made.config["PROPAGATE_EXCEPTIONS"] = False
    return made


class Answer:
    """A response, and the warnings of its request."""

    def __init__(self, status: int, text: str, warned: list[str]) -> None:
        self.status = status
        self.text = text
        self.never_awaited = any("was never awaited" in each for each in warned)


async def ask(app: Any, path: str = "/", **options: Any) -> Answer:
    """POST to a started application."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        response = await app.test_client().post(path, **options)
        text = await response.get_data(as_text=True)
    return Answer(response.status_code, text, [str(each.message) for each in caught])


def faithful(app: Quart) -> bool:
    """Return whether it is the application class of this package."""
    return isinstance(app, FaithfulQuart)


def test_page() -> None:
    """Each row of the page has a test."""
    table = PAGE.read_text().partition("## Habits")[2].partition("\n[The page")[0]
    header, line, *rows = re.findall(r"^\| (.+?) \|", table, re.M)
    assert (header, line) == ("in Flask", "---")
    assert set(rows) == PROVEN


@habit('`request.form["name"]`')
@pytest.mark.usefixtures("tracebacks")
async def test_form(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without ``await`` it is a 500, whose log names the coroutine."""

    @app.post("/old")
    async def old() -> str:
        return str(request.form["name"])  # type: ignore[index]

    @app.post("/new")
    async def new() -> str:
        return str((await request.form)["name"])

    assert (await ask(app, "/new", form={"name": "Ada"})).text == "Ada"
    assert (await ask(app, "/old", form={"name": "Ada"})).status == 500
    assert "'coroutine' object is not subscriptable" in caplog.text


@habit("`if request.json:`")
async def test_condition(app: Any) -> None:
    """A coroutine is true."""

    @app.post("/old")
    async def old() -> str:
        return "yes" if request.json else "no"  # type: ignore[truthy-bool]

    @app.post("/new")
    async def new() -> str:
        return "yes" if await request.json else "no"

    assert (await ask(app, "/new", json={})).text == "no"
    answer = await ask(app, "/old", json={})
    assert (answer.text, answer.never_awaited) == ("yes", True)


@habit('`request.files["a"].save(path)`')
async def test_save(app: Any, tmp_path: Path) -> None:
    """Without ``await`` no file is written."""

    @app.post("/old")
    async def old() -> str:
        (await request.files)["a"].save(tmp_path / "old")  # type: ignore[unused-coroutine]
        return "saved"

    @app.post("/new")
    async def new() -> str:
        await (await request.files)["a"].save(tmp_path / "new")
        return "saved"

    for path in ("/old", "/new"):
        files = {"a": FileStorage(io.BytesIO(b"x"), "a.txt")}
        answer = await ask(app, path, files=files)
        assert (answer.text, answer.never_awaited) == ("saved", path == "/old")
    assert os.listdir(tmp_path) == ["new"]


@habit('`session["a"]`, `g.a`')
async def test_session(app: Any) -> None:
    """Both are as in Flask."""

    @app.before_request
    async def before() -> None:
        g.a = "g"

    @app.post("/")
    async def view() -> str:
        session["a"] = session.get("a", 0) + 1
        return f"{g.a}{session['a']}"

    client = app.test_client()
    for expected in ("g1", "g2"):
        response = await client.post("/")
        assert await response.get_data(as_text=True) == expected


@habit("`from flask import session` in a view of Quart")
async def test_flask_session(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Names of Flask are an error."""

    @app.post("/")
    async def view() -> str:
        return str(flask.session.get("a"))

    assert (await ask(app)).status == 500
    assert "Working outside of request context" in caplog.text


@habit('`flash("Saved.")`')
async def test_flash(app: Any) -> None:
    """Quart's own loses the message."""
    functions = {"quart": quart.flash, "ours": subclassing.flash}

    @app.post("/<name>")
    async def view(name: str) -> list[str]:
        functions[name]("Saved.")
        return quart.get_flashed_messages()  # type: ignore[return-value]

    lost = await ask(app, "/quart")
    assert (lost.text.strip(), lost.never_awaited) == ("[]", True)
    if faithful(app):
        kept = await ask(app, "/ours")
        assert (kept.text.strip(), kept.never_awaited) == ('["Saved."]', False)


@habit('`return render_template("a.html")`')
@pytest.mark.usefixtures("tracebacks")
async def test_template(app: Any) -> None:
    """In an asynchronous view it is a 500."""

    @app.post("/async")
    async def asynchronous() -> Any:
        return quart.render_template_string("page")

    @app.post("/sync")
    def synchronous() -> Any:
        return quart.render_template_string("page")

    assert (await ask(app, "/async")).status == 500
    assert (await ask(app, "/sync")).status == (200 if faithful(app) else 500)


@habit("`send_file(path)`, `make_response(text)`")
@pytest.mark.usefixtures("tracebacks")
async def test_responses(app: Any, no_blocking: BlockBuster) -> None:
    """Without ``await`` it is a 500."""
    no_blocking.deactivate()
    old: dict[str, Callable[[], Any]] = {
        "send_file": lambda: quart.send_file(__file__),
        "make_response": lambda: quart.make_response("text"),
    }

    @app.post("/old/<name>")
    async def view(name: str) -> Any:
        return old[name]()

    @app.post("/new/<name>")
    async def new(name: str) -> Any:
        return await old[name]()

    for name in old:
        assert (await ask(app, f"/old/{name}")).status == 500
        assert (await ask(app, f"/new/{name}")).status == 200


@habit('`url_for("a")`, `redirect("/")`, `abort(404)`, `jsonify(a=1)`')
async def test_not_awaited(app: Any) -> None:
    """These are not awaited."""

    @app.post("/<name>", endpoint="a")
    async def view(name: str) -> Any:
        match name:
            case "url_for":
                return quart.url_for("a", name="b")
            case "redirect":
                return quart.redirect("/")
            case "abort":
                quart.abort(404)
            case _:
                return quart.jsonify(a=1)

    assert (await ask(app, "/url_for")).text == "/b"
    assert (await ask(app, "/redirect")).status == 302
    assert (await ask(app, "/abort")).status == 404
    assert (await ask(app, "/jsonify")).text.strip() == '{"a":1}'


@habit("`response.get_data()` in `after_request`")
async def test_after_request(app: Any) -> None:
    """It is a coroutine."""

    @app.after_request
    async def after(response: Any) -> Any:
        made = response.get_data()
        response.headers["X-Old"] = type(made).__name__
        response.headers["X-New"] = (await made).decode()
        return response

    @app.post("/")
    async def view() -> str:
        return "text"

    headers = (await app.test_client().post("/")).headers
    assert (headers["X-Old"], headers["X-New"]) == ("coroutine", "text")


@habit("the order of `before_request`")
async def test_before_request(app: Any) -> None:
    """The application's functions come first, in their order, whether they wait or not."""
    calls: list[str] = []
    blueprint = Blueprint("b", __name__)

    @blueprint.before_request
    async def of_blueprint() -> None:
        calls.append("blueprint")

    @app.before_request
    def first() -> None:
        calls.append("first")

    @app.before_request
    async def second() -> None:
        await asyncio.sleep(0)
        calls.append("second")

    @blueprint.post("/")
    async def view() -> str:
        return "ok"

    app.register_blueprint(blueprint)
    await ask(app)
    assert calls == ["first", "second", "blueprint"]


VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


@habit("a `ContextVar` that a `def` hook sets")
@pytest.mark.parametrize(("kind", "seen"), [("def", "unset"), ("async def", "set")])
async def test_context_variable(app: Any, kind: str, seen: str) -> None:
    """A thread has a copy of the context."""

    async def asynchronous() -> None:
        VARIABLE.set("set")

    def synchronous() -> None:
        VARIABLE.set("set")

    app.before_request(synchronous if kind == "def" else asynchronous)

    @app.post("/")
    async def view() -> str:
        return VARIABLE.get()

    async with app.test_app():
        assert (await asyncio.create_task(ask(app))).text == seen


@habit("the order of `teardown_appcontext`")
async def test_teardown(app: Any) -> None:
    """Quart runs the first function first."""
    calls: list[str] = []
    for name in ("first", "second"):
        app.teardown_appcontext(lambda error, name=name: calls.append(name))

    @app.post("/")
    async def view() -> str:
        return "ok"

    await ask(app)
    assert calls == (["second", "first"] if faithful(app) else ["first", "second"])


@habit("a decorator that returns `view()`", "a decorator that uses the result of `view()`")
@pytest.mark.usefixtures("tracebacks")
async def test_decorators(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A wrapper gets a coroutine from an asynchronous view."""

    async def view() -> str:
        return "text"

    app.post("/returns", endpoint="returns")(lambda: view())
    app.post("/uses", endpoint="uses")(lambda: view().upper())  # type: ignore[attr-defined]

    @app.post("/awaits")
    async def awaits() -> str:
        return (await view()).upper()

    assert (await ask(app, "/returns")).status == (200 if faithful(app) else 500)
    assert (await ask(app, "/awaits")).text == "TEXT"
    assert (await ask(app, "/uses")).status == 500
    assert "'coroutine' object has no attribute" in caplog.text


@habit("a view returns a generator")
async def test_generator(app: Any) -> None:
    """Both kinds of generators are streams."""
    threads: list[bool] = []
    loop_thread = threading.current_thread()

    @app.post("/sync")
    async def synchronous() -> Any:
        def generate() -> Any:
            threads.append(threading.current_thread() is loop_thread)
            yield from "ab"

        return generate()

    @app.post("/async")
    async def asynchronous() -> Any:
        async def generate() -> Any:
            for each in "ab":
                yield each

        return generate()

    for path in ("/sync", "/async"):
        assert (await ask(app, path)).text == "ab"
    assert threads == [False]


@habit("a stream that takes longer than a minute")
async def test_long_stream(app: Any) -> None:
    """Quart cuts it off, and the status stays 200."""
    app.config["RESPONSE_TIMEOUT"] = 0.2

    @app.post("/")
    async def view() -> Any:
        async def generate() -> Any:
            for each in "abcd":
                yield each
                await asyncio.sleep(0.1)

        return generate()

    answer = await ask(app)
    assert answer.status == 200
    assert (answer.text == "abcd") is faithful(app)


@habit("`stream_with_context(generate())`")
@pytest.mark.usefixtures("tracebacks")
async def test_stream_with_context(app: Any) -> None:
    """Quart's own takes a function, and on Quart its ``g`` is empty."""

    async def generate() -> Any:
        yield str(g.get("name", "nobody"))

    @app.post("/<name>")
    async def view(name: str) -> Any:
        g.name = "Ada"
        if name == "ours":
            return subclassing.stream_with_context(generate())
        if name == "function":
            return quart.stream_with_context(generate)()
        return quart.stream_with_context(generate())

    assert (await ask(app, "/ours")).text == "Ada"
    assert (await ask(app, "/function")).text == ("Ada" if faithful(app) else "nobody")
    assert (await ask(app, "/generator")).status == 500


@habit('`client.get("/").status_code`', "`response.json` in a test")
async def test_client(app: Any) -> None:
    """Requests are awaited, and so is the JSON of a response."""

    @app.get("/")
    async def view() -> dict[str, int]:
        return {"a": 1}

    client = app.test_client()
    pending = client.get("/")
    with pytest.raises(AttributeError, match="has no attribute 'status_code'"):
        _ = pending.status_code
    response = await pending
    made = response.json
    assert asyncio.iscoroutine(made)
    assert await made == {"a": 1}


@habit('`client.post("/", data={"a": "1"})`')
async def test_client_data(app: Any) -> None:
    """Quart's client takes the keys of a mapping for the body."""

    @app.post("/")
    async def view() -> Any:
        return (await request.form).to_dict()

    expected = '{"a":"1"}' if faithful(app) else "{}"
    assert (await ask(app, data={"a": "1"})).text.strip() == expected
    assert (await ask(app, form={"a": "1"})).text.strip() == '{"a":"1"}'


@habit("`@app.cli.command()`")
@pytest.mark.usefixtures("tracebacks")
async def test_command(app: Any) -> None:
    """Quart calls an asynchronous command, and never awaits it."""

    @app.cli.command("sync")
    def synchronous() -> None:
        click.echo("done")

    @app.cli.command("async")
    async def asynchronous() -> None:
        click.echo("done")

    def invoke(name: str) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = app.test_cli_runner().invoke(args=[name])
        assert result.exit_code == 0
        output: str = result.output
        return output

    assert await asyncio.to_thread(invoke, "sync") == "done\n"
    assert await asyncio.to_thread(invoke, "async") == ("done\n" if faithful(app) else "")


@habit("`with app.app_context():`")
async def test_application_context(app: Any) -> None:
    """A context is entered with ``async with``."""
    with pytest.raises(TypeError, match="context manager"), app.app_context():
        pass
    async with app.app_context():
        assert current_app.name == "habits"


@habit("`flask.request_started.connect(f)`")
async def test_signals(app: Any) -> None:
    """The signals of Flask are not sent."""
    calls: list[str] = []

    def old(sender: Any, **values: Any) -> None:
        calls.append("flask")

    def new(sender: Any, **values: Any) -> None:
        calls.append("quart")

    @app.post("/")
    async def view() -> str:
        return "ok"

    with (
        flask.request_started.connected_to(old),
        quart.request_started.connected_to(new),
    ):
        await ask(app)
    assert calls == ["quart"]


@habit("`current_app` in a `threading.Thread`")
async def test_thread(app: Any) -> None:
    """A thread has no context, and ``run_sync`` keeps it."""
    errors: list[str] = []

    def work() -> None:
        try:
            _ = current_app.name
        except RuntimeError as error:
            errors.append(str(error))

    @app.post("/")
    async def view() -> str:
        thread = threading.Thread(target=work)
        thread.start()
        await asyncio.to_thread(thread.join)
        name: str = await run_sync(lambda: current_app.name)()
        return name

    assert (await ask(app)).text == "habits"
    assert len(errors) == 1


@habit("`time.sleep(1)`, `requests.get(url)` in a view")
async def test_blocking(app: Any, no_blocking: BlockBuster) -> None:
    """Nothing else runs while an asynchronous view blocks."""
    no_blocking.deactivate()
    released = threading.Event()

    @app.post("/async")
    async def asynchronous() -> str:
        asyncio.get_running_loop().call_soon(released.set)
        return str(released.wait(0.1))

    @app.post("/sync")
    def synchronous() -> str:
        loop.call_soon_threadsafe(released.set)
        return str(released.wait(30))

    loop = asyncio.get_running_loop()
    assert (await ask(app, "/async")).text == "False"
    released.clear()
    assert (await ask(app, "/sync")).text == "True"


@habit("no limit for request bodies")
async def test_body_limit(app: Any) -> None:
    """The default is 16 MiB."""

    @app.post("/")
    async def view() -> str:
        return str(len(await request.get_data()))

    assert app.config["MAX_CONTENT_LENGTH"] == 16 * 2**20
    assert (await ask(app, data=b"x" * (16 * 2**20 + 1))).status == 413
    app.config["MAX_CONTENT_LENGTH"] = None
    assert (await ask(app, data=b"x" * (16 * 2**20 + 1))).status == 200


@habit("`app.wsgi_app = Middleware(app.wsgi_app)`", "`request.environ`")
async def test_wsgi(app: Any) -> None:
    """There is no WSGI. FaithfulQuart has an environment without the body."""
    with pytest.raises(AttributeError, match="asgi_app" if faithful(app) else "wsgi_app"):
        _ = app.wsgi_app

    @app.post("/")
    async def view() -> str:
        if faithful(app):
            with pytest.raises(KeyError, match=r"request\.body"):
                _ = request.environ["wsgi.input"]  # type: ignore[attr-defined]
        else:
            with pytest.raises(AttributeError):
                _ = request.environ  # type: ignore[attr-defined]
        return "refused"

    assert (await ask(app)).text == "refused"
