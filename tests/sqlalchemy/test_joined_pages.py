"""Pages of a statement that joins: an entity is one item, however many rows it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import ForeignKey, Select, event, func, select, text, union_all
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    contains_eager,
    joinedload,
    mapped_column,
    relationship,
)

from quartpatterns.sqlalchemy import Model, SQLAlchemy


class Base(Model, DeclarativeBase):
    pass


shop = SQLAlchemy(model_class=Base)


class Author(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Place(Base):
    """It has a primary key of two columns, and many rows of it are joined."""

    row: Mapped[int] = mapped_column(primary_key=True)
    column: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int]


@pytest.fixture
async def app(app_class: type[Quart], url: str) -> AsyncIterator[Quart]:
    """Three authors, with three books each."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    shop.init_app(app)
    async with app.app_context():
        await shop.create_all()
        for number in range(1, 4):
            shop.session.add(Author(id=number, name="same"))
        await shop.session.flush()
        for number in range(9):
            # The titles of author 1 are a, d and g.
            shop.session.add(Book(title="abcdefghi"[number], author_id=number % 3 + 1))
        shop.session.add_all([Place(row=1, column=n, author_id=1) for n in range(3)])
        await shop.session.commit()
        shop.session.expunge_all()
        yield app
    await app.extensions["sqlalchemy"].close()


other = aliased(Author)
CASES: dict[str, tuple[Select[Any], list[int]]] = {
    "join": (select(Author).join(Author.books).order_by(Author.id), [1, 2, 3]),
    "outer join": (select(Author).outerjoin(Book).order_by(Author.id.desc()), [3, 2, 1]),
    "order of the joined": (select(Author).join(Book).order_by(Book.title.desc()), [3, 2, 1]),
    "condition": (select(Author).join(Book).where(Book.title > "g").order_by(Author.id), [2, 3]),
    "two tables": (
        select(Author).where(Book.author_id == Author.id).order_by(Author.id),
        [1, 2, 3],
    ),
    "from the other": (
        select(Author).select_from(Book).join(Author).order_by(Book.title),
        [1, 2, 3],
    ),
    "alias": (select(other).join(other.books).order_by(other.id), [1, 2, 3]),
    "distinct": (select(Author).join(Book).distinct().order_by(Author.id), [1, 2, 3]),
    "distinct, another order": (
        select(Author).join(Book).distinct().order_by(Author.name, Author.id.desc()),
        [3, 2, 1],
    ),
    "distinct and limit": (
        select(Author).join(Book).distinct().order_by(Author.name, Author.id).limit(2),
        [1, 2],
    ),
    "distinct and offset": (
        select(Author).join(Book).distinct().order_by(Author.name, Author.id).limit(9).offset(1),
        [2, 3],
    ),
    "lock": (
        select(Author).join(Book).order_by(Author.id).with_for_update(of=Author),
        [1, 2, 3],
    ),
    "contains_eager": (
        select(Author).join(Author.books).options(contains_eager(Author.books)).order_by(Author.id),
        [1, 2, 3],
    ),
    "joinedload": (
        select(Author).options(joinedload(Author.books)).order_by(Author.id),
        [1, 2, 3],
    ),
    "group by": (
        select(Author)
        .join(Book)
        .group_by(Author.id)
        .having(func.count() > 2)
        .order_by(func.max(Book.title).desc()),
        [3, 2, 1],
    ),
    "limit": (select(Author).order_by(Author.id).limit(2), [1, 2]),
}


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count", [True, False])
async def test_pages(case: str, count: bool) -> None:
    """Each entity is on one page, in the order of its first row."""
    statement, expected = CASES[case]
    page = await shop.paginate(statement, per_page=2, count=count)
    found = [author.id for author in page]
    if count:
        assert page.total == len(expected)
    assert page.has_next is (len(expected) > 2)
    if page.has_next:
        found += [author.id for author in await page.next()]
    assert found == expected


@pytest.mark.usefixtures("app")
async def test_collections() -> None:
    """The rows of an entity are not cut: its collection is complete."""
    statement = CASES["contains_eager"][0]
    page = await shop.paginate(statement, per_page=1)
    assert sorted(book.title for book in page.items[0].books) == ["a", "d", "g"]


@pytest.mark.usefixtures("app")
async def test_composite_key() -> None:
    statement = select(Place).join(Book, Book.author_id == Place.author_id).order_by(Place.column)
    page = await shop.paginate(statement, per_page=2)
    assert ([place.column for place in page], page.total) == ([0, 1], 3)


@pytest.mark.usefixtures("app")
async def test_union() -> None:
    """The items of a union are its rows, or the values of its only column."""
    small = select(Author.id).where(Author.id < 2)
    statement: Any = union_all(small, select(Book.id).where(Book.id > 7)).order_by("id")
    page = await shop.paginate(statement, per_page=2)
    assert (page.items, page.total, page.has_next) == ([1, 8], 3, True)
    assert (await page.next()).items == [9]


@pytest.mark.usefixtures("app")
async def test_no_limit_possible() -> None:
    statement: Any = select(Author).from_statement(text("SELECT * FROM author"))
    with pytest.raises(TypeError, match=r"write select\(\.\.\.\)"):
        await shop.paginate(statement)


@pytest.mark.usefixtures("app")
async def test_distinct_on(url: str) -> None:
    """The order decides which author of each title is on the page."""
    if url.startswith("sqlite"):
        pytest.skip("only PostgreSQL has DISTINCT ON")
    try:
        from sqlalchemy.dialects.postgresql import distinct_on
    except ImportError:  # SQLAlchemy 2.0
        statement = select(Author).join(Book).distinct(Author.name)
    else:
        statement = select(Author).join(Book).ext(distinct_on(Author.name))
    page = await shop.paginate(statement.order_by(Author.name, Author.id.desc()), per_page=2)
    assert ([author.id for author in page], page.total) == ([3], 1)


@pytest.mark.usefixtures("app")
async def test_columns() -> None:
    """Equal values of a column are different items, as they are counted."""
    page = await shop.paginate(select(Author.name), per_page=2)
    assert (page.items, page.total) == (["same", "same"], 3)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "statement",
    [
        select(Book).order_by(Book.id),
        select(Book).join(Book.author).order_by(Author.name),
        select(Book).where(Book.author.has(Author.id > 0)),
        select(Author).where(Author.books.any()),
    ],
)
async def test_usual_statements(statement: Select[Any]) -> None:
    """A statement that has one row for each entity is executed as it is."""
    executed: list[str] = []

    def record(connection: object, cursor: object, text: str, *_: object) -> None:
        executed.append(text)

    engine = shop.engine.sync_engine
    event.listen(engine, "before_cursor_execute", record)
    await shop.paginate(statement, per_page=2)
    assert len(executed) == 2
    assert not any("row_number" in text for text in executed)
