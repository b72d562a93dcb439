"""A server that does not answer, and a connection that is lost when the view is done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from quart import Quart, Response
from quart.utils import run_sync
from sqlalchemy import NullPool, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from quartpatterns.compare import services
from quartpatterns.compare.processes import in_thread
from quartpatterns.sqlalchemy import DatabaseUnavailable, diagnose
from quartpatterns.streaming import stream_with_context
from tests.conftest import unavailable
from tests.serving import served
from tests.sqlalchemy.shop import Item, db, make_app, names, pool, registration

SHORT: dict[str, Any] = {"SQLALCHEMY_CONNECT_TIMEOUT": 0.5, "SQLALCHEMY_STATEMENT_TIMEOUT": 0.5}


def processes(url: str) -> list[int]:
    """The process of the server at *url*, and those of its connections."""
    with psycopg.connect(url) as connection:
        [folder] = connection.execute("SHOW data_directory").fetchone() or ("",)
    server = int((Path(folder) / "postmaster.pid").read_text().split()[0])
    found = [server]
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == server:
                found.append(int(path.parent.name))
    return found


@contextlib.contextmanager
def frozen(url: str) -> Iterator[None]:
    """Stop all processes of a server, without closing its connections."""
    stopped = processes(url)
    for process in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def add_views(app: Quart) -> None:
    @app.get("/")
    async def count() -> dict[str, int]:
        return {"items": len((await db.session.scalars(select(Item))).all())}

    @app.get("/sleep")
    async def sleep() -> str:
        await db.session.execute(text("SELECT pg_sleep(2)"))
        return "slept"


@pytest.mark.slow
@pytest.mark.parametrize("connected", [True, False])
async def test_frozen_server(app_class: type[Quart], connected: bool) -> None:
    """A request is answered with 503 after the timeout, and works when the server is back."""
    try:
        async with in_thread(services.postgres()) as url:
            app = make_app(app_class, url, **SHORT)
            add_views(app)
            async with app.app_context():
                await db.create_all()
            client = app.test_client()
            if connected:
                assert (await client.get("/")).status_code == 200
            else:
                await registration(app).close()
            loop = asyncio.get_running_loop()
            async with in_thread(frozen(url)):
                begun = loop.time()
                response = await client.get("/")
                assert response.status_code == 503
                assert response.headers["Retry-After"] == "5"
                # The timeout, and the two seconds in which asyncpg tries to cancel.
                assert loop.time() - begun < 10
            assert (await client.get("/")).status_code == 200
            await registration(app).close()
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


async def test_statement_timeout(app_class: type[Quart], postgres_url: str) -> None:
    """A statement that takes too long is cancelled, and answered with 503."""
    app = make_app(app_class, postgres_url, SQLALCHEMY_STATEMENT_TIMEOUT=0.2)
    add_views(app)
    response = await app.test_client().get("/sleep")
    assert response.status_code == 503
    assert "SQLALCHEMY_STATEMENT_TIMEOUT" in await response.get_data(as_text=True)

    def connections() -> int:
        with psycopg.connect(postgres_url) as connection:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            statement = f"SELECT count(*) FROM pg_stat_activity WHERE {others}"
            row = connection.execute(statement.encode()).fetchone()
            return int(row[0]) if row else -1

    # It is closed, because it may still hang.
    assert await run_sync(connections)() == 0
    await registration(app).close()


@pytest.mark.parametrize(
    ("config", "query", "arguments", "expected"),
    [
        ({}, "", {}, {"timeout": 10, "command_timeout": 30}),
        ({"SQLALCHEMY_CONNECT_TIMEOUT": None}, "", {}, {"command_timeout": 30}),
        ({"SQLALCHEMY_STATEMENT_TIMEOUT": None}, "", {}, {"timeout": 10}),
        ({}, "", {"command_timeout": 5}, {"timeout": 10, "command_timeout": 5}),
        ({}, "?connect_timeout=3", {}, {"timeout": 3, "command_timeout": 30}),
        ({}, "?timeout=4&command_timeout=6", {}, {"timeout": 4, "command_timeout": 6}),
    ],
)
async def test_settings(
    app_class: type[Quart],
    config: dict[str, Any],
    query: str,
    arguments: dict[str, Any],
    expected: dict[str, float],
) -> None:
    """There are limits by default; a setting changes them or switches them off."""
    used: dict[str, Any] = {}

    async def connect(**options: Any) -> None:
        used.update(options)
        raise InterruptedError

    arguments = {**arguments, "async_creator_fn": connect}
    url = f"postgresql://localhost/name{query}"
    app = make_app(app_class, url, {"connect_args": arguments}, **config)
    async with app.app_context():
        with contextlib.suppress(InterruptedError):
            await db.engine.connect()
    names = ("timeout", "command_timeout")
    assert {name: used[name] for name in names if name in used} == expected


@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "not yet noticed"])
@pytest.mark.parametrize("session", ["the context's", "reading", "new"])
@pytest.mark.parametrize("options", [{}, {"poolclass": NullPool}], ids=["pool", "no pool"])
async def test_killed_when_the_view_is_done(
    app_class: type[Quart], postgres_url: str, noticed: bool, session: str, options: dict[str, Any]
) -> None:
    """A connection that is lost after the last query does not change the finished answer."""
    app = make_app(app_class, postgres_url, options)
    async with app.app_context():
        await db.create_all()
        db.session.add(Item(name="kept"))
        await db.session.commit()

    async def query(session: Any) -> None:
        process = await session.scalar(text("SELECT pg_backend_pid()"))

        def kill() -> None:
            with psycopg.connect(postgres_url) as connection:
                connection.execute("SELECT pg_terminate_backend(%s)", [process])

        if noticed:
            await run_sync(kill)()
            await asyncio.sleep(0.1)
        else:
            kill()

    @app.get("/")
    async def view() -> str:
        if session == "reading":
            async with db.reading():
                await query(db.session)
        elif session == "new":
            async with db.new_session() as own:
                await query(own)
        else:
            await query(db.session)
        return "done"

    response = await app.test_client().get("/")
    assert (response.status_code, await response.get_data(as_text=True)) == (200, "done")
    await asyncio.sleep(0.1)  # The connection that is back in the pool notices the end.
    assert await names(app) == ["kept"]
    assert getattr(pool(app), "checkedout", lambda: 0)() == 0
    await registration(app).close()


SLOW_ROWS = "SELECT n, pg_sleep(0.05)::text FROM generate_series(1, 20) n"
"""It takes a second, and four rows of it 0.2 s."""


@pytest.mark.parametrize("kind", ["csv", "batches"])
@pytest.mark.parametrize("reading", [False, True])
async def test_long_stream(
    app_class: type[Quart], postgres_url: str, kind: str, reading: bool
) -> None:
    """The timeout is for a batch of a large result, not for the whole of it."""
    app = make_app(app_class, postgres_url, SQLALCHEMY_STATEMENT_TIMEOUT=0.7)
    async with app.app_context():
        async with db.reading() if reading else contextlib.nullcontext():
            found = [batch async for batch in getattr(db, kind)(text(SLOW_ROWS), size=4)]
        lines = b"".join(found).count(b"\n") if kind == "csv" else len(found)
        assert lines == (21 if kind == "csv" else 5)
    await registration(app).close()


@pytest.mark.parametrize("kind", ["csv", "batches"])
async def test_timeout_of_a_stream(app_class: type[Quart], postgres_url: str, kind: str) -> None:
    """A batch that takes longer is an error that names the argument, which changes the limit."""
    app = make_app(app_class, postgres_url, SQLALCHEMY_STATEMENT_TIMEOUT=0.5)
    async with app.app_context():
        with pytest.raises(OperationalError, match=r"db\.csv\(\.\.\., timeout=600\)"):
            assert [batch async for batch in getattr(db, kind)(text(SLOW_ROWS))]
        await db.session.rollback()
        assert [batch async for batch in getattr(db, kind)(text(SLOW_ROWS), timeout=60)]
        # It was for that result only.
        with pytest.raises(OperationalError):
            assert [batch async for batch in getattr(db, kind)(text(SLOW_ROWS))]
    await registration(app).close()


@pytest.mark.wire
async def test_stream_that_times_out(app_class: type[Quart], postgres_url: str) -> None:
    """The client notices that the rest of an export is missing."""
    app = make_app(app_class, postgres_url, SQLALCHEMY_STATEMENT_TIMEOUT=0.5)

    @app.get("/export")
    async def export() -> Response:
        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            async for chunk in db.csv(text(SLOW_ROWS.replace("0.05", "n * 0.04")), size=4):
                yield chunk

        return Response(generate(), content_type="text/csv")

    async with served(app) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await server.client.get("/export")


@pytest.mark.parametrize("kind", ["csv", "batches"])
async def test_killed_in_a_stream(app_class: type[Quart], postgres_url: str, kind: str) -> None:
    """The error is one of SQLAlchemy, which means 503, and the session can be used again."""
    app = make_app(app_class, postgres_url)

    def kill() -> None:
        with psycopg.connect(postgres_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    async with app.app_context():
        with pytest.raises(DBAPIError) as caught:
            async for _ in getattr(db, kind)(text(SLOW_ROWS), size=4):
                await run_sync(kill)()
        assert isinstance(diagnose(caught.value), DatabaseUnavailable)
        await db.session.rollback()
        assert await db.session.scalar(text("SELECT 1")) == 1
        await db.session.rollback()
        with pytest.raises(DBAPIError, match="division by zero"):
            async for _ in getattr(db, kind)(
                text("SELECT 1 / (5 - n) FROM generate_series(1, 9) n")
            ):
                pass
    await registration(app).close()
