"""A database that can't answer: 503 with the remedy, and no word too much."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from pathlib import Path

import psycopg
import pytest
from quart import Blueprint, Quart, jsonify
from quart.typing import ResponseReturnValue
from quart.utils import run_sync
from sqlalchemy import MetaData, Table, make_url, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from quartpatterns.compare import services
from quartpatterns.compare.processes import free_port
from quartpatterns.sqlalchemy import DatabaseUnavailable, handle_database_error
from tests.conftest import unavailable
from tests.sqlalchemy.shop import Item, db, make_app, registration

LOCKED = "Another transaction is writing to the database. Try again in a moment."


def with_views(app: Quart) -> Quart:
    """Add views that read, write, fail, and use a value of the client's."""

    @app.get("/")
    async def read() -> str:
        return str(len((await db.session.scalars(select(Item))).all()))

    @app.get("/write")
    async def write() -> str:
        db.session.add(Item(name="written"))
        await db.session.commit()
        return ""

    @app.get("/reflected")
    async def reflected() -> str:
        async with db.engine.connect() as connection:
            table = await connection.run_sync(
                lambda sync: Table("item", MetaData(), autoload_with=sync)
            )
        return " ".join(table.c.keys())

    @app.get("/mistake")
    async def mistake() -> str:
        await db.session.execute(text("SELEKT 1"))
        return ""

    @app.get("/value/<path:value>")
    async def value(value: str) -> str:
        number = int(value) if value.isdecimal() else value
        column = Item.id if isinstance(number, int) else Item.name
        await db.session.scalars(select(Item).where(column == number))
        return ""

    return app


async def answer(app: Quart, path: str = "/") -> tuple[int, str, str | None]:
    """Status, text and Retry-After."""
    response = await app.test_client().get(path)
    page = await response.get_data(as_text=True)
    assert "Traceback" not in page
    body = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page)).strip()
    return response.status_code, body.replace("&#39;", "'"), response.headers.get("Retry-After")


@asynccontextmanager
async def on(app_class: type[Quart], url: str, **options: object) -> AsyncIterator[Quart]:
    app = with_views(make_app(app_class, url, options))
    yield app
    await registration(app).close()


@pytest.mark.parametrize("path", ["/", "/reflected"])
async def test_no_tables(
    app_class: type[Quart], url: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If migrations have not run, the answer and one log line name the command."""
    async with on(app_class, url) as app:
        status, body, retry_after = await answer(app, path)
    assert (status, retry_after) == (503, None)
    assert "Run `alembic upgrade head`" in body
    assert "item" not in body
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(records) == 1
    assert re.fullmatch(r".*alembic upgrade head.* \(.*item.*\)", records[0].getMessage())
    assert records[0].exc_info is None


async def test_old_tables(app_class: type[Quart], url: str) -> None:
    async with on(app_class, url) as app:
        async with app.app_context(), db.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE item (id INTEGER PRIMARY KEY)"))
        assert "alembic upgrade head" in (await answer(app))[1]
        assert "alembic upgrade head" in (await answer(app, "/write"))[1]


async def test_locked(
    app_class: type[Quart], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that another process writes to answers 503 with Retry-After, and logs no value."""
    file = tmp_path / "locked.db"
    async with on(app_class, f"sqlite:///{file}", connect_args={"timeout": 0.05}) as app:
        async with app.app_context():
            await db.create_all()
        other = sqlite3.connect(file)
        other.execute("BEGIN IMMEDIATE")
        status, body, retry_after = await answer(app, "/write")
        assert (status, retry_after) == (503, "1")
        assert "Try again" in body
        assert caplog.messages == [f"{LOCKED} (OperationalError: database is locked)"]
        assert (await answer(app))[0] == 200
        other.rollback()
        other.close()
        assert (await answer(app, "/write"))[0] == 200


@pytest.mark.parametrize(
    ("name", "content", "remedy"),
    [
        pytest.param("no/folder.db", None, "Create its folder", id="no folder"),
        pytest.param("text.db", b"no database" * 100, "not an SQLite database", id="no database"),
    ],
)
async def test_files(
    app_class: type[Quart], tmp_path: Path, name: str, content: bytes | None, remedy: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    async with on(app_class, f"sqlite:///{tmp_path / name}") as app:
        status, body, _ = await answer(app)
    assert status == 503
    assert remedy in body
    assert str(tmp_path) not in body


async def test_read_only(app_class: type[Quart], sqlite_url: str) -> None:
    file = make_url(sqlite_url).database
    async with on(app_class, sqlite_url) as app, app.app_context():
        await db.create_all()
    async with on(app_class, f"sqlite:///file:{file}?mode=ro&uri=true") as app:
        assert (await answer(app))[0] == 200
        status, body, _ = await answer(app, "/write")
    assert status == 503
    assert "can't be written" in body


async def test_no_server(app_class: type[Quart]) -> None:
    """An unreachable server raises an error of SQLAlchemy with each driver."""
    url = f"postgresql://user:secret@127.0.0.1:{free_port()}/name"
    async with on(app_class, url) as app:
        status, body, retry_after = await answer(app)
        assert (status, retry_after) == (503, "5")
        assert "SQLALCHEMY_DATABASE_URI" in body
        assert "secret" not in body
        async with app.app_context():
            with pytest.raises(DBAPIError):
                await db.session.execute(text("SELECT 1"))


async def test_wrong_password(
    app_class: type[Quart], postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = make_url(postgres_url).set(password="secret").render_as_string(hide_password=False)
    async with on(app_class, url) as app:
        status, body, _ = await answer(app)
    assert status == 503
    assert "refuses the user" in body
    assert "secret" not in body + caplog.text


async def test_no_such_database(app_class: type[Quart], postgres_url: str) -> None:
    async with on(app_class, f"{postgres_url}_missing") as app:
        status, body, _ = await answer(app)
    assert status == 503
    assert "Create it" in body


async def test_connection_lost(app_class: type[Quart], postgres_url: str) -> None:
    """After the server has dropped its connections, one request answers 503 and the next works."""
    async with on(app_class, postgres_url) as app:
        async with app.app_context():
            await db.create_all()
        assert (await answer(app))[0] == 200
        async with app.app_context():
            statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
            with pytest.raises(SQLAlchemyError):
                await db.session.execute(text(f"{statement} 0 AND datname = current_database()"))
        codes = [(await answer(app))[0] for _ in range(5)]
        assert codes[-1] == 200
        assert set(codes) <= {200, 503}


async def test_pool_exhausted(app_class: type[Quart], url: str) -> None:
    async with on(app_class, url, pool_size=1, max_overflow=0, pool_timeout=0.05) as app:
        async with app.app_context():
            await db.create_all()
            await db.session.scalars(select(Item))
            other = asyncio.create_task(answer(app), context=Context())
            status, body, retry_after = await other
        assert (status, retry_after) == (503, "1")
        assert "pool_size" in body
        assert (await answer(app))[0] == 200


@pytest.mark.parametrize("value", ["1" + "0" * 30, "%ED%A0%80", "a%00b"])
async def test_values(app_class: type[Quart], url: str, value: str) -> None:
    """A value that no column can store answers 400."""
    async with on(app_class, url) as app:
        async with app.app_context():
            await db.create_all()
        status, body, _ = await answer(app, f"/value/{value}")
        assert status == 400 or (status == 200 and not value.isdecimal()), body


async def test_program_errors(app: Quart) -> None:
    """A fault of the program answers 500."""
    with_views(app)
    assert (await answer(app, "/write"))[0] == 200
    for path in ("/mistake", "/write"):
        assert (await answer(app, path))[0] == 500


async def test_handler_of_the_application(app_class: type[Quart], sqlite_url: str) -> None:
    """The application's own page for 503 is shown, and gets the cause."""
    async with on(app_class, sqlite_url) as app:

        @app.errorhandler(503)
        async def unavailable(error: DatabaseUnavailable) -> ResponseReturnValue:
            return jsonify(cause=type(error.__cause__).__name__), 503

        response = await app.test_client().get("/")
        assert response.status_code == 503
        assert await response.get_json() == {"cause": "OperationalError"}


async def test_own_handler(app_class: type[Quart], sqlite_url: str) -> None:
    """The application's own handler for errors of SQLAlchemy wins, before and after init_app."""

    async def own(error: SQLAlchemyError) -> ResponseReturnValue:
        return "own", 418

    app = app_class(__name__)
    app.register_error_handler(SQLAlchemyError, own)
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    db.init_app(app)
    assert (await answer(with_views(app)))[:2] == (418, "own")
    async with on(app_class, sqlite_url) as other:
        other.register_error_handler(SQLAlchemyError, own)
        assert (await answer(other))[:2] == (418, "own")
    await registration(app).close()


async def test_handler_of_a_blueprint(app_class: type[Quart], sqlite_url: str) -> None:
    """``handle_database_error`` may be registered where the extension registers nothing."""
    views = Blueprint("views", __name__)
    views.register_error_handler(SQLAlchemyError, handle_database_error)

    @views.get("/table")
    async def table() -> str:
        await db.session.execute(text("SELECT * FROM missing"))
        return ""

    @views.get("/mistake")
    async def mistake() -> str:
        await db.session.execute(text("SELEKT 1"))
        return ""

    app = make_app(app_class, sqlite_url)
    app.register_blueprint(views)
    assert (await answer(app, "/table"))[0] == 503
    assert (await answer(app, "/mistake"))[0] == 500
    await registration(app).close()


async def test_server_stops(app_class: type[Quart]) -> None:
    """A server that stops while its connections are idle answers 503 at once."""
    with contextlib.ExitStack() as stack:
        try:
            url = await run_sync(stack.enter_context)(services.postgres())
        except services.ServiceMissingError as missing:
            unavailable(str(missing))
        async with on(app_class, url) as app:
            async with app.app_context():
                await db.create_all()
                lines = await db.session.scalar(text("SELECT pg_read_file('postmaster.pid')"))
            assert (await answer(app))[0] == 200
            os.kill(int(lines.split()[0]), signal.SIGINT)  # PostgreSQL's fast shutdown
            codes: list[int] = []
            async with asyncio.timeout(5):
                while codes.count(503) < 3:
                    codes.append((await answer(app))[0])
            assert set(codes) <= {200, 503}
        await run_sync(stack.close)()


async def test_connection_lost_after_the_last_query(
    app_class: type[Quart], postgres_url: str
) -> None:
    """A connection that is lost between the view and the teardown does not change the response."""
    async with on(app_class, postgres_url) as app:

        @app.get("/lost")
        async def lost() -> str:
            pid = await db.session.scalar(text("SELECT pg_backend_pid()"))

            def terminate() -> None:
                with psycopg.connect(postgres_url, autocommit=True) as connection:
                    connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

            await run_sync(terminate)()
            return "complete"

        assert (await answer(app, "/lost"))[:2] == (200, "complete")


async def test_table_changed(app_class: type[Quart], postgres_url: str) -> None:
    """A statement that was prepared before a migration fails once, which is a 503."""
    app = make_app(app_class, postgres_url, {"pool_size": 1, "max_overflow": 0})

    @app.get("/")
    async def view() -> str:
        rows = await db.session.execute(text("SELECT * FROM item"))
        return str(len(rows.all()))

    @app.get("/again")
    @db.retrying(first_wait=0.001)
    async def again() -> str:
        return await view()

    async with app.app_context():
        await db.create_all()
    client = app.test_client()
    assert (await client.get("/")).status_code == 200
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE item ALTER COLUMN id TYPE bigint")
    response = await client.get("/")
    assert (response.status_code, response.headers.get("Retry-After")) == (503, "1")
    assert (await client.get("/")).status_code == 200
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE item ALTER COLUMN id TYPE integer")
    assert (await client.get("/again")).status_code == 200
    await registration(app).close()
