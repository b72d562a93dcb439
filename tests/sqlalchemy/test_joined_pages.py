"""Pages of a statement that joins: an entity is one item, however many rows it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import ForeignKey, Select, event, func, select
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
