"""``async_drivers``: engines of a Flask application in greenlets."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from quart import Quart
from sqlalchemy import (
    Engine,
    NullPool,
    QueuePool,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)
from sqlalchemy.util import greenlet_spawn

from quartpatterns.appdispatch import GreenletWSGIMiddleware
from quartpatterns.sqlalchemy import async_drivers, wait_in_greenlet
from quartpatterns.sqlalchemy.greenlet_engines import GreenletEngine
from tests.appdispatch.wire import fetch
from tests.serving import TIMEOUT


class Base(DeclarativeBase):
    """The base of the models."""


@pytest.fixture(autouse=True)
def allow_blocking_outside_of_greenlets(no_blocking: BlockBuster) -> None:
    """These tests use synchronous drivers on the event loop of the test."""
    for name, function in no_blocking.functions.items():
        if name.startswith("sqlite3."):
            function.can_block_in("sqlalchemy/test_greenlet_engines.py", {"is_asynchronous"})
            function.can_block_in("sqlalchemy/greenlet_engines.py", {"_connect_arguments"})


class Note(Base):
    """A note."""

    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/notes.db"
    postgres: str = request.getfixturevalue("postgres_url")
    return postgres.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """An engine whose database has the table of notes."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def is_asynchronous(engine: Engine) -> bool:
    """Return whether connections have an asynchronous driver."""
    with engine.connect() as connection:
        return isinstance(connection.connection.dbapi_connection, AdaptedConnection)


def asynchronous(engine: Any) -> Any:
    """Return the engine with the asynchronous driver."""
    return engine.asynchronous.sync_engine


async def test_flask_sqlalchemy(url: str) -> None:
    """Models, transactions and lazy loads work, and waiting takes no thread."""
    app = Flask("app")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 20},
        SQLALCHEMY_RECORD_QUERIES=True,
    )
    db = SQLAlchemy(app, model_class=Base)

    @app.post("/<name>")
    def create(name: str) -> dict[str, Any]:
        note = Note(text=name)
        db.session.add(note)
        db.session.commit()
        return {"id": note.id, "text": note.text}

    @app.get("/")
    def index() -> list[str | None]:
        return [note.text for note in db.session.scalars(select(Note).order_by(Note.id))]

    with app.app_context():
        Base.metadata.create_all(db.engine)
    middleware = GreenletWSGIMiddleware(app)
    async with async_drivers(app):
        answer = await fetch(middleware, "/first", method="POST")
        assert json.loads(answer.body) == {"id": 1, "text": "first"}
        assert json.loads((await fetch(middleware, "/")).body) == ["first"]
        # The test client and threads use the driver of the URL.
        with app.app_context():
            assert not is_asynchronous(db.engine)
        index_in_thread = await asyncio.to_thread(app.test_client().get, "/")
        assert index_in_thread.json == ["first"]
    with app.app_context():
        assert type(db.engine) is Engine
        db.engine.dispose()


@pytest.mark.parametrize("connections", [50])
async def test_waiting_takes_no_thread(postgres_url: str, connections: int) -> None:
    """Fifty requests wait in the server at the same time, in one thread."""
    app = Flask("app")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=postgres_url.replace("postgresql://", "postgresql+psycopg://"),
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": connections},
    )
    db = SQLAlchemy(app)
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    @app.get("/")
    def wait() -> str:
        db.session.execute(text("SELECT pg_advisory_xact_lock_shared(1)"))
        return "done"

    locked = create_engine(app.config["SQLALCHEMY_DATABASE_URI"], poolclass=NullPool)
    async with async_drivers(app), asyncio.timeout(TIMEOUT):
        with locked.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(1)"))
            before = threading.active_count()
            answering = [
                asyncio.ensure_future(fetch(GreenletWSGIMiddleware(app), "/"))
                for _ in range(connections)
            ]
            with locked.connect() as observer:
                while observer.execute(waiting).scalar_one() < connections:
                    observer.rollback()
                    await asyncio.sleep(0.01)
            assert threading.active_count() == before
            connection.execute(text("SELECT pg_advisory_unlock(1)"))
        answers = await asyncio.gather(*answering)
    assert {answer.body for answer in answers} == {b"done"}


async def test_engine(engine: Engine) -> None:
    """An engine has an asynchronous driver in greenlets, and only there, and only inside."""
    async with async_drivers(engine):
        assert await greenlet_spawn(is_asynchronous, engine)
        assert not is_asynchronous(engine)
        assert not await asyncio.to_thread(is_asynchronous, engine)
        pool = asynchronous(engine).pool
        assert pool.checkedin() == 1
    assert pool.checkedin() == 0
    assert not is_asynchronous(engine)
    assert type(engine) is Engine
    async with async_drivers(engine):  # on another loop, or again
        assert await greenlet_spawn(is_asynchronous, engine)


async def test_used_before(engine: Engine) -> None:
    """An engine with idle connections is converted as well."""
    pool: Any = engine.pool
    assert pool.checkedin()
    async with async_drivers(engine):
        assert await greenlet_spawn(is_asynchronous, engine)


async def test_dispose(engine: Engine) -> None:
    """``dispose()`` closes the connections of the driver that is used where it is called."""
    async with async_drivers(engine):
        assert await greenlet_spawn(is_asynchronous, engine)
        engine.dispose()
        assert asynchronous(engine).pool.checkedin() == 1
        await greenlet_spawn(engine.dispose)
        assert asynchronous(engine).pool.checkedin() == 0
        assert await greenlet_spawn(is_asynchronous, engine)


async def test_options(tmp_path: Path) -> None:
    """The options of an engine hold for its asynchronous driver."""
    seen: list[Any] = []
    engine = create_engine(
        f"sqlite:///{tmp_path}/app.db",
        connect_args={"timeout": 1.5},
        isolation_level="AUTOCOMMIT",
        json_serializer=json.dumps,
        max_overflow=4,
        pool_pre_ping=True,
        pool_recycle=7,
        pool_reset_on_return=None,
        pool_size=3,
        pool_timeout=2,
        pool_use_lifo=True,
    )

    def timeout(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout")
        seen.append(cursor.fetchone()[0])

    event.listen(engine, "connect", timeout)
    async with async_drivers(engine):
        await greenlet_spawn(is_asynchronous, engine)
        pool = asynchronous(engine).pool
        dialect = asynchronous(engine).dialect
    assert seen == [1500]
    assert (pool.size(), pool._max_overflow, pool.timeout()) == (3, 4, 2)
    assert (pool._recycle, pool._pre_ping, pool._pool.use_lifo) == (7, True, True)
    assert pool._reset_on_return.name == "reset_none"
    assert dialect._on_connect_isolation_level == "AUTOCOMMIT"
    assert dialect._json_serializer is json.dumps


async def test_null_pool(url: str) -> None:
    """An engine without a pool has none in greenlets."""
    engine = create_engine(url, poolclass=NullPool)
    async with async_drivers(engine):
        assert await greenlet_spawn(is_asynchronous, engine)
        assert await greenlet_spawn(lambda: type(engine.pool)) is NullPool


async def test_event_handlers(engine: Engine) -> None:
    """Handlers of the class, of the engine and of its driver are called, each once."""
    calls: list[str] = []

    def handler(name: str) -> Callable[..., None]:
        def call(*args: Any) -> None:
            calls.append(name)

        return call

    of_class = handler("class")
    event.listen(Engine, "connect", of_class)
    event.listen(engine, "connect", handler("connect"))
    event.listen(engine, "do_connect", handler("do_connect"))
    event.listen(engine, "before_cursor_execute", handler("execute"))

    def run() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    try:
        async with async_drivers(engine):
            await greenlet_spawn(run)
    finally:
        event.remove(Engine, "connect", of_class)
    assert calls == ["do_connect", "class", "connect", "execute"]


@pytest.mark.parametrize("options", [{"once": True}, {"named": True}])
async def test_options_of_event_handlers(engine: Engine, options: dict[str, bool]) -> None:
    """Handlers that SQLAlchemy wraps in functions of its own are called as well."""
    calls: list[str] = []

    def handler(*args: Any, **named: Any) -> None:
        calls.append("connect")

    event.listen(engine, "connect", handler, **options)
    async with async_drivers(engine):
        await greenlet_spawn(is_asynchronous, engine)
    assert calls == ["connect"]


def autocommits(engine: Engine) -> bool:
    """Return whether a connection commits each statement."""
    with engine.connect() as connection:
        connection.execute(text("DELETE FROM note"))
        driver: Any = connection.connection.dbapi_connection
        if engine.dialect.name == "sqlite":
            return not driver.in_transaction
        autocommit: bool = driver.autocommit
        return autocommit


async def test_execution_options(engine: Engine) -> None:
    """Engines with other options, made before or in a request, work in greenlets and in threads."""
    before = engine.execution_options(isolation_level="AUTOCOMMIT")

    def make() -> Engine:
        made = engine.execution_options(isolation_level="AUTOCOMMIT")
        return made.execution_options(logging_token="request")

    async with async_drivers(engine):
        in_request = await greenlet_spawn(make)
        for each in (before, in_request):
            assert await greenlet_spawn(is_asynchronous, each)
            assert await greenlet_spawn(autocommits, each)
            assert (await greenlet_spawn(getattr, each, "dialect")).is_async
            assert await asyncio.to_thread(autocommits, each)
        assert not await greenlet_spawn(autocommits, engine)
    for each in (before, in_request):
        assert not each.dialect.is_async
        assert await asyncio.to_thread(autocommits, each)


async def test_execution_options_of_the_engine(url: str) -> None:
    """Options that ``create_engine`` has been given work in greenlets and in threads."""
    engine = create_engine(url, execution_options={"isolation_level": "AUTOCOMMIT"})
    await asyncio.to_thread(Base.metadata.create_all, engine)
    async with async_drivers(engine):
        assert await greenlet_spawn(autocommits, engine)
        assert await asyncio.to_thread(autocommits, engine)
    engine.dispose()


async def test_pragmas(tmp_path: Path) -> None:
    """The handler that recipes show sets pragmas, also if it tests for a connection of sqlite3."""
    engine = create_engine(f"sqlite:///{tmp_path}/app.db")

    @event.listens_for(engine, "connect")
    def set_pragma(connection: Any, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

    def foreign_keys() -> Any:
        with engine.connect() as connection:
            return connection.execute(text("PRAGMA foreign_keys")).scalar()

    async with async_drivers(engine):
        assert await greenlet_spawn(foreign_keys) == 1


async def test_scoped_session(engine: Engine) -> None:
    """Each request has a session of its own, which is closed at its end if nobody removes it."""
    session = scoped_session(sessionmaker(bind=engine))
    app, both = Flask("app"), asyncio.Barrier(2)
    sessions: list[Session] = []

    @app.get("/<name>")
    def view(name: str) -> list[str | None]:
        session.execute(select(Note))
        session.add(Note(text=name))
        wait_in_greenlet(both.wait())
        sessions.append(session())
        return [note.text for note in session.new]

    async with async_drivers(engine, session):
        middleware = GreenletWSGIMiddleware(app)
        answers = await asyncio.gather(fetch(middleware, "/a"), fetch(middleware, "/b"))
        assert [json.loads(answer.body) for answer in answers] == [["a"], ["b"]]
        assert sessions[0] is not sessions[1]
        assert not any(each.in_transaction() for each in sessions)
        assert asynchronous(engine).pool.checkedout() == 0
        assert session() is session()  # of the thread
    session.remove()


async def test_session_that_is_not_removed(engine: Engine) -> None:
    """Its connection goes back to the pool at the end of the request, and not before."""
    session = scoped_session(sessionmaker(bind=engine))
    app = Flask("app")
    checked_out: list[int] = []

    @app.get("/")
    def view() -> str:
        session.execute(text("SELECT 1"))
        checked_out.append(asynchronous(engine).pool.checkedout())
        return "done"

    async with async_drivers(engine, session):
        await fetch(GreenletWSGIMiddleware(app), "/")
        checked_out.append(asynchronous(engine).pool.checkedout())
    assert checked_out == [1, 0]


async def test_sessions_by_thread_identifier(engine: Engine) -> None:
    """A scope function that identifies the thread is replaced, another one is kept."""
    by_thread = scoped_session(sessionmaker(bind=engine), scopefunc=threading.get_ident)
    by_name = scoped_session(sessionmaker(bind=engine), scopefunc=lambda: "one for all")

    def identify() -> tuple[int, int]:
        return id(by_thread()), id(by_name())

    async def in_another_task() -> tuple[int, int]:
        return await greenlet_spawn(identify)

    async with async_drivers(engine, by_thread, by_name):
        first, second = [await asyncio.create_task(in_another_task()) for _ in range(2)]
        by_name.remove()
    assert first[1] == second[1]
    assert by_thread.registry.scopefunc is threading.get_ident


async def test_memory() -> None:
    """A database in memory keeps its driver: it has nothing to wait for."""
    engine = create_engine("sqlite://")
    async with async_drivers(engine):
        assert type(engine) is Engine
        assert not await greenlet_spawn(is_asynchronous, engine)
    engine.dispose()


async def test_other_engines_are_logged(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names a driver that stops the event loop, and no others."""
    other = create_engine(f"sqlite:///{tmp_path}/other.db")
    memory = create_engine("sqlite://")
    async with async_drivers(engine):
        for each in (engine, memory):
            await greenlet_spawn(is_asynchronous, each)
        is_asynchronous(other)
        assert not caplog.records
        other.dispose()
        await greenlet_spawn(is_asynchronous, other)
    assert [record.getMessage() for record in caplog.records] == [
        "a connection of sqlite3 stops the event loop while it waits for its database: pass its"
        " engine to async_drivers()"
    ]
    for each in (other, memory):
        each.dispose()


def connect() -> sqlite3.Connection:
    """Connect, as a function of the application can do."""
    return sqlite3.connect(":memory:")


class OwnPool(QueuePool):
    """A pool of the application."""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: create_engine("sqlite:///x.db", poolclass=OwnPool), "of the class OwnPool"),
        (lambda: create_engine("sqlite:///x.db", creator=connect), "an option 'creator'"),
        (
            lambda: create_engine("sqlite:///x.db").execution_options(x=1),
            "is not what create_engine",
        ),
        (lambda: "sqlite:///x.db", "not a value of type str"),
        (lambda: Flask("shop"), "'shop' has no Flask-SQLAlchemy 3"),
        (lambda: Quart("shop"), "not a value of type Quart"),
    ],
)
async def test_refused(make: Callable[[], Any], message: str) -> None:
    """What cannot be converted is an error that says what to do."""
    with pytest.raises((TypeError, ValueError), match=message):
        async with async_drivers(make()):
            raise AssertionError("not refused")


async def test_options_of_statements(tmp_path: Path) -> None:
    """Options that change statements are those of the engine."""
    engine = create_engine(
        f"sqlite:///{tmp_path}/app.db", use_insertmanyvalues=False, max_identifier_length=40
    )
    async with async_drivers(engine):
        dialect: Any = await greenlet_spawn(lambda: engine.dialect)
        assert dialect.is_async
        assert not dialect.use_insertmanyvalues
        assert dialect.max_identifier_length == 40


async def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what to install."""
    monkeypatch.setattr("quartpatterns.sqlalchemy.greenlet_engines.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install psycopg or asyncpg"):
        async with async_drivers(create_engine("postgresql+psycopg://u@h/d")):
            raise AssertionError("not refused")


async def test_chosen_driver(postgres_url: str) -> None:
    """The argument names another driver than the first."""
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    async with async_drivers(engine, drivers={"postgresql": "asyncpg"}):
        assert await greenlet_spawn(is_asynchronous, engine)
        assert await greenlet_spawn(lambda: engine.driver) == "asyncpg"
        assert engine.driver == "psycopg"


async def test_two_applications(engine: Engine) -> None:
    """They can use the same engine and session, and begin and end in any order."""
    session = scoped_session(sessionmaker(bind=engine))
    by_thread = session.registry
    first, second = (async_drivers(engine, session) for _ in range(2))
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    assert await greenlet_spawn(is_asynchronous, engine)
    assert session.registry is not by_thread
    await second.__aexit__(None, None, None)
    assert type(engine) is Engine
    assert session.registry is by_thread


async def test_two_event_loops(tmp_path: Path) -> None:
    """An engine is used on one event loop at a time, as its connections belong to it."""
    engine = create_engine(f"sqlite:///{tmp_path}/app.db")

    async def use() -> None:
        async with async_drivers(engine):
            await greenlet_spawn(is_asynchronous, engine)

    async with async_drivers(engine):
        with pytest.raises(RuntimeError, match="on another event loop already: use an engine"):
            await asyncio.to_thread(asyncio.run, use())
        await use()
    await asyncio.to_thread(asyncio.run, use())


async def test_all_or_none(tmp_path: Path) -> None:
    """If a source is refused, the ones before are as they were."""
    engine = create_engine(f"sqlite:///{tmp_path}/app.db")
    with pytest.raises(TypeError):
        async with async_drivers(engine, "wrong"):
            raise AssertionError("not refused")
    assert not isinstance(engine, GreenletEngine)
