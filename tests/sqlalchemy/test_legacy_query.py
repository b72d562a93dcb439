"""``Model.query`` and ``db.session.query``: queries of SQLAlchemy 1.x, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart, render_template_string
from sqlalchemy import ForeignKey
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.exceptions import NotFound

from quartpatterns.sqlalchemy import Model, Query, SQLAlchemy


class Active(Query[Any]):
    """A class as applications have it: written for Flask, without ``await``."""

    def get(self, ident: Any) -> Any:
        found: Any = super().get(ident)
        return None if found is None or found.name == "hidden" else found

    async def names(self) -> list[str]:
        return [author.name for author in await self.all()]


class Base(Model, DeclarativeBase):
    pass


shop: Any = SQLAlchemy(model_class=Base, query_class=Active)


class Author(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books = shop.relationship("Book", back_populates="author", lazy="dynamic")


class Book(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author = shop.relationship("Author", back_populates="books")


@pytest.fixture
async def app(app_class: type[Quart], url: str) -> AsyncIterator[Quart]:
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    shop.init_app(app)
    async with app.app_context():
        await shop.create_all()
        ann, bob = Author(name="Ann"), Author(name="Bob")
        books = [Book(title=title, author=ann) for title in "abc"]
        shop.session.add_all([ann, bob, Author(name="hidden"), *books])
        await shop.session.commit()
        shop.session.expunge_all()
        yield app
    await app.extensions["sqlalchemy"].close()


pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.LegacyAPIWarning")


@pytest.mark.usefixtures("app")
async def test_results() -> None:
    query: Any = Author.query.order_by(Author.id)
    assert type(Author.query) is Active and type(shop.session.query(Book)) is Active
    assert [author.name for author in await query.all()] == ["Ann", "Bob", "hidden"]
    assert await query.names() == ["Ann", "Bob", "hidden"]
    assert await query.count() == 3
    assert (await query.first()).name == "Ann"
    assert (await query.filter_by(name="Bob").one()).id == 2
    assert await query.filter_by(name="x").one_or_none() is None
    assert await shop.session.query(Author.name).filter_by(id=2).scalar() == "Bob"
    assert [author.name for author in await query[1:3]] == ["Bob", "hidden"]
    assert (await query[0]).name == "Ann"
    assert await shop.session.query(Author.name, Author.id).first() == ("Ann", 1)
    assert await shop.session.scalar(shop.select(query.filter_by(name="Ann").exists()))
    with pytest.raises(NoResultFound):
        await query.filter_by(name="x").one()
    with pytest.raises(MultipleResultsFound):
        await query.one()


@pytest.mark.usefixtures("app")
async def test_changes() -> None:
    assert await Author.query.filter_by(id=2).update({"name": "Bert"}) == 1
    assert await Author.query.filter_by(name="hidden").delete() == 1
    await shop.session.commit()
    query: Any = Author.query.order_by(Author.id)
    assert await query.names() == ["Ann", "Bert"]


@pytest.mark.usefixtures("app")
async def test_or_404() -> None:
    """The class of the application has methods that are written without ``await``."""
    assert (await Author.query.get(1)).name == "Ann"
    assert await Author.query.get(3) is None
    assert (await Author.query.get_or_404(2)).name == "Bob"
    for missing in (
        Author.query.get_or_404(3, description="No such author."),
        Author.query.filter_by(name="x").first_or_404(),
        Author.query.filter_by(name="x").one_or_404(),
        Author.query.one_or_404(),
    ):
        with pytest.raises(NotFound):
            await missing


async def test_loops(app: Quart) -> None:
    """A loop is ``async for``, also in a template; ``for`` says so."""
    query = Author.query.order_by(Author.id)
    assert [author.id async for author in query] == [1, 2, 3]
    with pytest.raises(TypeError, match="async for x in query"):
        list(query)
    with pytest.raises(TypeError, match="with_entities"):
        query.values(Author.id)
    async with app.test_request_context("/"):
        template = "{% for author in query %}{{ author.name }} {% endfor %}"
        assert await render_template_string(template, query=Author.query.order_by("id")) == (
            "Ann Bob hidden "
        )


@pytest.mark.usefixtures("app")
async def test_dynamic_relationship() -> None:
    ann = await shop.session.get(Author, 1)
    assert isinstance(ann.books, Active)
    books: Any = ann.books
    assert [book.title for book in await books.order_by(Book.title).all()] == ["a", "b", "c"]
    assert await books.count() == 3
    assert (await books.filter_by(title="b").first()).title == "b"
    books.append(Book(title="d"))
    # The count writes the new book first, which is I/O.
    assert await books.count() == 4
    assert (await books.paginate(per_page=3)).total == 4


@pytest.mark.usefixtures("app")
async def test_run_sync() -> None:
    """Inside ``run_sync`` they are SQLAlchemy's own methods."""
    titles = await shop.session.run_sync(
        lambda session: [book.title for book in session.query(Book).order_by(Book.title)]
    )
    assert titles == ["a", "b", "c"]


@pytest.mark.usefixtures("app")
async def test_pages() -> None:
    page = await Author.query.order_by(Author.id).paginate(per_page=2)
    assert ([author.id for author in page], page.total) == ([1, 2], 3)
    following = await page.next()
    assert ([author.id for author in following], following.total) == ([3], 3)
    rows = await shop.session.query(Author.id, Author.name).order_by(Author.id).paginate(per_page=2)
    assert list(rows) == [(1, "Ann"), (2, "Bob")]
    joined = await Author.query.outerjoin(Book).order_by(Author.id, Book.id).paginate(per_page=2)
    assert ([author.id for author in joined], joined.total) == ([1, 2], 3)


def test_query_class() -> None:
    with pytest.raises(TypeError, match="subclass of quartpatterns"):
        SQLAlchemy(query_class=object)  # type: ignore[arg-type]
