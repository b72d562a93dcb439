"""A connection of its own: what sqlite3 does, and aiosqlite does not."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from quartpatterns.sqlite3 import connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


async def test_the_block_is_one_transaction(path: Path) -> None:
    """It is committed, or rolled back after an error, and the connection stays open."""
    connection = await connect(path)
    async with connection as same:
        assert same is connection
        await connection.execute("CREATE TABLE a (b UNIQUE)")
        await connection.executemany("INSERT INTO a VALUES (?)", [(1,), (2,)])
    with pytest.raises(connection.IntegrityError):
        async with connection:
            await connection.execute("INSERT INTO a VALUES (3)")
            await connection.execute("INSERT INTO a VALUES (1)")
    async with aclosing(await connect(path)) as other:
        cursor = await other.execute("SELECT b FROM a ORDER BY b")
        assert [row async for row in cursor] == [(1,), (2,)]
    await connection.close()


async def test_after_close(path: Path) -> None:
    connection = await connect(path)
    cursor = await connection.execute("SELECT 1")
    await connection.close()
    for use in (connection.execute("SELECT 1"), cursor.fetchone(), connection.commit()):
        with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
            await use
    await connection.close()


async def test_attributes_and_cursors(path: Path) -> None:
    async with aclosing(await connect(path, detect_types=sqlite3.PARSE_DECLTYPES)) as connection:
        connection.row_factory = sqlite3.Row
        connection.isolation_level = None
        closable: Any = await connection.cursor()
        async with aclosing(closable) as cursor:
            await cursor.executescript("CREATE TABLE a (b); INSERT INTO a VALUES (7)")
            row = await (await cursor.execute("SELECT b FROM a WHERE b = :b", {"b": 7})).fetchone()
            assert row and row["b"] == 7
        with pytest.raises(sqlite3.ProgrammingError):
            await cursor.fetchone()


async def test_a_forgotten_connection_is_closed(path: Path) -> None:
    """Its thread ends, and it holds no lock."""

    async def forget() -> None:
        connection = await connect(path)
        await connection.execute("CREATE TABLE a (b)")
        await connection.execute("INSERT INTO a VALUES (1)")
        worker = connection.thread.worker
        del connection
        gc.collect()
        await asyncio.to_thread(worker.join)

    await forget()
    async with aclosing(await connect(path, timeout=0)) as connection, connection:
        await connection.execute("INSERT INTO a VALUES (2)")


def test_another_event_loop(path: Path) -> None:
    """A connection belongs to the event loop on which it was opened."""
    connection = asyncio.run(connect(path))
    with pytest.raises(sqlite3.ProgrammingError, match="another event loop"):
        asyncio.run(connection.commit())


async def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await connect(tmp_path / "missing" / "app.db")
