"""Pages of tables that are too large to count."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from quart import Quart
from sqlalchemy import func, literal, select, text

from quartpatterns.sqlalchemy import get_recorded_queries
from tests.sqlalchemy.shop import Item, db, make_app, registration

ROWS = 30_000


@pytest.fixture
async def app(app_class: type[Quart], postgres_url: str) -> AsyncIterator[Quart]:
    """An application with many rows in PostgreSQL, whose statistics are up to date."""
    app = make_app(app_class, postgres_url, SQLALCHEMY_RECORD_QUERIES=True)
    async with app.app_context():
        await db.create_all()
        insert = "INSERT INTO item (name) SELECT 'item ' || n FROM generate_series(1, :rows) AS n"
        await db.session.execute(text(insert), {"rows": ROWS})
        await db.session.commit()
        await db.session.execute(text("ANALYZE item"))
        await db.session.commit()
    yield app
    await registration(app).close()


def counted() -> bool:
    return any("count(" in query.statement.lower() for query in get_recorded_queries())


async def test_estimate(app: Quart) -> None:
    """A large table is not counted, and its pages are right."""
    statement = select(Item).order_by(Item.id)
    async with app.app_context():
        page = await db.paginate(statement, count="estimate", per_page=100)
        assert page.estimated
        assert page.total == pytest.approx(ROWS, rel=0.05)
        assert page.has_next and page.pages == pytest.approx(300, rel=0.05)
        second = await page.next()
        assert (second.page, second.first, second.estimated) == (2, 101, True)
        assert second.total == page.total
        assert not counted()


async def test_condition(app: Quart) -> None:
    """The estimate takes the condition and its values into account."""
    half = select(Item).where(Item.id <= ROWS // 2).order_by(Item.id)
    async with app.app_context():
        page = await db.paginate(half, count="estimate")
        assert page.estimated
        assert page.total == pytest.approx(ROWS / 2, rel=0.2)


async def test_last_page(app: Quart) -> None:
    """The last page has the exact total."""
    async with app.app_context():
        await db.session.execute(text("DELETE FROM item WHERE id > 20050"))
        page = await db.paginate(
            select(Item).order_by(Item.id), count="estimate", page=201, per_page=100
        )
        assert (len(page.items), page.has_next, page.total, page.estimated) == (
            50,
            False,
            20050,
            False,
        )
        assert not counted()
        before = await db.paginate(
            select(Item).order_by(Item.id), count="estimate", page=200, per_page=100
        )
        assert before.has_next and before.estimated


async def test_few(app: Quart) -> None:
    """A small estimate is replaced by a count."""
    async with app.app_context():
        page = await db.paginate(select(Item).where(Item.id < 100), count="estimate")
        assert (page.total, page.estimated, page.pages) == (99, False, 5)
        assert counted()


async def test_estimate_that_is_too_low(app: Quart) -> None:
    """A page beyond the estimate exists if there are rows."""
    async with app.app_context():
        # No statistics say that these two belong together.
        odd = select(Item).where(func.mod(Item.id, 1) == 0, func.mod(Item.id, literal(1)) == 0)
        page = await db.paginate(odd.order_by(Item.id), count="estimate", page=200, per_page=100)
        assert page.has_next and (page.total or 0) > 20_000


async def test_sqlite(app_class: type[Quart], sqlite_url: str) -> None:
    """Databases without estimates count."""
    app = make_app(app_class, sqlite_url)
    async with app.app_context():
        await db.create_all()
        db.session.add_all(Item(name=f"{n}") for n in range(30))
        await db.session.commit()
        page = await db.paginate(select(Item).order_by(Item.id), count="estimate")
        assert (page.total, page.estimated, page.has_next) == (30, False, True)
        none = await db.paginate(select(Item).where(Item.id < 0), count="estimate")
        assert (none.total, none.has_next) == (0, False)
    await registration(app).close()
