"""Results that are larger than memory, and clients that go away in the middle of them."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import psutil
import pytest
from quart import Quart, Response
from quart.utils import run_sync
from sqlalchemy import Select, column, func, literal, select, text, type_coerce
from sqlalchemy.types import Integer

from quartpatterns.sqlalchemy.example import cases
from quartpatterns.sqlalchemy.example.port import create_app
from quartpatterns.sqlalchemy.migrations import upgrade
from quartpatterns.streaming import stream_with_context
from tests.serving import eventually, served, unread_response
from tests.sqlalchemy.shop import (
    Item,
    checked_out,
    db,
    make_app,
    registration,
    wait_for_connections,
)

MIB = 1024 * 1024
ROWS = 200_000


@pytest.fixture
async def filled(app: Quart) -> Quart:
    """The application with 2,500 items."""
    async with app.app_context():
        db.session.add_all(Item(name=f"{number:04}") for number in range(2500))
        await db.session.commit()
    return app


async def test_batches(filled: Quart) -> None:
    """Rows come in lists over one connection; the last list may be shorter."""
    async with filled.app_context():
        sizes: list[int] = []
        rows: list[Any] = []
        async for batch in db.batches(select(Item.id, Item.name).order_by(Item.id), size=1000):
            sizes.append(len(batch))
            rows += batch
            assert checked_out(filled) == 1
        assert sizes == [1000, 1000, 500]
        assert (rows[0].name, rows[-1].id) == ("0000", 2500)
        plain = db.batches(text("SELECT id FROM item"), size=1000)
        assert [len(batch) async for batch in plain] == [1000, 1000, 500]
        assert [batch async for batch in db.batches(select(Item.id).where(Item.id < 0))] == []
        # What is read in a part is closed by whoever stops.
        async with aclosing(db.batches(select(Item.id), size=10)) as batches:
            assert len(await anext(batches)) == 10
        assert await db.session.scalar(select(func.count(Item.id))) == 2500
    assert checked_out(filled) == 0


async def test_csv(app: Quart) -> None:
    """Commas, quotes, line ends, NULL and any language survive a round trip."""
    odd = ['a,b"c', "line\r\nend", "洛芙莱斯", "", "=1+1"]
    async with app.app_context():
        db.session.add_all(Item(name=name) for name in odd)
        await db.session.commit()
        void = type_coerce(literal(None), Integer).label("void")
        statement = select(Item.name, void).order_by(Item.id)
        data = b"".join([chunk async for chunk in db.csv(statement, size=2)])
        bare = b"".join([chunk async for chunk in db.csv(statement, header=False)])
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert rows == [["name", "void"], *([name, ""] for name in odd)]
    assert data == b"name,void\r\n" + bare


def with_export(app: Quart) -> Quart:
    @app.get("/export")
    async def export() -> Response:
        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            numbers = func.generate_series(1, ROWS).table_valued("n").render_derived()
            statement: Select[Any, Any] = select(
                column("n"), literal("x" * 100).label("text")
            ).select_from(numbers)
            async with aclosing(db.csv(statement)) as chunks:
                async for chunk in chunks:
                    yield chunk

        return Response(generate(), content_type="text/csv")

    return app


@pytest.fixture
async def large(postgres_url: str) -> AsyncIterator[Quart]:
    """The port on PostgreSQL with many users."""
    await run_sync(upgrade)(postgres_url)
    await cases.add_users(postgres_url, ROWS)
    app = create_app({"SQLALCHEMY_DATABASE_URI": postgres_url})
    yield app
    await registration(app).close()


@pytest.mark.wire
@pytest.mark.slow
async def test_memory(large: Quart, capsys: pytest.CaptureFixture[str]) -> None:
    """The memory for 200,000 rows grows only by a few batches."""
    async with served(large) as server:

        async def export() -> tuple[int, int]:
            lines = size = 0
            async with server.client.stream("GET", "/users.csv") as response:
                assert response.headers["content-type"] == "text/csv; charset=utf-8"
                async for chunk in response.aiter_raw():
                    lines += chunk.count(b"\n")
                    size += len(chunk)
            return lines, size

        await export()
        before = psutil.Process().memory_info().rss
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, psutil.Process().memory_info().rss - before)
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(watch())
        loop = asyncio.get_running_loop()
        began = loop.time()
        lines, size = await export()
        took = loop.time() - began
        watching.cancel()
        assert lines == ROWS + 1
        assert most < 16 * MIB
        assert await wait_for_connections(large)
    with capsys.disabled():
        print(  # noqa: T201  the numbers are the point
            f"\n{ROWS:,} rows as CSV, {size / MIB:.1f} MiB: {took:.2f} s, {ROWS / took:,.0f} rows/s"
            f" with the client in the same process, memory +{most / MIB:.1f} MiB"
        )


@pytest.mark.wire
async def test_slow_client(app_class: type[Quart], postgres_url: str) -> None:
    """If the client stops reading, the rows stay in the database until it disconnects."""
    app = with_export(make_app(app_class, postgres_url))
    async with served(app) as server:
        before = psutil.Process().memory_info().rss
        async with unread_response(server.port, "/export"):
            await eventually(lambda: checked_out(app) == 1)
            await asyncio.sleep(1)
            assert checked_out(app) == 1
            # The whole of it has 22 MB.
            assert psutil.Process().memory_info().rss - before < 12 * MIB
        assert await wait_for_connections(app)
        async with app.app_context():
            assert await db.session.scalar(text("SELECT 1")) == 1


@pytest.mark.wire
async def test_client_gone(app_class: type[Quart], postgres_url: str) -> None:
    """No connection leaks when more clients disconnect than the pool has connections."""
    app = with_export(make_app(app_class, postgres_url, {"pool_size": 2, "max_overflow": 0}))
    async with served(app) as server:
        for _ in range(6):
            async with unread_response(server.port, "/export") as reader:
                assert await reader.read(1000)
        assert await wait_for_connections(app)
        idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        async with app.app_context():
            assert await db.session.scalar(text(f"{idle} AND datname = current_database()")) == 0
