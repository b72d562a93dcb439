"""SQLite: the number of round trips to the thread, and that the cursor is still a DBAPI's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiosqlite
import pytest
from quart import Quart
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from quartpatterns._shared import sqlite_short_reads
from quartpatterns._shared.sqlite_short_reads import ShortReads
from quartpatterns._shared.sqlite_thread import SQLiteThread
from tests.sqlalchemy.shop import Item, checked_out, db, make_app, names, registration


@pytest.fixture
async def app(app_class: type[Quart], sqlite_url: str) -> AsyncIterator[Quart]:
    """An application on SQLite with one row, and a warm connection."""
    app = make_app(app_class, sqlite_url)
    async with app.app_context():
        await db.create_all()
        db.session.add(Item(name="one"))
        await db.session.commit()
    yield app
    await registration(app).close()


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that are called in the threads of connections."""
    functions: list[str] = []
    submit: Any = SQLiteThread.submit

    def record(thread: SQLiteThread, function: Any) -> Any:
        functions.append(getattr(function, "func", function).__name__)
        return submit(thread, function)

    monkeypatch.setattr(SQLiteThread, "submit", record)
    return functions


async def test_a_row(app: Quart, round_trips: list[str]) -> None:
    """A request for a row by its key takes one round trip."""

    @app.get("/")
    async def view() -> str:
        return (await db.get_or_404(Item, 1)).name

    assert await (await app.test_client().get("/")).get_data(as_text=True) == "one"
    assert round_trips == ["_execute"]


async def test_a_page(app: Quart, round_trips: list[str]) -> None:
    """A page takes two round trips, or one without a count."""
    async with app.app_context():
        await db.paginate(select(Item).order_by(Item.id))
    assert round_trips == ["_execute"] * 2
    round_trips.clear()
    async with app.app_context():
        await db.paginate(select(Item).order_by(Item.id), count=False)
    assert round_trips == ["_execute"]


async def test_a_change(app: Quart, round_trips: list[str]) -> None:
    """Inserting a row takes a statement and a commit, and no rollback."""
    async with app.app_context():
        db.session.add(Item(name="two"))
        await db.session.commit()
    assert round_trips == ["_execute", "commit"]
    assert await names(app) == ["one", "two"]


async def test_uncommitted_change(app: Quart, round_trips: list[str]) -> None:
    """An uncommitted change is rolled back in the database."""
    async with app.app_context():
        db.session.add(Item(name="lost"))
        await db.session.flush()
    assert round_trips == ["_execute", "rollback"]
    assert await names(app) == ["one"]


async def test_a_failure(app: Quart) -> None:
    """An error in the thread becomes SQLAlchemy's, and the connection works afterwards."""
    async with app.app_context():
        db.session.add(Item(name="one"))
        with pytest.raises(IntegrityError):
            await db.session.commit()
        await db.session.rollback()
        with pytest.raises(OperationalError, match="no such table"):
            await db.session.execute(text("SELECT * FROM missing"))
        await db.session.rollback()
        assert await db.session.scalar(select(func.count(Item.id))) == 1
    assert checked_out(app) == 0


async def test_results(app: Quart) -> None:
    """Keys, numbers of rows and returned rows are those of the statement."""
    async with app.app_context(), db.engine.begin() as connection:
        made = await connection.execute(insert(Item), {"name": "two"})
        assert made.inserted_primary_key == (2,)
        assert made.lastrowid == 2
        many = await connection.execute(insert(Item), [{"name": f"more {n}"} for n in range(5)])
        assert many.rowcount == 5
        changed = await connection.execute(text("UPDATE item SET name = name || '!' WHERE id > 2"))
        assert changed.rowcount == 5
        assert not changed.returns_rows
        gone = await connection.execute(text("DELETE FROM item WHERE id > 2 RETURNING id"))
        assert sorted(gone.scalars()) == [3, 4, 5, 6, 7]
        none = await connection.execute(text("SELECT id, name FROM item WHERE id = 0"))
        assert (list(none.keys()), none.fetchmany(2), none.first()) == (["id", "name"], [], None)
        with pytest.raises(IntegrityError):
            await connection.execute(insert(Item), [{"name": "same"}, {"name": "same"}])


async def test_partial_reading(app: Quart) -> None:
    """A partly read result holds no lock."""
    async with app.app_context():
        async with db.engine.connect() as connection:
            statement = text("SELECT 1 UNION SELECT 2 UNION SELECT 3")
            result = await connection.execute(statement)
            assert result.fetchmany(2) == [(1,), (2,)]
            db.session.add(Item(name="beside"))
            await db.session.commit()
            assert result.fetchall() == [(3,)]


async def test_concurrent_statements(app: Quart) -> None:
    """Two tasks on one connection each get the rows of their own statement."""
    async with app.app_context(), db.engine.connect() as connection:

        async def ask(number: int) -> int:
            rows = await connection.execute(text("SELECT :number"), {"number": number})
            return int(rows.scalar_one())

        assert await asyncio.gather(*(ask(n) for n in range(50))) == list(range(50))


async def test_after_the_end(app: Quart) -> None:
    """A connection whose thread has ended raises an error."""
    async with app.app_context():
        async with db.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            await driver.close()
            with pytest.raises(OperationalError, match="no active connection"):
                async with asyncio.timeout(5):
                    await connection.execute(text("SELECT 1"))
        assert await db.session.scalar(select(func.count(Item.id))) == 1


async def test_isolation_level(app: Quart) -> None:
    """An isolation level is set in the thread, and reset afterwards."""
    async with app.app_context():
        async with db.engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.execute(insert(Item), {"name": "at once"})
        assert await names(app) == ["at once", "one"]
        async with db.engine.connect() as connection:
            await connection.execute(insert(Item), {"name": "lost"})
    assert await names(app) == ["at once", "one"]


@pytest.mark.parametrize("options", [{}, {"stream_results": True}])
async def test_savepoint_of_a_connection(app: Quart, options: dict[str, Any]) -> None:
    """A released savepoint is rolled back with its transaction, whatever executes it."""
    async with app.app_context(), db.engine.connect() as connection:
        await connection.execution_options(**options)
        async with connection.begin() as transaction:
            async with connection.begin_nested():
                row = insert(Item).values(name="released")
                await connection.execute(row, execution_options={"stream_results": False})
            await transaction.rollback()
    assert await names(app) == ["one"]


async def test_stream(app: Quart) -> None:
    """Rows that are streamed are fetched when they are asked for."""
    async with app.app_context(), db.engine.connect() as connection:
        statement = text("SELECT 1 UNION SELECT 2 UNION SELECT 3")
        async with connection.stream(statement) as result:
            assert [row[0] async for row in result] == [1, 2, 3]


async def test_read_on_loop(
    app_class: type[Quart],
    sqlite_url: str,
    round_trips: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the setting, a statement that was short takes no round trip; a change takes them."""
    monkeypatch.setattr(sqlite_short_reads, "SHORT", 60.0)
    monkeypatch.setattr(sqlite_short_reads, "LIMIT", 60.0)
    app = make_app(app_class, sqlite_url, SQLALCHEMY_SQLITE_READ_ON_LOOP=True)
    async with app.app_context():
        await db.create_all()
        db.session.add(Item(name="one"))
        await db.session.commit()
    for _ in range(sqlite_short_reads.SHORT_RUNS):
        assert await names(app) == ["one"]
    round_trips.clear()
    assert await names(app) == ["one"]
    assert round_trips == []
    async with app.app_context():
        db.session.add(Item(name="two"))
        await db.session.flush()
        assert (await db.session.scalars(select(Item.name))).all() == ["one", "two"]
    # In the transaction all is in the thread.
    assert round_trips == ["measure", "measure", "rollback"]
    await registration(app).close()


def test_read_on_loop_with_an_own_creator(app_class: type[Quart], sqlite_url: str) -> None:
    """Connections of a function of the application can't be used on the event loop."""

    async def connect(*args: Any, **options: Any) -> aiosqlite.Connection:
        return await aiosqlite.connect(*args, **options)

    options = {"connect_args": {"async_creator_fn": connect}}
    with pytest.raises(ValueError, match="SQLALCHEMY_SQLITE_READ_ON_LOOP"):
        make_app(app_class, sqlite_url, options, SQLALCHEMY_SQLITE_READ_ON_LOOP=True)


async def test_read_on_loop_with_a_handler(
    app_class: type[Quart], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The progress handler of a connection stays; its reads are in the thread."""
    monkeypatch.setattr(ShortReads, "is_short", lambda self, statement: True)
    app = make_app(app_class, sqlite_url, SQLALCHEMY_SQLITE_READ_ON_LOOP=True)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    async with app.app_context():
        async with db.engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.set_progress_handler(count, 1)
            for _ in range(2):
                steps = 0
                assert (await connection.execute(text("SELECT 1"))).scalar() == 1
                assert steps
    await registration(app).close()


async def test_engine_without_a_task(app: Quart, round_trips: list[str]) -> None:
    """A connection of the engine that has only read is returned without a task and a round trip."""
    async with app.app_context():
        started: list[object] = []

        def start(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
            started.append(work)
            return asyncio.Task(work, loop=loop, **options)

        loop = asyncio.get_running_loop()
        async with db.engine.connect() as connection:
            assert (await connection.execute(select(Item.name))).scalars().all() == ["one"]
            loop.set_task_factory(start)
        loop.set_task_factory(None)
        assert (started, round_trips, checked_out(app)) == ([], ["_execute"], 0)


async def test_engine_with_an_open_transaction(app: Quart, round_trips: list[str]) -> None:
    """A connection of the engine that has written is rolled back before it is returned."""
    async with app.app_context():
        async with db.engine.connect() as connection:
            await connection.execute(insert(Item).values(name="two"))
        assert round_trips == ["_execute", "rollback"]
        assert checked_out(app) == 0
    assert await names(app) == ["one"]
