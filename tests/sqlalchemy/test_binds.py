"""Several databases: models, tables and statements find their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from quart import Quart
from sqlalchemy import ForeignKey, MetaData, delete, func, insert, select, text, update
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column
from sqlalchemy.orm import Session as SyncSession

from quartpatterns.sqlalchemy import Model, RoutedSession, SQLAlchemy


class Base(Model, DeclarativeBase):
    metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})


class Book(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


class Visit(Base):
    __bind_key__ = "statistics"
    id: Mapped[int] = mapped_column(primary_key=True)
    page: Mapped[str]


class Measured(Base):
    __abstract__ = True
    __bind_key__ = "statistics"


class Download(Measured):
    id: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[str]


class LongDownload(Download):
    id: Mapped[int] = mapped_column(ForeignKey("download.id"), primary_key=True)
    seconds: Mapped[float]


shop = SQLAlchemy(model_class=Base)
events = shop.Table("event", sa.Column("name", sa.String), bind_key="statistics")


@pytest.fixture
async def app(
    app_class: type[Quart], sqlite_url: str, tmp_path: Path, postgres_url: str
) -> AsyncIterator[Quart]:
    """An application whose books are in SQLite, and whose statistics are in PostgreSQL."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    app.config["SQLALCHEMY_BINDS"] = {"statistics": {"url": postgres_url, "pool_size": 2}}
    shop.init_app(app)
    async with app.app_context():
        await shop.create_all()
    yield app
    await app.extensions["sqlalchemy"].close()


async def tables(key: str | None) -> set[str]:
    async with shop.engines[key].connect() as connection:
        found = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
        return set(found)


async def test_tables(app: Quart) -> None:
    """Each table is created only in its own database."""
    async with app.app_context():
        assert await tables(None) == {"book"}
        assert await tables("statistics") == {"visit", "download", "long_download", "event"}
        await shop.drop_all(["statistics"])
        assert await tables(None) == {"book"}
        assert await tables("statistics") == set()
        await shop.drop_all(None)
        await shop.create_all("statistics")
        assert await tables(None) == set()
        assert "visit" in await tables("statistics")


async def test_options(app: Quart) -> None:
    """A bind adds its own engine options to those of all engines."""
    async with app.app_context():
        assert shop.engines["statistics"].pool.size() == 2  # type: ignore[attr-defined]
        assert shop.engines["statistics"].dialect.name == "postgresql"
        assert shop.engine is shop.engines[None]


def test_metadata() -> None:
    """The metadata of a bind has the naming convention and the bind key."""
    assert shop.metadata is Base.metadata
    assert set(shop.metadatas) >= {None, "statistics"}
    other = shop.metadatas["statistics"]
    assert other.info["bind_key"] == "statistics"
    assert other.naming_convention == Base.metadata.naming_convention
    assert Visit.__table__.metadata is Download.__table__.metadata is events.metadata is other


async def test_routing(app: Quart) -> None:
    """One session reads and writes both databases."""
    async with app.app_context():
        session = shop.session
        long = LongDownload(file="long", seconds=1.5)
        session.add_all([Book(title="one"), Visit(page="/"), Download(file="f"), long])
        await session.commit()
        assert await session.scalar(select(func.count(Book.id))) == 1
        assert await session.scalar(select(func.count()).select_from(Visit)) == 1
        assert await session.scalar(select(LongDownload.seconds)) == 1.5
        assert (await session.scalars(select(Download.file).order_by("file"))).all() == [
            "f",
            "long",
        ]
        assert await session.get(Visit, 1) is not None
        name = aliased(Visit)
        assert await session.scalar(select(name.page)) == "/"
        await session.execute(insert(events).values(name="core"))
        await session.execute(update(Visit).values(page="/new"))
        assert await session.scalar(select(events.c.name)) == "core"
        await session.execute(delete(events))
        assert await session.scalar(select(func.count()).select_from(events)) == 0
        page = await shop.paginate(select(Visit).order_by(Visit.id))
        assert page.total == 1
        await session.commit()
        # Text names no table: the database without a key, or the one that is named.
        assert await session.scalar(text("SELECT title FROM book")) == "one"
        named = {"bind": shop.engines["statistics"].sync_engine}
        found = await session.scalar(text("SELECT page FROM visit"), bind_arguments=named)
        assert found == "/new"


async def test_rollback_of_both(app: Quart) -> None:
    async with app.app_context():
        shop.session.add_all([Book(title="lost"), Visit(page="/lost")])
        await shop.session.flush()
    async with app.app_context():
        assert await shop.session.scalar(select(func.count(Book.id))) == 0
        assert await shop.session.scalar(select(func.count(Visit.id))) == 0
        for engine in shop.engines.values():
            assert engine.pool.checkedout() <= 1  # type: ignore[attr-defined]
    for engine in app.extensions["sqlalchemy"].engines().engines.values():
        assert engine.pool.checkedout() == 0


async def test_no_such_bind(app_class: type[Quart], sqlite_url: str) -> None:
    """A model whose database is not configured names the setting."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    app.config["SQLALCHEMY_BINDS"] = {"other": "sqlite://"}
    shop.init_app(app)
    async with app.app_context():
        with pytest.raises(UnboundExecutionError, match=r"SQLALCHEMY_BINDS\['statistics'\]"):
            await shop.session.get(Visit, 1)
        with pytest.raises(UnboundExecutionError, match="statistics"):
            await shop.create_all()
    await app.extensions["sqlalchemy"].close()


async def test_one_database_for_all(app_class: type[Quart], sqlite_url: str) -> None:
    """An unknown bind key is an error with a single database, too."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    shop.init_app(app)
    async with app.app_context():
        await shop.create_all(None)
        assert await shop.session.scalar(select(func.count(Book.id))) == 0
        with pytest.raises(UnboundExecutionError, match="statistics"):
            await shop.session.get(Visit, 1)
    await app.extensions["sqlalchemy"].close()


async def test_only_binds(app_class: type[Quart], sqlite_url: str) -> None:
    """An application may have only SQLALCHEMY_BINDS."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_BINDS"] = {"statistics": sqlite_url}
    shop.init_app(app)
    async with app.app_context():
        await shop.create_all("statistics")
        assert await shop.session.scalar(select(func.count(Visit.id))) == 0
        with pytest.raises(UnboundExecutionError, match="SQLALCHEMY_DATABASE_URI"):
            shop.engine  # noqa: B018
        with pytest.raises(UnboundExecutionError, match="SQLALCHEMY_DATABASE_URI"):
            await shop.session.get(Book, 1)
    await app.extensions["sqlalchemy"].close()


@pytest.mark.parametrize("bind", [3, {"echo": True}, None])
def test_bad_bind(app_class: type[Quart], bind: Any) -> None:
    app = app_class(__name__)
    app.config["SQLALCHEMY_BINDS"] = {"statistics": bind}
    with pytest.raises(ValueError, match=r"SQLALCHEMY_BINDS\['statistics'\]"):
        shop.init_app(app)


def test_session_of_the_user() -> None:
    """A custom sync_session_class must be a subclass of RoutedSession."""

    class Mine(RoutedSession):
        pass

    SQLAlchemy(session_options={"sync_session_class": Mine})
    with pytest.raises(TypeError, match="RoutedSession"):
        SQLAlchemy(session_options={"sync_session_class": SyncSession})
