"""A database that can't answer: a clear 503 that names the remedy, never a traceback."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, request
from quart.utils import run_sync

from quartpatterns.sqlite3 import SQLite, get_db, handle_database_error, query_db
from tests.sqlite3.shop import app_database, make_app, none_in_use

INSERT = "INSERT INTO item (name) VALUES (?)"
ROOT = Path(__file__).parents[2]


Ask = Callable[..., Coroutine[None, None, tuple[int, str]]]


@pytest.fixture
async def ask(app_class: type[Quart]) -> AsyncIterator[Ask]:
    """Answers a statement that is sent to an application with some configuration."""
    made: list[Quart] = []

    async def ask(database: object, statement: str, *args: Any, **config: Any) -> tuple[int, str]:
        app = make_app(app_class, database, **{"SQLITE_BUSY_TIMEOUT": 0.1, **config})
        made.append(app)

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

    yield ask
    for app in made:
        await app_database(app).connections.close()


@pytest.fixture
async def made(app: Quart, file: Path) -> Path:
    """A database with an empty table ``item``, closed."""
    await app_database(app).connections.close()
    return file


async def test_missing_folder(ask: Ask, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The client is told what to do, the log where."""
    status, text = await ask(tmp_path / "nowhere" / "app.db", "SELECT 1")
    assert status == 503 and "Create its folder" in text
    assert "nowhere" in caplog.text


async def test_folder(ask: Ask, tmp_path: Path) -> None:
    status, text = await ask(tmp_path, "SELECT 1")
    assert status == 503 and "correct DATABASE" in text


async def test_no_database(ask: Ask, file: Path) -> None:
    """A file that is something else is not touched."""
    await run_sync(file.write_text)("Dear diary, " * 100)
    status, text = await ask(file, "SELECT 1")
    assert status == 503 and "not an SQLite database" in text
    assert (await run_sync(file.read_text)()).startswith("Dear diary")


async def test_no_table(ask: Ask, file: Path) -> None:
    status, text = await ask(file, "SELECT * FROM item")
    assert status == 503 and "quart init-db" in text


async def test_old_table(ask: Ask, made: Path) -> None:
    status, text = await ask(made, "SELECT colour FROM item")
    assert status == 503 and "quart init-db" in text


async def test_locked(ask: Ask, made: Path) -> None:
    """Somebody else's transaction is waited for, then the client is told to try again."""
    with closing(await run_sync(sqlite3.connect)(made, check_same_thread=False)) as stranger:
        await run_sync(stranger.execute)("BEGIN IMMEDIATE")
        assert (await ask(made, "SELECT * FROM item"))[0] == 200
        status, text = await ask(made, INSERT, "a")
        assert status == 503 and "Try again" in text


async def test_locked_while_opened(ask: Ask, tmp_path: Path) -> None:
    """A database that somebody holds for himself can't be opened, and then can."""
    file = tmp_path / "held.db"
    with closing(await run_sync(sqlite3.connect)(file, check_same_thread=False)) as stranger:
        await run_sync(stranger.executescript)("CREATE TABLE item (name); BEGIN EXCLUSIVE")
        status, text = await ask(file, "SELECT * FROM item")
        assert status == 503 and "Try again" in text
    assert (await ask(file, "SELECT * FROM item"))[0] == 200


async def test_opened_beside_a_writer(ask: Ask, tmp_path: Path) -> None:
    """A database without a write-ahead log gets it when a writer has ended, who is waited for."""
    file = tmp_path / "plain.db"
    with closing(await run_sync(sqlite3.connect)(file, check_same_thread=False)) as stranger:
        await run_sync(stranger.executescript)("CREATE TABLE item (name); BEGIN IMMEDIATE")
        asking = asyncio.create_task(ask(file, "PRAGMA journal_mode", SQLITE_BUSY_TIMEOUT=5))
        await asyncio.sleep(0.1)
        assert not asking.done()
        await run_sync(stranger.commit)()
        assert await asking == (200, "1")
        assert await ask(file, "SELECT * FROM pragma_journal_mode WHERE journal_mode = 'wal'") == (
            200,
            "1",
        )


async def test_full(ask: Ask, made: Path) -> None:
    """A disk that is full is named, and nothing is half written."""
    full = {"SQLITE_PRAGMAS": {"journal_mode": "WAL", "max_page_count": 4}}
    status, text = await ask(made, INSERT, "x" * 100_000, **full)
    assert status == 503 and "Free some space" in text
    assert await ask(made, "SELECT * FROM item", **full) == (200, "0")


async def test_too_big(ask: Ask, made: Path) -> None:
    """What no database holds is the client's fault."""
    for value in (2**64, "\ud800"):
        assert (await ask(made, INSERT, value))[0] == 400


async def test_read_only(ask: Ask, made: Path) -> None:
    """A database that is only read is read; to write to it is a 503."""
    assert (await ask(f"file:{made}?mode=ro", "SELECT * FROM item"))[0] == 200
    status, text = await ask(f"file:{made}?mode=ro", INSERT, "a")
    assert status == 503 and "can't be written" in text


async def test_read_only_journal(ask: Ask, tmp_path: Path) -> None:
    """A database without a write-ahead log keeps the journal it has, where it is only read."""
    file = tmp_path / "plain.db"
    with closing(await run_sync(sqlite3.connect)(file, check_same_thread=False)) as stranger:
        await run_sync(stranger.executescript)("CREATE TABLE item (name)")
    assert (await ask(f"file:{file}?mode=ro", "SELECT * FROM item"))[0] == 200


def test_no_permission() -> None:
    """A file that another user owns: it is read, and to write to it is a 503."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
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
    await app.test_client().get("/")  # which imports what nobody may read
    os.seteuid(65534)
    for statement in ("SELECT * FROM item", "{INSERT.replace("?", "1")}"):
        response = await app.test_client().get(f"/{{statement}}")
        print(response.status_code, html.unescape(await response.get_data(as_text=True)))
asyncio.run(main())
"""
    # Not below the folder of this run, which only its owner may enter.
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


async def test_faults_of_the_program(ask: Ask, made: Path) -> None:
    """A statement that is wrong is a fault of the program, and stays a 500."""
    assert (await ask(made, "SELEKT 1", PROPAGATE_EXCEPTIONS=False))[0] == 500
    assert (await ask(made, "SELECT ?", PROPAGATE_EXCEPTIONS=False))[0] == 500


async def test_own_handler(app_class: type[Quart], tmp_path: Path) -> None:
    """An application's own handler, and its own page for 503, go first."""
    app = app_class(__name__)
    app.config["DATABASE"] = tmp_path / "test.db"
    seen: list[sqlite3.Error] = []

    @app.errorhandler(sqlite3.Error)
    async def note(error: sqlite3.Error) -> Any:
        seen.append(error)
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
    assert len(seen) == 1
    await app_database(app).connections.close()


async def test_disk_gone(ask: Ask, made: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file is named, and the error logged once."""
    data = await run_sync(made.read_bytes)()
    await run_sync(made.write_bytes)(data[:4096] + os.urandom(len(data) - 4096))
    with caplog.at_level(logging.WARNING):
        status, text = await ask(made, "SELECT * FROM item")
    assert status == 503 and "damaged" in text
    assert caplog.text.count("damaged") == 1
