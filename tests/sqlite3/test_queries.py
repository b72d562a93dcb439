"""Queries and their rows."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from quart import Quart

from quartpatterns._shared import sqlite_short_reads
from quartpatterns.sqlite3 import SQLite, get_db, make_dicts, query_db, stream_query
from quartpatterns.sqlite3.pool import PooledConnection
from tests.sqlite3.shop import INSERT, app_database, committed_names, database, make_app, numbers

INJECTIONS = [
    "'; DROP TABLE item; --",
    "x' OR '1'='1",
    '" OR ""="',
    "a\0b",
    "%",
    "\\",
    "?",
    ":name",
    "",
]


@pytest.mark.checks("SQ-6")
async def test_query_db(app: Quart) -> None:
    """Returns all rows, the first row or ``None``; values are given by position or by name."""
    async with app.app_context():
        for name in "abc":
            await query_db(INSERT, [name])
        rows = await query_db("SELECT name FROM item ORDER BY name")
        assert [row[0] for row in rows] == ["a", "b", "c"]
        assert await query_db("SELECT * FROM item WHERE name = ?", ["x"]) == []
        assert await query_db("SELECT * FROM item WHERE name = ?", ("x",), one=True) is None
        first = await query_db("SELECT name FROM item WHERE name > :n ORDER BY 1", {"n": "a"}, True)
        assert first["name"] == "b"
        assert await database(app).query_db("SELECT 1", one=True)


@pytest.mark.checks("SQ-6")
@pytest.mark.parametrize("value", INJECTIONS)
async def test_injection(app: Quart, value: str) -> None:
    """A value is never part of the statement."""
    async with app.app_context():
        await query_db(INSERT, [value])
        await query_db(INSERT, ["other"])
        found = await query_db("SELECT name FROM item WHERE name = ?", [value])
        assert [row[0] for row in found] == [value]


@pytest.mark.checks("SQ-6")
async def test_two_statements(app: Quart) -> None:
    """A second statement is an error, and is not executed."""
    async with app.app_context():
        with pytest.raises((sqlite3.Warning, sqlite3.ProgrammingError)):
            await query_db("SELECT 1; DROP TABLE item")
        assert await query_db("SELECT * FROM item") == []


@pytest.mark.checks("SQ-5")
async def test_rows(app: Quart) -> None:
    """A row has values by index and by name; with ``make_dicts`` it is a dict."""
    query = "SELECT 1 AS number, 'x' AS text"
    async with app.app_context():
        row = await query_db(query, one=True)
        assert (row[0], row["text"], list(row), row.keys()) == (
            1,
            "x",
            [1, "x"],
            ["number", "text"],
        )
        (await get_db()).row_factory = make_dicts  # type: ignore[assignment]
        assert await query_db(query) == [{"number": 1, "text": "x"}]


@pytest.mark.checks("SQ-5")
async def test_factory_of_the_application(app_class: type[Quart], file: Path) -> None:
    app = app_class(__name__)
    app.config["DATABASE"] = file
    db = SQLite(app, row_factory=make_dicts)
    plain = app_class(__name__)
    plain.config["DATABASE"] = file
    tuples = SQLite(plain, row_factory=None)
    async with app.app_context():
        assert await db.query_db("SELECT 1 AS a") == [{"a": 1}]
    async with plain.app_context():
        assert await tuples.query_db("SELECT 1 AS a") == [(1,)]
    await app_database(app).connections.close()
    await app_database(plain).connections.close()


@pytest.mark.checks("SQ-1", "SQ-8")
async def test_methods_of_aiosqlite(app: Quart) -> None:
    """The connection has the methods of :class:`aiosqlite.Connection`."""
    async with app.app_context():
        db = await get_db()
        assert isinstance(db, aiosqlite.Connection)
        cursor = await db.cursor()
        await cursor.execute(INSERT, ["a"])
        await cursor.close()
        async with db.execute("SELECT name FROM item") as rows:
            assert [row["name"] async for row in rows] == ["a"]
        await db.executemany(INSERT, [["b"], ["c"]])
        assert len(list(await db.execute_fetchall("SELECT * FROM item"))) == 3
        inserted = await db.execute_insert(INSERT, ["d"])
        assert inserted is not None and inserted[0] == 4
        assert db.total_changes >= 4
        await db.commit()
        assert [line async for line in db.iterdump()][-1] == "COMMIT;"
        async with aiosqlite.connect(":memory:") as copy:
            await db.backup(copy)
            assert len(list(await copy.execute_fetchall("SELECT * FROM item"))) == 4


async def test_round_trips(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query is one round trip to the thread; taking and returning a connection is none."""
    round_trips: list[Any] = []
    submit = PooledConnection.submit

    def counted(self: PooledConnection, function: Any) -> Any:
        round_trips.append(function)
        return submit(self, function)

    async with app.app_context():
        await get_db()
    monkeypatch.setattr(PooledConnection, "submit", counted)
    async with app.app_context():
        await query_db("SELECT 1", one=True)
        await query_db("SELECT * FROM item")
    assert len(round_trips) == 2
    async with app.app_context():
        async for _ in stream_query(numbers(55), batch_size=10):
            pass
    assert len(round_trips) == 5


async def test_run(app: Quart) -> None:
    """``run`` executes several statements in one round trip."""

    def move(connection: sqlite3.Connection, name: str, *, to: str) -> int:
        connection.execute(INSERT, [name])
        return connection.execute("UPDATE item SET name = ?", [to]).rowcount

    async with app.app_context(), database(app).transaction() as db:
        assert await db.run(move, "a", to="b") == 1
    assert await committed_names(app) == ["b"]


async def test_concurrent_queries(app: Quart) -> None:
    """Queries of one context at the same time get their own rows."""
    async with app.app_context():
        found = await asyncio.gather(
            *(query_db("SELECT ? AS n, ? AS m", [n, -n], one=True) for n in range(300))
        )
        assert [tuple(row) for row in found] == [(n, -n) for n in range(300)]


@pytest.mark.parametrize("value", [2**63, 10**30, "\ud800"])
async def test_value_that_no_column_can_store(app: Quart, value: object) -> None:
    async with app.app_context():
        with pytest.raises(sqlite3.DataError):
            await query_db("SELECT ?", [value])
        assert await query_db("SELECT 1", one=True)


@pytest.mark.parametrize("read_on_loop", [False, True])
async def test_read_on_loop(
    app_class: type[Quart], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_on_loop: bool
) -> None:
    """With the setting, a query that was short takes no round trip; other statements take one."""
    monkeypatch.setattr(sqlite_short_reads, "SHORT", 60.0)
    monkeypatch.setattr(sqlite_short_reads, "LIMIT", 60.0)
    app = make_app(app_class, tmp_path / "app.db", SQLITE_READ_ON_LOOP=read_on_loop)
    round_trips = 0
    submit: Any = PooledConnection.submit

    def count(connection: PooledConnection, function: Any) -> Any:
        nonlocal round_trips
        round_trips += 1
        return submit(connection, function)

    async with app.app_context():
        await query_db("CREATE TABLE item (name TEXT)")
        for _ in range(sqlite_short_reads.SHORT_RUNS):
            await query_db("SELECT * FROM item")
        monkeypatch.setattr(PooledConnection, "submit", count)
        await query_db("SELECT * FROM item")
        assert round_trips == (0 if read_on_loop else 1)
        await query_db("INSERT INTO item VALUES ('a')")
        # The rows of an open transaction.
        assert [tuple(row) for row in await query_db("SELECT * FROM item")] == [("a",)]
        assert round_trips == (2 if read_on_loop else 3)
    await app_database(app).connections.close()
