"""Processes end, and leave nothing behind: no thread, no lock, no word on stderr."""

from __future__ import annotations

from pathlib import Path

import pytest

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

async def query():
    async with app.app_context():
        await db.query_db("CREATE TABLE IF NOT EXISTS item (name)")
        await db.query_db("INSERT INTO item VALUES ('lost')")
"""

SCRIPTS = {
    "a script": """
asyncio.run(query())
left()
""",
    "a script with two loops": """
asyncio.run(query())
asyncio.run(query())
left()
""",
    "requests without lifespan": """
async def main():
    client = app.test_client()
    await asyncio.gather(*(client.get("/") for _ in range(20)))

asyncio.run(main())
left()
""",
    "contexts that are never left": """
async def main():
    async with app.test_client() as client:
        for _ in range(5):
            await client.get("/")
    await app.app_context().push()
    await db.query_db("SELECT 1")

asyncio.run(main())
left()
""",
    "a crash in a context": """
async def main():
    async with app.app_context():
        await db.query_db("SELECT 1")
        raise LookupError

try:
    asyncio.run(main())
except LookupError:
    left()
""",
    "an exit in a transaction": """
async def main():
    async with app.app_context(), db.transaction():
        await db.query_db("SELECT 1")
        sys.exit()

try:
    asyncio.run(main())
finally:
    left()
""",
    "Ctrl-C in a query": """
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background jobs ignore it.

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
    "a task left behind": """
async def main():
    tasks.append(asyncio.create_task(forever()))
    await asyncio.sleep(0.1)

async def forever():
    while True:
        await query()

tasks = []
asyncio.run(main())
left()
""",
}


@pytest.mark.checks("SQ-2", "SQ-3")
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_nothing_is_left(file: Path, script: str) -> None:
    """However a script ends, its threads end with its event loop, and it says nothing about it."""
    assert run(APP + script, DATABASE=str(file)) == ("['MainThread']", "", 0)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            """
loop = asyncio.new_event_loop()
loop.run_until_complete(query())
""",
            id="a loop that nobody closes",
        ),
        pytest.param(
            """
loop = asyncio.new_event_loop()
loop.run_until_complete(app.app_context().push())
loop.run_until_complete(query())
loop.close()
""",
            id="a loop closed by hand",
        ),
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
            id="an exit by force",
        ),
        pytest.param("threading.Thread(target=asyncio.run, args=[query()]).start()", id="a thread"),
    ],
)
def test_no_hanging(file: Path, script: str) -> None:
    """Also a process that does not end its event loop properly ends, and the next one works."""
    assert run(APP + script, DATABASE=str(file))[2] == 0
    assert run(APP + "asyncio.run(query())", DATABASE=str(file)) == ("", "", 0)


@pytest.mark.wire
@pytest.mark.parametrize("worker", ["asyncio", "uvloop"])
def test_server(file: Path, tmp_path: Path, worker: str) -> None:
    """Hypercorn with the application ends when it is asked to, and says nothing about it."""
    answer, said, code = serve_once(APP, tmp_path, worker, DATABASE=str(file))
    assert (answer, code) == (b"42", 0)
    assert "Error" not in said and "Warning" not in said and "Exception" not in said, said
    # The last connection that is closed takes the write-ahead log with it.
    assert not Path(f"{file}-wal").exists()
