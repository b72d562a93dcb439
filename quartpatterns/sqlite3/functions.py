"""The names of Flask's page as plain functions, for the database of the current application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from quartpatterns.sqlite3.connection import Connection
from quartpatterns.sqlite3.extension import current_database

__all__ = ["get_db", "init_db", "query_db", "stream_query"]


async def get_db() -> Connection:
    """:meth:`SQLite.get_db` of the current application."""
    return await current_database().get_db()


async def query_db(query: str, args: Any = (), one: bool = False) -> Any:
    """:meth:`SQLite.query_db` of the current application."""
    return await current_database().query_db(query, args, one)


def stream_query(query: str, args: Any = (), *, batch_size: int = 256) -> AsyncGenerator[Any, None]:
    """:meth:`SQLite.stream_query` of the current application."""
    return current_database().stream_query(query, args, batch_size=batch_size)


async def init_db(*, schema: str = "schema.sql", if_empty: bool = False) -> bool:
    """:meth:`SQLite.init_db` of the current application."""
    return await current_database().init_db(schema=schema, if_empty=if_empty)
