"""Queries and their rows, which are the same in the thread and on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import aiosqlite
import pytest
from quart import Quart

from quartpatterns._shared import sqlite_short_reads, sqlite_thread
from quartpatterns._shared.sqlite_short_reads import ShortReads
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


@pytest.fixture(params=["thread", "loop", "abandoned"])
def read_on_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """Whether each ``SELECT`` outside of a transaction is executed on the event loop.

    If it is abandoned there, it is executed a second time in the thread.
    """
    executed: list[str] = []
    execute: Any = ShortReads.execute

    def record(reads: ShortReads, statement: str, *args: Any) -> Any:
        executed.append(statement)
        return execute(reads, statement, *args)

    monkeypatch.setattr(sqlite_thread, "TURNS", 1 << 60)
    monkeypatch.setattr(sqlite_short_reads, "LIMIT", 0.0 if request.param == "abandoned" else 60.0)
    monkeypatch.setattr(sqlite_short_reads, "PROGRESS_STEPS", 1)
    monkeypatch.setattr(ShortReads, "is_short", is_select)
    monkeypatch.setattr(ShortReads, "execute", record)
    yield request.param != "thread"
    assert request.param != "thread" or not executed


def is_select(reads: ShortReads, statement: str) -> bool:
    return statement.lstrip().upper().startswith("SELECT")


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


@pytest.mark.parametrize("read_on_loop", [False])
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


async def test_handlers_of_the_connection(app: Quart) -> None:
    """Handlers that a context has set see its statements, and no others."""
    seen: list[str] = []
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def allow_no_pragma(action: int, *names: str | None) -> int:
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_PRAGMA else sqlite3.SQLITE_OK

    async with app.app_context():
        await cast("Any", await get_db()).set_trace_callback(seen.append)
        await query_db("SELECT * FROM item")
        assert seen == ["SELECT * FROM item"]
    async with app.app_context():
        await (await get_db()).set_progress_handler(count, 1)
        await query_db("SELECT 1")
        steps = 0
        await query_db("PRAGMA user_version")
        assert steps
    async with app.app_context():
        await (await get_db()).set_authorizer(allow_no_pragma)
        assert await query_db("SELECT * FROM item") == []


@pytest.mark.parametrize("answer", [sqlite3.SQLITE_DENY, sqlite3.SQLITE_IGNORE])
async def test_authorizer_of_each_connection(
    app_class: type[Quart], file: Path, read_on_loop: bool, answer: int
) -> None:
    """An application may forbid a pragma on all connections."""
    app = make_app(app_class, file, SQLITE_READ_ON_LOOP=read_on_loop)

    def forbid_busy_timeout(action: int, name: str | None, *_: str | None) -> int:
        return answer if name == "busy_timeout" else sqlite3.SQLITE_OK

    @database(app).on_connect
    def set_authorizer(connection: sqlite3.Connection) -> None:
        connection.set_authorizer(forbid_busy_timeout)

    async with app.app_context():
        assert [tuple(row) for row in await query_db("SELECT 1")] == [(1,)]
    await app_database(app).connections.close()


async def test_changes(app: Quart) -> None:
    """A query changes neither the counters of changes nor the transaction."""
    async with app.app_context():
        db = await get_db()
        await db.executemany(INSERT, [["a"], ["b"]])
        await db.commit()
        counters = "SELECT changes(), total_changes(), last_insert_rowid()"
        for _ in range(2):
            assert tuple(await query_db(counters, one=True)) == (1, 2, 2)
        assert (db.total_changes, db.in_transaction) == (2, False)


async def test_transaction_by_hand(app: Quart, file: Path) -> None:
    """In a transaction begun with ``BEGIN``, all queries see the same rows."""
    count = "SELECT count(*) FROM item"
    async with app.app_context():
        db = await get_db()
        await db.execute("BEGIN DEFERRED")
        assert (await query_db(count, one=True))[0] == 0
        async with app.app_context():
            await query_db(INSERT, ["a"])
            await (await get_db()).commit()
        assert (await query_db(count, one=True))[0] == 0
        await db.rollback()
        assert (await query_db(count, one=True))[0] == 1


async def test_attached_database(app: Quart) -> None:
    async with app.app_context():
        await query_db("ATTACH ':memory:' AS other")
        await query_db("CREATE TABLE other.item (name TEXT)")
        await query_db("INSERT INTO other.item VALUES ('a')")
        await (await get_db()).commit()
        assert [tuple(row) for row in await query_db("SELECT * FROM other.item")] == [("a",)]
        await query_db("DETACH other")
        assert await query_db("SELECT * FROM item") == []


async def test_text_factory(app: Quart) -> None:
    async with app.app_context():
        (await get_db()).text_factory = bytes
        assert tuple(await query_db("SELECT 'x'", one=True)) == (b"x",)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("bad"), ValueError),
        (StopIteration(1), RuntimeError),
        (OverflowError("large"), sqlite3.DataError),
        (sqlite3.OperationalError("own"), sqlite3.OperationalError),
        (asyncio.CancelledError(), asyncio.CancelledError),
    ],
)
async def test_row_factory_that_fails(
    app: Quart, error: BaseException, expected: type[BaseException]
) -> None:
    def fail(cursor: sqlite3.Cursor, row: Any) -> Any:
        raise error

    async with app.app_context():
        (await get_db()).row_factory = fail  # type: ignore[assignment]
        with pytest.raises(expected):
            await query_db("SELECT 1")
        (await get_db()).row_factory = None
        assert await query_db("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    ("query", "args", "error"),
    [
        ("SELECT ?", [], sqlite3.ProgrammingError),
        ("SELECT ?", [object()], sqlite3.Error),
        ("SELECT ?", 5, sqlite3.ProgrammingError),
        ("SELECT * FROM missing", [], sqlite3.OperationalError),
        ("SELECT * FROM", [], sqlite3.OperationalError),
        ("SELECT\0 1", [], sqlite3.ProgrammingError),
        ("SELECT json('{')", [], sqlite3.OperationalError),
        ("SELECT CAST(x'ff' AS TEXT)", [], sqlite3.OperationalError),
    ],
)
async def test_query_that_fails(app: Quart, query: str, args: Any, error: type[Exception]) -> None:
    async with app.app_context():
        with pytest.raises(error):
            await query_db(query, args)
        assert tuple(await query_db("SELECT 1", one=True)) == (1,)


async def test_connection_in_another_event_loop(app: Quart) -> None:
    """A connection is used by its event loop only."""
    async with app.app_context():
        db = await get_db()

        def use() -> None:
            async def query() -> None:
                await db.query("SELECT 1")

            with pytest.raises(RuntimeError, match="different loop"):
                asyncio.run(query())

        await asyncio.to_thread(use)
        assert tuple(await query_db("SELECT 1", one=True)) == (1,)


@pytest.mark.parametrize("journal_mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("in_memory", [False, True], ids=["file", "memory"])
async def test_reads_while_others_write(
    app_class: type[Quart], file: Path, read_on_loop: bool, journal_mode: str, in_memory: bool
) -> None:
    """A query sees the rows of committed transactions only, and never fails for a lock."""
    pragmas = {"journal_mode": journal_mode, "cache_size": 10}
    app = make_app(
        app_class,
        ":memory:" if in_memory else file,
        SQLITE_READ_ON_LOOP=read_on_loop,
        SQLITE_PRAGMAS=pragmas,
        SQLITE_POOL_SIZE=3,
    )
    async with app.app_context():
        await query_db("CREATE TABLE account (balance INTEGER, padding TEXT)")
        padding = "x" * 500
        await (await get_db()).executemany("INSERT INTO account VALUES (100, ?)", [[padding]] * 100)
        await (await get_db()).commit()

    async def write(account: int) -> None:
        for _ in range(20):
            async with app.app_context(), database(app).transaction():
                change = "UPDATE account SET balance = balance + ? WHERE rowid = ?"
                await query_db(change, [1, account])
                await query_db(change, [-1, account + 1])

    writers = asyncio.gather(write(1), write(50))
    sums: set[int] = set()
    while not writers.done():
        async with app.app_context():
            rows = await query_db("SELECT balance, padding FROM account")
            sums.add(sum(row[0] for row in rows))
            await query_db("PRAGMA wal_checkpoint(TRUNCATE)")
        await asyncio.sleep(0)
    await writers
    assert sums == {10_000}
    await app_database(app).connections.close()


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
