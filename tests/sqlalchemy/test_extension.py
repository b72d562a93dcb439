"""Configuration, engines, and one object for several applications."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
import sys
import threading
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from quart import Quart
from sqlalchemy import StaticPool, select, text
from sqlalchemy.exc import OperationalError
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
    """An unknown engine option is an error in init_app."""
    with pytest.raises(TypeError, match="pol_size"):
        make_app(app_class, MEMORY, {"pol_size": 3})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("SQLALCHEMY_DATABASE_URL", MEMORY, "did you mean SQLALCHEMY_DATABASE_URI"),
        ("SQLALCHEMY_POOL_SIZE", 3, "SQLALCHEMY_ENGINE_OPTIONS"),
        ("SQLALCHEMY_CONNECT_TIMEOUT", 0, "SQLALCHEMY_CONNECT_TIMEOUT"),
        ("SQLALCHEMY_ECHO", "yes", "must be False, True or 'debug'"),
        ("SQLALCHEMY_RECORD_QUERIES", "false", "must be True or False"),
        ("SQLALCHEMY_SLOW_QUERY_SECONDS", -1, "0 or more"),
        ("SQLALCHEMY_SQLITE_PRAGMAS", ["foreign_keys"], "must be a mapping"),
        ("SQLALCHEMY_ENGINE_OPTIONS", "pool_size=3", "must be a mapping"),
    ],
)
def test_invalid_settings(app_class: type[Quart], key: str, value: object, message: str) -> None:
    """An invalid, unknown or unsupported setting is an error that says what to write."""
    app = app_class(__name__)
    app.config.from_mapping({"SQLALCHEMY_DATABASE_URI": MEMORY, key: value})
    with pytest.raises(ValueError, match=message):
        db.init_app(app)


def test_track_modifications(app_class: type[Quart]) -> None:
    """The default of Flask-SQLAlchemy, which many applications set, is accepted."""
    make_app(app_class, MEMORY, SQLALCHEMY_TRACK_MODIFICATIONS=False)


def test_driver_that_is_missing(app_class: type[Quart]) -> None:
    with pytest.raises(ImportError, match="mysql\\+aiomysql needs aiomysql: pip install aiomysql$"):
        make_app(app_class, "mysql://localhost/name")


def test_driver_of_an_extra(app_class: type[Quart], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    message = r"asyncpg needs asyncpg: pip install 'quartpatterns\[postgresql\]'"
    with pytest.raises(ImportError, match=message):
        make_app(app_class, "postgresql://localhost/name")


def test_driver_that_blocks(app_class: type[Quart]) -> None:
    with pytest.raises(ValueError, match="write postgresql://"):
        make_app(app_class, "postgresql+psycopg2://localhost/name")


async def test_options(app_class: type[Quart], sqlite_url: str) -> None:
    """The configuration overrides engine_options, also with strings."""
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
    """A relative file is in the instance folder, which is created, as in Flask-SQLAlchemy."""
    app = app_class(__name__, instance_path=str(tmp_path / "instance"))
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///data/app.db"
    db.init_app(app)
    async with app.app_context():
        await db.create_all()
    assert (tmp_path / "instance/data/app.db").exists()


async def test_pragmas(app_class: type[Quart], sqlite_url: str) -> None:
    """Foreign keys and the write-ahead log are on by default, and the pragmas are configurable."""

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


@pytest.mark.parametrize("seconds", [0.2, 30])
async def test_journal_mode_of_others(
    app_class: type[Quart], tmp_path: Path, seconds: float
) -> None:
    """The first connection waits while another program writes in another journal mode."""
    file = tmp_path / "app.db"
    options = {"connect_args": {"timeout": seconds}}
    url = f"sqlite:///{file}"
    app = make_app(app_class, url, options)

    async def read() -> None:
        async with app.app_context():
            await db.session.execute(text("SELECT 1"))

    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (a)")
        other.execute("BEGIN IMMEDIATE")
        if seconds < 1:
            with pytest.raises(OperationalError, match="locked"):
                await read()
        else:
            reading = asyncio.create_task(read())
            done, _ = await asyncio.wait([reading], timeout=0.1)
            assert not done
            other.execute("COMMIT")
            await reading


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
    """All contexts of an event loop share a database in memory."""
    app = make_app(app_class, MEMORY)
    assert isinstance(pool(app), StaticPool)
    async with app.app_context():
        await db.create_all()
        db.session.add(Item(name="kept"))
        await db.session.commit()
    assert await names(app) == ["kept"]


def test_memory_of_loops(app_class: type[Quart]) -> None:
    """A database in memory lives as long as the application; each key has one of its own."""
    app = make_app(app_class, MEMORY, SQLALCHEMY_BINDS={"other": MEMORY})

    async def add(name: str) -> list[str]:
        async with app.app_context():
            await db.create_all(None)
            db.session.add(Item(name=name))
            await db.session.commit()
            async with db.engines["other"].connect() as connection:
                tables = await connection.execute(text("SELECT * FROM sqlite_master"))
                assert tables.all() == []
        return await names(app)

    assert asyncio.run(add("first")) == ["first"]
    assert asyncio.run(add("second")) == ["first", "second"]
    assert asyncio.run(names(app)) == ["first", "second"]


def test_loops(app_class: type[Quart], url: str) -> None:
    """An application has an engine on each event loop."""
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


def test_engines_of_closed_loops(app_class: type[Quart], url: str) -> None:
    """The engines of a closed event loop are garbage collected."""
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
    """The end of serving closes all connections, also one that a shutdown function has used."""

    @app.while_serving
    async def use_session_at_shutdown():  # type: ignore[no-untyped-def]
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


async def test_garbage_collected_app(app_class: type[Quart], url: str) -> None:
    """The connections of an application close when it is garbage collected."""
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
    """One object serves several applications, each with its own database."""
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
    """reflect() loads the tables of an existing database."""
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
    """``db.Table`` accepts, but does not need, metadata."""
    own = SQLAlchemy()
    tags = own.Table("tags", sa.Column("id", sa.Integer, primary_key=True))
    assert tags.metadata is own.metadata
    other = sa.MetaData()
    assert own.Table("tags", other).metadata is other


def test_names_of_sqlalchemy() -> None:
    """The names of SQLAlchemy are attributes, as in Flask-SQLAlchemy."""
    own: Any = SQLAlchemy()
    assert own.Column is sa.Column
    assert own.mapped_column is sa.orm.mapped_column
    with pytest.raises(AttributeError, match="sesion"):
        own.sesion  # noqa: B018


def test_typed_base() -> None:
    """A declarative base becomes the base of ``db.Model``."""

    class Base(DeclarativeBase):
        pass

    own = SQLAlchemy(model_class=Base)
    assert issubclass(own.Model, Base)
    assert own.metadata is Base.metadata
