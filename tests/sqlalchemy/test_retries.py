"""Work that is done again: real serialization failures, deadlocks, locks and lost connections."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.sqlalchemy.shop import Item, checked_out, db, make_app, names, registration

NUMBER = text("SELECT value FROM counter WHERE id = :id")
SET = text("UPDATE counter SET value = :value WHERE id = :id")


@pytest.fixture
async def strict(app_class: type[Quart], postgres_url: str) -> AsyncIterator[Quart]:
    """An application whose transactions are serializable, with two counters."""
    options = {"isolation_level": "SERIALIZABLE", "pool_size": 10}
    app = make_app(app_class, postgres_url, options)
    async with app.app_context():
        await db.create_all()
        await db.session.execute(text("CREATE TABLE counter (id INT PRIMARY KEY, value INT)"))
        await db.session.execute(text("INSERT INTO counter VALUES (1, 0), (2, 0)"))
        await db.session.commit()
    yield app
    assert checked_out(app) == 0
    await registration(app).close()


async def value(app: Quart, id: int = 1) -> int:
    async with app.app_context():
        return int((await db.session.execute(NUMBER, {"id": id})).scalar_one())


async def test_serialization(strict: Quart) -> None:
    """Concurrent updates that conflict all succeed with retries."""
    attempts: list[int] = []

    @strict.post("/")
    @db.retrying(30, longest_wait=0.2)
    async def count() -> str:
        attempts.append(1)
        now = (await db.session.execute(NUMBER, {"id": 1})).scalar_one()
        await asyncio.sleep(0.001)
        await db.session.execute(SET, {"id": 1, "value": now + 1})
        await db.session.commit()
        return ""

    client = strict.test_client()
    answers = await asyncio.gather(*(client.post("/") for _ in range(12)))
    assert [answer.status_code for answer in answers] == [200] * 12
    assert await value(strict) == 12
    assert len(attempts) > 12


async def test_without_a_retry(strict: Quart) -> None:
    """Without a retry a conflict answers 503 with Retry-After, and is rolled back."""
    both = asyncio.Barrier(2)

    @strict.post("/")
    async def count() -> str:
        now = (await db.session.execute(NUMBER, {"id": 1})).scalar_one()
        await both.wait()
        await db.session.execute(SET, {"id": 1, "value": now + 1})
        await db.session.commit()
        return ""

    client = strict.test_client()
    answers = await asyncio.gather(client.post("/"), client.post("/"))
    assert sorted(answer.status_code for answer in answers) == [200, 503]
    failed = next(answer for answer in answers if answer.status_code == 503)
    assert failed.headers["Retry-After"] == "1"
    assert await value(strict) == 1


async def test_deadlock(strict: Quart) -> None:
    both = asyncio.Barrier(2)
    began: list[int] = []

    @db.retrying(5)
    async def swap(first: int, second: int) -> None:
        await db.session.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
        await db.session.execute(
            text("UPDATE counter SET value = value + 1 WHERE id = :id"), {"id": first}
        )
        began.append(first)
        if len(began) <= 2:
            await both.wait()
        await db.session.execute(
            text("UPDATE counter SET value = value + 1 WHERE id = :id"), {"id": second}
        )
        await db.session.commit()

    async def work(first: int, second: int) -> None:
        async with strict.app_context():
            await swap(first, second)

    await asyncio.gather(work(1, 2), work(2, 1))
    assert (await value(strict), await value(strict, 2)) == (2, 2)
    assert len(began) == 3


async def test_lost_connection(app_class: type[Quart], postgres_url: str) -> None:
    """A lost connection causes a retry and no error."""
    app = make_app(app_class, postgres_url)
    attempts: list[int] = []

    @db.retrying()
    async def add() -> None:
        db.session.add(Item(name="once"))
        await db.session.flush()
        attempts.append(await db.session.scalar(text("SELECT pg_backend_pid()")) or 0)
        if len(attempts) == 1:
            async with db.new_session() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": attempts[0]})
        await db.session.commit()

    async with app.app_context():
        await db.create_all()
        await add()
    assert len(set(attempts)) == 2
    assert await names(app) == ["once"]
    assert checked_out(app) == 0
    await registration(app).close()


async def test_locked_file(app_class: type[Quart], tmp_path: Path) -> None:
    """A locked SQLite file is retried up to the number of attempts."""
    file = tmp_path / "locked.db"
    app = make_app(app_class, f"sqlite:///{file}", {"connect_args": {"timeout": 0}})
    attempts: list[int] = []
    other = sqlite3.connect(file, check_same_thread=False)

    @db.retrying(4, first_wait=0.01)
    async def add(name: str) -> None:
        attempts.append(1)
        if len(attempts) == 3:
            await asyncio.to_thread(other.rollback)
        db.session.add(Item(name=name))
        await db.session.commit()

    async with app.app_context():
        await db.create_all()
        other.execute("BEGIN IMMEDIATE")
        await add("third time")
        assert len(attempts) == 3
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DBAPIError, match="locked"):
            await add("never")
        assert len(attempts) == 7
        await db.session.rollback()
        other.rollback()
        assert (await db.session.scalars(select(Item.name))).all() == ["third time"]
    other.close()
    await registration(app).close()


async def test_other_errors(app: Quart) -> None:
    """Other errors are not retried."""
    attempts: list[int] = []

    @db.retrying()
    async def twice() -> None:
        attempts.append(1)
        db.session.add_all([Item(name="same"), Item(name="same")])
        await db.session.commit()

    @db.retrying()
    async def mistake() -> None:
        attempts.append(1)
        raise LookupError

    async with app.app_context():
        with pytest.raises(IntegrityError):
            await twice()
        await db.session.rollback()
        with pytest.raises(LookupError):
            await mistake()
    assert len(attempts) == 2


async def test_result(app: Quart) -> None:
    @db.retrying()
    async def compute(one: int, *, other: int) -> int:
        """Adds."""
        return one + other

    async with app.app_context():
        assert await compute(1, other=2) == 3
    assert (compute.__name__, compute.__doc__) == ("compute", "Adds.")


async def test_open_transaction(app: Quart) -> None:
    """A function called within a transaction is refused."""

    @db.retrying()
    async def change() -> None:
        await db.session.execute(update(Item).values(name="x"))

    async with app.app_context():
        db.session.add(Item(name="before"))
        await db.session.flush()
        with pytest.raises(RuntimeError, match="commit first"):
            await change()


async def test_waits_are_short_and_random(strict: Quart) -> None:
    """The waits are random and below their limits."""
    times: list[float] = []

    @db.retrying(4, first_wait=0.02, longest_wait=0.03)
    async def fail() -> None:
        times.append(time.monotonic())
        await db.session.execute(text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))

    async with strict.app_context():
        with pytest.raises(DBAPIError):
            await fail()
    pauses = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert len(pauses) == 3
    assert all(pause < 1 for pause in pauses)
    assert len({round(pause, 6) for pause in pauses}) == 3


async def test_cancelled_while_it_waits(strict: Quart) -> None:
    @db.retrying(9, first_wait=60, longest_wait=60)
    async def fail() -> None:
        await db.session.execute(text("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"))

    async def work() -> None:
        async with strict.app_context():
            await fail()

    task = asyncio.create_task(work())
    await asyncio.sleep(0.2)
    # Who waits holds no connection.
    assert checked_out(strict) == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_misuse() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        db.retrying(0)

    def plain() -> None:
        pass

    with pytest.raises(TypeError, match="async def"):
        db.retrying()(plain)  # type: ignore[arg-type]
