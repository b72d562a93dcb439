"""The types of ``quartpatterns.sqlite3``."""

from __future__ import annotations

import sqlite3
from typing import Any, assert_type

from quartpatterns.sqlite3 import Connection, SQLite, get_db, init_db, stream_query

db = SQLite()


@db.on_connect
def add_collation(connection: sqlite3.Connection) -> None:
    connection.create_collation("nothing", None)


def count(connection: sqlite3.Connection, table: str) -> int:
    found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


async def results() -> None:
    connection = await get_db()
    assert_type(connection, Connection)
    assert_type(await db.get_db(), Connection)
    assert_type(await connection.run(count, "users"), int)
    assert_type(await init_db(), bool)
    # Rows are what the row factory makes of them.
    async for row in stream_query("SELECT 1"):
        assert_type(row, Any)
    async with db.transaction() as inside:
        assert_type(inside, Connection)
    async with connection.transaction("DEFERRED") as same:
        assert_type(same, Connection)
