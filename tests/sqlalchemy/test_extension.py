"""Configuration, engines, and one object for several applications."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from quart import Quart
from sqlalchemy import StaticPool, select, text
from sqlalchemy.orm import DeclarativeBase

from quartpatterns.sqlalchemy import SQLAlchemy
from tests.serving import eventually
from tests.sqlalchemy.shop import Item, db, make_app, names, pool, registration

MEMORY = "sqlite://"


def test_no_database(app_class: type[Quart]) -> None:
    with pytest.raises(RuntimeError, match="SQLALCHEMY_DATABASE_URI is not set"):
        db.init_app(app_class(__name__))


def test_twice(app_class: type[Quart]) -> None:
    app = make_app(app_class, MEMORY)
    with pytest.raises(RuntimeError, match="import that one"):
        SQLAlchemy().init_app(app)


def test_unknown_option(app_class: type[Quart]) -> None:
    """A misspelt option is an error at the start, not in the first request."""
    with pytest.raises(TypeError, match="pol_size"):
        make_app(app_class, MEMORY, {"pol_size": 3})


def test_driver_that_is_missing(app_class: type[Quart]) -> None:
    with pytest.raises(ImportError, match="pip install 'quartpatterns\\[sqlalchemy\\]'"):
        make_app(app_class, "mysql://localhost/name")


def test_driver_that_blocks(app_class: type[Quart]) -> None:
    with pytest.raises(ValueError, match="write postgresql://"):
        make_app(app_class, "postgresql+psycopg2://localhost/name")


async def test_options(app_class: type[Quart], sqlite_url: str) -> None:
    """Options of the object are defaults for the configuration's, which may be text."""
    own = SQLAlchemy(engine_options={"pool_size": 3, "pool_timeout": 7})
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_size": "4"}
    own.init_app(app)
    async with app.app_context():
        assert isinstance(own.engine.pool, sa.QueuePool)
        assert (own.engine.pool.size(), own.engine.pool.timeout()) == (4, 7)


async def test_echo(
    app_class: type[Quart], sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(app_class, sqlite_url, SQLALCHEMY_ECHO=True)
    with caplog.at_level(logging.INFO, "sqlalchemy"):
        async with app.app_context():
            await db.session.execute(text("SELECT 4711"))
    assert "SELECT 4711" in caplog.text


async def test_relative_file(app_class: type[Quart], tmp_path: Path) -> None:
    """A relative file is in the instance folder, which is made, as in Flask-SQLAlchemy."""
    app = app_class(__name__, instance_path=str(tmp_path / "instance"))
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///data/app.db"
    db.init_app(app)
    async with app.app_context():
        await db.create_all()
    assert (tmp_path / "instance/data/app.db").exists()


async def test_pragmas(app_class: type[Quart], sqlite_url: str) -> None:
    """SQLite keeps foreign keys, and reads beside a writer; the configuration can say otherwise."""

    async def pragma(name: str) -> object:
        return (await db.session.execute(text(f"PRAGMA {name}"))).scalar_one()

    async with make_app(app_class, sqlite_url).app_context():
        assert await pragma("foreign_keys") == 1
        assert await pragma("journal_mode") == "wal"
    pragmas = {"cache_size": -4000}
    app = make_app(app_class, sqlite_url, SQLALCHEMY_SQLITE_PRAGMAS=pragmas)
    async with app.app_context():
        assert await pragma("foreign_keys") == 0
        assert await pragma("cache_size") == -4000


async def test_readers_beside_a_writer(app_class: type[Quart], sqlite_url: str) -> None:
    app = make_app(app_class, sqlite_url)
    async with app.app_context():
        await db.create_all()
        db.session.add(Item(name="not yet"))
        await db.session.flush()
        async with db.new_session() as reader:
            assert (await reader.scalars(select(Item))).all() == []
    await registration(app).close()


async def test_memory(app_class: type[Quart]) -> None:
    """A database in memory is one and the same for all contexts of an event loop."""
    app = make_app(app_class, MEMORY)
    assert isinstance(pool(app), StaticPool)
    async with app.app_context():
        await db.create_all()
        db.session.add(Item(name="kept"))
        await db.session.commit()
    assert await names(app) == ["kept"]


def test_loops(app_class: type[Quart], url: str) -> None:
    """An application that runs on one event loop after another has an engine on each."""
    app = make_app(app_class, url)
    engines, before = [], set(threading.enumerate())

    async def add(name: str) -> list[str]:
        async with app.app_context():
            await db.create_all()
            db.session.add(Item(name=name))
            await db.session.commit()
            engines.append(db.engine)
        return await names(app)

    assert asyncio.run(add("first")) == ["first"]
    assert asyncio.run(add("second")) == ["first", "second"]
    assert engines[0] is not engines[1]
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_loops_are_forgotten(app_class: type[Quart], url: str) -> None:
    """What was closed with its event loop is not kept for as long as the application lives."""
    app = make_app(app_class, url)
    kept: list[weakref.ref[object]] = []

    async def use() -> None:
        async with app.app_context():
            await db.session.execute(text("SELECT 1"))
        kept.append(weakref.ref(registration(app).engines()))

    for _ in range(3):
        asyncio.run(use())
    gc.collect()
    assert [found() is None for found in kept] == [True, True, True]


async def test_serving_closes(app: Quart) -> None:
    """The end of serving closes all connections, also one that the shutdown itself has used."""

    @app.while_serving
    async def last_words():  # type: ignore[no-untyped-def]
        yield
        db.session.add(Item(name="last words"))
        await db.session.commit()
        await db.session.scalars(select(Item))

    engine = pool(app)
    async with app.test_app():
        assert await names(app) == []
    assert isinstance(engine, sa.QueuePool)
    assert (engine.checkedout(), engine.checkedin()) == (0, 0)
    assert registration(app).loop_engines.find() is None
    assert await names(app) == ["last words"]


async def test_forgotten_app(app_class: type[Quart], url: str) -> None:
    """An application that is forgotten while its event loop runs on is closed, too."""
    app = make_app(app_class, url)
    async with app.app_context():
        await db.session.execute(text("SELECT 1"))
    engine = pool(app)
    assert isinstance(engine, sa.QueuePool)
    assert engine.checkedin() == 1
    threads = threading.active_count()
    forgotten = weakref.ref(app)
    del app
    gc.collect()
    assert forgotten() is None
    await eventually(lambda: engine.checkedin() == 0)
    await eventually(lambda: threading.active_count() <= threads - url.startswith("sqlite"))


async def test_several_apps(app_class: type[Quart], tmp_path: Path) -> None:
    """One object serves several applications; each has its own database."""
    apps = [make_app(app_class, f"sqlite:///{tmp_path / name}") for name in ("one.db", "two.db")]
    for number, app in enumerate(apps):
        async with app.app_context():
            await db.create_all()
            db.session.add(Item(name=f"in {number}"))
            await db.session.commit()
    async with apps[0].app_context():
        outer = db.session
        async with apps[1].app_context():
            assert (await db.session.scalars(select(Item.name))).all() == ["in 1"]
        assert db.session is outer
        assert (await db.session.scalars(select(Item.name))).all() == ["in 0"]
    for app in apps:
        await registration(app).close()


@pytest.mark.checks("SA-7")
async def test_reflect(app: Quart) -> None:
    """The tables of a database that is there are loaded from it."""
    own = SQLAlchemy()
    other = type(app)(__name__)
    other.config["SQLALCHEMY_DATABASE_URI"] = registration(app).url
    own.init_app(other)
    async with other.app_context():
        await own.reflect()
        assert list(own.metadata.tables["item"].columns.keys()) == ["id", "name"]
        await own.drop_all()
        await own.reflect()
        async with own.engine.connect() as connection:
            assert await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()) == []
    await other.extensions["sqlalchemy"].close()


def test_table() -> None:
    """``db.Table`` names no metadata, but may."""
    own = SQLAlchemy()
    tags = own.Table("tags", sa.Column("id", sa.Integer, primary_key=True))
    assert tags.metadata is own.metadata
    other = sa.MetaData()
    assert own.Table("tags", other).metadata is other


def test_names_of_sqlalchemy() -> None:
    """The names that Flask-SQLAlchemy passes on are there for models that move."""
    own: Any = SQLAlchemy()
    assert own.Column is sa.Column
    assert own.relationship is sa.orm.relationship
    with pytest.raises(AttributeError, match="sesion"):
        own.sesion  # noqa: B018


def test_typed_base() -> None:
    """A base of one's own is ``db.Model`` itself, so that type checkers follow."""

    class Base(DeclarativeBase):
        pass

    own = SQLAlchemy(model_class=Base)
    assert issubclass(own.Model, Base)
    assert own.metadata is Base.metadata
