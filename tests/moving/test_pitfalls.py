"""What the pages of the tutorial say can go wrong, and how one sees it."""

# The code under test is Flask's, without annotations.
# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call, misc, name-defined"

from __future__ import annotations

import asyncio
import socketserver
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]
import pytest
import quart
from blockbuster import BlockBuster
from flask_sqlalchemy import SQLAlchemy as FlaskSQLAlchemy
from quart import Quart, session
from sqlalchemy import ForeignKey, delete, select, text
from sqlalchemy.exc import IntegrityError, MissingGreenlet
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

from quartpatterns import viewdecorators
from quartpatterns.appdispatch import RouteDispatcher, WSGIMiddleware
from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.subclassing import FaithfulQuart, ProxyFix
from tests.assembled import assemble, run

KEY = "for these tests only"


def beside(app: Any, flask_app: flask.Flask) -> Any:
    """Return a client of *app*, which passes other requests to *flask_app*."""
    app.asgi_app = RouteDispatcher(app, WSGIMiddleware(flask_app))
    return app.test_client()


async def text_of(client: Any, path: str, method: str = "GET") -> str:
    """Return the text of a response."""
    response = await client.open(path, method=method)
    body: str = await response.get_data(as_text=True)
    return body


@pytest.mark.parametrize(("key", "seen"), [(KEY, "ada"), ("another key", "nobody")])
async def test_secret_key(key: str, seen: str) -> None:
    """With another key the new application sees an empty session, and there is no error."""
    flask_app, app = flask.Flask("old"), FaithfulQuart("new", static_folder=None)
    flask_app.secret_key, app.secret_key = KEY, key

    @flask_app.post("/login")
    def log_in() -> str:
        flask.session["name"] = "ada"
        return "ok"

    @app.get("/name")
    async def name() -> str:
        return str(session.get("name", "nobody"))

    client = beside(app, flask_app)
    await text_of(client, "/login", "POST")
    assert await text_of(client, "/name") == seen


async def test_proxy() -> None:
    """``ProxyFix`` around both applications sets scheme and address for both."""
    flask_app, app = flask.Flask("old"), FaithfulQuart("new", static_folder=None)

    @flask_app.get("/old")
    def old() -> str:
        return f"{flask.request.scheme} {flask.request.remote_addr}"

    @app.get("/new")
    async def new() -> str:
        return f"{quart.request.scheme} {quart.request.remote_addr}"

    client = beside(app, flask_app)
    app.asgi_app = ProxyFix(app.asgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    for path in ("/old", "/new"):
        response = await client.get(path, headers=headers)
        assert await response.get_data(as_text=True) == "https 203.0.113.7"


async def test_hooks_of_flask() -> None:
    """Hooks and error handlers of the Flask application do not run for a route that has moved."""
    flask_app, app = flask.Flask("old"), FaithfulQuart("new", static_folder=None)
    calls: list[str] = []

    @flask_app.before_request
    def before() -> None:
        calls.append(f"before {flask.request.path}")

    @flask_app.after_request
    def after(response: flask.Response) -> flask.Response:
        response.headers["X-Old"] = "yes"
        return response

    @flask_app.errorhandler(418)
    def teapot(error: Exception) -> str:
        return "an error page of Flask"

    @flask_app.get("/old")
    def old() -> str:
        flask.abort(418)

    @app.get("/new")
    async def new() -> str:
        quart.abort(418)

    client = beside(app, flask_app)
    assert await text_of(client, "/old") == "an error page of Flask"
    assert "teapot" in await text_of(client, "/new")
    assert calls == ["before /old"]
    assert "X-Old" not in (await client.get("/new")).headers


NAMES: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("session", lambda: flask.session.get("a"), RuntimeError, "outside of request context"),
    ("request", lambda: flask.request.args, RuntimeError, "outside of request context"),
    ("g", lambda: flask.g.a, RuntimeError, "outside of application context"),
    ("current_app", lambda: flask.current_app.name, RuntimeError, "of application context"),
    ("url_for", lambda: flask.url_for("view"), RuntimeError, "outside of application context"),
    ("flash", lambda: flask.flash("a"), RuntimeError, "outside of request context"),
    ("jsonify", lambda: flask.jsonify(a=1), RuntimeError, "outside of application context"),
    (
        "render_template",
        lambda: flask.render_template_string("a"),
        RuntimeError,
        "outside of application context",
    ),
    (
        "current_user",
        lambda: flask_login.current_user.is_authenticated,
        AttributeError,
        "'NoneType' object has no attribute 'is_authenticated'",
    ),
    (
        "login_required",
        flask_login.login_required(lambda: "a"),
        RuntimeError,
        "outside of request context",
    ),
]


@pytest.mark.parametrize(
    ("call", "error", "message"), [each[1:] for each in NAMES], ids=[each[0] for each in NAMES]
)
async def test_flask_names(
    app_class: type[Quart], call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    """A name of Flask in a view of Quart is an error, and never another request's value."""
    app = app_class("new")
    app.secret_key = KEY

    @app.get("/")
    async def view() -> str:
        with pytest.raises(error, match=message):
            call()
        return "refused"

    assert await text_of(app.test_client(), "/") == "refused"


class Shared:
    """A Flask application and a Quart application with the same models and database."""

    def __init__(self, folder: Path) -> None:
        class Base(DeclarativeBase):
            pass

        self.db: Any = FlaskSQLAlchemy(model_class=Base)
        db = self.db

        class Person(db.Model):
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

        class Thing(db.Model):
            id: Mapped[int] = mapped_column(primary_key=True)
            person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
            person: Mapped[Any] = relationship(Person, lazy="select")

        self.person: Any = Person
        self.thing: Any = Thing
        self.flask_app = flask.Flask("old")
        self.flask_app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder / 'a.db'}"
        db.init_app(self.flask_app)
        self.app = FaithfulQuart("new")
        self.app.config.from_mapping(self.flask_app.config)
        self.new_db = SQLAlchemy(model_class=db.Model)
        self.new_db.init_app(self.app)

    def in_flask(self, function: Callable[[], Any]) -> Any:
        """Call a function in a context of Flask."""
        with self.flask_app.app_context():
            return function()

    async def in_quart(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """Call a function in a context of Quart."""
        async with self.app.app_context():
            return await function()


@pytest.fixture
async def shared(tmp_path: Path) -> Any:
    """Two applications with one database, which has a thing of Ada."""
    made = Shared(tmp_path)

    def fill() -> None:
        made.db.create_all()
        made.db.session.add(made.thing(person=made.person(name="Ada")))
        made.db.session.commit()

    await asyncio.to_thread(made.in_flask, fill)
    yield made
    await asyncio.to_thread(made.in_flask, lambda: made.db.engine.dispose())


async def test_shared_models(shared: Shared) -> None:
    """Both applications use the same models; a relationship has to be loaded with the query."""
    thing = shared.thing

    async def read() -> str:
        found: Any = await shared.new_db.session.scalar(select(thing))
        with pytest.raises(MissingGreenlet):
            _ = found.person
        query = select(thing).options(joinedload(thing.person))
        shared.new_db.session.expunge_all()
        found = await shared.new_db.session.scalar(query)
        name: str = found.person.name
        return name

    assert await shared.in_quart(read) == "Ada"


async def test_two_transactions(shared: Shared) -> None:
    """One application does not see what the other has not committed."""
    person = shared.person
    added, seen = threading.Event(), threading.Event()

    def add() -> None:
        shared.db.session.add(person(name="Bob"))
        shared.db.session.flush()
        added.set()
        assert seen.wait(30)
        shared.db.session.commit()

    async def names() -> list[str]:
        found = await shared.new_db.session.scalars(select(person.name).order_by(person.id))
        return list(found)

    # The file is in the mode of the write-ahead log from the first connection of Quart.
    assert await shared.in_quart(names) == ["Ada"]
    adding = asyncio.create_task(asyncio.to_thread(shared.in_flask, add))
    assert await asyncio.to_thread(added.wait, 30)
    assert await shared.in_quart(names) == ["Ada"]
    seen.set()
    await adding
    assert await shared.in_quart(names) == ["Ada", "Bob"]


async def test_sqlite(shared: Shared) -> None:
    """Quart's side turns the write-ahead log on, for both, and checks foreign keys, for itself."""
    person = shared.person

    def mode() -> Any:
        return shared.db.session.scalar(text("PRAGMA journal_mode"))

    assert await asyncio.to_thread(shared.in_flask, mode) == "delete"

    async def remove() -> None:
        await shared.new_db.session.execute(delete(person))

    with pytest.raises(IntegrityError):
        await shared.in_quart(remove)
    await asyncio.to_thread(shared.in_flask, lambda: shared.db.session.execute(delete(person)))
    assert await asyncio.to_thread(shared.in_flask, mode) == "wal"


async def test_signals() -> None:
    """A receiver of Flask-Login's signal is not called by the login manager of this package."""
    app = FaithfulQuart("new")
    app.secret_key = KEY
    manager = viewdecorators.LoginManager(app)
    calls: list[str] = []

    def old(sender: Any, **values: Any) -> None:
        calls.append("old")

    def new(sender: Any, **values: Any) -> None:
        calls.append("new")

    class User(viewdecorators.UserMixin):
        id = "1"

    manager.user_loader(lambda id: User())

    @app.post("/login")
    async def log_in() -> str:
        viewdecorators.login_user(User())
        return "ok"

    with (
        flask_login.user_logged_in.connected_to(old),
        viewdecorators.user_logged_in.connected_to(new),
    ):
        await text_of(app.test_client(), "/login", "POST")
    assert calls == ["new"]


async def test_sessions_on_the_server(tmp_path: Path, no_blocking: BlockBuster) -> None:
    """With Flask-Session on both sides, a session of Flask is one of Quart."""
    no_blocking.deactivate()
    flask_session = pytest.importorskip("flask_session")
    cachelib = pytest.importorskip("cachelib.file")
    flask_app, app = flask.Flask("old"), FaithfulQuart("new", static_folder=None)
    for each in (flask_app, app):
        cache = cachelib.FileSystemCache(str(tmp_path / "sessions"))
        each.config.update(SECRET_KEY=KEY, SESSION_TYPE="cachelib", SESSION_CACHELIB=cache)
        flask_session.Session(each)

    @flask_app.post("/login")
    def log_in() -> str:
        flask.session["name"] = "ada"
        return "ok"

    @app.get("/name")
    async def name() -> str:
        return str(session.get("name", "nobody"))

    client = beside(app, flask_app)
    await text_of(client, "/login", "POST")
    assert await text_of(client, "/name") == "ada"


class Mailbox(socketserver.StreamRequestHandler):
    """A mail server that keeps what it receives."""

    def handle(self) -> None:
        """Receive a mail."""
        self.wfile.write(b"220 ready\r\n")
        mail: list[bytes] | None = None
        for line in self.rfile:
            if mail is not None:
                if line != b".\r\n":
                    mail.append(line)
                    continue
                self.server.mails.append(b"".join(mail))  # type: ignore[attr-defined]
                mail = None
            if line.upper().startswith(b"DATA"):
                mail = []
                self.wfile.write(b"354 go on\r\n")
            elif line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@pytest.mark.slow
def test_deliver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``deliver`` sends to a mail server."""
    assemble("moving", 0, tmp_path / "toolshed")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.mails = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_address[1]}"
        (tmp_path / "toolshed" / "send.py").write_text(
            "from toolshed.mail import deliver\n"
            f"config = {{'MAIL_FOLDER': None, 'MAIL_SERVER': {host!r}}}\n"
            "deliver(config, 'ada@example.com', 'Hello', 'text')\n"
        )
        run(tmp_path / "toolshed", "send")
        server.shutdown()
        assert b"Subject: Hello" in server.mails[0]  # type: ignore[attr-defined]
