"""Processes end, and leave nothing behind: no thread, no connection, no word on stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from quartpatterns.compare.processes import accepts
from quartpatterns.compare.processes import free_port

ROOT = Path(__file__).parents[2]

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

def left():
    # A thread that has closed its connection may have a last step to go.
    others = set(threading.enumerate()) - {threading.main_thread()}
    for thread in others:
        thread.join(1)
    print([thread.name for thread in threading.enumerate()], flush=True)
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


def run(script: str, url: str) -> tuple[str, str, int]:
    """What *script* printed, said, and ended with; it is given twenty seconds."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", APP + script],
        env={**os.environ, "URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout.strip(), done.stderr, done.returncode


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_nothing_is_left(url: str, script: str) -> None:
    """However a script ends, its threads end with its event loop, and it says nothing about it."""
    printed, said, code = run(script, url)
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
    printed, said, code = run(script, url)
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
    assert run(script, url)[2] == 0


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
    port = free_port()
    (tmp_path / "application.py").write_text(APP)
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-m", "hypercorn"]
        + ["--bind", f"127.0.0.1:{port}", "--worker-class", worker, "--log-level", "warning"]
        + ["application:app"],
        env={**os.environ, "URL": url, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not accepts(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
            assert response.read() == b"42"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "Error" not in said and "Warning" not in said and "Exception" not in said, said
