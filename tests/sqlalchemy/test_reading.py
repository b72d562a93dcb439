"""Sessions that read: no transaction, no writing, and the replica where there is one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, current_app
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from quartpatterns.sqlalchemy import ReadingError
from tests.sqlalchemy.shop import Item, checked_out, db, make_app, names, registration


async def in_transaction() -> bool:
    """Whether the connection of the session is in a transaction."""
    raw = await (await db.session.connection()).get_raw_connection()
    driver: Any = raw.driver_connection
    found = driver.in_transaction if hasattr(driver, "in_transaction") else None
    return bool(driver.is_in_transaction() if found is None else found)


async def test_view(app: Quart) -> None:
    """A decorated view reads without a transaction, and keeps its name."""
    seen: list[bool] = []

    @app.get("/<int:id>")
    @db.reading()
    async def show(id: int) -> str:
        found = await db.get_or_404(Item, id)
        seen.append(await in_transaction())
        return found.name

    async with app.app_context():
        db.session.add(Item(name="one"))
        await db.session.commit()
    client = app.test_client()
    assert await (await client.get("/1")).get_data(as_text=True) == "one"
    assert (await client.get("/2")).status_code == 404
    assert seen == [False]
    assert "show" in app.view_functions
    assert checked_out(app) == 0


async def test_after_reading(app: Quart) -> None:
    """After it, the session of the context and the connection work as before."""
    async with app.app_context():
        outer = db.session
        async with db.reading() as session:
            assert db.session is session is not outer
            await db.session.scalars(select(Item))
        assert db.session is outer
        assert checked_out(app) == 0
        # The same connection, which has transactions again.
        db.session.add(Item(name="lost"))
        await db.session.flush()
        assert await in_transaction()
        with pytest.raises(RuntimeError, match="end of the context"):
            await session.scalars(select(Item))
    assert await names(app) == []


async def test_writing(app: Quart) -> None:
    """Statements that write or lock are refused without a query."""
    async with app.app_context():
        async with db.reading():
            db.session.add(Item(name="added"))
            with pytest.raises(ReadingError, match=r"outside of it"):
                await db.session.commit()
        async with db.reading():
            with pytest.raises(ReadingError):
                await db.session.execute(insert(Item).values(name="inserted"))
            with pytest.raises(ReadingError, match="locks"):
                await db.session.scalars(select(Item).with_for_update())
            with pytest.raises(ReadingError):
                await db.session.get(Item, 1, with_for_update=True)
            assert (await db.session.scalars(select(Item))).all() == []
    assert await names(app) == []
    assert checked_out(app) == 0


async def test_failure(app: Quart) -> None:
    """After a failed statement the session works."""
    async with app.app_context():
        async with db.reading():
            with pytest.raises(DBAPIError):
                await db.session.execute(text("SELECT * FROM missing"))
            assert (await db.session.scalars(select(Item))).all() == []
    assert checked_out(app) == 0


async def test_cancelled(app: Quart) -> None:
    async def read() -> None:
        async with app.app_context(), db.reading():
            await db.session.scalars(select(Item))
            await asyncio.sleep(60)

    task = asyncio.create_task(read())
    while checked_out(app) == 0:  # noqa: ASYNC110  of the pool, not an event of ours
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert checked_out(app) == 0


async def test_tasks_and_contexts(app: Quart) -> None:
    """Other contexts and new_session() are not affected."""

    async def add(name: str) -> None:
        async with current_app.app_context():
            db.session.add(Item(name=name))
            await db.session.commit()

    async with app.app_context(), db.reading():
        await asyncio.gather(add("one"), add("two"))
        async with db.new_session() as session:
            session.add(Item(name="three"))
            await session.commit()
        assert len((await db.session.scalars(select(Item))).all()) == 3


async def test_reading_in_reading(app: Quart) -> None:
    async with app.app_context(), db.reading() as outer:
        async with db.reading() as inner:
            assert db.session is inner is not outer
        assert db.session is outer


def test_synchronous_view() -> None:
    def view() -> str:
        return ""

    with pytest.raises(TypeError, match="async def"):
        db.reading()(view)  # type: ignore[arg-type]


async def test_replica(app_class: type[Quart], tmp_path: Path) -> None:
    """db.reading() uses the replica, and nothing else does."""
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("primary", "replica")]
    for number, url in enumerate(urls):
        app = make_app(app_class, url)
        async with app.app_context():
            await db.create_all()
            db.session.add(Item(name=f"in {number}"))
            await db.session.commit()
        await registration(app).close()
    app = make_app(app_class, urls[0], SQLALCHEMY_REPLICA_URI=urls[1])
    async with app.app_context():
        async with db.reading():
            assert (await db.session.scalars(select(Item.name))).all() == ["in 1"]
        assert (await db.session.scalars(select(Item.name))).all() == ["in 0"]
    engines = registration(app).engines()
    await registration(app).close()
    for engine in engines.reading_engines.values():
        assert engine.pool.checkedin() == 0  # type: ignore[attr-defined]


async def test_streams(app: Quart) -> None:
    """A stream under db.reading() has the transaction that its cursor needs."""
    async with app.app_context():
        db.session.add_all(Item(name=f"{n:04}") for n in range(2500))
        await db.session.commit()
    async with app.app_context(), db.reading():
        found = [row.name async for rows in db.batches(select(Item.name)) for row in rows]
        assert len(found) == 2500
    assert checked_out(app) == 0
