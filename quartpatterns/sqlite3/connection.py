"""The connection of one context: aiosqlite's interface, with one round trip for each query."""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.rows import RowStream
from quartpatterns._shared.sqlite_thread import SQLiteConnection
from quartpatterns.sqlite3.errors import breaks_connection, context_ended
from quartpatterns.sqlite3.pool import ConnectionPool, PooledConnection
from quartpatterns.sqlite3.statements import changes_connection
from quartpatterns.sqlite3.transactions import (
    ENDED,
    Mode,
    OpenTransaction,
    Transaction,
    TransactionQueue,
)

__all__ = ["Connection", "make_dicts"]

# Calls after which the connection is as it was, or is so after a rollback. After any other call,
# such as create_function, it is closed instead of used by the next context.
_LEAVES_NO_TRACE = frozenset(
    "_call _execute_fetchall _execute_insert _fetch _fetch_first _fetch_next close commit cursor"
    " execute executemany fetchall fetchmany fetchone rollback".split()
)
FIRST_BATCHES = 4
"""The batches that the first round trip of a stream fetches."""

_ENDS_TRANSACTION = {"commit", "executescript", "rollback"}


class Connection(SQLiteConnection):
    """The connection of a context, as :func:`get_db` returns it.

    It is an :class:`aiosqlite.Connection` with queries that take one round trip to its thread,
    streams and transactions. Tasks of one context may use it at the same time. After the end of
    its context it is closed: a task that still holds it gets an error, and never uses the
    transaction of another request.

    .. versionadded:: 0.1

    Arguments:
        pool: The pool to which it returns.
        pooled: The pooled connection that it uses until its release.
        transaction_timeout: Seconds to wait for a transaction of another task of the context.
    """

    def __init__(
        self, pool: ConnectionPool, pooled: PooledConnection, *, transaction_timeout: float
    ) -> None:
        super().__init__(pooled)
        self._pool = pool
        self._pooled: PooledConnection | None = pooled
        self._queue = TransactionQueue(transaction_timeout)
        self._pending: set[asyncio.Future[Any]] = set()
        self._cursors: weakref.WeakSet[sqlite3.Cursor] | None = None
        self._call_abandoned = False
        self._reusable = True
        self._streams = 0
        self.used_otherwise = False
        """Whether its context has it for more than streams."""

    async def query(self, query: str, args: Any = (), one: bool = False) -> Any:
        """Execute *query*, fetch all its rows and close its cursor, in one round trip.

        Arguments:
            query: One SQL statement, with ``?`` or ``:name`` for each value.
            args: The values: a sequence or a mapping.
            one: Return the first row only.

        Returns:
            A list of rows, which may be empty. With *one*, a row, or ``None`` if there is none.
        """
        return await self.call(self._fetch, query, args, one)

    def stream(self, query: str, args: Any = (), *, batch_size: int = 256) -> RowStream[Any]:
        """Return the rows of *query*, with few of them in memory at a time.

        The cursor is closed after the last row. Use ``async with aclosing(...)`` if you may leave
        the loop early.

        Arguments:
            query: One SQL statement, with ``?`` or ``:name`` for each value.
            args: The values: a sequence or a mapping.
            batch_size: The number of rows fetched in one round trip. The first fetches four times
                as many, so that a small result leaves no cursor open.

        Raises:
            ValueError: *batch_size* is less than 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
        return RowStream(partial(self.read_batches, query, args, batch_size, None))

    async def read_batches(
        self,
        query: str,
        args: Any,
        size: int,
        at_end: Callable[[], object] | None,
        stream: RowStream[Any],
    ) -> AsyncGenerator[list[Any]]:
        """Yield the batches of :meth:`stream`.

        Arguments:
            query: One SQL statement.
            args: The values.
            size: The number of rows in a batch.
            at_end: Called as soon as the cursor is closed because there are no more rows.
            stream: The object that gets the names of the columns.
        """
        wanted = FIRST_BATCHES * size
        cursor, stream.names, rows = await self.call(self._fetch_first, query, args, wanted)
        is_open = len(rows) == wanted
        try:
            while is_open:
                yield rows
                rows = await self.call(self._fetch_next, cursor, size)
                is_open = len(rows) == size
        finally:
            # Without waiting for a transaction of another task: closing a cursor can't disturb it.
            if is_open and not self.is_closed:
                await self._submit(partial(self._close_cursor, cursor))
        if at_end is not None:
            at_end()
        if rows:
            yield rows

    @contextmanager
    def streaming(self) -> Generator[Callable[[], None]]:
        """Give the connection back after the last stream, if its context has no other use for it.

        Yields:
            A function that ends the stream before the end of the context.
        """
        self._streams += 1
        ended = False

        def end() -> None:
            nonlocal ended
            if ended:
                return
            ended = True
            self._streams -= 1
            if not (self._streams or self.used_otherwise or self.is_closed):
                if not self.raw.in_transaction:
                    self.release()

        try:
            yield end
        finally:
            end()

    def transaction(self, mode: Mode = "IMMEDIATE") -> Transaction[Self]:
        """Return a context manager that commits its block, or rolls it back after an error.

        In another transaction it is a savepoint.

        Arguments:
            mode: ``IMMEDIATE`` waits for other writers before the block begins. ``DEFERRED`` is for
                a block that only reads: SQLite refuses one that reads first and then writes, if
                another connection has written in between.
        """
        return Transaction(self, self._queue, self._submit_raw, mode)

    @property
    def is_closed(self) -> bool:
        """Whether its context has ended, or :meth:`close` was called."""
        return self._pooled is None

    async def close(self) -> None:
        """Give the connection back before its context ends; :func:`get_db` gets another one."""
        await finish(self.release)

    def stop(self) -> asyncio.Future[None] | None:
        """Give the connection back without waiting until it is rolled back."""
        return self.release()

    def retire(self) -> None:
        """Close the pooled connection when it comes back, instead of using it again."""
        self._reusable = False

    @property
    def isolation_level(self) -> str | None:
        """How a statement that writes begins a transaction; ``None`` if it does not."""
        return self.raw.isolation_level

    @isolation_level.setter
    def isolation_level(self, value: Any) -> None:
        self.retire()
        self.raw.isolation_level = value

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection of :mod:`sqlite3`. Outside of its thread, use its attributes only.

        Raises:
            sqlite3.ProgrammingError: The context has ended.
        """
        if self._pooled is None:
            raise context_ended()
        return self._pooled.raw

    def release(self) -> asyncio.Future[None] | None:
        """Roll back what is not committed, and give the connection back to the pool.

        If there is nothing to undo, this takes no round trip to the thread.

        Returns:
            A future that is done when the connection is back, or ``None`` if it is back already.
        """
        if (pooled := self._pooled) is None:
            return None
        used = self._pending or self._call_abandoned or self._cursors or self._queue.innermost
        self._pooled = None
        if not used and not pooled.raw.in_transaction:
            self._give_back(pooled, clean=True)
            return None
        for future in [pending for pending in self._pending if not pending.done()]:
            future.set_exception(context_ended())
        cleaning = pooled.submit(partial(self._clean, pooled.raw))
        cleaning.add_done_callback(partial(self._cleaned, pooled))
        return cleaning

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function* in the thread, when no other task is in a transaction.

        All methods of aiosqlite go through this one.

        Raises:
            sqlite3.OperationalError: The transaction of another task takes too long.
            sqlite3.ProgrammingError: The context or the transaction has ended.
        """
        queue = self._queue
        if (transaction := queue.current()) is not queue.innermost:
            transaction = await queue.wait()
        name = getattr(function, "__name__", "")
        if transaction is not None and name in _ENDS_TRANSACTION:
            raise sqlite3.ProgrammingError(
                f"{name}() would end the transaction that this code is in, whose block commits or"
                " rolls back: leave the block first"
            )
        if name not in _LEAVES_NO_TRACE or (args and _changes_connection(args[0])):
            self._reusable = False
        statement = args[0] if name == "_fetch" else None
        work = partial(self._work, transaction, function, args, kwargs)
        return await self._submit(work, statement)

    async def _submit(self, function: Callable[[], Any], statement: Any = None) -> Any:
        """Call *function* in the thread; with a *statement* it only executes and fetches that."""
        if (pooled := self._pooled) is None:
            raise context_ended()
        if isinstance(statement, str):
            future = pooled.submit_read(statement, function)
        else:
            future = pooled.submit(function)
        self._pending.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            self._call_abandoned = True  # The thread may still run it.
            raise
        except sqlite3.Error as error:
            self._reusable = self._reusable and not breaks_connection(error)
            raise
        finally:
            self._pending.discard(future)

    def _submit_raw(self, function: Callable[[sqlite3.Connection], None]) -> asyncio.Future[None]:
        """Call *function* for a transaction: at once, and to its end even if cancelled."""
        if self._pooled is not None:
            return self._pooled.submit(partial(function, self._pooled.raw))
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(context_ended())
        return failed

    def _cleaned(self, pooled: PooledConnection, cleaning: asyncio.Future[None]) -> None:
        clean = not cleaning.cancelled() and cleaning.exception() is None
        self._give_back(pooled, clean=clean)

    def _give_back(self, pooled: PooledConnection, *, clean: bool) -> None:
        pooled.reset()
        self._pool.give_back(pooled, reusable=clean and self._reusable)

    # In the thread.

    def _work(
        self,
        transaction: OpenTransaction | None,
        function: Callable[..., Any],
        args: Any,
        kwargs: Any,
    ) -> Any:
        if transaction is not None and not self.raw.in_transaction:
            raise sqlite3.ProgrammingError(ENDED)
        try:
            result = function(*args, **kwargs)
        except (OverflowError, UnicodeEncodeError) as error:
            raise sqlite3.DataError(str(error)) from error
        if isinstance(result, sqlite3.Cursor):
            self._remember_cursor(result)
        return result

    def _fetch(self, query: str, args: Any, one: bool) -> Any:
        cursor = self.raw.execute(query, args)
        try:
            return cursor.fetchone() if one else cursor.fetchall()
        finally:
            cursor.close()

    def _fetch_first(
        self, query: str, args: Any, size: int
    ) -> tuple[sqlite3.Cursor, tuple[str, ...], list[Any]]:
        cursor = self.raw.execute(query, args)
        self._remember_cursor(cursor)
        names = tuple(column[0] for column in cursor.description or ())
        return cursor, names, self._fetch_next(cursor, size)

    def _fetch_next(self, cursor: sqlite3.Cursor, size: int) -> list[Any]:
        rows = cursor.fetchmany(size)
        if len(rows) < size:
            self._close_cursor(cursor)
        return rows

    def _remember_cursor(self, cursor: sqlite3.Cursor) -> None:
        if self._cursors is None:
            self._cursors = weakref.WeakSet()
        self._cursors.add(cursor)

    def _close_cursor(self, cursor: sqlite3.Cursor) -> None:
        cursor.close()
        if self._cursors is not None:
            self._cursors.discard(cursor)

    def _clean(self, connection: sqlite3.Connection) -> None:
        for cursor in list(self._cursors or ()):
            cursor.close()  # An open cursor keeps the database as it was for this connection.
        if connection.in_transaction:
            connection.rollback()


def make_dicts(cursor: sqlite3.Cursor, row: Sequence[Any]) -> dict[str, Any]:
    """Return *row* as a dict by the names of the columns.

    Use it as a row factory, as on Flask's page: ``connection.row_factory = make_dicts``.
    :class:`sqlite3.Row`, the default, gives values by name and by index.

    .. versionadded:: 0.1
    """
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _changes_connection(statement: Any) -> bool:
    return isinstance(statement, str) and changes_connection(statement)
