"""Configuration, pools, and one object for several applications and event loops."""

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
from tests.serving import eventually
from tests.sqlite3.shop import app_database, database, make_app, none_in_use, pool

MEMORY = ":memory:"


def test_no_database(app_class: type[Quart]) -> None:
    with pytest.raises(RuntimeError, match="DATABASE is not set"):
        SQLite(app_class(__name__))


def test_twice(app_class: type[Quart]) -> None:
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
def test_bad_setting(app_class: type[Quart], key: str, value: object) -> None:
    """A setting that can't be used is an error at the start, which names its key."""
    with pytest.raises(ValueError, match=key):
        make_app(app_class, MEMORY, config={key: value})


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
def test_places(app_class: type[Quart], tmp_path: Path, given: str, expected: str) -> None:
    app = app_class(__name__, instance_path=str(tmp_path))
    app.config["DATABASE"] = given
    assert read_settings(app).database == expected.format(instance=tmp_path)


async def test_relative_file(app_class: type[Quart], tmp_path: Path) -> None:
    """A relative file is in the instance folder, which is made when it is needed."""
    app = app_class(__name__, instance_path=str(tmp_path / "instance"))
    app.config["DATABASE"] = "data/app.db"
    db = SQLite(app)
    assert not (tmp_path / "instance").exists()
    async with app.app_context():
        await db.query_db("SELECT 1")
    assert (tmp_path / "instance/data/app.db").exists()
    await app_database(app).connections.close()


async def test_pragmas(app_class: type[Quart], file: Path) -> None:
    """A connection keeps foreign keys, reads beside a writer, waits for one; or as configured."""

    async def pragma(name: str) -> object:
        return (await query_db(f"PRAGMA {name}", one=True))[0]

    app = make_app(app_class, file, SQLITE_BUSY_TIMEOUT=1.5)
    async with app.app_context():
        assert await pragma("foreign_keys") == 1
        assert await pragma("journal_mode") == "wal"
        assert await pragma("busy_timeout") == 1500
    own = {"cache_size": -4000, "synchronous": "NORMAL"}
    other = make_app(app_class, file, SQLITE_PRAGMAS=own)
    async with other.app_context():
        assert await pragma("foreign_keys") == 0
        assert await pragma("cache_size") == -4000
        assert await pragma("synchronous") == 1
    await app_database(app).connections.close()
    await app_database(other).connections.close()


async def test_many_open_at_once(app_class: type[Quart], file: Path) -> None:
    """A new file that many open at the same time gets its write-ahead log, and none fails."""
    apps = [make_app(app_class, file, SQLITE_POOL_SIZE=5) for _ in range(4)]

    async def ask(app: Quart) -> Any:
        async with app.app_context():
            mode = await query_db("PRAGMA journal_mode", one=True)
            await asyncio.sleep(0.02)
            return mode[0]

    found = await asyncio.gather(*(ask(app) for app in apps for _ in range(5)))
    assert found == ["wal"] * 20
    for app in apps:
        await app_database(app).connections.close()


async def test_on_connect(app_class: type[Quart], file: Path) -> None:
    """Each new connection is given to the functions that ask for it, in its thread."""
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
    """An error of theirs is raised, and leaves no thread behind."""
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
    """Adapters and converters work as with sqlite3 itself."""
    options = {"detect_types": sqlite3.PARSE_COLNAMES}
    app = make_app(app_class, file, SQLITE_CONNECT_OPTIONS=options)
    sqlite3.register_converter("words", lambda value: value.decode().split())
    async with app.app_context():
        row = await query_db("SELECT 'a b' AS 'x [words]'", one=True)
        assert row[0] == ["a", "b"]
    await app_database(app).connections.close()


async def test_memory(app_class: type[Quart]) -> None:
    """A database in memory is one for all contexts, as long as the application is served."""
    app, other = make_app(app_class, MEMORY), make_app(app_class, MEMORY)
    async with app.app_context(), database(app).transaction():
        await query_db("CREATE TABLE item (name)")
        await query_db("INSERT INTO item VALUES ('a')")
    async with app.app_context():
        await query_db("PRAGMA user_version")  # which has its connection replaced
    async with app.app_context(), app.app_context():
        assert len(await query_db("SELECT * FROM item")) == 1
        assert await query_db("SELECT 1")
    async with other.app_context():
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await query_db("SELECT * FROM item")
    await app_database(app).connections.close()
    await app_database(other).connections.close()


async def test_one_object_for_two(app_class: type[Quart], tmp_path: Path) -> None:
    db = SQLite()
    apps = []
    for name in ("a", "b"):
        app = app_class(__name__)
        app.config["DATABASE"] = tmp_path / f"{name}.db"
        db.init_app(app)
        apps.append(app)
        async with app.app_context(), db.transaction() as connection:
            await connection.execute("CREATE TABLE whose AS SELECT ? AS name", [name])
    for app, name in zip(apps, "ab", strict=True):
        async with app.app_context():
            assert (await db.query_db("SELECT name FROM whose", one=True))[0] == name
        await app_database(app).connections.close()


async def test_foreign_object(app: Quart, app_class: type[Quart]) -> None:
    """An object of another application, and an application without one, are errors that say so."""
    other = SQLite()
    async with app.app_context():
        with pytest.raises(RuntimeError, match="create one SQLite object only"):
            await other.get_db()
    async with app_class(__name__).app_context():
        with pytest.raises(RuntimeError, match="call SQLite\\(app\\)"):
            await get_db()
        with pytest.raises(RuntimeError, match="call SQLite\\(app\\)"):
            await init_db()


def test_loops(app_class: type[Quart], file: Path) -> None:
    """An application that runs on one event loop after another has a pool on each."""
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
        thread.join(5)
        assert not thread.is_alive()


def test_loops_side_by_side(app_class: type[Quart], file: Path) -> None:
    """Two event loops at the same time, in two threads."""
    app = make_app(app_class, file)
    both = threading.Barrier(2)
    found: list[Any] = []

    async def work() -> None:
        async with app.app_context():
            await asyncio.to_thread(both.wait, 10)
            for number in range(50):
                found.append((await query_db("SELECT ?", [number], one=True))[0])

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == sorted([*range(50), *range(50)])


async def test_serving_closes(app: Quart) -> None:
    """The end of serving closes all connections, and ends their threads."""
    threads: set[threading.Thread] = set()

    @app.get("/")
    async def view() -> str:
        pooled = (await get_db())._pooled
        assert pooled is not None
        threads.add(pooled.worker)
        await asyncio.sleep(0.01)
        return ""

    async with app.test_app() as test_app:
        await asyncio.gather(*(test_app.test_client().get("/") for _ in range(5)))
        assert len(threads) > 1 and all(thread.is_alive() for thread in threads)
    await eventually(lambda: not any(thread.is_alive() for thread in threads))


async def test_forgotten_application(app_class: type[Quart], file: Path) -> None:
    """An application that is dropped while the loop runs on takes its connections along."""
    before = set(threading.enumerate())
    app = make_app(app_class, file)
    async with app.app_context():
        await query_db("SELECT 1")
    gone = weakref.ref(app)
    del app

    def ended() -> bool:
        gc.collect()
        return gone() is None and set(threading.enumerate()) <= before

    await eventually(ended)


async def test_size(app: Quart) -> None:
    """No more connections than allowed, whatever comes."""

    async def work() -> None:
        async with app.app_context():
            await query_db("SELECT 1")
            assert pool(app).size <= 3

    for _ in range(3):
        await asyncio.gather(*(work() for _ in range(40)))
    assert await none_in_use(app)


async def test_memory_is_held_first(
    app_class: type[Quart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database in memory outlives its first connection, however slowly its keeper opens."""
    gate, calls = threading.Event(), list[int]()

    def connect(*args: Any) -> sqlite3.Connection:
        calls.append(1)
        if len(calls) == 1:
            gate.wait(10)
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
    await asyncio.wait([creating], timeout=0.2)
    gate.set()
    await creating
    async with app.app_context():
        assert await query_db("SELECT * FROM item") == []
    await app_database(app).connections.close()
