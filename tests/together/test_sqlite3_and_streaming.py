"""Exports of a SQLite database: slow clients, clients that leave, and the connection pool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, Response

from quartpatterns.sqlite3 import SQLite, get_db, make_dicts, query_db, stream_query
from quartpatterns.streaming import csv_response, ndjson_response, stream_with_context
from tests.serving import TIMEOUT, eventually, served, unread_response
from tests.sqlite3.shop import pool

pytestmark = pytest.mark.wire

READERS = 30
SMALL, LARGE = 4_000, 100_000
NUMBERS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)"
    " SELECT i AS id, seen(i) AS name FROM n"
)
TEXT = "x" * 100


@pytest.fixture
async def app(app_class: type[Quart], tmp_path: Path) -> AsyncIterator[Quart]:
    """An application with a pool of three connections, which counts the rows that are read."""
    app = app_class(__name__)
    app.config.from_mapping(
        DATABASE=tmp_path / "test.db", SQLITE_POOL_SIZE=3, SQLITE_POOL_TIMEOUT=TIMEOUT
    )
    db = SQLite(app)
    app.extensions["seen"] = seen = []

    def see(number: int) -> str:
        seen.append(number)
        return TEXT

    db.on_connect(lambda connection: connection.create_function("seen", 1, see))

    @app.get("/<int:count>.csv")
    async def export(count: int) -> Response:
        return csv_response(stream_query(NUMBERS, [count]), filename="numbers.csv")

    @app.get("/<int:count>.ndjson")
    async def export_json(count: int) -> Response:
        return ndjson_response(stream_query(NUMBERS, [count]))

    @app.get("/generated/<int:count>.csv")
    async def export_generated(count: int) -> Response:
        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            async for row in stream_query(NUMBERS, [count]):
                yield f"{row['id']},{row['name'] * 100}\n".encode()

        return Response(generate(), content_type="text/csv")

    @app.get("/dicts.csv")
    async def export_dicts() -> Response:
        async def rows() -> AsyncGenerator[Any]:
            (await get_db()).row_factory = make_dicts  # type: ignore[assignment]
            async for row in stream_query(NUMBERS, [2]):
                yield row

        return csv_response(rows(), columns={"id": "Number"})

    @app.get("/one")
    async def one() -> str:
        return str((await query_db("SELECT 1", one=True))[0])

    yield app
    await app.extensions["sqlite3"].connections.close()


@pytest.mark.parametrize("path", [f"/{SMALL}.csv", f"/{SMALL}.ndjson", "/generated/1000.csv"])
async def test_readers_that_read_nothing(app: Quart, path: str) -> None:
    """Thirty readers hold no connection of a pool of three, if their results are small."""
    async with served(app, send_buffer=4096) as server, AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(unread_response(server.port, path))
            for _ in range(READERS)
        ]
        for reader in readers:
            assert (await reader.read(12)) == b"HTTP/1.1 200"
        await eventually(lambda: pool(app).in_use == 0)
        assert (await server.client.get("/one")).text == "1"
        rest = await readers[0].read(-1)
        assert rest.count(TEXT.encode()) == (100_000 if "generated" in path else SMALL)


async def test_reader_that_stops(app: Quart) -> None:
    """A client that stops reading stops the cursor; one that leaves closes it."""
    seen: list[int] = app.extensions["seen"]
    async with served(app) as server:
        async with unread_response(server.port, f"/{LARGE}.csv") as reader:
            await reader.read(12)
            before = -1
            while before != len(seen):
                before = len(seen)
                await asyncio.sleep(0.5)
            assert 8_000 < len(seen) < 60_000
            assert pool(app).in_use == 1
        await eventually(lambda: pool(app).in_use == 0)
        assert len(seen) < 60_000


async def test_whole_export(app: Quart) -> None:
    """All rows arrive, as rows of any kind, also if there are none."""
    async with served(app) as server:
        response = await server.client.get(f"/{LARGE}.csv")
        assert response.headers["content-disposition"] == "attachment; filename=numbers.csv"
        lines = response.text.splitlines()
        assert (lines[0], len(lines)) == ("id,name", LARGE + 1)
        assert lines[-1] == f"{LARGE},{TEXT}"
        response = await server.client.get("/3.ndjson")
        assert [json.loads(line)["id"] for line in response.text.splitlines()] == [1, 2, 3]
        assert (await server.client.get("/dicts.csv")).text == "Number\r\n1\r\n2\r\n"
    async with app.app_context():
        rows = stream_query("SELECT 1 AS a, 2 AS b WHERE 0")
        assert [row async for row in rows] == []
        assert rows.names == ("a", "b")


async def test_other_uses_of_the_connection(app: Quart) -> None:
    """The connection returns after the last row, unless its context uses it otherwise."""
    async with app.app_context():
        one, other = stream_query(NUMBERS, [2000]), stream_query(NUMBERS, [3000])
        await anext(one)
        await anext(other)
        assert pool(app).in_use == 1
        assert len([row async for row in one]) == 1999
        assert pool(app).in_use == 1
        assert len([row async for row in other]) == 2999
        assert pool(app).in_use == 0
        # Fetched in the first round trip.
        await anext(stream_query(NUMBERS, [1000]))
        assert pool(app).in_use == 0
        left = stream_query(NUMBERS, [2000])
        await anext(left)
        await left.aclose()
        assert pool(app).in_use == 0
        # What is not committed stays, whoever has written it.
        await query_db("CREATE TABLE item (name)")
        inserted = stream_query("INSERT INTO item VALUES ('a') RETURNING name")
        assert [row[0] async for row in inserted] == ["a"]
        assert pool(app).in_use == 1
        assert [row[0] async for row in stream_query("SELECT name FROM item")] == ["a"]
        await (await get_db()).commit()
        assert [row[0] async for row in stream_query("SELECT name FROM item")] == ["a"]
        assert pool(app).in_use == 1
    assert pool(app).in_use == 0
    async with app.app_context():
        inserted = stream_query("INSERT INTO item VALUES ('b') RETURNING name")
        assert [row[0] async for row in inserted] == ["b"]
        assert pool(app).in_use == 1
        await (await get_db()).commit()
    async with app.app_context():
        found = [row[0] async for row in stream_query("SELECT name FROM item ORDER BY name")]
        assert found == ["a", "b"]
