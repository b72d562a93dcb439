"""Pages: the numbers of Flask-SQLAlchemy, and what it gets wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NoReturn

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy as FlaskSQLAlchemy
from flask_sqlalchemy.pagination import Pagination as FlaskPagination
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart
from sqlalchemy import event, select
from werkzeug.exceptions import NotFound

from quartpatterns.sqlalchemy import Pagination
from tests.sqlalchemy.shop import Item, db, make_app, registration

TOTAL = 23
ITEMS = select(Item).order_by(Item.id)


async def no_other(page: int, error_out: bool) -> NoReturn:
    raise NotImplementedError


def made(page: int, per_page: int, total: int) -> Pagination[int]:
    first = (page - 1) * per_page
    items = list(range(first, min(first + per_page, total)))
    return Pagination.of(items, page, per_page, 100, total, more=None, fetch=no_other)


class Made(FlaskPagination):
    """A pagination of Flask-SQLAlchemy over numbers."""

    def __init__(self, page: int, per_page: int, total: int) -> None:
        self._made = made(page, per_page, total)
        super().__init__(page, per_page, None, False)

    def _query_items(self) -> list[int]:
        return self._made.items

    def _query_count(self) -> int:
        return self._made.total or 0


NUMBERS = "first last pages has_prev prev_num has_next next_num".split()
edges = st.integers(0, 5)


@given(st.data(), st.integers(1, 30), st.integers(0, 300), edges, edges, edges, edges)
def test_numbers_of_flask_sqlalchemy(
    data: st.DataObject, per_page: int, total: int, a: int, b: int, c: int, d: int
) -> None:
    """The attributes of each existing page are those of Flask-SQLAlchemy."""
    page = data.draw(st.integers(1, max(1, -(-total // per_page))))
    ours, theirs = made(page, per_page, total), Made(page, per_page, total)
    for name in NUMBERS:
        assert getattr(ours, name) == getattr(theirs, name), name
    edges = {"left_edge": a, "left_current": b, "right_current": c, "right_edge": d}
    assert list(ours.iter_pages()) == list(theirs.iter_pages())
    # Where the left edge is wider than that, theirs shows gaps that are none, and pages twice.
    if a <= page + c:
        assert list(ours.iter_pages(**edges)) == list(theirs.iter_pages(**edges))


def test_widget() -> None:
    assert list(made(7, 1, 20).iter_pages()) == [1, 2, None, 5, 6, 7, 8, 9, 10, 11, None, 19, 20]
    assert list(made(1, 20, 0).iter_pages()) == []


@pytest.fixture
async def shop(app: Quart) -> AsyncIterator[Quart]:
    """The application with 23 items."""
    async with app.app_context():
        db.session.add_all([Item(name=f"item {n:02}") for n in range(1, TOTAL + 1)])
        await db.session.commit()
    yield app


QUERIES = [
    "", "page=2", "page=2&per_page=10", "page=3&per_page=10", "page=4&per_page=10", "page=0",
    "page=-1", "page=x", "page=", "page=1.0", "page=%20", "per_page=0", "per_page=-5",
    "per_page=x", "per_page=1000", "per_page=23", "page=1&per_page=22", "page=2&per_page=22",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("error_out", [True, False])
async def test_pages_of_flask_sqlalchemy(
    app_class: type[Quart], sqlite_url: str, query: str, error_out: bool
) -> None:
    """The same pages of the same database, for numbers of all kinds in the query string."""
    app = make_app(app_class, sqlite_url)
    async with app.app_context():
        await db.create_all()
        db.session.add_all([Item(name=f"item {n:02}") for n in range(1, TOTAL + 1)])
        await db.session.commit()
    options: dict[str, Any] = {"max_per_page": 21, "error_out": error_out}
    async with app.test_request_context(f"/?{query}"):
        try:
            page = await db.paginate(ITEMS, **options)
            ours = [page.page, page.per_page, page.total, [item.id for item in page]]
            ours += [getattr(page, name) for name in NUMBERS]
        except NotFound:
            ours = [404]
    await registration(app).close()
    assert ours == theirs(sqlite_url, query, options)


def theirs(url: str, query: str, options: dict[str, Any]) -> list[Any]:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    flask_db = FlaskSQLAlchemy(app)
    with app.test_request_context(f"/?{query}"):
        try:
            page = flask_db.paginate(ITEMS, **options)
            found = [page.page, page.per_page, page.total, [item.id for item in page]]
            return found + [getattr(page, name) for name in NUMBERS]
        except NotFound:
            return [404]
        finally:
            flask_db.session.remove()
            flask_db.engine.dispose()


async def test_prev_and_next(shop: Quart) -> None:
    """prev() and next() do not count again, and keep max_per_page."""
    async with shop.app_context():
        statements: list[str] = []

        def note(*args: Any) -> None:
            statements.append(args[2])

        page = await db.paginate(ITEMS, page=2, per_page=500, max_per_page=5)
        event.listen(db.engine.sync_engine, "before_cursor_execute", note)
        before, after = await page.prev(), await page.next()
        assert (before.page, page.page, after.page) == (1, 2, 3)
        assert [item.id for item in before] == [1, 2, 3, 4, 5]
        assert [item.id for item in after] == [11, 12, 13, 14, 15]
        for other in (before, after):
            assert (other.per_page, other.max_per_page, other.total) == (5, 5, TOTAL)
        assert (await (await page.prev()).next()).page == 2
        assert not [statement for statement in statements if "count" in statement]
        last = await db.paginate(ITEMS, page=5, per_page=5)
        assert (await last.next()).items == []
        with pytest.raises(NotFound):
            await last.next(error_out=True)


async def test_without_count(shop: Quart) -> None:
    """Without a count there is no total, but has_next is right."""
    async with shop.app_context():
        pages = [await db.paginate(ITEMS, page=n, per_page=10, count=False) for n in (1, 2, 3)]
        assert [page.has_next for page in pages] == [True, True, False]
        assert [page.next_num for page in pages] == [2, 3, None]
        assert [len(page.items) for page in pages] == [10, 10, 3]
        assert [page.total for page in pages] == [None] * 3
        assert [page.pages for page in pages] == [0] * 3
        exact = await db.paginate(ITEMS, per_page=TOTAL, count=False)
        assert (len(exact.items), exact.has_next) == (TOTAL, False)
        pages[0].total = 1000
        assert (pages[0].pages, pages[0].has_next) == (100, True)


async def test_limit(shop: Quart) -> None:
    """A page has at most 100 items by default."""
    async with shop.test_request_context("/?per_page=100000"):
        assert (await db.paginate(ITEMS)).per_page == 100
        assert (await db.paginate(ITEMS, max_per_page=None)).per_page == 100000
        assert (await db.paginate(ITEMS, max_per_page=3)).per_page == 3


@pytest.mark.parametrize("page", [2**31, 2**63, 10**30, 10**4000])
async def test_large_page_numbers(shop: Quart, page: int) -> None:
    """A page with a number that is too large is empty."""
    async with shop.app_context():
        with pytest.raises(NotFound):
            await db.paginate(ITEMS, page=page)
        assert (await db.paginate(ITEMS, page=page, error_out=False)).items == []
        uncounted = await db.paginate(ITEMS, page=page, error_out=False, count=False)
        assert uncounted.items == []


async def test_columns(shop: Quart) -> None:
    """Columns are paginated like models, also with a where, a group and tables of Core."""
    async with shop.app_context():
        for statement in (
            select(Item.id).order_by(Item.id),
            select(Item.__table__.c.id).order_by(Item.__table__.c.id),
            select(Item.id).where(Item.id <= TOTAL).group_by(Item.id).order_by(Item.id),
        ):
            page = await db.paginate(statement, per_page=3)
            assert (page.items, page.total) == ([1, 2, 3], TOTAL)


async def test_first_and_one(shop: Quart) -> None:
    async with shop.app_context():
        assert (await db.first_or_404(ITEMS)).id == 1
        assert (await db.one_or_404(ITEMS.where(Item.id == 2))).id == 2
        assert (await db.get_or_404(Item, 3)).id == 3
        for missing in (
            db.first_or_404(ITEMS.where(Item.id == 0), description="nobody"),
            db.one_or_404(ITEMS.where(Item.id == 0), description="nobody"),
            db.one_or_404(ITEMS, description="nobody"),
            db.get_or_404(Item, 0, description="nobody"),
            db.get_or_404(Item, 2**31, description="nobody"),
            db.get_or_404(Item, 10**30, description="nobody"),
        ):
            with pytest.raises(NotFound, match="nobody"):
                await missing
        assert (await db.get_or_404(Item, 3, with_for_update=True)).id == 3


async def test_first_fetches_one(shop: Quart) -> None:
    """first_or_404 fetches only one row."""
    async with shop.app_context():
        statements: list[str] = []
        event.listen(
            db.engine.sync_engine,
            "before_cursor_execute",
            lambda *args: statements.append(args[2]),
        )
        await db.first_or_404(ITEMS)
        assert "LIMIT" in statements[0]
