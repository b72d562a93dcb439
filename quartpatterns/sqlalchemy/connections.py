"""Connections of an engine that are returned to the pool without a task, if nothing is to be done.

SQLAlchemy closes a connection in a task of its own, and in a greenlet in it, so that cancelling
does not lose it. A connection with no open transaction is returned without waiting for anything.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from quartpatterns.sqlalchemy.pools import FairPool
from quartpatterns.sqlalchemy.sqlite import SQLiteAdapter

__all__ = ["DirectEngine", "closes_without_io"]


class DirectEngine(AsyncEngine):
    """SQLAlchemy's asynchronous engine, whose connections are :class:`EngineConnection`."""

    def connect(self) -> AsyncConnection:
        """Return a connection: ``async with engine.connect() as connection:``."""
        return EngineConnection(self)


class EngineConnection(AsyncConnection):
    """SQLAlchemy's asynchronous connection, which is closed without a task if it can be."""

    __slots__ = ()

    async def __aexit__(self, *error: Any) -> None:
        connection = self.sync_connection
        if connection is not None and closes_without_io(connection):
            connection.close()
        else:
            await super().__aexit__(*error)


def closes_without_io(connection: Connection) -> bool:
    """Return whether ``close()`` has nothing to wait for, because no transaction has begun."""
    if connection.closed:
        return True
    pool: Any = connection.engine.pool
    if connection.invalidated or not isinstance(pool, FairPool):
        return False
    # Options such as an isolation level are undone by statements.
    if connection.get_execution_options() or not pool.keeps_returned_connection:
        return False
    adapter: Any = connection.connection.dbapi_connection
    if connection.dialect.driver == "asyncpg":
        return adapter._transaction is None and not adapter.driver_connection.is_closed()
    return isinstance(adapter, SQLiteAdapter) and not adapter.in_transaction
