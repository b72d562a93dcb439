"""A SQLite connection in a worker thread."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from quartpatterns._shared.sqlite_thread import SQLiteConnection, SQLiteThread
from tests.serving import eventually

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
async def thread(tmp_path: Path) -> AsyncIterator[SQLiteThread]:
    thread = SQLiteThread(partial(sqlite3.connect, tmp_path / "test.db"))
    await thread.open()
    yield thread
    await asyncio.wait([thread.stop()])


def ask(connection: sqlite3.Connection, statement: str) -> list[tuple[object, ...]]:
    return connection.execute(statement).fetchall()


async def test_in_the_thread(thread: SQLiteThread) -> None:
    """A function runs in the thread, and gets the connection and its arguments."""
    connection = SQLiteConnection(thread)

    def where(raw: sqlite3.Connection, *, other: int) -> tuple[threading.Thread, object, int]:
        return threading.current_thread(), raw, other

    assert await connection.run(where, other=3) == (thread.worker, thread.raw, 3)
    assert thread.worker.daemon
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await connection.run(ask, "SELECT * FROM missing")


async def test_cancelled(thread: SQLiteThread) -> None:
    """Cancelling stops the statement that runs, and skips one that has not begun."""
    connection = SQLiteConnection(thread)
    running = asyncio.create_task(connection.run(ask, ENDLESS))
    queued = asyncio.create_task(connection.run(ask, "CREATE TABLE skipped (n)"))
    await asyncio.sleep(0.05)
    running.cancel()
    queued.cancel()
    await asyncio.wait([running, queued])
    async with asyncio.timeout(10):
        assert await connection.run(ask, "SELECT name FROM sqlite_master") == []


async def test_stop(thread: SQLiteThread) -> None:
    """What was submitted before is done; then the connection is closed and the thread ends."""
    raw, last = thread.raw, thread.submit(lambda: 42)
    stopping = thread.stop()
    assert thread.stop() is stopping
    stopping.cancel()
    assert await last == 42
    await eventually(lambda: not thread.worker.is_alive())
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        raw.in_transaction  # noqa: B018
    for use in (lambda: thread.raw, lambda: thread.submit(int)):
        with pytest.raises(sqlite3.OperationalError, match="no active connection"):
            use()


async def test_not_opened(tmp_path: Path) -> None:
    """A database that can't be opened, or never was, leaves no thread."""
    failed = SQLiteThread(partial(sqlite3.connect, tmp_path / "missing" / "test.db"))
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await failed.open()
    await failed.stop()
    await eventually(lambda: not failed.worker.is_alive())
    await SQLiteThread(partial(sqlite3.connect, ":memory:")).stop()


async def test_forgotten(tmp_path: Path) -> None:
    """A connection that nobody stops is closed with its last reference."""
    forgotten = SQLiteThread(partial(sqlite3.connect, tmp_path / "test.db"))
    await forgotten.open()
    worker = forgotten.worker
    del forgotten
    gc.collect()
    await eventually(lambda: not worker.is_alive())
