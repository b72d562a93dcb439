"""The session of a context: one for each, closed with it, never shared."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import pytest
from quart import Quart, current_app, websocket
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns.sqlalchemy import ConcurrentUseError, Session, SQLAlchemy
from tests.databases import Stream, streams
from tests.serving import TIMEOUT, eventually
from tests.sqlalchemy.shop import (
    ENDLESS,
    SLOW,
    Item,
    checked_out,
    db,
    make_app,
    names,
    registration,
    wait_for_connections,
)


@pytest.mark.checks("SA-3")
async def test_requests_share_nothing(app: Quart) -> None:
    """The end of a request does not affect the session of a concurrent one."""
    sessions: list[AsyncSession] = []
    both, first_is_over = asyncio.Barrier(2), asyncio.Event()

    @app.get("/<name>")
    async def view(name: str) -> dict[str, bool]:
        session = db.session
        sessions.append(session)
        await session.scalars(select(Item))
        await both.wait()
        if name == "second":
            await first_is_over.wait()
        session.add(Item(name=name))
        await session.commit()
        return {"same": session is db.session}

    client = app.test_client()
    second = asyncio.create_task(client.get("/second"))
    first = await client.get("/first")
    first_is_over.set()
    assert await first.get_json() == await (await second).get_json() == {"same": True}
    assert sessions[0] is not sessions[1]
    assert await names(app) == ["first", "second"]
    assert checked_out(app) == 0


@pytest.mark.checks("SA-3")
async def test_rollback(app: Quart) -> None:
    """Uncommitted changes are rolled back at the end of a context, also after a flush."""
    async with app.app_context():
        db.session.add(Item(name="kept"))
        await db.session.commit()
        db.session.add(Item(name="flushed"))
        await db.session.flush()
        db.session.add(Item(name="added"))
        assert checked_out(app) == 1
    assert checked_out(app) == 0
    assert await names(app) == ["kept"]


@pytest.mark.checks("SA-3")
async def test_view_that_fails(app: Quart) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/")
    async def view() -> str:
        db.session.add(Item(name="lost"))
        await db.session.flush()
        raise LookupError

    assert (await app.test_client().get("/")).status_code == 500
    assert await names(app) == []
    assert checked_out(app) == 0


@pytest.mark.checks("SA-3")
async def test_teardown_that_uses_the_session(app: Quart) -> None:
    """A session that a teardown function uses is closed, too."""

    @app.teardown_appcontext
    async def log(error: BaseException | None) -> None:
        db.session.add(Item(name=f"{len((await db.session.scalars(select(Item))).all())}"))
        await db.session.commit()
        await db.session.scalars(select(Item))

    async with app.app_context():
        await db.session.scalars(select(Item))
    assert checked_out(app) == 0
    async with app.app_context():
        await app.do_teardown_appcontext(None)
        await app.do_teardown_appcontext(None)
        assert checked_out(app) == 0
    assert await names(app) == ["0", "1", "2", "3"]
    assert checked_out(app) == 0


async def test_contexts_in_contexts(app: Quart) -> None:
    """A nested context has its own session."""
    async with app.app_context():
        outer = db.session
        async with app.app_context():
            assert db.session is not outer
            db.session.add(Item(name="inner"))
            await db.session.commit()
        assert db.session is outer
        assert (await outer.scalars(select(Item.name))).all() == ["inner"]


async def test_background_task(app: Quart) -> None:
    """A background task has its own session, which outlives that of its request."""
    sessions: list[AsyncSession] = []
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        sessions.append(db.session)
        db.session.add(Item(name="background"))
        await db.session.commit()
        await db.session.scalars(select(Item))

    @app.get("/")
    async def view() -> str:
        sessions.append(db.session)
        await db.session.scalars(select(Item))
        app.add_background_task(work)
        return ""

    async with app.test_app():
        await app.test_client().get("/")
        go.set()
        await asyncio.gather(*app.background_tasks)
        assert sessions[0] is not sessions[1]
        assert await names(app) == ["background"]
        assert checked_out(app) == 0


async def test_websocket(app: Quart) -> None:
    """A websocket has one session, which holds no connection after a commit."""
    sessions: set[AsyncSession] = set()

    @app.websocket("/")
    async def view() -> None:
        while True:
            name = await websocket.receive()
            sessions.add(db.session)
            db.session.add(Item(name=name))
            if name != "lost":
                await db.session.commit()
            else:
                await db.session.flush()
            await websocket.send(str(checked_out(app)))

    async with app.test_client().websocket("/") as connection:
        for name, held in [("one", "0"), ("two", "0"), ("lost", "1")]:
            await connection.send(name)
            assert await connection.receive() == held
    assert len(sessions) == 1
    assert await wait_for_connections(app)
    assert await names(app) == ["one", "two"]


@pytest.mark.parametrize(
    "own", [pytest.param("session", id="new_session"), pytest.param("context", id="app_context")]
)
async def test_concurrent_tasks(app: Quart, own: str) -> None:
    """Concurrent tasks use a new session or a context each."""

    async def add(name: str) -> None:
        if own == "session":
            async with db.new_session() as session:
                session.add(Item(name=name))
                await session.commit()
                await session.scalars(select(Item))
        else:
            async with current_app.app_context():
                db.session.add(Item(name=name))
                await db.session.commit()
                await db.session.scalars(select(Item))

    async with app.app_context():
        await asyncio.gather(*(add(f"{number}") for number in range(5)))
        assert len((await db.session.scalars(select(Item))).all()) == 5
    assert checked_out(app) == 0


async def test_one_session_in_two_tasks(app: Quart) -> None:
    """Concurrent use of one session raises an error, and leaks no connection."""

    async def read() -> None:
        await db.session.execute(text("SELECT 1"))

    async with app.app_context():
        with pytest.raises(ConcurrentUseError, match=r"while another task .* db\.new_session"):
            await asyncio.gather(read(), read())
        with pytest.raises(ConcurrentUseError):
            await asyncio.gather(read(), db.session.commit())
    assert checked_out(app) == 0
    async with app.app_context():
        await read()
        await read()


async def test_end_waits_for_a_query(app: Quart) -> None:
    """The end of a context waits for a query of a task that nobody awaits."""
    async with app.app_context():
        unawaited = asyncio.create_task(db.session.scalars(select(Item)))
        await asyncio.sleep(0)
    assert checked_out(app) == 0
    assert unawaited.done()
    await unawaited


async def test_cancelled_while_it_waits_for_a_query(app: Quart) -> None:
    """If the end of a context is cancelled, the session closes after the query."""
    statement = SLOW[registration(app).url.get_backend_name()]
    query: asyncio.Future[asyncio.Task[object]] = asyncio.Future()

    async def leave() -> None:
        async with app.app_context():
            query.set_result(asyncio.create_task(db.session.execute(statement)))
            await asyncio.sleep(0)

    task = asyncio.create_task(leave())
    under_way = await query
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert checked_out(app) == 0
    await under_way


async def test_sequential_use(app: Quart) -> None:
    """Another task may use the session while the first one waits for it."""

    async def add() -> None:
        db.session.add(Item(name="by another task"))
        await db.session.flush()

    async with app.app_context():
        await asyncio.wait_for(add(), 5)
        await asyncio.create_task(db.session.commit())
    assert await names(app) == ["by another task"]


async def test_after_the_end(app: Quart) -> None:
    """A task that outlives its context has a new session, which is closed with the task."""
    over = asyncio.Event()
    done: list[bool] = []

    async def late() -> None:
        await over.wait()
        await db.session.scalars(select(Item))
        done.append(checked_out(app) == 1)

    async with app.app_context():
        await db.session.scalars(select(Item))
        task = asyncio.create_task(late())
    assert checked_out(app) == 0
    over.set()
    await task
    del task
    gc.collect()
    assert done == [True]
    assert await wait_for_connections(app)


async def test_session_after_the_end(app: Quart) -> None:
    """A session that is used after the end of its context raises an error."""
    async with app.app_context():
        session = db.session
    with pytest.raises(RuntimeError, match="add_background_task"):
        await session.scalars(select(Item))
    assert checked_out(app) == 0


async def test_without_context(app: Quart) -> None:
    """Using a session needs a context; naming it does not."""
    named = db.session
    uses: list[Callable[[], object]] = [
        named,
        lambda: named.add(Item(name="x")),
        lambda: db.engine,
        db.new_session,
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match=r"async with app.app_context\(\)"):
            use()
    async with app.app_context():
        assert named() is db.session


async def test_another_object(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(RuntimeError, match="init_app"):
            SQLAlchemy().session  # noqa: B018


async def test_synchronous_view(app: Quart) -> None:
    """The error for a synchronous view says what to change."""
    caught: list[str] = []

    @app.get("/")
    def view() -> str:
        try:
            db.session  # noqa: B018
        except RuntimeError as error:
            caught.append(str(error))
        return ""

    await app.test_client().get("/")
    assert "async def" in caught[0]


@pytest.mark.checks("SA-3")
async def test_cancelled_query(app: Quart) -> None:
    """A cancelled query ends in the database, and its connection is not used again."""
    kind = registration(app).url.get_backend_name()

    async def wait() -> None:
        async with app.app_context():
            await db.session.execute(ENDLESS[kind])

    for _ in range(10):
        task = asyncio.create_task(wait())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(5):
                await task
    assert checked_out(app) == 0
    async with app.app_context():
        assert (await db.session.execute(text("SELECT 42"))).scalar_one() == 42


async def test_cancelled_while_it_waits_for_a_connection(app: Quart) -> None:
    async def hold(over: asyncio.Event) -> None:
        async with app.app_context():
            await db.session.scalars(select(Item))
            await over.wait()

    over = asyncio.Event()
    holders = [asyncio.create_task(hold(over)) for _ in range(5)]
    waiting = [asyncio.create_task(hold(over)) for _ in range(20)]
    await asyncio.sleep(0.1)
    for task in waiting:
        task.cancel()
    over.set()
    await asyncio.gather(*holders)
    assert all(await asyncio.gather(*waiting, return_exceptions=True))
    assert checked_out(app) == 0


async def test_cancelled_while_it_connects(app: Quart) -> None:
    """No connection leaks if a task is cancelled while it connects."""

    async def connect() -> None:
        async with app.app_context():
            await db.session.execute(text("SELECT 1"))

    for step in range(40):
        await registration(app).close()
        task = asyncio.create_task(connect())
        await asyncio.sleep(step / 4000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert checked_out(app) == 0
    await registration(app).close()
    if registration(app).url.get_backend_name() == "sqlite":
        await eventually(lambda: not any(one.name == "sqlite" for one in threading.enumerate()))
    else:
        here = "FROM pg_stat_activity WHERE datname = current_database()"
        async with app.app_context(), asyncio.timeout(TIMEOUT):
            while await db.session.scalar(text(f"SELECT count(*) {here}")) != 1:
                await db.session.rollback()
                await asyncio.sleep(0.01)


async def test_cancelled_twice(app: Quart) -> None:
    """A second cancellation does not interrupt the closing of a session."""
    began = asyncio.Event()

    async def wait() -> None:
        async with app.app_context():
            db.session.add(Item(name="lost"))
            await db.session.flush()
            began.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await began.wait()
    task.cancel()
    while not task.done():
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert checked_out(app) == 0
    assert await names(app) == []


async def test_context_without_teardown(app: Quart) -> None:
    """A context without teardown returns its connection when it is garbage collected."""

    @app.get("/")
    async def view() -> str:
        await db.session.scalars(select(Item))
        return ""

    # The test client keeps the context of the last request, and never tears it down.
    async with app.test_client() as client:
        for _ in range(2):
            await client.get("/")
        gc.collect()
        await eventually(lambda: checked_out(app) < 2)
    gc.collect()
    assert await wait_for_connections(app)


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False])
async def test_teardown_that_fails(app: Quart, first: bool) -> None:
    """If another teardown function fails, before or after ours, no connection leaks."""
    called: list[int] = []

    async def fail(error: BaseException | None) -> None:
        called.append(checked_out(app))
        raise LookupError

    app = make_app(type(app), registration(app).url, {"pool_size": 1, "max_overflow": 0})
    app.teardown_appcontext_funcs.insert(0 if first else 1, fail)
    # More often than there are connections.
    for _ in range(2):
        with pytest.raises(LookupError):
            async with app.app_context():
                await db.session.scalars(select(Item))
        assert checked_out(app) == called[-1]
        gc.collect()
        assert await wait_for_connections(app)
    assert set(called) == {int(first == (type(app) is Quart))}
    await registration(app).close()


async def test_attributes_after_commit(app: Quart) -> None:
    """Attributes can be read after a commit without a query."""
    async with app.app_context():
        item = Item(name="read")
        db.session.add(item)
        await db.session.commit()
        assert (item.name, item.id) == ("read", 1)


async def test_savepoint(app: Quart) -> None:
    """A released savepoint is rolled back with its transaction."""
    async with app.app_context():
        async with db.session.begin_nested():
            db.session.add(Item(name="released"))
        with pytest.raises(LookupError):
            async with db.session.begin_nested():
                db.session.add(Item(name="undone"))
                raise LookupError
        assert (await db.session.scalars(select(Item.name))).all() == ["released"]
        await db.session.rollback()
    assert await names(app) == []


async def test_concurrent_savepoints(app: Quart) -> None:
    """Transactions that read before they write, under a savepoint, wait for one another."""

    async def add(number: int) -> None:
        async with app.app_context():
            async with db.session.begin_nested():
                await db.session.scalars(select(Item))
                await asyncio.sleep(0.01)
                db.session.add(Item(name=f"{number}"))
            await db.session.commit()

    await asyncio.gather(*(add(number) for number in range(20)))
    assert len(await names(app)) == 20


@streams
async def test_stream_of_the_test_client(app: Quart, stream_with_context: Stream) -> None:
    """A generator that outlives its request has a session of its own."""
    sessions: list[AsyncSession] = []

    @app.get("/")
    async def view() -> AsyncIterator[bytes]:
        sessions.append(db.session)
        await db.session.scalars(select(Item))

        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            for _ in range(2):
                sessions.append(db.session)
                yield str((await db.session.execute(text("SELECT 7"))).scalar_one()).encode()

        return generate()

    response = await app.test_client().get("/")
    assert await response.get_data(as_text=True) == "77"
    assert sessions[0] is not sessions[1] is sessions[2]
    assert await wait_for_connections(app)


async def test_session_class(app_class: type[Quart], sqlite_url: str) -> None:
    """session_options sets the class and the options of all sessions."""

    class Mine(Session):
        pass

    own = SQLAlchemy(session_options={"class_": Mine, "autoflush": False})
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url
    own.init_app(app)
    async with app.app_context():
        assert isinstance(own.session, Mine)
        assert isinstance(own.new_session(), Mine)
        assert not own.session.autoflush
    with pytest.raises(TypeError, match=r"quartpatterns\.sqlalchemy\.Session"):
        SQLAlchemy(session_options={"class_": AsyncSession})


async def test_pool_is_shared(app_class: type[Quart], sqlite_url: str) -> None:
    """Connections are used again, by one context after the other."""
    app = make_app(app_class, sqlite_url, {"pool_size": 1, "max_overflow": 0})
    connections = set()
    for _ in range(3):
        async with app.app_context():
            raw = await (await db.session.connection()).get_raw_connection()
            connections.add(raw.driver_connection)
    assert len(connections) == 1
    await registration(app).close()
