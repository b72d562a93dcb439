"""A connection on loan: aiosqlite's interface on the thread of a pool, until it is released."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import weakref
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from quartpatterns._shared.sqlite_thread import SQLiteConnection
from quartpatterns.sqlite3.errors import breaks, closed
from quartpatterns.sqlite3.pool import Pool
from quartpatterns.sqlite3.pooled import PooledConnection
from quartpatterns.sqlite3.transactions import ENDED
from quartpatterns.sqlite3.turns import Frame, Turns
from quartpatterns.sqlite3.waiting import completed

__all__ = ["Lent"]

# What leaves no trace on a connection, or one that is undone when it goes back to the pool.
_TRACELESS = frozenset(
    "_call _execute_fetchall _execute_insert _fetch _first _following close commit cursor execute"
    " executemany fetchall fetchmany fetchone rollback".split()
)
_ENDS = {"commit", "executescript", "rollback"}
_LASTING = re.compile(
    r"(?:\s+|;|--[^\n]*\n|/\*.*?\*/)*(?:PRAGMA|ATTACH|DETACH|CREATE\s+TEMP)",
    re.DOTALL | re.IGNORECASE,
)

_ENDED_BY_BLOCK = (
    "{name}() would end the transaction that this code is in, whose block commits or rolls back:"
    " leave the block first"
)


class Lent(SQLiteConnection):
    """A connection that belongs to one context, and is closed for good when that has ended.

    All that aiosqlite does goes through :meth:`call`, and waits there for its turn.

    Arguments:
        pool: Where it comes from.
        pooled: The connection that it stands for, until it is released.
        patience: Seconds to wait for another task's transaction on it.
    """

    def __init__(self, pool: Pool, pooled: PooledConnection, *, patience: float) -> None:
        super().__init__(pooled)
        self._pool = pool
        self._pooled: PooledConnection | None = pooled
        self._turns = Turns(patience)
        self._pending: set[asyncio.Future[Any]] = set()
        self._cursors: weakref.WeakSet[sqlite3.Cursor] | None = None
        self._abandoned = False
        self._reusable = True

    @property
    def is_closed(self) -> bool:
        """Whether its context has ended, or :meth:`close` was called."""
        return self._pooled is None

    async def close(self) -> None:
        """Give the connection back before its context ends; :func:`get_db` gets another."""
        if cleaning := self.release():
            await completed(cleaning)

    def stop(self) -> asyncio.Future[None] | None:
        """The same, without waiting."""
        return self.release()

    def retire(self) -> None:
        """Have the connection closed when it comes back, and another opened in its place."""
        self._reusable = False

    @property
    def isolation_level(self) -> str | None:
        """How a statement that writes begins a transaction; ``None`` where it doesn't."""
        return self.raw.isolation_level

    @isolation_level.setter
    def isolation_level(self, value: Any) -> None:
        self.retire()
        self.raw.isolation_level = value

    def release(self) -> asyncio.Future[None] | None:
        """Roll back what is not committed, and give the connection back to the pool.

        Nothing is waited for, and no trip to the thread made where there is nothing to undo.

        Returns:
            What ends when the connection is back; ``None`` where it is already.
        """
        if (pooled := self._pooled) is None:
            return None
        used = self._pending or self._abandoned or self._cursors or self._turns.top
        self._pooled = None
        if not used and not pooled.raw.in_transaction:
            self._give(pooled, good=True)
            return None
        for future in [pending for pending in self._pending if not pending.done()]:
            future.set_exception(closed())
        cleaning = pooled.submit(partial(self._clean, pooled.raw))
        cleaning.add_done_callback(partial(self._cleaned, pooled))
        return cleaning

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection of :mod:`sqlite3`. Outside of its thread, use its attributes only.

        Raises:
            sqlite3.ProgrammingError: The context has ended.
        """
        if self._pooled is None:
            raise closed()
        return self._pooled.raw

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function* in the thread, when no other task is in a transaction.

        Raises:
            sqlite3.OperationalError: Another task's transaction takes too long.
            sqlite3.ProgrammingError: The context or the transaction has ended.
        """
        turns = self._turns
        if (frame := turns.mine()) is not turns.top:
            frame = await turns.wait()
        name = getattr(function, "__name__", "")
        if frame is not None and name in _ENDS:
            raise sqlite3.ProgrammingError(_ENDED_BY_BLOCK.format(name=name))
        if name not in _TRACELESS or (args and _is_lasting(args[0])):
            self._reusable = False
        return await self._submit(partial(self._work, frame, function, args, kwargs))

    async def _submit(self, function: Callable[[], Any]) -> Any:
        if self._pooled is None:
            raise closed()
        future = self._pooled.submit(function)
        self._pending.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            self._abandoned = True  # The thread may be at it still.
            raise
        except sqlite3.Error as error:
            self._reusable = self._reusable and not breaks(error)
            raise
        finally:
            self._pending.discard(future)

    def _submit_raw(self, function: Callable[[sqlite3.Connection], None]) -> asyncio.Future[None]:
        """For transactions: not in turn, and not given up when nobody waits."""
        if self._pooled is not None:
            return self._pooled.submit(partial(function, self._pooled.raw))
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(closed())
        return failed

    # In the thread.

    def _work(self, frame: Frame | None, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if frame is not None and not self.raw.in_transaction:
            raise sqlite3.ProgrammingError(ENDED)
        try:
            result = fn(*args, **kwargs)
        except (OverflowError, UnicodeEncodeError) as error:
            raise sqlite3.DataError(str(error)) from error
        if isinstance(result, sqlite3.Cursor):
            self._keep(result)
        return result

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        if self._cursors is None:
            self._cursors = weakref.WeakSet()
        self._cursors.add(cursor)

    def _dismiss(self, cursor: sqlite3.Cursor) -> None:
        cursor.close()
        if self._cursors is not None:
            self._cursors.discard(cursor)

    def _clean(self, connection: sqlite3.Connection) -> None:
        for cursor in list(self._cursors or ()):
            cursor.close()  # One that is open reads the database as it was, and goes on doing so.
        if connection.in_transaction:
            connection.rollback()

    # On the event loop again.

    def _cleaned(self, pooled: PooledConnection, cleaning: asyncio.Future[None]) -> None:
        self._give(pooled, good=not cleaning.cancelled() and cleaning.exception() is None)

    def _give(self, pooled: PooledConnection, *, good: bool) -> None:
        pooled.reset()
        self._pool.give(pooled, reusable=good and self._reusable)


def _is_lasting(statement: Any) -> bool:
    return isinstance(statement, str) and _matches(statement)


@lru_cache(1024)
def _matches(statement: str) -> bool:
    """Whether *statement* changes the connection, for all that comes after it."""
    return _LASTING.match(statement) is not None
