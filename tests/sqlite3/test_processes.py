"""Processes end without a remaining thread, a lock on the database or output on stderr."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import databases
from tests.scripts import run, serve_once

APP = """
import asyncio, os, signal, sys, threading
from quart import Quart
from quartpatterns.sqlite3 import SQLite

app = Quart(__name__)
app.config["DATABASE"] = os.environ["DATABASE"]
db = SQLite(app)

@app.get("/")
async def index():
    return str((await db.query_db("SELECT 42", one=True))[0])

async def select():
    await db.query_db("SELECT 1")

async def query():
    async with app.app_context():
        await db.query_db("CREATE TABLE IF NOT EXISTS item (name)")
        await db.query_db("INSERT INTO item VALUES ('lost')")
"""

SCRIPTS = databases.SCRIPTS | {
    "a cancelled task": databases.CANCELLED_TASK,
    "a connection that is being opened": """
async def main():
    tasks.append(asyncio.create_task(query()))
    while threading.active_count() == 1:
        await asyncio.sleep(0)

tasks = []
asyncio.run(main())
left()
""",
    "an exit in a transaction": """
async def main():
    async with app.app_context(), db.transaction():
        await select()
        sys.exit()

try:
    asyncio.run(main())
finally:
    left()
""",
    "Ctrl-C in a query": """
signal.signal(signal.SIGINT, signal.default_int_handler)  # Background jobs of a shell ignore it.

async def main():
    async with app.app_context():
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
        await db.query_db(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )

try:
    asyncio.run(main())
except KeyboardInterrupt:
    left()
""",
    "a database in memory": """
app = Quart(__name__)
app.config["DATABASE"] = ":memory:"
db = SQLite(app)
asyncio.run(query())
left()
""",
    "a database that can't be opened": """
app = Quart(__name__)
app.config["DATABASE"] = "/nowhere/at/all.db"
db = SQLite(app)
import logging
logging.disable()
try:
    asyncio.run(query())
except Exception as error:
    assert "Create its folder" in str(error), error
left()
""",
}


@pytest.mark.checks("SQ-2", "SQ-3")
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_end_of_a_script(file: Path, script: str) -> None:
    """The threads of the connections end with the event loop, without output on stderr."""
    assert run(APP + script, DATABASE=str(file)) == ("['MainThread']", "", 0)


@pytest.mark.parametrize(
    "script",
    [
        *databases.OPEN_LOOPS,
        pytest.param(
            """
loop = asyncio.new_event_loop()
async def begin():
    await app.app_context().push()
    await db.query_db("CREATE TABLE IF NOT EXISTS item (name)")
    await db.query_db("INSERT INTO item VALUES ('lost')")
loop.run_until_complete(begin())
os._exit(0)
""",
            id="os._exit",
        ),
    ],
)
def test_event_loop_without_shutdown(file: Path, script: str) -> None:
    """The process ends, and the next one can use the database."""
    assert run(APP + script, DATABASE=str(file))[2] == 0
    assert run(APP + "asyncio.run(query())", DATABASE=str(file)) == ("", "", 0)


@pytest.mark.wire
@pytest.mark.parametrize("worker", ["asyncio", "uvloop"])
def test_server(file: Path, tmp_path: Path, worker: str) -> None:
    """Hypercorn with the application stops on SIGTERM, without errors or warnings."""
    body, errors, code = serve_once(APP, tmp_path, worker, DATABASE=str(file))
    assert (body, code) == (b"42", 0)
    assert not any(word in errors for word in ("Error", "Warning", "Exception")), errors
    # SQLite removes the write-ahead log when the last connection is closed.
    assert not Path(f"{file}-wal").exists()
