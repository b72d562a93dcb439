"""The connection of one context, and what it can do beyond aiosqlite's."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Self

from quartpatterns.sqlite3.lent import Lent
from quartpatterns.sqlite3.transactions import Mode, Transaction

__all__ = ["Connection"]


class Connection(Lent):
    """The connection of a context: :func:`get_db` returns it.

    It is an :class:`aiosqlite.Connection`, with one trip to its thread for a query and its rows,
    streams, and transactions. Tasks of one context may use it side by side. When the context
    has ended it is closed for good: a task that has kept it gets an error, not the transaction of
    a stranger.
    """

    async def query(self, query: str, args: Any = (), one: bool = False) -> Any:
        """Execute *query*, fetch all its rows and close its cursor, in one trip to the thread.

        Arguments:
            query: One SQL statement, with ``?`` or ``:name`` for each value.
            args: The values: a sequence, or a mapping.
            one: Return the first row, or ``None`` where there is none.

        Returns:
            A list of rows, which may be empty; with *one* a row or ``None``.
        """
        return await self.call(self._fetch, query, args, one)

    async def stream(
        self, query: str, args: Any = (), *, batch_size: int = 256
    ) -> AsyncGenerator[Any, None]:
        """The rows of *query*, however many, of which few are in memory at a time.

        The next ones are fetched when they are asked for. The cursor is closed where the
        generator is; ``async with aclosing(...)`` does so where a loop may be left early.

        Arguments:
            query: One SQL statement, with ``?`` or ``:name`` for each value.
            args: The values: a sequence, or a mapping.
            batch_size: Rows fetched in one trip to the thread.

        Raises:
            ValueError: *batch_size* is none.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is 1 or more, not {batch_size}")
        cursor, rows = await self.call(self._first, query, args, batch_size)
        try:
            while True:
                for row in rows:
                    yield row
                if len(rows) < batch_size:
                    return
                rows = await self.call(self._following, cursor, batch_size)
        finally:
            # Not in its turn: another task's transaction may have come, and the end is the end.
            if len(rows) == batch_size and not self.is_closed:
                await self._submit(partial(self._dismiss, cursor))

    def transaction(self, mode: Mode = "IMMEDIATE") -> Transaction[Self]:
        """``async with connection.transaction():`` commits its block, or rolls it back.

        In another one it is a savepoint.

        Arguments:
            mode: ``IMMEDIATE`` waits for its turn to write before the block begins. ``DEFERRED``
                is for a block that only reads: one that reads before it writes is refused when
                somebody else has written in between.
        """
        return Transaction(self, self._turns, self._submit_raw, mode)

    # In the thread.

    def _fetch(self, query: str, args: Any, one: bool) -> Any:
        cursor = self.raw.execute(query, args)
        try:
            return cursor.fetchone() if one else cursor.fetchall()
        finally:
            cursor.close()

    def _first(self, query: str, args: Any, size: int) -> tuple[sqlite3.Cursor, list[Any]]:
        cursor = self.raw.execute(query, args)
        self._keep(cursor)
        return cursor, self._following(cursor, size)

    def _following(self, cursor: sqlite3.Cursor, size: int) -> list[Any]:
        rows = cursor.fetchmany(size)
        if len(rows) < size:
            self._dismiss(cursor)
        return rows
