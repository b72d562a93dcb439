"""Responses to errors of the database: a 503 that names the remedy, a 400 or a 500."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, request
from quart.utils import run_sync

from quartpatterns.sqlite3 import (
    DatabaseUnavailable,
    SQLite,
    diagnose,
    get_db,
    handle_database_error,
    query_db,
)
from tests.sqlite3.shop import INSERT, app_database, make_app, none_in_use, other_connection

ROOT = Path(__file__).parents[2]


Send = Callable[..., Coroutine[None, None, tuple[int, str]]]


@pytest.fixture
async def send(app_class: type[Quart]) -> AsyncIterator[Send]:
    """Send a statement to an application; returns the status and the text of the response."""
    apps: list[Quart] = []

    async def send(database: object, statement: str, *args: Any, **config: Any) -> tuple[int, str]:
        app = make_app(app_class, database, **{"SQLITE_BUSY_TIMEOUT": 0.1, **config})
        apps.append(app)

        @app.post("/")
        async def view() -> str:
            db = await get_db()
            rows = await db.query(str(await request.get_data(as_text=True)), args)
            await db.commit()
            return str(len(rows))

        response = await app.test_client().post("/", data=statement.encode())
        text = unescape(await response.get_data(as_text=True))
        assert "Traceback" not in text and str(database) not in text
        assert await none_in_use(app)
        return response.status_code, text

    yield send
    for app in apps:
        await app_database(app).connections.close()


@pytest.fixture
async def database_file(app: Quart, file: Path) -> Path:
    """A database with an empty table ``item``, closed."""
    await app_database(app).connections.close()
    return file


async def test_missing_folder(send: Send, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The response names the remedy, and the log names the path."""
    status, text = await send(tmp_path / "missing" / "app.db", "SELECT 1")
    assert status == 503 and "Create its folder" in text
    assert "missing" in caplog.text


async def test_folder(send: Send, tmp_path: Path) -> None:
    status, text = await send(tmp_path, "SELECT 1")
    assert status == 503 and "correct DATABASE" in text


async def test_not_a_database(send: Send, file: Path) -> None:
    """A file that is not a database is not changed."""
    await run_sync(file.write_text)("Dear diary, " * 100)
    status, text = await send(file, "SELECT 1")
    assert status == 503 and "not an SQLite database" in text
    assert (await run_sync(file.read_text)()).startswith("Dear diary")


async def test_no_table(send: Send, file: Path) -> None:
    status, text = await send(file, "SELECT * FROM item")
    assert status == 503 and "quart init-db" in text


async def test_missing_column(send: Send, database_file: Path) -> None:
    status, text = await send(database_file, "SELECT colour FROM item")
    assert status == 503 and "quart init-db" in text


async def test_locked(send: Send, database_file: Path) -> None:
    """A write waits for another connection's transaction; after the timeout, it is a 503."""
    async with other_connection(database_file, "BEGIN IMMEDIATE"):
        assert (await send(database_file, "SELECT * FROM item"))[0] == 200
        status, text = await send(database_file, INSERT, "a")
        assert status == 503 and "Try again" in text


async def test_locked_while_opened(send: Send, tmp_path: Path) -> None:
    """A database with an exclusive lock can't be opened until the lock is released."""
    file = tmp_path / "held.db"
    async with other_connection(file, "CREATE TABLE item (name); BEGIN EXCLUSIVE"):
        status, text = await send(file, "SELECT * FROM item")
        assert status == 503 and "Try again" in text
    assert (await send(file, "SELECT * FROM item"))[0] == 200


async def test_opened_during_a_write(send: Send, tmp_path: Path) -> None:
    """Turning on the write-ahead log waits for another connection's transaction."""
    file = tmp_path / "plain.db"
    async with other_connection(file, "CREATE TABLE item (name); BEGIN IMMEDIATE") as writer:
        task = asyncio.create_task(send(file, "PRAGMA journal_mode", SQLITE_BUSY_TIMEOUT=60))
        await asyncio.sleep(0.1)
        assert not task.done()
        await run_sync(writer.commit)()
        assert await task == (200, "1")
        assert await send(file, "SELECT * FROM pragma_journal_mode WHERE journal_mode = 'wal'") == (
            200,
            "1",
        )


async def test_full(send: Send, database_file: Path) -> None:
    """If the disk is full, the response says so, and nothing is stored."""
    full = {"SQLITE_PRAGMAS": {"journal_mode": "WAL", "max_page_count": 4}}
    status, text = await send(database_file, INSERT, "x" * 100_000, **full)
    assert status == 503 and "Free some space" in text
    assert await send(database_file, "SELECT * FROM item", **full) == (200, "0")


async def test_value_that_no_column_can_store(send: Send, database_file: Path) -> None:
    """The response is a 400."""
    for value in (2**64, "\ud800"):
        assert (await send(database_file, INSERT, value))[0] == 400


async def test_read_only(send: Send, database_file: Path) -> None:
    """A read-only database can be read; a write is a 503."""
    assert (await send(f"file:{database_file}?mode=ro", "SELECT * FROM item"))[0] == 200
    status, text = await send(f"file:{database_file}?mode=ro", INSERT, "a")
    assert status == 503 and "can't be written" in text


async def test_read_only_journal(send: Send, tmp_path: Path) -> None:
    """A read-only database without a write-ahead log keeps its journal mode."""
    file = tmp_path / "plain.db"
    async with other_connection(file, "CREATE TABLE item (name)"):
        pass
    assert (await send(f"file:{file}?mode=ro", "SELECT * FROM item"))[0] == 200


def test_no_permission() -> None:
    """A file of another user can be read; a write is a 503."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    script = f"""
import asyncio, html, os, sqlite3
from quart import Quart
from quartpatterns.sqlite3 import SQLite
sqlite3.connect("app.db").executescript("CREATE TABLE item (name)")
os.chmod("app.db", 0o644)
os.chmod(".", 0o755)
app = Quart("x")
app.config.update(DATABASE=os.path.abspath("app.db"))
db = SQLite(app)
@app.get("/<statement>")
async def view(statement):
    return str(await db.query_db(statement))
async def main():
    await app.test_client().get("/")  # imports modules that the other user may not read
    os.seteuid(65534)
    for statement in ("SELECT * FROM item", "{INSERT.replace("?", "1")}"):
        response = await app.test_client().get(f"/{{statement}}")
        print(response.status_code, html.unescape(await response.get_data(as_text=True)))
asyncio.run(main())
"""
    # The other user may not enter the temporary folder of pytest.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.stdout.startswith("200 []\n503 "), done.stderr
    assert "can't be written. Let the server's user write to it" in done.stdout


async def test_invalid_statements(send: Send, database_file: Path) -> None:
    """An invalid statement is a fault of the program: a 500."""
    assert (await send(database_file, "SELEKT 1", PROPAGATE_EXCEPTIONS=False))[0] == 500
    assert (await send(database_file, "SELECT ?", PROPAGATE_EXCEPTIONS=False))[0] == 500


@pytest.mark.parametrize(
    ("code", "retry_after"),
    [
        (sqlite3.SQLITE_BUSY, 1),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, 1),
        (sqlite3.SQLITE_LOCKED, 1),
        (sqlite3.SQLITE_IOERR_WRITE, None),
        (sqlite3.SQLITE_READONLY_DBMOVED, None),
    ],
)
def test_diagnose(code: int, retry_after: int | None) -> None:
    """Extended result codes count as their primary ones; a lock is worth another try."""
    error = sqlite3.OperationalError("an error")
    error.sqlite_errorcode = code
    found = diagnose(error)
    assert isinstance(found, DatabaseUnavailable)
    assert found.retry_after == retry_after


async def test_own_handler(app_class: type[Quart], tmp_path: Path) -> None:
    """An application's own handlers for ``sqlite3.Error`` and for 503 are called."""
    app = app_class(__name__)
    app.config["DATABASE"] = tmp_path / "test.db"
    errors: list[sqlite3.Error] = []

    @app.errorhandler(sqlite3.Error)
    async def record(error: sqlite3.Error) -> Any:
        errors.append(error)
        return await handle_database_error(error)

    @app.errorhandler(503)
    async def page(error: Exception) -> tuple[str, int]:
        return f"own page: {error}", 503

    SQLite(app)

    @app.get("/")
    async def view() -> str:
        return str(await query_db("SELECT * FROM missing"))

    response = await app.test_client().get("/")
    assert response.status_code == 503
    assert (await response.get_data(as_text=True)).startswith("own page")
    assert len(errors) == 1
    await app_database(app).connections.close()


async def test_damaged_file(
    send: Send, database_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The response says that the file is damaged; the error is logged once."""
    data = await run_sync(database_file.read_bytes)()
    await run_sync(database_file.write_bytes)(data[:4096] + os.urandom(len(data) - 4096))
    with caplog.at_level(logging.WARNING):
        status, text = await send(database_file, "SELECT * FROM item")
    assert status == 503 and "damaged" in text
    assert caplog.text.count("damaged") == 1
