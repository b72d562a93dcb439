"""Settings, pools, and one extension object for several applications and event loops."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from quartpatterns.sqlite3 import SQLite, get_db, init_db, query_db, settings
from quartpatterns.sqlite3.settings import read_settings
from tests.serving import TIMEOUT, eventually
from tests.sqlite3.shop import app_database, database, make_app, none_in_use, pool

MEMORY = ":memory:"


def test_no_database(app_class: type[Quart]) -> None:
    with pytest.raises(RuntimeError, match="DATABASE is not set"):
        SQLite(app_class(__name__))


def test_second_object(app_class: type[Quart]) -> None:
    app = make_app(app_class, MEMORY)
    with pytest.raises(RuntimeError, match="import that one"):
        SQLite(app)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DATABASE", "sqlite:///app.db"),
        ("SQLITE_POOL_SIZE", 0),
        ("SQLITE_POOL_SIZE", "many"),
        ("SQLITE_POOL_SIZE", "4"),
        ("SQLITE_POOL_SIZE", 2.5),
        ("SQLITE_POOL_SIZE", True),
        ("SQLITE_POOL_SIZE", float("inf")),
        ("SQLITE_POOL_TIMEOUT", float("inf")),
        ("SQLITE_POOL_TIMEOUT", -1),
        ("SQLITE_BUSY_TIMEOUT", None),
        ("SQLITE_BUSY_TIMEOUT", float("nan")),
        ("SQLITE_PRAGMAS", {"journal_mode": "WAL; DROP TABLE users"}),
        ("SQLITE_PRAGMAS", {"x = 1; --": "1"}),
    ],
)
def test_invalid_setting(app_class: type[Quart], key: str, value: object) -> None:
    """An invalid setting is an error in ``init_app`` that names its key."""
    with pytest.raises(ValueError, match=key):
        make_app(app_class, MEMORY, **{key: value})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("app.db", "{instance}/app.db"),
        (Path("data/app.db"), "{instance}/data/app.db"),
        ("/var/app.db", "/var/app.db"),
        ("file:/var/app.db?mode=ro", "file:/var/app.db?mode=ro"),
        ("file:app.db?mode=ro", "file:{instance}/app.db?mode=ro"),
        ("file:x?mode=memory&cache=shared", "file:x?mode=memory&cache=shared"),
    ],
)
def test_database_names(app_class: type[Quart], tmp_path: Path, given: str, expected: str) -> None:
    app = app_class(__name__, instance_path=str(tmp_path))
    app.config["DATABASE"] = given
    assert read_settings(app).database == expected.format(instance=tmp_path)


async def test_relative_file(app_class: type[Quart], tmp_path: Path) -> None:
    """A relative path is in the instance folder, which is created on first use."""
    app = app_class(__name__, instance_path=str(tmp_path / "instance"))
    app.config["DATABASE"] = "data/app.db"
    db = SQLite(app)
    assert not (tmp_path / "instance").exists()
    async with app.app_context():
        await db.query_db("SELECT 1")
    assert (tmp_path / "instance/data/app.db").exists()
    await app_database(app).connections.close()


async def test_pragmas(app_class: type[Quart], file: Path) -> None:
    """By default foreign keys are enforced and the write-ahead log is on."""

    async def pragma(name: str) -> object:
        return (await query_db(f"PRAGMA {name}", one=True))[0]

    app = make_app(app_class, file, SQLITE_BUSY_TIMEOUT=1.5)
    async with app.app_context():
        assert await pragma("foreign_keys") == 1
        assert await pragma("journal_mode") == "wal"
        assert await pragma("busy_timeout") == 1500
    pragmas = {"cache_size": -4000, "synchronous": "NORMAL"}
    other = make_app(app_class, file, SQLITE_PRAGMAS=pragmas)
    async with other.app_context():
        assert await pragma("foreign_keys") == 0
        assert await pragma("cache_size") == -4000
        assert await pragma("synchronous") == 1
    await app_database(app).connections.close()
    await app_database(other).connections.close()


async def test_many_open_at_once(app_class: type[Quart], file: Path) -> None:
    """Connections that open a new file at the same time all get the write-ahead log."""
    apps = [make_app(app_class, file, SQLITE_POOL_SIZE=5) for _ in range(4)]
    barrier = asyncio.Barrier(20)

    async def journal_mode(app: Quart) -> Any:
        async with app.app_context():
            mode = await query_db("PRAGMA journal_mode", one=True)
            await barrier.wait()
            return mode[0]

    found = await asyncio.gather(*(journal_mode(app) for app in apps for _ in range(5)))
    assert found == ["wal"] * 20
    for app in apps:
        await app_database(app).connections.close()


async def test_on_connect(app_class: type[Quart], file: Path) -> None:
    """Registered functions are called with each new connection, in its thread."""
    threads: list[threading.Thread] = []
    db = SQLite()

    @db.on_connect
    def functions(connection: sqlite3.Connection) -> None:
        threads.append(threading.current_thread())
        connection.create_function("half", 1, lambda value: value / 2, deterministic=True)

    app = app_class(__name__)
    app.config["DATABASE"] = file
    db.init_app(app)
    async with app.app_context(), app.app_context():
        assert (await db.query_db("SELECT half(5)", one=True))[0] == 2.5
    assert threading.main_thread() not in threads
    await app_database(app).connections.close()


async def test_on_connect_fails(app_class: type[Quart], file: Path) -> None:
    """An error in a registered function is raised, and its thread ends."""
    db = SQLite()
    before = set(threading.enumerate())

    @db.on_connect
    def fail(connection: sqlite3.Connection) -> None:
        raise LookupError("no such thing")

    app = app_class(__name__)
    app.config["DATABASE"] = file
    db.init_app(app)
    for _ in range(12):
        async with app.app_context():
            with pytest.raises(LookupError, match="no such thing"):
                await db.get_db()
    await app_database(app).connections.close()
    await eventually(lambda: set(threading.enumerate()) <= before)


async def test_adapters(app_class: type[Quart], file: Path) -> None:
    """Adapters and converters work as they do with :mod:`sqlite3`."""
    options = {"detect_types": sqlite3.PARSE_COLNAMES}
    app = make_app(app_class, file, SQLITE_CONNECT_OPTIONS=options)
    sqlite3.register_converter("words", lambda value: value.decode().split())
    async with app.app_context():
        row = await query_db("SELECT 'a b' AS 'x [words]'", one=True)
        assert row[0] == ["a", "b"]
    await app_database(app).connections.close()


async def test_memory(app_class: type[Quart]) -> None:
    """All contexts of an application share its database in memory."""
    app, other = make_app(app_class, MEMORY), make_app(app_class, MEMORY)
    async with app.app_context(), database(app).transaction():
        await query_db("CREATE TABLE item (name)")
        await query_db("INSERT INTO item VALUES ('a')")
    async with app.app_context():
        await query_db("PRAGMA user_version")  # The connection is not used again.
    async with app.app_context(), app.app_context():
        assert len(await query_db("SELECT * FROM item")) == 1
        assert await query_db("SELECT 1")
    async with other.app_context():
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await query_db("SELECT * FROM item")
    await app_database(app).connections.close()
    await app_database(other).connections.close()


async def test_several_applications(app_class: type[Quart], tmp_path: Path) -> None:
    db = SQLite()
    apps = []
    for name in ("a", "b"):
        app = app_class(__name__)
        app.config["DATABASE"] = tmp_path / f"{name}.db"
        db.init_app(app)
        apps.append(app)
        async with app.app_context(), db.transaction() as connection:
            await connection.execute("CREATE TABLE owner AS SELECT ? AS name", [name])
    for app, name in zip(apps, "ab", strict=True):
        async with app.app_context():
            assert (await db.query_db("SELECT name FROM owner", one=True))[0] == name
        await app_database(app).connections.close()


async def test_object_of_another_application(app: Quart, app_class: type[Quart]) -> None:
    """The errors for another application's object, and for an application without one."""
    other = SQLite()
    async with app.app_context():
        with pytest.raises(RuntimeError, match="create one SQLite object only"):
            await other.get_db()
    async with app_class(__name__).app_context():
        with pytest.raises(RuntimeError, match="call SQLite\\(app\\)"):
            await get_db()
        with pytest.raises(RuntimeError, match="call SQLite\\(app\\)"):
            await init_db()


def test_consecutive_loops(app_class: type[Quart], file: Path) -> None:
    """An application has a pool on each event loop, and its threads end with the loop."""
    app = make_app(app_class, file)
    before = set(threading.enumerate())

    async def add(name: str) -> list[str]:
        async with app.app_context():
            async with database(app).transaction():
                await query_db("CREATE TABLE IF NOT EXISTS item (name)")
                await query_db("INSERT INTO item VALUES (?)", [name])
            return [row[0] for row in await query_db("SELECT name FROM item")]

    assert asyncio.run(add("first")) == ["first"]
    assert asyncio.run(add("second")) == ["first", "second"]
    for thread in set(threading.enumerate()) - before:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def test_concurrent_loops(app_class: type[Quart], file: Path) -> None:
    """An application can run on two event loops in two threads."""
    app = make_app(app_class, file)
    barrier = threading.Barrier(2)
    found: list[Any] = []

    async def work() -> None:
        async with app.app_context():
            await asyncio.to_thread(barrier.wait, TIMEOUT)
            for number in range(50):
                found.append((await query_db("SELECT ?", [number], one=True))[0])

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert sorted(found) == sorted([*range(50), *range(50)])


async def test_serving_closes(app: Quart) -> None:
    """The end of serving closes all connections and ends their threads."""
    threads: set[threading.Thread] = set()
    barrier = asyncio.Barrier(3)

    @app.get("/")
    async def view() -> str:
        pooled = (await get_db())._pooled
        assert pooled is not None
        threads.add(pooled.worker)
        await barrier.wait()
        return ""

    async with app.test_app() as test_app:
        await asyncio.gather(*(test_app.test_client().get("/") for _ in range(3)))
        assert len(threads) == 3 and all(thread.is_alive() for thread in threads)
    await eventually(lambda: not any(thread.is_alive() for thread in threads))


async def test_collected_application(app_class: type[Quart], file: Path) -> None:
    """The connections of an application are closed when it is garbage collected."""
    before = set(threading.enumerate())
    app = make_app(app_class, file)
    async with app.app_context():
        await query_db("SELECT 1")
    reference = weakref.ref(app)
    del app

    def ended() -> bool:
        gc.collect()
        return reference() is None and set(threading.enumerate()) <= before

    await eventually(ended)


async def test_size(app: Quart) -> None:
    """A pool has no more connections than its size."""

    async def work() -> None:
        async with app.app_context():
            await query_db("SELECT 1")
            assert pool(app).size <= 3

    for _ in range(3):
        await asyncio.gather(*(work() for _ in range(40)))
    assert await none_in_use(app)


async def test_memory_holder_opens_first(
    app_class: type[Quart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database in memory lasts longer than its first connection, also if opening is slow."""
    gate, calls = threading.Event(), list[object]()

    def connect(*args: Any) -> sqlite3.Connection:
        calls.append(args)
        if len(calls) == 1:
            gate.wait(TIMEOUT)
        return settings.connect(*args)

    monkeypatch.setattr("quartpatterns.sqlite3.extension.connect", connect)
    app = make_app(app_class, ":memory:")

    async def create() -> None:
        async with app.app_context():
            db = await get_db()
            await db.query("CREATE TABLE item (name TEXT)")
            db.retire()
            await db.close()
        await eventually(lambda: not pool(app).stopping)

    creating = asyncio.create_task(create())
    await eventually(lambda: len(calls) > 0)
    await asyncio.wait([creating], timeout=0.1)
    gate.set()
    await creating
    async with app.app_context():
        assert await query_db("SELECT * FROM item") == []
    await app_database(app).connections.close()
