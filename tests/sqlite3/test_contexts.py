"""One connection for each context: on demand, the same, its own, and back when it ends."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import weakref
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from quart import Quart, websocket
from quart.globals import _cv_app
from quart.utils import run_sync

from quartpatterns.sqlite3 import Connection, DatabaseUnavailable, get_db, make_dicts, query_db
from tests.serving import eventually
from tests.sqlite3.shop import ENDLESS, app_database, make_app, names, none_in_use, pool, together

INSERT = "INSERT INTO item (name) VALUES (?)"


@pytest.mark.checks("SQ-1")
async def test_same(app: Quart) -> None:
    """Asked twice, or by two tasks at once, a context has one connection."""
    async with app.app_context():
        found = await asyncio.gather(*(get_db() for _ in range(20)))
        assert len(set(found)) == 1
        assert await get_db() is found[0]
        assert pool(app).in_use == 1
    assert pool(app).in_use == 0


@pytest.mark.checks("SQ-1")
async def test_first_of_all(app_class: type[Quart], file: Path) -> None:
    """Two that race for the very first connection of a pool open one."""
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
    """A request that asks for no connection takes none, also where a hook fails before."""

    @app.get("/")
    async def view() -> str:
        return str(pool(app).in_use)

    @app.before_request
    async def hook() -> None:
        if websocket_or_fail:
            raise LookupError

    websocket_or_fail = False
    client = app.test_client()
    assert await (await client.get("/")).get_data() == b"0"
    websocket_or_fail = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert (await client.get("/")).status_code == 500


@pytest.mark.checks("SQ-2", "SQ-3")
async def test_closed(app: Quart) -> None:
    """After its context a connection is closed for good, whoever has kept it."""
    async with app.app_context():
        kept = await get_db()
        cursor = await kept.execute("SELECT 1")
    for work in (kept.query("SELECT 1"), cursor.fetchone(), kept.commit()):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            await work
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        kept.in_transaction  # noqa: B018
    assert kept.is_closed
    async with app.app_context():
        assert await get_db() is not kept


@pytest.mark.checks("SQ-2")
async def test_rolled_back(app: Quart) -> None:
    """What is not committed is gone at the end, and the lock on the database with it."""
    async with app.app_context():
        await query_db(INSERT, ["lost"])
        assert await query_db("SELECT name FROM item", one=True)
    assert await names(app) == []
    async with app.app_context():
        assert not (await get_db()).in_transaction
        await query_db(INSERT, ["kept"])
        await (await get_db()).commit()
    assert await names(app) == ["kept"]


@pytest.mark.checks("SQ-2")
async def test_error(app: Quart) -> None:
    """After an error in the view and one in another teardown function, no connection is missing."""
    app.logger.disabled = True  # pytest would keep the log records, and with them the contexts.

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
        await together(app.test_client().get("/"))
        await eventually(all_released)
    assert await names(app) == []


@pytest.mark.checks("SQ-2")
async def test_reopened_in_teardown(app: Quart) -> None:
    """A teardown function may use the database, wherever it stands in the order."""
    seen = []

    @app.teardown_appcontext
    async def count(error: BaseException | None) -> None:
        seen.append(await query_db("SELECT count(*) AS n FROM item", one=True))

    for _ in range(5):
        async with app.app_context():
            await get_db()
        assert pool(app).in_use == 0
    assert [row["n"] for row in seen] == [0] * 5


async def test_context_without_end(app: Quart) -> None:
    """A context that is dropped without a teardown gives its connection back all the same."""
    context = app.app_context()
    await context.push()
    await query_db(INSERT, ["lost"])
    _cv_app.set(None)  # type: ignore[arg-type]  # as where the task that pushed it has ended
    del context
    gc.collect()
    assert await none_in_use(app)
    assert await names(app) == []


@pytest.mark.checks("SQ-4")
async def test_outside(app: Quart) -> None:
    """Outside of requests there is ``async with app.app_context()``, and an error that says so."""
    with pytest.raises(RuntimeError, match="async with app.app_context"):
        await get_db()
    async with app.app_context():
        outer = await get_db()
        async with app.app_context():
            assert await get_db() is not outer
        assert await outer.query("SELECT 1", one=True)


@pytest.mark.checks("SQ-1", "SQ-2")
async def test_background_task(app: Quart) -> None:
    """A background task has a connection of its own, which outlives that of its request."""
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
    assert await names(app) == ["by the task"]


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
    assert await names(app) == []


@pytest.mark.parametrize("writing", [False, True])
async def test_task_left_behind(app: Quart, writing: bool) -> None:
    """A task that goes on after its context gets an error, and a statement of its is ended."""
    async with app.app_context():
        db = await get_db()
        if writing:
            await db.query(INSERT, ["lost"])
        endless = asyncio.create_task(db.query(ENDLESS))
        later = asyncio.create_task(db.query(INSERT, ["also lost"]))
        await asyncio.sleep(0.05)
    assert pool(app).in_use == 0
    for task in (endless, later):
        with pytest.raises(sqlite3.ProgrammingError, match="add_background_task"):
            await task
    assert await names(app) == []


async def test_cancelled_query(app: Quart) -> None:
    """A cancelled query ends, and the connection is as good as before."""
    async with app.app_context():
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(query_db(ENDLESS), 0.05)
        async with asyncio.timeout(5):
            assert await query_db("SELECT 1", one=True)


async def test_cancelled_while_locked(app: Quart, file: Path) -> None:
    """A write that is cancelled while it waits for its turn is not done for the next context."""

    def lock() -> sqlite3.Connection:
        stranger = sqlite3.connect(file, check_same_thread=False)
        stranger.execute("BEGIN IMMEDIATE")
        return stranger

    with closing(await run_sync(lock)()):
        async with app.app_context():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(query_db(INSERT, ["late"]), 0.05)
            releasing = asyncio.create_task((await get_db()).close())
            await asyncio.sleep(0.05)
    await releasing
    async with app.app_context():
        assert not (await get_db()).in_transaction
        assert await query_db("SELECT * FROM item") == []
    assert await none_in_use(app)


async def test_cancelled_beside_a_stream(app: Quart) -> None:
    """What others have under way on the connection goes on."""
    async with app.app_context():
        db = await get_db()
        cursor = await db.execute("SELECT 1 UNION SELECT 2")
        await cursor.fetchone()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(query_db(ENDLESS), 0.05)
        row = await cursor.fetchone()
        assert row is not None and row[0] == 2
        assert await query_db("SELECT 3", one=True)


@pytest.mark.parametrize("at", [0, 0.0005, 0.001, 0.002, 0.005])
async def test_cancelled_context(app: Quart, at: float) -> None:
    """Cancelled wherever it is, a context leaves neither a lock nor a connection behind."""

    async def work() -> None:
        async with app.app_context():
            await query_db(INSERT, ["lost"])
            await query_db(ENDLESS)

    tasks = [asyncio.create_task(work()) for _ in range(6)]
    await asyncio.sleep(at)
    for task in tasks:
        task.cancel()
    await together(*tasks)
    assert await none_in_use(app)
    async with app.app_context():
        await query_db(INSERT, ["kept"])
        await (await get_db()).commit()
    assert await names(app) == ["kept"]


@pytest.fixture
async def single(app_class: type[Quart], file: Path) -> AsyncIterator[Quart]:
    """An application whose contexts have one connection between them."""
    app = make_app(app_class, file, SQLITE_POOL_SIZE=1)
    yield app
    await app_database(app).connections.close()


async def test_factories_do_not_stay(single: Quart) -> None:
    """What a context sets for its rows is not found by the next one."""
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
        ("/* quiet */ PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys"),
        ("-- quiet\n;pragma\nforeign_keys = off", "PRAGMA foreign_keys"),
        ("ATTACH ':memory:' AS other", "PRAGMA database_list"),
    ],
)
@pytest.mark.parametrize("name", ["query", "execute", "executescript"])
async def test_settings_do_not_stay(single: Quart, statement: str, query: str, name: str) -> None:
    """A temporary table, a pragma or a second database of one context is not the next one's."""
    async with single.app_context():
        before = [tuple(row) for row in await query_db(query)]
    async with single.app_context():
        await getattr(await get_db(), name)(statement)
    async with single.app_context():
        assert [tuple(row) for row in await query_db(query)] == before


async def test_functions_do_not_stay(single: Quart) -> None:
    async with single.app_context():
        await (await get_db()).create_function("spoilt", 0, lambda: 1)
    async with single.app_context():
        with pytest.raises(sqlite3.OperationalError, match="no such function"):
            await query_db("SELECT spoilt()")


async def test_isolation_does_not_stay(single: Quart) -> None:
    async with single.app_context():
        (await get_db()).isolation_level = "DEFERRED"
    async with single.app_context():
        assert (await get_db()).isolation_level == "IMMEDIATE"


async def test_unfinished_cursor(app: Quart, file: Path) -> None:
    """A cursor that somebody keeps does not hold the next context to the data of its time."""
    kept = []

    def write(name: str) -> None:
        with closing(sqlite3.connect(file)) as stranger, stranger:
            stranger.execute(INSERT, [name])

    await run_sync(write)("a")
    await run_sync(write)("b")
    for count in range(3):
        async with app.app_context():
            kept.append(await (await get_db()).execute("SELECT * FROM item"))
            await kept[-1].fetchone()
            assert len(await query_db("SELECT * FROM item")) == 2 + count
        assert pool(app).size == 1
        await run_sync(write)(str(count))


async def test_warm(app: Quart) -> None:
    """One after the other, contexts get the same connection, without a trip to its thread."""
    threads = set()
    for _ in range(10):
        async with app.app_context():
            db = await get_db()
            assert db._pooled is not None
            threads.add(db._pooled.worker)
            await query_db("SELECT 1")
    assert len(threads) == 1
    assert pool(app).size == 1


async def test_wait(app: Quart) -> None:
    """Where all connections are in use, the next context waits for its turn, first come first."""
    order: list[int] = []

    async def work(number: int) -> None:
        async with app.app_context():
            await get_db()
            order.append(number)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(work(number) for number in range(30)))
    assert order == list(range(30))
    assert (pool(app).size, pool(app).in_use) == (3, 0)


async def test_exhausted(app_with_short_timeouts: Quart) -> None:
    """A client that waited in vain is told to try again; the next one is served."""
    app = app_with_short_timeouts

    @app.get("/")
    async def view() -> str:
        await get_db()
        return "served"

    client = app.test_client()
    holding = [app.app_context() for _ in range(3)]

    async def hold() -> None:
        async with app.app_context():
            await get_db()
            held.release()
            await let_go.wait()

    held, let_go = asyncio.Semaphore(0), asyncio.Event()
    tasks = [asyncio.create_task(hold()) for _ in holding]
    for _ in tasks:
        await held.acquire()
    response = await client.get("/")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert "raise SQLITE_POOL_SIZE" in await response.get_data(as_text=True)
    let_go.set()
    await asyncio.gather(*tasks)
    assert (await client.get("/")).status_code == 200


async def test_cancelled_wait(app: Quart) -> None:
    """Whoever is cancelled while he waits takes no connection with him."""

    async def work() -> None:
        async with app.app_context():
            await get_db()
            await asyncio.sleep(0.003)

    for delay in range(12):
        tasks = [asyncio.create_task(work()) for _ in range(12)]
        await asyncio.sleep(delay / 1000)
        for task in tasks[::2]:
            task.cancel()
        await together(*tasks)
    assert await none_in_use(app)


async def test_closed_early(app: Quart) -> None:
    """``close()`` gives a connection back early; the context may ask for another."""
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
async def test_file_in_another_place(
    app: Quart, file: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections to a file that was deleted or replaced are given up within a second."""
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


async def test_connection_that_broke(app: Quart, file: Path) -> None:
    """A connection whose file turned bad is replaced, and so works when the file is good again."""
    async with app.app_context():
        await query_db("PRAGMA wal_checkpoint(TRUNCATE)")
    await app_database(app).connections.close()
    good = await asyncio.to_thread(file.read_bytes)
    async with app.app_context():
        await query_db("SELECT 1")
    await asyncio.to_thread(file.write_bytes, b"x" * len(good))
    async with app.app_context():
        with pytest.raises(sqlite3.DatabaseError):
            await query_db("SELECT * FROM item")
    await asyncio.to_thread(file.write_bytes, good)
    async with app.app_context():
        assert await query_db("SELECT * FROM item") == []


async def test_closing(app: Quart) -> None:
    """The end of serving closes all, also what is in use; whoever waits is told."""
    async with app.app_context():
        db = await get_db()
        await db.query(INSERT, ["lost"])
        await app_database(app).connections.close()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            await db.query("SELECT 1")
        # A new start, as of the same application served again.
        assert await query_db("SELECT * FROM item") == []


async def test_closing_while_others_wait(app: Quart) -> None:
    async def work() -> str:
        async with app.app_context():
            await get_db()
            held.release()
            await asyncio.sleep(0.1)
            return "served"

    held = asyncio.Semaphore(0)

    tasks = [asyncio.create_task(work()) for _ in range(4)]
    for _ in range(3):
        await held.acquire()
    await app_database(app).connections.close()
    found = await together(*tasks)
    assert found.count("served") == 3
    assert [type(one) for one in found if one != "served"] == [DatabaseUnavailable]


async def waiting(app: Quart) -> tuple[Connection, asyncio.Task[str]]:
    """The only connection of *app*, and a task that waits for it."""

    async def work() -> str:
        async with app.app_context():
            await get_db()
            return "served"

    task = asyncio.create_task(work())
    connection = await get_db()
    await asyncio.sleep(0.01)
    assert not task.done()
    return connection, task


async def test_cancelled_when_it_is_his_turn(single: Quart) -> None:
    """Cancelled in the moment in which he gets it, a waiter leaves the connection to others."""
    async with single.app_context():
        connection, task = await waiting(single)
        assert connection.release() is None
        task.cancel()
        await together(task)
        assert task.cancelled()
    assert pool(single).in_use == 0


async def test_closing_while_a_connection_is_handed_over(single: Quart) -> None:
    """A pool that closes at the moment a waiting task gets a connection closes that one too."""
    async with single.app_context():
        connection, task = await waiting(single)
        assert connection._pooled is not None
        thread = connection._pooled.worker
        assert connection.release() is None
        pool(single).close()
        with pytest.raises(DatabaseUnavailable):
            await task
        await app_database(single).connections.close()
    await eventually(lambda: not thread.is_alive())


async def test_cancelled_in_the_queue(app: Quart) -> None:
    """What is cancelled before the thread has come to it is not done."""
    async with app.app_context():
        endless = asyncio.create_task(query_db(ENDLESS))
        await asyncio.sleep(0.02)
        queued = asyncio.create_task(query_db(INSERT, ["lost"]))
        await asyncio.sleep(0.02)
        queued.cancel()
        endless.cancel()
        await together(queued, endless)
        assert await query_db("SELECT * FROM item") == []


async def test_nothing_is_kept(app: Quart) -> None:
    """What was read and written last is forgotten, not kept until the thread has other work."""

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
