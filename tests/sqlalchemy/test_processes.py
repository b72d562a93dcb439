"""Processes end without a remaining thread, a connection or output on stderr."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests import databases
from tests.scripts import ROOT, run, serve_once

# Each test starts a process or more.
pytestmark = pytest.mark.slow

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

async def select():
    await db.session.execute(text("SELECT 1"))

async def query():
    async with app.app_context():
        await select()
"""

SCRIPTS = databases.SCRIPTS | {
    "an exit in a context": """
async def main():
    async with app.app_context():
        await select()
        sys.exit()

try:
    asyncio.run(main())
finally:
    left()
""",
    "Ctrl-C in a context": """
async def main():
    async with app.app_context():
        await select()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

# A background process of a shell ignores the signal by default.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    left()
""",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_no_thread_is_left(url: str, script: str) -> None:
    """However a script ends, its threads end with its event loop, and it prints no error."""
    output, errors, code = run(APP + script, URL=url)
    assert (output, errors, code) == ("['MainThread']", "", 0)


def test_cancelled_task(url: str) -> None:
    """No thread is left of a task that ``asyncio.run`` cancels, wherever it is.

    SQLAlchemy logs an error and closes the connection if a rollback is cancelled.
    """
    output, errors, code = run(APP + databases.CANCELLED_TASK, URL=url)
    assert (output, code) == ("['MainThread']", 0)
    assert not errors or errors.startswith("Exception during reset or similar"), errors


@pytest.mark.parametrize("script", databases.OPEN_LOOPS)
def test_open_event_loop(url: str, script: str) -> None:
    """A process that does not shut down its event loop ends, too."""
    assert run(APP + script, URL=url)[2] == 0


def test_connections_are_closed(postgres_url: str) -> None:
    """A script closes its connections before it goes on, not when the process ends."""
    script = """
asyncio.run(query())
print(flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", APP + script],
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
    """Hypercorn with the application ends after SIGTERM, and logs no error."""
    body, errors, code = serve_once(APP, tmp_path, worker, URL=url)
    assert (body, code) == (b"42", 0)
    assert not re.search("Error|Warning|Exception", errors), errors
