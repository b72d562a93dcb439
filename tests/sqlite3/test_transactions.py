"""Transactions: all of a block or nothing of it, also among tasks of one context."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from quart import Quart
from quart.utils import run_sync

from quartpatterns.sqlite3 import get_db, query_db
from tests.sqlite3.shop import (
    ENDLESS,
    app_database,
    database,
    make_app,
    names,
    none_in_use,
    together,
)

INSERT = "INSERT INTO item (name) VALUES (?)"


async def test_commit(app: Quart) -> None:
    async with app.app_context():
        async with database(app).transaction() as connection:
            assert connection is await get_db()
            await query_db(INSERT, ["a"])
            assert connection.in_transaction
        assert await names(app) == ["a"]


async def test_rollback(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(LookupError):
            async with database(app).transaction():
                await query_db(INSERT, ["a"])
                raise LookupError
        assert not (await get_db()).in_transaction
        assert await query_db("SELECT * FROM item") == []


async def test_savepoints(app: Quart) -> None:
    """A transaction in a transaction is a savepoint: what fails in it leaves the rest alone."""
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
            assert await names(app) == []
        assert await names(app) == ["a", "c"]


async def test_task_beside(app: Quart) -> None:
    """What another task of the context writes is not in the transaction, and not rolled back."""
    begun = asyncio.Event()

    async def in_transaction() -> None:
        async with database(app).transaction():
            await query_db(INSERT, ["lost"])
            begun.set()
            await asyncio.sleep(0.05)
            raise LookupError

    async def beside() -> None:
        await begun.wait()
        await query_db(INSERT, ["kept"])
        await (await get_db()).commit()

    async with app.app_context():
        found = await together(in_transaction(), beside())
        assert [type(one) for one in found] == [LookupError, type(None)]
    assert await names(app) == ["kept"]


async def test_tasks_within(app: Quart) -> None:
    """Tasks that are started in a transaction are part of it, with savepoints one by one."""

    async def part(name: str, fail: bool) -> None:
        async with database(app).transaction():
            await query_db(INSERT, [name])
            await asyncio.sleep(0.001)
            await query_db(INSERT, [f"{name}'"])
            if fail:
                raise LookupError

    async with app.app_context():
        async with database(app).transaction():
            await asyncio.wait_for(query_db(INSERT, ["first"]), 1)
            await together(*(part(name, name in "bd") for name in "abcd"))
            assert await names(app) == []
        assert await names(app) == ["a", "a'", "c", "c'", "first"]


async def test_transactions_beside(app: Quart) -> None:
    """Transactions of one context come one after the other."""
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
    assert await names(app) == list("abcdef")


async def test_wait_for_another_transaction(app_with_short_timeouts: Quart) -> None:
    """A task that waits too long for another task's transaction gets an error with the remedy."""
    app = app_with_short_timeouts
    async with app.app_context():
        begun, go = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with database(app).transaction():
                begun.set()
                await go.wait()

        task = asyncio.create_task(hold())
        await begun.wait()
        with pytest.raises(sqlite3.OperationalError, match="a context of its own"):
            await query_db("SELECT 1")
        go.set()
        await task
        assert await query_db("SELECT 1", one=True)


async def test_task_that_outlives_its_transaction(app: Quart) -> None:
    """It is refused: it believes to be in a transaction that there is no more."""
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


async def test_half_way(app: Quart) -> None:
    """Nothing is committed while a task that belongs to it is half way through."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def stray() -> None:
        async with database(app).transaction():
            await query_db(INSERT, ["half"])
            begun.set()
            await go.wait()
            await query_db(INSERT, ["whole"])

    async with app.app_context():
        with pytest.raises(sqlite3.ProgrammingError, match="await the task inside"):
            async with database(app).transaction():
                task = asyncio.create_task(stray())
                await begun.wait()
        go.set()
        with pytest.raises(sqlite3.ProgrammingError):
            await task
        assert await query_db("SELECT * FROM item") == []
    assert await none_in_use(app)


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK"])
async def test_ended_inside(app: Quart, statement: str) -> None:
    """A statement that ends the transaction is noticed, by the next one and by the block."""
    async with app.app_context():
        with pytest.raises(sqlite3.ProgrammingError, match="has ended before its block"):
            async with database(app).transaction():
                await query_db(statement)
                with pytest.raises(sqlite3.ProgrammingError, match="has ended before its block"):
                    await query_db(INSERT, ["outside"])
        assert await names(app) == []


@pytest.mark.parametrize("name", ["commit", "rollback"])
async def test_commit_inside(app: Quart, name: str) -> None:
    async with app.app_context(), database(app).transaction() as connection:
        with pytest.raises(sqlite3.ProgrammingError, match="leave the block first"):
            await getattr(connection, name)()
        with pytest.raises(sqlite3.ProgrammingError, match="leave the block first"):
            await connection.executescript("SELECT 1")


async def test_begun_before(app: Quart) -> None:
    """A transaction that a statement has begun is not swallowed by one with a block."""
    async with app.app_context():
        await query_db(INSERT, ["a"])
        with pytest.raises(sqlite3.ProgrammingError, match="commit\\(\\) or rollback\\(\\) before"):
            async with database(app).transaction():
                raise AssertionError
        await (await get_db()).commit()
        async with database(app).transaction():
            await query_db(INSERT, ["b"])
    assert await names(app) == ["a", "b"]


async def test_constraint_at_the_end(app: Quart) -> None:
    """A commit that fails rolls back."""
    async with app.app_context():
        with pytest.raises(sqlite3.IntegrityError):
            async with database(app).transaction():
                await query_db("PRAGMA defer_foreign_keys = ON")
                await query_db("INSERT INTO item VALUES ('child', 'nobody')")
        assert not (await get_db()).in_transaction
    assert await names(app) == []


async def test_write_cancelled_inside(app: Quart) -> None:
    """Where a cancelled statement took the transaction with it, the rest is refused."""
    endless = f"INSERT INTO item (name) {ENDLESS}"
    async with app.app_context():
        with pytest.raises(sqlite3.ProgrammingError, match="has ended before its block"):
            async with database(app).transaction():
                await query_db(INSERT, ["lost"])
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(query_db(endless), 0.05)
                await query_db(INSERT, ["alone"])
        assert await names(app) == []


@pytest.mark.parametrize("steps", range(14))
async def test_cancelled_anywhere(app: Quart, steps: int) -> None:
    """Cancelled at any step, it is all there or nothing, and the next one goes ahead."""

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
        await together(task)
        async with database(app).transaction():
            await query_db(INSERT, ["c"])
    assert await names(app) in (["c"], ["a", "b", "c"])


async def test_unknown_mode(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(ValueError, match="IMMEDIATE"):
            (await get_db()).transaction("NOW; DROP TABLE item")  # type: ignore[arg-type]


def lock(file: Path) -> sqlite3.Connection:
    """A stranger who writes."""
    stranger = sqlite3.connect(file, check_same_thread=False)
    stranger.execute("BEGIN IMMEDIATE")
    return stranger


async def test_cancelled_while_it_begins(app: Quart, file: Path) -> None:
    """A transaction that was given up while it waited for its turn does not begin later."""
    async with app.app_context():
        with closing(await run_sync(lock)(file)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), database(app).transaction():
                    raise AssertionError
        async with database(app).transaction():
            await query_db(INSERT, ["a"])
    assert await names(app) == ["a"]


async def test_locked_by_another_process(app_with_short_timeouts: Quart, file: Path) -> None:
    """A transaction that can't begin leaves the connection as it was."""
    app = app_with_short_timeouts
    async with app.app_context():
        with closing(await run_sync(lock)(file)):
            for _ in range(2):
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    async with database(app).transaction():
                        raise AssertionError
            assert await query_db("SELECT * FROM item") == []
        async with database(app).transaction():
            await query_db(INSERT, ["a"])
    assert await names(app) == ["a"]


async def test_writers_in_turn(app: Quart) -> None:
    """Contexts that write at the same time wait for each other, and none is refused."""

    async def count_up() -> None:
        async with app.app_context(), database(app).transaction():
            row = await query_db("SELECT count(*) FROM item", one=True)
            await asyncio.sleep(0.001)
            await query_db(INSERT, [f"{row[0]:02}"])

    for _ in range(10):
        await asyncio.gather(*(count_up() for _ in range(3)))
    assert await names(app) == [f"{number:02}" for number in range(30)]


async def test_two_databases(app: Quart, app_class: type[Quart], tmp_path: Path) -> None:
    """Transactions on different databases don't know each other."""
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
    assert await names(app) == ["a", "b"]
    await app_database(other).connections.close()
