"""Transactions: a block is stored as a whole or not at all, also with several tasks."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.sqlite3 import get_db, query_db
from tests.serving import TIMEOUT, eventually
from tests.sqlite3.shop import (
    ENDLESS,
    INSERT,
    app_database,
    committed_names,
    database,
    make_app,
    none_in_use,
    other_connection,
    outcomes,
    transaction_of_another_task,
)


async def test_commit(app: Quart) -> None:
    async with app.app_context():
        async with database(app).transaction() as connection:
            assert connection is await get_db()
            await query_db(INSERT, ["a"])
            assert connection.in_transaction
        assert await committed_names(app) == ["a"]


async def test_rollback(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(LookupError):
            async with database(app).transaction():
                await query_db(INSERT, ["a"])
                raise LookupError
        assert not (await get_db()).in_transaction
        assert await query_db("SELECT * FROM item") == []


async def test_savepoints(app: Quart) -> None:
    """An inner transaction is a savepoint: if it fails, only its own changes are rolled back."""
    async with app.app_context():
        db = database(app)
        async with db.transaction():
            await query_db(INSERT, ["a"])
            with pytest.raises(sqlite3.IntegrityError):
                async with db.transaction():
                    await query_db(INSERT, ["b"])
                    await query_db(INSERT, ["a"])
            async with db.transaction():
                await query_db(INSERT, ["c"])
                with pytest.raises(LookupError):
                    async with db.transaction():
                        await query_db(INSERT, ["d"])
                        raise LookupError
            assert await committed_names(app) == []
        assert await committed_names(app) == ["a", "c"]


async def test_other_task(app: Quart) -> None:
    """A statement of another task of the context waits, and is not part of the transaction."""
    begun = asyncio.Event()

    async def in_transaction() -> None:
        async with database(app).transaction() as connection:
            await query_db(INSERT, ["lost"])
            begun.set()
            await eventually(lambda: len(connection._queue._waiting) == 1)
            raise LookupError

    async def other() -> None:
        await begun.wait()
        await query_db(INSERT, ["committed"])
        await (await get_db()).commit()

    async with app.app_context():
        found = await outcomes(in_transaction(), other())
        assert [type(one) for one in found] == [LookupError, type(None)]
    assert await committed_names(app) == ["committed"]


async def test_tasks_of_a_transaction(app: Quart) -> None:
    """Tasks that are started in a transaction are part of it, each with its savepoint."""

    async def part(name: str, fail: bool) -> None:
        async with database(app).transaction():
            await query_db(INSERT, [name])
            await asyncio.sleep(0.001)
            await query_db(INSERT, [f"{name}'"])
            if fail:
                raise LookupError

    async with app.app_context():
        async with database(app).transaction():
            await asyncio.wait_for(query_db(INSERT, ["first"]), TIMEOUT)
            await outcomes(*(part(name, name in "bd") for name in "abcd"))
            assert await committed_names(app) == []
        assert await committed_names(app) == ["a", "a'", "c", "c'", "first"]


async def test_transactions_of_several_tasks(app: Quart) -> None:
    """Transactions of one context follow each other."""
    inside = 0

    async def work(name: str) -> None:
        nonlocal inside
        async with database(app).transaction():
            inside += 1
            assert inside == 1
            await query_db(INSERT, [name])
            await asyncio.sleep(0.001)
            inside -= 1

    async with app.app_context():
        await asyncio.gather(*(work(name) for name in "abcdef"))
    assert await committed_names(app) == list("abcdef")


async def test_wait_for_another_transaction(app_with_short_timeout: Quart) -> None:
    """A task that waits too long for another task's transaction gets an error with the remedy."""
    app = app_with_short_timeout
    async with app.app_context():
        async with transaction_of_another_task(app):
            with pytest.raises(sqlite3.OperationalError, match="a context of its own"):
                await query_db("SELECT 1")
        assert await query_db("SELECT 1", one=True)


async def test_task_that_outlives_its_transaction(app: Quart) -> None:
    """Its statement is an error, because it would not be part of the transaction."""
    go = asyncio.Event()

    async def late() -> None:
        await go.wait()
        await query_db(INSERT, ["late"])

    async with app.app_context():
        async with database(app).transaction():
            task = asyncio.create_task(late())
        go.set()
        with pytest.raises(sqlite3.ProgrammingError, match="await the task inside"):
            await task


async def test_task_in_an_open_savepoint(app: Quart) -> None:
    """If a task of the transaction is in a savepoint when the block ends, all is rolled back."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def unawaited() -> None:
        async with database(app).transaction():
            await query_db(INSERT, ["first"])
            begun.set()
            await go.wait()
            await query_db(INSERT, ["second"])

    async with app.app_context():
        with pytest.raises(sqlite3.ProgrammingError, match="await the task inside"):
            async with database(app).transaction():
                task = asyncio.create_task(unawaited())
                await begun.wait()
        go.set()
        with pytest.raises(sqlite3.ProgrammingError):
            await task
        assert await query_db("SELECT * FROM item") == []
    assert await none_in_use(app)


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK"])
async def test_ended_inside(app: Quart, statement: str) -> None:
    """After a statement that ends the transaction, the next one and the block raise an error."""
    async with app.app_context():
        with pytest.raises(sqlite3.ProgrammingError, match="has ended before its block"):
            async with database(app).transaction():
                await query_db(statement)
                with pytest.raises(sqlite3.ProgrammingError, match="has ended before its block"):
                    await query_db(INSERT, ["outside"])
        assert await committed_names(app) == []


@pytest.mark.parametrize("name", ["commit", "rollback"])
async def test_commit_inside(app: Quart, name: str) -> None:
    async with app.app_context(), database(app).transaction() as connection:
        with pytest.raises(sqlite3.ProgrammingError, match="leave the block first"):
            await getattr(connection, name)()
        with pytest.raises(sqlite3.ProgrammingError, match="leave the block first"):
            await connection.executescript("SELECT 1")


async def test_begun_before(app: Quart) -> None:
    """A transaction that an earlier statement has begun does not become part of a block."""
    async with app.app_context():
        await query_db(INSERT, ["a"])
        with pytest.raises(sqlite3.ProgrammingError, match="commit\\(\\) or rollback\\(\\) before"):
            async with database(app).transaction():
                raise AssertionError
        await (await get_db()).commit()
        async with database(app).transaction():
            await query_db(INSERT, ["b"])
    assert await committed_names(app) == ["a", "b"]


async def test_failed_commit(app: Quart) -> None:
    """If the commit fails, the transaction is rolled back."""
    async with app.app_context():
        with pytest.raises(sqlite3.IntegrityError):
            async with database(app).transaction():
                await query_db("PRAGMA defer_foreign_keys = ON")
                await query_db("INSERT INTO item VALUES ('child', 'missing')")
        assert not (await get_db()).in_transaction
    assert await committed_names(app) == []


async def test_cancelled_write(app: Quart) -> None:
    """If a cancelled statement ends the transaction, later statements of the block are errors."""
    endless = f"INSERT INTO item (name) {ENDLESS}"
    async with app.app_context():
        with pytest.raises(sqlite3.ProgrammingError, match="has ended before its block"):
            async with database(app).transaction():
                await query_db(INSERT, ["lost"])
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(query_db(endless), 0.05)
                await query_db(INSERT, ["outside"])
        assert await committed_names(app) == []


@pytest.mark.parametrize("steps", range(14))
async def test_cancelled_anywhere(app: Quart, steps: int) -> None:
    """After a cancellation at any step, all is stored or nothing, and the next one can begin."""

    async def work() -> None:
        async with database(app).transaction():
            await query_db(INSERT, ["a"])
            async with database(app).transaction():
                await query_db(INSERT, ["b"])

    async with app.app_context():
        await get_db()
        task = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0.0003)
        task.cancel()
        task.cancel()
        await outcomes(task)
        async with database(app).transaction():
            await query_db(INSERT, ["c"])
    assert await committed_names(app) in (["c"], ["a", "b", "c"])


async def test_unknown_mode(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(ValueError, match="IMMEDIATE"):
            (await get_db()).transaction("NOW; DROP TABLE item")  # type: ignore[arg-type]


async def test_cancelled_while_it_begins(app: Quart, file: Path) -> None:
    """A transaction that is cancelled while it waits for a lock does not begin later."""
    async with app.app_context():
        async with other_connection(file, "BEGIN IMMEDIATE"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), database(app).transaction():
                    raise AssertionError
        async with database(app).transaction():
            await query_db(INSERT, ["a"])
    assert await committed_names(app) == ["a"]


async def test_locked_by_another_process(app_with_short_timeout: Quart, file: Path) -> None:
    """If a transaction can't begin, the connection can be used afterwards."""
    app = app_with_short_timeout
    async with app.app_context():
        async with other_connection(file, "BEGIN IMMEDIATE"):
            for _ in range(2):
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    async with database(app).transaction():
                        raise AssertionError
            assert await query_db("SELECT * FROM item") == []
        async with database(app).transaction():
            await query_db(INSERT, ["a"])
    assert await committed_names(app) == ["a"]


async def test_several_writers(app: Quart) -> None:
    """Contexts that write at the same time wait for each other."""

    async def count_up() -> None:
        async with app.app_context(), database(app).transaction():
            row = await query_db("SELECT count(*) FROM item", one=True)
            await asyncio.sleep(0.001)
            await query_db(INSERT, [f"{row[0]:02}"])

    for _ in range(10):
        await asyncio.gather(*(count_up() for _ in range(3)))
    assert await committed_names(app) == [f"{number:02}" for number in range(30)]


async def test_two_databases(app: Quart, app_class: type[Quart], tmp_path: Path) -> None:
    """Transactions on two databases are independent of each other."""
    other = make_app(app_class, tmp_path / "other.db")
    async with app.app_context():
        first = await get_db()
        async with first.transaction(), other.app_context():
            async with database(other).transaction() as second:
                await second.query("CREATE TABLE x (i)")
                await first.query(INSERT, ["a"])
            with pytest.raises(LookupError):
                async with database(other).transaction():
                    async with first.transaction():
                        await first.query(INSERT, ["b"])
                    raise LookupError
    assert await committed_names(app) == ["a", "b"]
    await app_database(other).connections.close()
