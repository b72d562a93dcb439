"""Processes end, and leave nothing behind: no thread, no connection, no word on stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.scripts import ROOT, run, serve_once

APP = """
import asyncio, os, signal, sys, threading
from quart import Quart
from sqlalchemy import text
from quartpatterns.sqlalchemy import SQLAlchemy

db = SQLAlchemy()
app = Quart(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["URL"]
db.init_app(app)

@app.get("/")
async def index():
    return str((await db.session.execute(text("SELECT 42"))).scalar_one())

async def query():
    async with app.app_context():
        await db.session.execute(text("SELECT 1"))
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
    for _ in range(20):
        await client.get("/")

asyncio.run(main())
left()
""",
    "contexts that are never left": """
async def main():
    async with app.test_client() as client:
        for _ in range(5):
            await client.get("/")
    await app.app_context().push()
    await db.session.execute(text("SELECT 1"))

asyncio.run(main())
left()
""",
    "a crash in a context": """
async def main():
    async with app.app_context():
        await db.session.execute(text("SELECT 1"))
        raise LookupError

try:
    asyncio.run(main())
except LookupError:
    left()
""",
    "an exit in a context": """
async def main():
    async with app.app_context():
        await db.session.execute(text("SELECT 1"))
        sys.exit()

try:
    asyncio.run(main())
finally:
    left()
""",
    "Ctrl-C in a context": """
async def main():
    async with app.app_context():
        await db.session.execute(text("SELECT 1"))
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

# What runs in the background of a shell ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    left()
""",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_nothing_is_left(url: str, script: str) -> None:
    """However a script ends, its threads end with its event loop, and it says nothing about it."""
    printed, said, code = run(APP + script, URL=url)
    assert (printed, said, code) == ("['MainThread']", "", 0)


def test_task_left_behind(url: str) -> None:
    """A task that ``asyncio.run`` cancels, wherever it is, leaves nothing behind either.

    SQLAlchemy logs it where the cancellation hits a rollback, and closes the connection.
    """
    script = """
async def main():
    tasks.append(asyncio.create_task(forever()))
    await asyncio.sleep(0.1)

async def forever():
    while True:
        await query()

tasks = []
asyncio.run(main())
left()
"""
    printed, said, code = run(APP + script, URL=url)
    assert (printed, code) == ("['MainThread']", 0)
    assert not said or said.startswith("Exception during reset or similar"), said


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
        pytest.param("threading.Thread(target=asyncio.run, args=[query()]).start()", id="a thread"),
    ],
)
def test_no_hanging(url: str, script: str) -> None:
    """Also a process that does not end its event loop properly ends."""
    assert run(APP + script, URL=url)[2] == 0


def test_connections_are_closed(postgres_url: str) -> None:
    """A script closes its connections before it goes on, not when the process ends."""
    script = """
asyncio.run(query())
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", APP + script.replace("input()", "print(flush=True); input()")],
        env={**os.environ, "URL": postgres_url},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    with psycopg.connect(postgres_url) as connection:
        count = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        ).fetchone()
    process.communicate(b"\n")
    assert count == (0,)
    assert process.returncode == 0


@pytest.mark.wire
@pytest.mark.parametrize("worker", ["asyncio", "uvloop"])
def test_server(url: str, tmp_path: Path, worker: str) -> None:
    """Hypercorn with the application ends when it is asked to, and says nothing about it."""
    answer, said, code = serve_once(APP, tmp_path, worker, URL=url)
    assert (answer, code) == (b"42", 0)
    assert "Error" not in said and "Warning" not in said and "Exception" not in said, said
