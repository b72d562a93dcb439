"""Transactions as context managers: what is in the block happens, or nothing of it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Generic, Literal, TypeVar, get_args

from quartpatterns.sqlite3.turns import Frame, Turns
from quartpatterns.sqlite3.waiting import completed

__all__ = ["ENDED", "Mode", "Transaction"]

log = logging.getLogger(__name__)

C = TypeVar("C")
Mode = Literal["DEFERRED", "IMMEDIATE", "EXCLUSIVE"]
# Calls a function with the connection, in its thread.
Submit = Callable[[Callable[[sqlite3.Connection], None]], asyncio.Future[None]]

ENDED = (
    "the transaction has ended before its block: by COMMIT or ROLLBACK in a statement, or by SQLite"
    " itself after an error such as a full disk, or after a statement that was cancelled. Nothing"
    " more of the block is kept"
)


class Transaction(Generic[C]):
    """``async with connection.transaction():`` commits at its end, or rolls back on an error.

    In another one it is a savepoint. Other tasks of the same context wait until it has ended;
    those that are started in it are part of it.

    Arguments:
        connection: What the block is given.
        turns: Those of the connection.
        submit: Has work done in the thread of the connection.
        mode: How it begins; a savepoint has none.
    """

    def __init__(self, connection: C, turns: Turns, submit: Submit, mode: Mode) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"a transaction is {', '.join(get_args(Mode))}; not {mode!r}")
        self._connection = connection
        self._turns = turns
        self._submit = submit
        self._mode = mode
        self._frame: Frame
        self._begun = False

    async def __aenter__(self) -> C:
        self._frame = self._turns.enter(await self._turns.wait())
        try:
            await self._submit(self._begin)
        except BaseException:
            self._turns.leave(self._frame)
            # It may begin yet, where it was cancelled.
            self._end(self._undo)
            raise
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._turns.leave(self._frame)
        halfway = self._turns.top is not self._frame and not self._frame.ended
        done = self._end(partial(self._finish, keep=error is None and not halfway))
        try:
            await completed(done)
        except sqlite3.Error as failure:
            if error is None:
                raise
            log.warning("a transaction could not be rolled back: %s", failure)
        if error is None and halfway:
            raise sqlite3.ProgrammingError(
                "the transaction is rolled back: a task that was started in it is still in a"
                " transaction of its own; await the task inside of the block"
            )

    @property
    def _name(self) -> str | None:
        """The name of the savepoint; ``None`` for the outermost transaction."""
        depth, parent = 0, self._frame.parent
        while parent is not None:
            depth, parent = depth + 1, parent.parent
        return f"quartpatterns_{depth}" if depth else None

    def _end(self, work: Callable[[sqlite3.Connection], None]) -> asyncio.Future[None]:
        done = self._submit(work)
        done.add_done_callback(self._ended)
        return done

    def _ended(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            done.exception()  # Whoever waits gets it, too.
        self._turns.end(self._frame)

    # In the thread.

    def _begin(self, connection: sqlite3.Connection) -> None:
        if self._name and not connection.in_transaction:
            raise sqlite3.ProgrammingError(ENDED)
        if not self._name and connection.in_transaction:
            raise sqlite3.ProgrammingError(
                "a statement before has begun a transaction: await commit() or rollback() before"
                " `async with transaction():`, or put the statement into the block"
            )
        statement = f"SAVEPOINT {self._name}" if self._name else f"BEGIN {self._mode}"
        connection.execute(statement).close()
        self._begun = True

    def _undo(self, connection: sqlite3.Connection) -> None:
        if self._begun:
            self._finish(connection, keep=False)

    def _finish(self, connection: sqlite3.Connection, *, keep: bool) -> None:
        if not connection.in_transaction:
            if keep:
                raise sqlite3.ProgrammingError(ENDED)
        elif self._name:
            if not keep:
                connection.execute(f"ROLLBACK TO {self._name}").close()
            connection.execute(f"RELEASE {self._name}").close()
        else:
            _conclude(connection, "COMMIT" if keep else "ROLLBACK")


def _conclude(connection: sqlite3.Connection, statement: str) -> None:
    try:
        connection.execute(statement).close()
    except sqlite3.Error:
        connection.rollback()
        raise
