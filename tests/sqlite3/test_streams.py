"""Streamed rows: few in memory, from a cursor that is closed at the end."""

from __future__ import annotations

import asyncio
import tracemalloc
from contextlib import aclosing

import pytest
from quart import Quart

from quartpatterns.sqlite3 import get_db, query_db, stream_query
from tests.serving import TIMEOUT, eventually
from tests.sqlite3.shop import ENDLESS, none_in_use, numbers, transaction_of_another_task


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 35])
async def test_rows(app: Quart, count: int) -> None:
    """All rows arrive in order, also at the boundary of a batch; then the cursor is closed."""
    async with app.app_context():
        rows = [row["i"] async for row in stream_query(numbers(max(count, 1)), batch_size=10)]
        assert rows == list(range(1, max(count, 1) + 1))
        empty = stream_query("SELECT * FROM item WHERE name = ?", ["x"])
        assert [row async for row in empty] == []
        assert not list((await get_db())._cursors or ())


async def test_memory(app: Quart) -> None:
    """Many rows take no more memory than a few."""

    async def peak(count: int) -> int:
        tracemalloc.reset_peak()
        async for _ in stream_query(numbers(count)):
            pass
        return tracemalloc.get_traced_memory()[1]

    async with app.app_context():
        tracemalloc.start()
        try:
            await peak(1000)
            few, many = await peak(1000), await peak(100_000)
        finally:
            tracemalloc.stop()
    assert many < few + 100_000


async def test_closed_early(app: Quart) -> None:
    """A stream that is closed before its end closes its cursor."""
    async with app.app_context():
        async with aclosing(stream_query(numbers(1000), batch_size=10)) as rows:
            async for row in rows:
                if row["i"] == 25:
                    break
        assert not list((await get_db())._cursors or ())
        # A table under an open cursor can't be dropped.
        async with aclosing(stream_query("SELECT * FROM item")):
            pass
        await query_db("DROP TABLE item")


async def test_closed_during_a_query(app: Quart) -> None:
    """To close a stream while another task's query runs does not block the event loop."""
    async with app.app_context():
        rows = stream_query(numbers(1000), batch_size=10)
        await anext(rows)
        db = await get_db()
        endless = asyncio.create_task(query_db(ENDLESS))
        await eventually(lambda: len(db._pending) == 1)
        closing = asyncio.create_task(rows.aclose())
        await eventually(lambda: len(db._pending) == 2)
        endless.cancel()
        await closing


async def test_not_closed(app: Quart) -> None:
    """The end of the context closes the cursor of a stream."""
    async with app.app_context():
        rows = stream_query(numbers(1000), batch_size=10)
        assert (await anext(rows))["i"] == 1
    assert await none_in_use(app)
    await rows.aclose()


async def test_concurrent(app: Quart) -> None:
    """Streams and queries of one context can run at the same time."""

    async def total() -> int:
        return sum([row["i"] async for row in stream_query(numbers(500), batch_size=7)])

    async with app.app_context():
        queries = (query_db("SELECT ?", [n], one=True) for n in range(50))
        found = await asyncio.gather(total(), total(), *queries)
    assert found[:2] == [125250, 125250]
    assert [row[0] for row in found[2:]] == list(range(50))


async def test_closed_during_a_transaction(app: Quart) -> None:
    """A stream can be closed while another task is in a transaction."""
    async with app.app_context():
        rows = stream_query(numbers(100), batch_size=10)
        await anext(rows)
        async with transaction_of_another_task(app), asyncio.timeout(TIMEOUT):
            await rows.aclose()


async def test_invalid_batch_size(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(ValueError, match="batch_size must be 1 or more"):
            await anext(stream_query("SELECT 1", batch_size=0))
