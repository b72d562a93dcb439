"""Connections of an engine that are returned to the pool without a task, if nothing is to be done.

SQLAlchemy closes a connection in a task of its own, and in a greenlet in it, so that cancelling
does not lose it. A connection with no open transaction is returned without waiting for anything.
"""

# SQLAlchemy's own methods use these private names as well.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.ext.asyncio.result import _ensure_sync_result

from quartpatterns.sqlalchemy.greenlets import spawn
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

    async def start(self, is_ctxmanager: bool = False) -> AsyncConnection:
        """Take a connection of the pool, or open one."""
        if self.sync_connection:
            return await super().start(is_ctxmanager)  # It raises an error.
        connection = await spawn(self.sync_engine.connect)
        self.sync_connection = self._assign_proxied(connection)
        return self

    if not TYPE_CHECKING:  # Type checkers infer what AsyncConnection's own method returns.

        async def execute(self, statement, parameters=None, *, execution_options=None):
            """Execute *statement* and return its result, whose rows have been fetched."""
            run = partial(self._proxied.execute, execution_options=execution_options)
            return await _ensure_sync_result(await spawn(run, statement, parameters), self.execute)

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
