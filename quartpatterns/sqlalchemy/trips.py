"""PostgreSQL's cursors in one trip: as many rows at a time as were asked for.

SQLAlchemy fetches fifty rows of a stream, then the rest of a batch, and takes them out of a queue
one by one: two trips to the server for each batch, and a loop over all rows. Here a batch is one
trip, and what asyncpg returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy.dialects.postgresql.asyncpg import (
    AsyncAdapt_asyncpg_connection,
    AsyncAdapt_asyncpg_ss_cursor,
)
from sqlalchemy.util import await_only

__all__ = ["OneTripConnection", "OneTripCursor", "connect"]

CACHED = 100
"""How many prepared statements a connection keeps, as SQLAlchemy documents."""


class OneTripCursor(AsyncAdapt_asyncpg_ss_cursor):
    """A cursor on the server whose batches come whole."""

    __slots__ = ()

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next *size* rows, fewer at the end; all that are left, where no size is given."""
        self_: Any = self  # which has no types
        if size is None or self_._rowbuffer:
            return cast("list[Any]", super().fetchmany(size))  # type: ignore[no-untyped-call]
        cursor: Any = self._cursor
        return cast("list[Any]", await_only(cursor.fetch(size)))


class OneTripConnection(AsyncAdapt_asyncpg_connection):
    """A connection whose streams come in batches."""

    __slots__ = ()
    _ss_cursor_cls: Any = OneTripCursor


def connect(
    dbapi: Any, creator: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]
) -> OneTripConnection:
    """A connection that *creator* makes, in SQLAlchemy's greenlet.

    Arguments:
        dbapi: SQLAlchemy's adapter of asyncpg.
        creator: A coroutine function that connects.
        arguments: For it.
        options: For it, but for two that are SQLAlchemy's.
    """
    given = dict(options)
    cached = given.pop("prepared_statement_cache_size", CACHED)
    name = given.pop("prepared_statement_name_func", None)
    making = OneTripConnection.create(
        dbapi,
        creator(*arguments, **given),
        prepared_statement_cache_size=cached,
        prepared_statement_name_func=name,
    )
    return await_only(making)
