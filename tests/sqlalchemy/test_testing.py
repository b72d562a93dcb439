"""Tests that are rolled back: whatever is committed, nothing stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from quart import Quart
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from quartpatterns.sqlalchemy.testing import rolled_back
from tests.sqlalchemy.shop import Item, db, names, registration


@pytest.fixture
async def shop(app: Quart) -> AsyncIterator[Quart]:
    """An application with an item, and a view that adds others."""

    @app.post("/<name>")
    async def add(name: str) -> str:
        db.session.add(Item(name=name))
        await db.session.commit()
        return ""

    @app.get("/")
    async def count() -> str:
        return str(await db.session.scalar(select(func.count(Item.id))))

    async with app.app_context():
        db.session.add(Item(name="kept"))
        await db.session.commit()
    yield app


async def test_requests(shop: Quart) -> None:
    """Requests see what others have committed; at the end it is rolled back."""
    client = shop.test_client()
    for _ in range(2):
        async with rolled_back(shop):
            assert (await client.post("/one")).status_code == 200
            assert (await client.post("/two")).status_code == 200
            assert await (await client.get("/")).get_data(as_text=True) == "3"
            async with shop.app_context():
                assert (await db.session.scalars(select(Item.name))).all() == ["kept", "one", "two"]
        assert await names(shop) == ["kept"]


async def test_every_way(shop: Quart) -> None:
    """Sessions, engines, savepoints and rollbacks work as without it."""
    async with rolled_back(shop), shop.app_context():
        async with db.session.begin_nested():
            db.session.add(Item(name="nested"))
        with pytest.raises(LookupError):
            async with db.session.begin_nested():
                db.session.add(Item(name="undone"))
                await db.session.flush()
                raise LookupError
        await db.session.commit()
        db.session.add(Item(name="not committed"))
        await db.session.flush()
        await db.session.rollback()
        async with db.engine.begin() as connection:
            await connection.execute(insert(Item), [{"name": "core"}, {"name": "core 2"}])
        async with db.engine.connect() as connection:
            await connection.execute(insert(Item), {"name": "forgotten"})
        async with db.new_session() as session:
            session.add(Item(name="beside"))
            await session.commit()
        async with db.reading():
            found = (await db.session.scalars(select(Item.name).order_by(Item.name))).all()
        assert found == ["beside", "core", "core 2", "kept", "nested"]
    assert await names(shop) == ["kept"]


async def test_errors(shop: Quart) -> None:
    """After an error the next transaction works, as each is a savepoint."""
    client = shop.test_client()
    async with rolled_back(shop):
        assert (await client.post("/one")).status_code == 200
        async with shop.app_context():
            db.session.add(Item(name="one"))
            with pytest.raises(IntegrityError):
                await db.session.commit()
        assert (await client.post("/two")).status_code == 200
        assert await (await client.get("/")).get_data(as_text=True) == "3"
    assert await names(shop) == ["kept"]


async def test_a_test_that_fails(shop: Quart) -> None:
    with pytest.raises(LookupError):
        async with rolled_back(shop), shop.app_context():
            db.session.add(Item(name="lost"))
            await db.session.commit()
            raise LookupError
    assert await names(shop) == ["kept"]


async def test_tables(shop: Quart) -> None:
    """Created tables are rolled back, too."""
    async with rolled_back(shop), shop.app_context():
        await db.session.execute(text("CREATE TABLE other (id INTEGER)"))
        await db.session.execute(text("INSERT INTO other VALUES (1)"))
        await db.session.commit()
        assert await db.session.scalar(text("SELECT count(*) FROM other")) == 1
    async with shop.app_context(), db.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: list(_tables(sync)))
    assert tables == ["item"]


def _tables(connection: object) -> list[str]:
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    assert isinstance(inspector, sa.Inspector)
    return inspector.get_table_names()


async def test_engines_afterwards(shop: Quart) -> None:
    """Afterwards the application uses its own engines again."""
    before = registration(shop).engines()
    async with rolled_back(shop):
        inside = registration(shop).engines()
        assert inside is not before
    assert registration(shop).engines() is before


async def test_end_of_serving(shop: Quart) -> None:
    """After the end of serving the application still uses the transaction of the test."""
    async with rolled_back(shop):
        inside = registration(shop).engines()
        async with shop.test_app():
            pass
        assert registration(shop).engines() is inside


async def test_without_an_extension(app_class: type[Quart]) -> None:
    with pytest.raises(RuntimeError, match="init_app"):
        async with rolled_back(app_class(__name__)):
            pass


async def test_concurrent_transactions(shop: Quart) -> None:
    """Tasks have sessions of their own, whose transactions end in any order."""
    first_is_open, second_is_open, first_has_ended = (asyncio.Event() for _ in range(3))

    async def first() -> None:
        async with db.new_session() as session:
            session.add(Item(name="first"))
            await session.flush()
            first_is_open.set()
            await second_is_open.wait()
            await session.commit()  # before the second transaction ends
            first_has_ended.set()
            session.add(Item(name="undone"))
            await session.flush()
            await session.rollback()

    async def second() -> None:
        await first_is_open.wait()
        async with db.new_session() as session:
            session.add(Item(name="second"))
            await session.flush()
            second_is_open.set()
            await first_has_ended.wait()
            await session.commit()

    async def many(number: int) -> None:
        for other in range(3):
            async with db.new_session() as session:
                await session.scalar(select(func.count(Item.id)))
                session.add(Item(name=f"{number} {other}"))
                await session.commit()

    async with rolled_back(shop):
        async with shop.app_context():
            await asyncio.gather(first(), second())
            await asyncio.gather(*map(many, range(5)))
            found = set((await db.session.scalars(select(Item.name))).all())
            many_names = {f"{number} {other}" for number in range(5) for other in range(3)}
            assert found == {"kept", "first", "second", *many_names}
    assert await names(shop) == ["kept"]


async def test_outer_transaction(shop: Quart) -> None:
    """A transaction can be rolled back after later ones have ended in any order."""
    async with rolled_back(shop), shop.app_context():
        db.session.add(Item(name="outer"))
        await db.session.flush()
        async with db.new_session() as first, db.new_session() as second:
            await first.scalar(select(func.count(Item.id)))
            await second.scalar(select(func.count(Item.id)))
            await first.commit()
            await second.commit()
        await db.session.rollback()
        assert (await db.session.scalars(select(Item.name))).all() == ["kept"]


async def test_impossible_order(shop: Quart) -> None:
    """What one connection can't do is an error that says so."""
    async with rolled_back(shop), shop.app_context():
        async with db.new_session() as first, db.new_session() as second:
            first.add(Item(name="first"))
            await first.flush()
            await second.scalar(select(func.count(Item.id)))
            with pytest.raises(RuntimeError, match=r"Under rolled_back\(\), .* reverse order"):
                await first.rollback()
            await second.commit()
    assert await names(shop) == ["kept"]
