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
from werkzeug.exceptions import NotFound

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
    app.config.from_mapping(SQLALCHEMY_DATABASE_URI=url, SECRET_KEY="secret")
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
async def test_first_or_404() -> None:
    """Its collection is complete; without ``contains_eager()`` only one row is fetched."""
    statement = CASES["contains_eager"][0]
    author = await shop.first_or_404(statement)
    assert (author.id, sorted(book.title for book in author.books)) == (1, ["a", "d", "g"])
    shop.session.expunge_all()
    author = await shop.one_or_404(statement.where(Author.id == 2))
    assert sorted(book.title for book in author.books) == ["b", "e", "h"]
    with pytest.raises(NotFound):
        await shop.first_or_404(statement.where(Author.id == 9))
    last = select(Author).join(Book).order_by(Book.title.desc())
    assert (await shop.first_or_404(last)).id == 3


@pytest.mark.usefixtures("app")
async def test_first_without_limit() -> None:
    """What can't be limited is executed as it is, as in Flask-SQLAlchemy."""
    statement: Any = select(Author).from_statement(text("SELECT * FROM author ORDER BY id DESC"))
    assert (await shop.first_or_404(statement)).id == 3
    statement = text("SELECT id FROM author WHERE id = 9")
    with pytest.raises(NotFound):
        await shop.first_or_404(statement)


KEYSETS: dict[str, tuple[Any, list[int]]] = {
    "own columns": (select(Author).join(Book).order_by(Author.name.desc(), Author.id), [1, 2, 3]),
    "first title": (select(Author).join(Book).order_by(Book.title), [1, 2, 3]),
    "last title": (select(Author).join(Book).order_by(Book.title.desc()), [3, 2, 1]),
    "mixed": (
        select(Author).join(Book).order_by(Author.name, Book.title.desc(), Author.id),
        [3, 2, 1],
    ),
    "expression": (select(Author).join(Book).order_by(func.lower(Book.title)), [1, 2, 3]),
    "distinct, title": (select(Author).join(Book).distinct().order_by(Book.title), [1, 2, 3]),
    "distinct, own": (select(Author).join(Book).distinct().order_by(Author.id.desc()), [3, 2, 1]),
    "outer join": (
        select(Author)
        .outerjoin(Book, (Book.author_id == Author.id) & (Book.title < "c"))
        .order_by(Book.title.nulls_first()),
        [3, 1, 2],
    ),
    "lock": (
        select(Author).join(Book).order_by(Author.id).with_for_update(of=Author),
        [1, 2, 3],
    ),
    "joinedload": (
        select(Author).join(Book).options(joinedload(Author.books)).order_by(Book.title),
        [1, 2, 3],
    ),
    "alias": (
        select(other := aliased(Author)).join(Book, Book.author_id == other.id).order_by(other.id),
        [1, 2, 3],
    ),
}


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("case", KEYSETS)
@pytest.mark.parametrize("per_page", [1, 2, 3])
async def test_keyset_pages(case: str, per_page: int) -> None:
    """Each entity is on one page, at the place of its first row, in both directions."""
    statement, expected = KEYSETS[case]
    page = await shop.keyset_paginate(statement, per_page=per_page)
    pages = [page]
    while following := await page.next():
        page = following
        pages.append(page)
    assert [author.id for page in pages for author in page] == expected
    assert [len(page.items) for page in pages[:-1]] == [per_page] * (len(pages) - 1)
    found = [author.id for author in page][::-1]
    while preceding := await page.prev():
        page = preceding
        found += [author.id for author in page][::-1]
    assert found == expected[::-1]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("count", [40, 120])
async def test_keyset_statements(count: int) -> None:
    """A page needs two statements, however many rows an entity has."""
    shop.session.add_all([Book(title="z", author_id=1) for _ in range(count)])
    await shop.session.commit()
    executed: list[str] = []

    def record(connection: object, cursor: object, text: str, *_: object) -> None:
        executed.append(text)

    event.listen(shop.engine.sync_engine, "before_cursor_execute", record)
    page = await shop.keyset_paginate(select(Author).join(Book).order_by(Author.id), per_page=2)
    assert ([author.id for author in page], len(executed)) == ([1, 2], 2)


@pytest.mark.usefixtures("app")
async def test_keyset_collections() -> None:
    page = await shop.keyset_paginate(CASES["contains_eager"][0], per_page=2)
    assert [len(author.books) for author in page] == [3, 3]


@pytest.mark.usefixtures("app")
async def test_keyset_composite_key() -> None:
    statement = (
        select(Place)
        .join(Book, Book.author_id == Place.author_id)
        .order_by(Book.title.desc(), Place.column)
    )
    page = await shop.keyset_paginate(statement, per_page=2)
    assert [place.column for place in page] == [0, 1]
    following = await page.next()
    assert following is not None
    assert ([place.column for place in following], following.has_next) == ([2], False)


@pytest.mark.usefixtures("app")
async def test_keyset_distinct_columns() -> None:
    """Equal rows are one item, as the statement says."""
    names: Any = select(Author.name).distinct().order_by(Author.name)
    page = await shop.keyset_paginate(names, per_page=1)
    assert (page.items, page.has_next) == (["same"], False)
    rows: Any = select(Book.author_id).distinct()
    page = await shop.keyset_paginate(rows.order_by(Book.author_id.desc()), per_page=2)
    assert page.items == [3, 2]
    following = await page.next()
    assert following is not None and following.items == [1]
    with pytest.raises(ValueError, match="ordered by selected columns"):
        await shop.keyset_paginate(rows.order_by(Book.title))


@pytest.mark.usefixtures("app")
async def test_keyset_union() -> None:
    """A union is selected from, as the message says."""
    both = union_all(select(Author.id), select(Book.id).where(Book.id > 7))
    statements: list[Any] = [
        both.order_by("id"),
        select(Author).from_statement(text("SELECT * FROM author")),
    ]
    for statement in statements:
        with pytest.raises(ValueError, match=r"from the subquery\(\) of a union"):
            await shop.keyset_paginate(statement)
    rows = both.subquery()
    statement = select(rows.c.id).order_by(rows.c.id.desc())
    page = await shop.keyset_paginate(statement, per_page=3)
    assert page.items == [9, 8, 3]
    authors = aliased(Author, select(Author).union(select(Author)).subquery())
    entities = await shop.keyset_paginate(select(authors).order_by(authors.id), per_page=2)
    assert [author.id for author in entities] == [1, 2]


@pytest.mark.usefixtures("app")
async def test_rows_of_columns() -> None:
    """Rows are counted and returned one by one, also if their first column repeats."""
    rows: Any = select(Book.author_id, Book.title).order_by(Book.id)
    page = await shop.paginate(rows, per_page=20)
    assert (len(page.items), page.total) == (9, 9)
    both: Any = union_all(select(Author.id, Author.name), select(Author.id, Author.name)).order_by(
        "id"
    )
    page = await shop.paginate(both, per_page=4)
    assert (page.items, page.total) == ([1, 1, 2, 2], 6)


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
