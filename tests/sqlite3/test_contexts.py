"""One connection for each context: taken on first use, and returned when the context ends."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from quart import Quart, websocket
from quart.globals import _cv_app

from quartpatterns.sqlite3 import (
    Connection,
    DatabaseUnavailable,
    SQLite,
    get_db,
    make_dicts,
    query_db,
)
from quartpatterns.sqlite3.pool import PooledConnection
from tests.serving import TIMEOUT, eventually
from tests.sqlite3.shop import (
    ENDLESS,
    INSERT,
    app_database,
    committed_names,
    make_app,
    none_in_use,
    other_connection,
    outcomes,
    pool,
)


@pytest.mark.checks("SQ-1")
async def test_one_connection(app: Quart) -> None:
    """A context has one connection, also if several tasks ask for it at the same time."""
    async with app.app_context():
        found = await asyncio.gather(*(get_db() for _ in range(20)))
        assert len(set(found)) == 1
        assert await get_db() is found[0]
        assert pool(app).in_use == 1
    assert pool(app).in_use == 0


@pytest.mark.checks("SQ-1")
async def test_one_connection_of_an_empty_pool(app_class: type[Quart], file: Path) -> None:
    """Tasks that ask while a connection is opened get that one, also if one is cancelled."""
    app = make_app(app_class, file)
    async with app.app_context():
        first = asyncio.create_task(get_db())
        second = asyncio.create_task(get_db())
        third = asyncio.create_task(get_db())
        await asyncio.sleep(0)
        first.cancel()
        assert await second is await third
        assert pool(app).size == 1
    await app_database(app).connections.close()


@pytest.mark.checks("SQ-2", "SQ-3")
async def test_on_demand(app: Quart) -> None:
    """A request that uses no connection takes none, also if a ``before_request`` function fails."""

    @app.get("/")
    async def view() -> str:
        return str(pool(app).in_use)

    @app.before_request
    async def hook() -> None:
        if fail:
            raise LookupError

    fail = False
    client = app.test_client()
    assert await (await client.get("/")).get_data() == b"0"
    fail = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert (await client.get("/")).status_code == 500


@pytest.mark.checks("SQ-2", "SQ-3")
async def test_closed(app: Quart) -> None:
    """After the end of its context, a connection raises an error at each use."""
    async with app.app_context():
        connection = await get_db()
        cursor = await connection.execute("SELECT 1")
    for work in (connection.query("SELECT 1"), cursor.fetchone(), connection.commit()):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            await work
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.in_transaction  # noqa: B018
    assert connection.is_closed
    async with app.app_context():
        assert await get_db() is not connection


@pytest.mark.checks("SQ-2")
async def test_rolled_back(app: Quart) -> None:
    """The end of a context rolls back what is not committed, and so releases the write lock."""
    async with app.app_context():
        await query_db(INSERT, ["lost"])
        assert await query_db("SELECT name FROM item", one=True)
    assert await committed_names(app) == []
    async with app.app_context():
        assert not (await get_db()).in_transaction
        await query_db(INSERT, ["committed"])
        await (await get_db()).commit()
    assert await committed_names(app) == ["committed"]


@pytest.mark.slow
@pytest.mark.checks("SQ-2")
async def test_error(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection returns after an error in the view and one in a teardown function."""
    monkeypatch.setattr(
        app.logger, "disabled", True
    )  # pytest keeps log records, and so the contexts.

    @app.teardown_appcontext
    async def fail(error: BaseException | None) -> None:
        if error is not None:
            raise RuntimeError

    @app.get("/")
    async def view() -> str:
        await query_db(INSERT, ["lost"])
        raise LookupError

    app.config["PROPAGATE_EXCEPTIONS"] = False

    def all_released() -> bool:
        gc.collect()  # After a failed teardown function, a context ends when it is collected.
        return pool(app).in_use == 0

    for _ in range(5):
        await outcomes(app.test_client().get("/"))
        await eventually(all_released)
    assert await committed_names(app) == []


@pytest.mark.checks("SQ-2")
@pytest.mark.parametrize("fails", [False, True], ids=["", "after an error"])
async def test_teardown_functions(app_class: type[Quart], file: Path, fails: bool) -> None:
    """Teardown functions from before and after ``SQLite(app)`` use the context's connection."""
    app = app_class(__name__)
    app.config["DATABASE"] = file
    app.config["PROPAGATE_EXCEPTIONS"] = False
    connections: list[Connection] = []

    async def use(error: BaseException | None) -> None:
        assert await query_db("SELECT 1", one=True)
        connections.append(await get_db())

    app.teardown_request(use)
    app.teardown_appcontext(use)
    SQLite(app)
    app.teardown_request(use)
    app.teardown_appcontext(use)

    @app.get("/")
    async def view() -> str:
        connections.append(await get_db())
        if fails:
            raise LookupError
        return ""

    for _ in range(3):
        connections.clear()
        await app.test_client().get("/")
        assert len(connections) == 5 and len(set(connections)) == 1
        assert connections[0].is_closed
        assert pool(app).in_use == 0
    await app_database(app).connections.close()


@pytest.mark.checks("SQ-2")
async def test_first_use_in_a_teardown_function(app: Quart) -> None:
    """A connection that a teardown function takes returns as well."""

    @app.teardown_appcontext
    async def count(error: BaseException | None) -> None:
        assert await query_db("SELECT count(*) FROM item", one=True)

    for _ in range(5):
        async with app.app_context():
            pass
        assert pool(app).in_use == 0


def test_application_is_not_patched(app_class: type[Quart], file: Path) -> None:
    """``init_app`` replaces no method of the application."""
    app, plain = make_app(app_class, file), app_class(__name__)
    assert vars(app).keys() == vars(plain).keys()
    assert "do_teardown_appcontext" not in vars(app)


async def test_context_without_teardown(app: Quart) -> None:
    """The connection returns when a context without teardown is garbage collected."""
    context = app.app_context()
    await context.push()
    await query_db(INSERT, ["lost"])
    _cv_app.set(None)  # type: ignore[arg-type]  # as if the task that pushed it had ended
    del context
    gc.collect()
    assert await none_in_use(app)
    assert await committed_names(app) == []


@pytest.mark.checks("SQ-4")
async def test_outside_of_requests(app: Quart) -> None:
    """An application context has a connection; without a context, the error says what to use."""
    with pytest.raises(RuntimeError, match="async with app.app_context"):
        await get_db()
    async with app.app_context():
        outer = await get_db()
        async with app.app_context():
            assert await get_db() is not outer
        assert await outer.query("SELECT 1", one=True)


@pytest.mark.checks("SQ-1", "SQ-2")
async def test_background_task(app: Quart) -> None:
    """A background task has a connection of its own, which stays open after the request."""
    found: list[Connection] = []
    go = asyncio.Event()

    async def work() -> None:
        found.append(await get_db())
        await go.wait()
        await query_db(INSERT, ["by the task"])
        await (await get_db()).commit()

    @app.get("/")
    async def view() -> str:
        found.append(await get_db())
        app.add_background_task(work)
        return ""

    async with app.test_app() as test_app:
        await test_app.test_client().get("/")
        await eventually(lambda: len(found) == 2)
        assert found[0].is_closed and not found[1].is_closed
        go.set()
    assert found[0] is not found[1]
    assert await committed_names(app) == ["by the task"]


@pytest.mark.checks("SQ-1", "SQ-2")
async def test_websocket(app: Quart) -> None:
    found: list[Connection] = []

    @app.websocket("/")
    async def view() -> None:
        found.append(await get_db())
        await query_db(INSERT, [await websocket.receive()])
        found.append(await get_db())
        await websocket.send("done")

    async with app.test_client().websocket("/") as test_websocket:
        await test_websocket.send("lost")
        assert await test_websocket.receive() == "done"
    assert await none_in_use(app)
    assert found[0] is found[1] and found[0].is_closed
    assert await committed_names(app) == []


@pytest.mark.parametrize("writing", [False, True])
async def test_task_that_outlives_its_context(app: Quart, writing: bool) -> None:
    """It gets an error, and its statement is interrupted."""
    async with app.app_context():
        db = await get_db()
        if writing:
            await db.query(INSERT, ["lost"])
        endless = asyncio.create_task(db.query(ENDLESS))
        later = asyncio.create_task(db.query(INSERT, ["also lost"]))
        await eventually(lambda: len(db._pending) == 2)
    assert pool(app).in_use == 0
    for task in (endless, later):
        with pytest.raises(sqlite3.ProgrammingError, match="add_background_task"):
            await task
    assert await committed_names(app) == []


async def test_cancelled_query(app: Quart) -> None:
    """A cancelled query is interrupted, and the connection can be used again."""
    async with app.app_context():
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(query_db(ENDLESS), 0.05)
        async with asyncio.timeout(TIMEOUT):
            assert await query_db("SELECT 1", one=True)


async def test_cancelled_while_locked(app: Quart, file: Path) -> None:
    """A write that is cancelled while it waits for a lock is not part of the next context."""
    async with other_connection(file, "BEGIN IMMEDIATE"):
        async with app.app_context():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(query_db(INSERT, ["late"]), 0.05)
            closing = asyncio.create_task((await get_db()).close())
            await asyncio.sleep(0)
    await closing
    async with app.app_context():
        assert not (await get_db()).in_transaction
        assert await query_db("SELECT * FROM item") == []
    assert await none_in_use(app)


async def test_cancelled_query_and_an_open_cursor(app: Quart) -> None:
    """The interruption of a query does not end another cursor of the connection."""
    async with app.app_context():
        db = await get_db()
        cursor = await db.execute("SELECT 1 UNION SELECT 2")
        await cursor.fetchone()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(query_db(ENDLESS), 0.05)
        row = await cursor.fetchone()
        assert row is not None and row[0] == 2
        assert await query_db("SELECT 3", one=True)


@pytest.mark.parametrize("seconds", [0, 0.0005, 0.001, 0.002, 0.005])
async def test_cancelled_context(app: Quart, seconds: float) -> None:
    """A context that is cancelled at any moment releases its lock and its connection."""

    async def work() -> None:
        async with app.app_context():
            await query_db(INSERT, ["lost"])
            await query_db(ENDLESS)

    tasks = [asyncio.create_task(work()) for _ in range(6)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await outcomes(*tasks)
    assert await none_in_use(app)
    async with app.app_context():
        await query_db(INSERT, ["committed"])
        await (await get_db()).commit()
    assert await committed_names(app) == ["committed"]


async def test_factories_are_reset(single: Quart) -> None:
    """The row factory and the text factory of a context end with it."""
    async with single.app_context():
        db = await get_db()
        db.row_factory = make_dicts  # type: ignore[assignment]
        db.text_factory = bytes
        assert await query_db("SELECT 'x' AS a", one=True) == {"a": b"x"}
    async with single.app_context():
        row = await query_db("SELECT 'x' AS a", one=True)
        assert isinstance(row, sqlite3.Row) and row["a"] == "x"


@pytest.mark.parametrize(
    ("statement", "query"),
    [
        ("CREATE TEMP TABLE secret AS SELECT 4711", "SELECT * FROM sqlite_temp_master"),
        ("/* a comment */ PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys"),
        ("-- a comment\n;pragma\nforeign_keys = off", "PRAGMA foreign_keys"),
        ("ATTACH ':memory:' AS other", "PRAGMA database_list"),
    ],
)
@pytest.mark.parametrize("name", ["query", "execute", "executescript"])
async def test_changes_are_not_visible_later(
    single: Quart, statement: str, query: str, name: str
) -> None:
    """A temporary table, a pragma or an attached database of a context ends with it."""
    async with single.app_context():
        before = [tuple(row) for row in await query_db(query)]
    async with single.app_context():
        await getattr(await get_db(), name)(statement)
    async with single.app_context():
        assert [tuple(row) for row in await query_db(query)] == before


async def test_functions_are_removed(single: Quart) -> None:
    async with single.app_context():
        await (await get_db()).create_function("temporary", 0, lambda: 1)
    async with single.app_context():
        with pytest.raises(sqlite3.OperationalError, match="no such function"):
            await query_db("SELECT temporary()")


async def test_isolation_level_is_reset(single: Quart) -> None:
    async with single.app_context():
        (await get_db()).isolation_level = "DEFERRED"
    async with single.app_context():
        assert (await get_db()).isolation_level == "IMMEDIATE"


async def test_unfinished_cursor(app: Quart, file: Path) -> None:
    """The end of a context closes its cursors, so that the next one sees later changes."""
    cursors = []

    async def write(name: str) -> None:
        async with other_connection(file, INSERT.replace("?", repr(name))):
            pass

    await write("a")
    await write("b")
    for count in range(3):
        async with app.app_context():
            cursors.append(await (await get_db()).execute("SELECT * FROM item"))
            await cursors[-1].fetchone()
            assert len(await query_db("SELECT * FROM item")) == 2 + count
        assert pool(app).size == 1
        await write(str(count))


async def test_reuse(app: Quart) -> None:
    """Contexts that follow each other use the same connection."""
    threads = set()
    for _ in range(10):
        async with app.app_context():
            db = await get_db()
            assert db._pooled is not None
            threads.add(db._pooled.worker)
            await query_db("SELECT 1")
    assert len(threads) == 1
    assert pool(app).size == 1


async def test_order_of_waiting_contexts(app: Quart) -> None:
    """If all connections are in use, contexts get one in the order in which they asked."""
    order: list[int] = []

    async def work(number: int) -> None:
        async with app.app_context():
            await get_db()
            order.append(number)
            await query_db("SELECT 1")

    await asyncio.gather(*(work(number) for number in range(30)))
    assert order == list(range(30))
    assert await none_in_use(app)  # A connection may still be opening.
    assert pool(app).size == 3


@asynccontextmanager
async def all_connections_in_use(app: Quart) -> AsyncIterator[None]:
    """Contexts of other tasks use the three connections of *app* until the end of the block."""
    barrier, end = asyncio.Barrier(4), asyncio.Event()

    async def use() -> None:
        async with app.app_context():
            await get_db()
            await barrier.wait()
            await end.wait()

    tasks = [asyncio.create_task(use()) for _ in range(3)]
    await barrier.wait()
    yield
    end.set()
    await asyncio.gather(*tasks)


async def test_exhausted(app: Quart) -> None:
    """A client that waits too long for a connection gets a 503; a later one is served."""

    @app.get("/")
    async def view() -> str:
        await get_db()
        return "served"

    client = app.test_client()
    async with all_connections_in_use(app):
        pool(app)._settings = replace(pool(app)._settings, pool_timeout=0.05)
        response = await client.get("/")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "raise SQLITE_POOL_SIZE" in await response.get_data(as_text=True)
    assert (await client.get("/")).status_code == 200


async def test_cancelled_while_waiting(app: Quart) -> None:
    """A task that is cancelled while it waits for a connection takes none."""

    async def work() -> None:
        async with app.app_context():
            await get_db()
            await asyncio.sleep(0.003)

    for delay in range(12):
        tasks = [asyncio.create_task(work()) for _ in range(12)]
        await asyncio.sleep(delay / 1000)
        for task in tasks[::2]:
            task.cancel()
        await outcomes(*tasks)
    assert await none_in_use(app)


async def test_closed_early(app: Quart) -> None:
    """``close()`` returns a connection before its context ends; ``get_db()`` takes another one."""
    async with app.app_context():
        first = await get_db()
        await first.query(INSERT, ["lost"])
        await first.close()
        await first.close()
        assert pool(app).in_use == 0
        second = await get_db()
        async with second:
            assert await second.query("SELECT * FROM item") == []
        assert second.is_closed
        assert await query_db("SELECT 1")


@pytest.mark.parametrize("how", ["deleted", "replaced"])
async def test_file_of_another_identity(
    app: Quart, file: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections to a file that was deleted or replaced are closed after the next check."""
    monkeypatch.setattr("quartpatterns.sqlite3.pool.FILE_CHECK_INTERVAL", 0.05)
    async with app.app_context():
        await query_db(INSERT, ["old"])
        await (await get_db()).commit()
    for name in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        await asyncio.to_thread(name.unlink, missing_ok=True)
    if how == "replaced":
        other = make_app(Quart, file)
        async with other.app_context():
            await query_db("CREATE TABLE item (name TEXT)")
            await query_db(INSERT, ["new"])
            await (await get_db()).commit()
        await app_database(other).connections.close()
    await asyncio.sleep(0.06)
    async with app.app_context():
        if how == "deleted":
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                await query_db("SELECT * FROM item")
        else:
            assert [row["name"] for row in await query_db("SELECT * FROM item")] == ["new"]
        await eventually(lambda: pool(app).size == 1)  # The old connection is closed.


async def idle_connection(app: Quart) -> PooledConnection:
    """Return the idle connection of *app*, as if its file was checked long ago."""
    async with app.app_context():
        pooled = (await get_db())._pooled
    assert pooled is not None and pool(app)._idle == [pooled]
    pooled._checked_at -= 10
    return pooled


async def test_file_check(app: Quart) -> None:
    """A connection whose file is the same is used again, without another check at once."""
    pooled = await idle_connection(app)
    assert not pooled.is_fresh
    async with app.app_context():
        assert (await get_db())._pooled is pooled
        assert pooled.is_fresh


async def test_no_file_check_in_memory(app_class: type[Quart]) -> None:
    """A connection to a database in memory is always used again."""
    app = make_app(app_class, ":memory:")
    pooled = await idle_connection(app)
    async with app.app_context():
        assert (await get_db())._pooled is pooled
    await app_database(app).connections.close()


async def test_cancelled_file_check(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that is cancelled during the check returns the connection to the pool."""
    started, end = threading.Event(), threading.Event()

    def check(pooled: PooledConnection) -> bool:
        started.set()
        return end.wait(TIMEOUT)

    await idle_connection(app)
    monkeypatch.setattr(PooledConnection, "_is_same_file", check)
    async with app.app_context():
        task = asyncio.create_task(get_db())
        await eventually(started.is_set)
        task.cancel()
        await outcomes(task)
        end.set()
    assert task.cancelled()
    assert pool(app).in_use == 0


async def test_broken_connection(app: Quart, file: Path) -> None:
    """A connection to a damaged file is replaced, so that a repaired file can be used."""
    async with app.app_context():
        await query_db("PRAGMA wal_checkpoint(TRUNCATE)")
    await app_database(app).connections.close()
    content = await asyncio.to_thread(file.read_bytes)
    async with app.app_context():
        await query_db("SELECT 1")
    await asyncio.to_thread(file.write_bytes, b"x" * len(content))
    async with app.app_context():
        with pytest.raises(sqlite3.DatabaseError):
            await query_db("SELECT * FROM item")
    await asyncio.to_thread(file.write_bytes, content)
    async with app.app_context():
        assert await query_db("SELECT * FROM item") == []


async def test_closing(app: Quart) -> None:
    """The end of serving closes all connections, also those in use."""
    async with app.app_context():
        db = await get_db()
        await db.query(INSERT, ["lost"])
        assert db._pooled is not None
        thread = db._pooled.worker
        await app_database(app).connections.close()
        await eventually(lambda: not thread.is_alive())
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            await db.query("SELECT 1")
        # The application may be served again.
        assert await query_db("SELECT * FROM item") == []


async def test_closed_pool(app: Quart) -> None:
    """A closed pool gives out no connection."""
    closed = pool(app)
    await app_database(app).connections.close()
    with pytest.raises(DatabaseUnavailable, match="about to stop"):
        await closed.acquire()


async def test_closing_while_tasks_wait(app: Quart) -> None:
    """Tasks that wait for a connection while the pool is closed get an error."""
    async with all_connections_in_use(app), app.app_context():
        waiting = asyncio.create_task(get_db())
        await eventually(lambda: len(pool(app)._waiting) == 1)
        await app_database(app).connections.close()
        with pytest.raises(DatabaseUnavailable, match="about to stop"):
            await waiting


async def connection_and_waiting_task(app: Quart) -> tuple[Connection, asyncio.Task[None]]:
    """Return the only connection of *app*, and a task that waits for it."""

    async def work() -> None:
        async with app.app_context():
            await get_db()

    task = asyncio.create_task(work())
    connection = await get_db()
    await eventually(lambda: len(pool(app)._waiting) == 1)
    return connection, task


async def test_cancelled_while_a_connection_is_handed_over(single: Quart) -> None:
    """A task that is cancelled as it gets a connection returns it to the pool."""
    async with single.app_context():
        connection, task = await connection_and_waiting_task(single)
        assert connection.release() is None
        task.cancel()
        await outcomes(task)
        assert task.cancelled()
    assert pool(single).in_use == 0


async def test_closing_while_a_connection_is_handed_over(single: Quart) -> None:
    """A pool that is closed as a waiting task gets a connection closes that connection too."""
    async with single.app_context():
        connection, task = await connection_and_waiting_task(single)
        assert connection._pooled is not None
        thread = connection._pooled.worker
        assert connection.release() is None
        pool(single).close()
        with pytest.raises(DatabaseUnavailable):
            await task
        await app_database(single).connections.close()
    await eventually(lambda: not thread.is_alive())


async def test_cancelled_before_it_starts(app: Quart) -> None:
    """A statement that is cancelled before the thread reaches it is not executed."""
    async with app.app_context():
        db = await get_db()
        endless = asyncio.create_task(query_db(ENDLESS))
        await eventually(lambda: len(db._pending) == 1)
        queued = asyncio.create_task(query_db(INSERT, ["lost"]))
        await eventually(lambda: len(db._pending) == 2)
        queued.cancel()
        endless.cancel()
        await outcomes(queued, endless)
        assert await query_db("SELECT * FROM item") == []


async def test_no_references_to_values(app: Quart) -> None:
    """An idle thread does not keep the values that it read and wrote last."""

    class Large(list[object]):
        """A row."""

    def large(cursor: sqlite3.Cursor, row: tuple[object, ...]) -> Large:
        return Large(row)

    async with app.app_context():
        (await get_db()).row_factory = large  # type: ignore[assignment]
        row = weakref.ref((await query_db("SELECT 1"))[0])
        value = Large([b"x"])
        written = weakref.ref(value)
        await query_db("SELECT ?", value)
        del value
        await eventually(lambda: row() is None and written() is None)
