"""Which reads are executed on the event loop, and which are repeated in the thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quartpatterns._shared import sqlite_short_reads
from quartpatterns._shared.sqlite_short_reads import SHORT_RUNS, TURNS, ShortReads
from quartpatterns._shared.sqlite_thread import SQLiteThread
from tests.serving import eventually

SELECT = "SELECT n FROM numbers WHERE n <= ?"
# With one number of steps that ends soon, and with another one that does not.
COUNT = (
    "SELECT count(i) FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    " WHERE i < ?) SELECT i FROM n)"
)


class Reader:
    """Executes statements in *thread*, and records in which thread each execution was."""

    def __init__(self, thread: SQLiteThread) -> None:
        self.thread = thread
        self.executions: list[str] = []

    async def read(self, statement: str, *values: Any) -> list[Any]:
        def execute() -> list[Any]:
            in_worker = threading.current_thread() is self.thread.worker
            self.executions.append("thread" if in_worker else "loop")
            return self.thread.raw.execute(statement, values).fetchall()

        return await self.thread.submit_read(statement, execute)

    async def warm_up(self, statement: str, *values: Any) -> None:
        """Execute *statement* until the event loop may execute it."""
        for _ in range(SHORT_RUNS):
            await self.read(statement, *values)
        assert self.executions == ["thread"] * SHORT_RUNS
        self.executions.clear()


@pytest.fixture(autouse=True)
def loaded_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no statement be too long because the machine does something else."""
    monkeypatch.setattr(sqlite_short_reads, "SHORT", 60.0)
    monkeypatch.setattr(sqlite_short_reads, "LIMIT", 60.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "test.db") as connection:
        connection.execute("CREATE TABLE numbers (n)")
        connection.execute("INSERT INTO numbers VALUES (1), (2)")
    connection.close()
    return tmp_path / "test.db"


@pytest.fixture
async def reader(path: Path) -> AsyncIterator[Reader]:
    connect = partial(sqlite3.connect, path, check_same_thread=False, isolation_level=None)
    thread = SQLiteThread(connect, short_reads=ShortReads())
    await thread.open()
    yield Reader(thread)
    await asyncio.wait([thread.stop()])


async def test_short(reader: Reader) -> None:
    """A statement that was short several times is executed on the event loop; one in 16 is not."""
    await reader.warm_up(SELECT, 1)
    for _ in range(2 * TURNS):
        assert await reader.read(SELECT, 2) == [(1,), (2,)]
    assert reader.executions == (["loop"] * (TURNS - 1) + ["thread"]) * 2


async def test_not_a_select(reader: Reader) -> None:
    """A statement that may write stays in the thread."""
    for _ in range(2 * SHORT_RUNS):
        await reader.read("INSERT INTO numbers VALUES (3) RETURNING n")
    assert set(reader.executions) == {"thread"}


async def test_in_the_thread_too_long(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that is not short in the thread stays there."""
    monkeypatch.setattr(sqlite_short_reads, "SHORT", 0.0)
    for _ in range(2 * SHORT_RUNS):
        await reader.read(SELECT, 1)
    assert set(reader.executions) == {"thread"}


async def test_abandoned(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that takes too long is abandoned, repeated in the thread, and stays there."""
    await reader.warm_up(COUNT, 1)
    monkeypatch.setattr(sqlite_short_reads, "LIMIT", 0.0)
    assert await reader.read(COUNT, 100_000) == [(100_000,)]
    assert await reader.read(COUNT, 1) == [(1,)]
    assert reader.executions == ["loop", "thread", "thread"]


async def test_progress_handler_afterwards(reader: Reader) -> None:
    """A statement in the thread is stopped when it is cancelled, also after reads on the loop."""
    await reader.warm_up(SELECT, 1)
    await reader.read(SELECT, 1)
    reading = asyncio.create_task(reader.read(COUNT, 1 << 60))
    await asyncio.sleep(0.05)
    reading.cancel()
    await asyncio.wait([reading])
    async with asyncio.timeout(10):
        await reader.thread.submit(int)


async def test_locked(reader: Reader, path: Path) -> None:
    """A statement that finds a lock does not wait on the event loop, but in the thread."""
    await reader.warm_up(SELECT, 1)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    reading = asyncio.create_task(reader.read(SELECT, 2))
    await eventually(lambda: bool(reader.executions))
    writer.execute("COMMIT")
    writer.close()
    assert await reading == [(1,), (2,)]
    assert reader.executions == ["loop", "thread"]
    # The busy timeout is the connection's again.
    assert await reader.read("PRAGMA busy_timeout") == [(5000,)]


async def test_in_a_transaction(reader: Reader) -> None:
    """In a transaction all is in the thread: a repeated read might see something else."""
    await reader.warm_up(SELECT, 1)
    await reader.thread.submit(partial(reader.thread.raw.execute, "BEGIN"))
    await reader.read(SELECT, 1)
    assert reader.executions == ["thread"]


async def test_busy_thread(reader: Reader) -> None:
    """While the thread uses the connection, the event loop does not."""
    await reader.warm_up(SELECT, 1)
    begun, end = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        end.wait()

    busy = reader.thread.submit(wait)
    reading = asyncio.create_task(reader.read(SELECT, 1))
    await asyncio.to_thread(begun.wait)
    assert reader.executions == []
    end.set()
    await asyncio.gather(busy, reading)
    assert reader.executions == ["thread"]


async def test_error(reader: Reader) -> None:
    """An error on the event loop reaches the caller, and nothing is repeated."""
    await reader.warm_up(SELECT, 1)
    with pytest.raises(sqlite3.ProgrammingError, match="bindings"):
        await reader.read(SELECT)
    with pytest.raises(OverflowError):
        await reader.read(SELECT, 1 << 64)
    assert reader.executions == ["loop", "loop"]


async def test_closed(reader: Reader) -> None:
    """After the end of the thread nothing is executed on the event loop either."""
    await reader.warm_up(SELECT, 1)
    await reader.thread.stop()
    with pytest.raises(sqlite3.OperationalError, match="no active connection"):
        await reader.read(SELECT, 1)


async def test_many_statements(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of remembered statements is limited."""
    monkeypatch.setattr(sqlite_short_reads, "MAX_STATEMENTS", 2)
    await reader.warm_up(SELECT, 1)
    for number in range(2):
        await reader.read(f"SELECT {number}")
    await reader.read(SELECT, 1)
    assert set(reader.executions) == {"thread"}


async def test_off(path: Path) -> None:
    """By default all reads are in the thread."""
    thread = SQLiteThread(partial(sqlite3.connect, path))
    await thread.open()
    reader = Reader(thread)
    for _ in range(2 * SHORT_RUNS):
        await reader.read(SELECT, 1)
    assert set(reader.executions) == {"thread"}
    await thread.stop()
