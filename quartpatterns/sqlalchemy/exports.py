"""Results of any size, a batch at a time, through a cursor on the server."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns.sqlalchemy.binds import RoutedSession

if TYPE_CHECKING:
    from sqlalchemy import Executable, Row
    from sqlalchemy.sql.selectable import TypedReturnsRows

__all__ = ["BATCH", "batches", "csv_chunks"]

BATCH = 500
"""Rows in a batch: with more of them the garbage collector and the processor's caches get busy."""


async def batches(
    session: AsyncSession,
    statement: TypedReturnsRows[*tuple[Any, ...]],
    *,
    size: int = BATCH,
) -> AsyncGenerator[Sequence[Row[*tuple[Any, ...]]]]:
    """The rows of *statement*, as they come, in lists of *size*.

    The database keeps the rest until it is asked for. The session holds its connection until the
    last row, or until the generator is closed.

    Arguments:
        session: Where to execute it.
        statement: Selects columns: whole objects would stay in the session.
        size: Rows in a batch, and about twice as many in memory.
    """
    await _prepare(session, statement)
    result = await session.stream(statement, execution_options={"yield_per": size})
    try:
        async for rows in result.partitions():
            yield rows
    finally:
        await result.close()


async def csv_chunks(
    session: AsyncSession,
    statement: TypedReturnsRows[*tuple[Any, ...]],
    *,
    header: bool = True,
    size: int = BATCH,
) -> AsyncGenerator[bytes]:
    """The rows of *statement* as CSV in UTF-8 (RFC 4180), a batch at a time.

    Arguments:
        session: Where to execute it.
        statement: Selects columns; of a model it is the columns, too, as no objects are made.
        header: Begin with the names of the columns.
        size: Rows in a chunk.
    """
    await _prepare(session, statement)
    # On the connection, as the session would look into each row for objects.
    connection = await session.connection(bind_arguments={"clause": statement})
    result = await connection.stream(statement, execution_options={"yield_per": size})
    try:
        if header:
            yield _csv([list(result.keys())])
        async for rows in result.partitions():
            yield _csv(rows)
    finally:
        await result.close()


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def _prepare(session: AsyncSession, statement: Executable) -> None:
    """Begin a transaction, also in a session that reads: the cursor needs one."""
    if isinstance(session.sync_session, RoutedSession):
        await session.run_sync(lambda sync: cast("RoutedSession", sync).transact(statement))
