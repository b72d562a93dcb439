"""Transactions as context managers, and the order in which tasks use one connection.

Tasks of one context share its connection. While one task is in a transaction, statements of other
tasks wait in the :class:`TransactionQueue` of the connection, so that they are not part of that
transaction. A task that is started inside of a transaction is part of it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Generic, Literal, TypeVar, get_args

from quartpatterns._shared.cleanup import finish

__all__ = ["ENDED", "Mode", "OpenTransaction", "Transaction", "TransactionQueue"]

log = logging.getLogger(__name__)

C = TypeVar("C")
Mode = Literal["DEFERRED", "IMMEDIATE", "EXCLUSIVE"]
# Calls a function with the connection, in the thread of the connection.
Submit = Callable[[Callable[[sqlite3.Connection], None]], asyncio.Future[None]]

ENDED = (
    "the transaction has ended before its block: by COMMIT or ROLLBACK in a statement, or by SQLite"
    " itself after an error such as a full disk, or after a statement that was cancelled. The rest"
    " of the block is not stored"
)


@dataclass(eq=False, slots=True)
class OpenTransaction:
    """A transaction that has not ended, or a savepoint in one.

    Arguments:
        queue: The queue of its connection.
        parent: The transaction that contains it, on the same connection.
        outer: The transaction around it in the code, on any connection.
        failed: Whether it could not begin. It ends as soon as the thread has undone it.
        ended: Whether it has ended.
    """

    queue: TransactionQueue
    parent: OpenTransaction | None
    outer: OpenTransaction | None
    failed: bool = False
    ended: bool = False


# Tasks get a copy of it: a task that is started in a transaction is part of it.
_innermost: ContextVar[OpenTransaction | None] = ContextVar("quartpatterns.sqlite3", default=None)


class TransactionQueue:
    """The open transactions of one connection, and the tasks that wait for their end.

    Arguments:
        timeout: Seconds to wait for a transaction of another task.
    """

    def __init__(self, timeout: float) -> None:
        self.innermost: OpenTransaction | None = None
        self._timeout = timeout
        self._waiting: list[asyncio.Future[None]] = []

    def current(self) -> OpenTransaction | None:
        """Return the transaction of the running code on this connection, or ``None``.

        Raises:
            sqlite3.ProgrammingError: That transaction has ended meanwhile.
        """
        transaction = _innermost.get()
        while transaction is not None and transaction.queue is not self:
            transaction = transaction.outer
        if transaction is not None and transaction.ended:
            raise sqlite3.ProgrammingError(
                "the transaction in which this task was started has ended: await the task inside"
                " of the transaction, or start it outside"
            )
        return transaction

    async def wait(self) -> OpenTransaction | None:
        """Wait until no other task is in a transaction; return that of the running code.

        Raises:
            sqlite3.OperationalError: The wait takes too long. The code is ``SQLITE_BUSY``.
            sqlite3.ProgrammingError: The transaction of the running code has ended meanwhile.
        """
        try:
            async with asyncio.timeout(self._timeout):
                while (transaction := self.current()) is not self.innermost:
                    changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.append(changed)
                    await changed
        except TimeoutError as error:
            raise _busy(self._timeout) from error
        return transaction

    def enter(self, parent: OpenTransaction | None) -> OpenTransaction:
        """Begin a transaction in *parent*, for the running code."""
        self.innermost = OpenTransaction(self, parent, _innermost.get())
        _innermost.set(self.innermost)
        return self.innermost

    def leave(self, transaction: OpenTransaction) -> None:
        """Take the running code out of *transaction*, which has not ended yet."""
        _innermost.set(transaction.outer)

    def end(self, transaction: OpenTransaction) -> None:
        """End *transaction* and all savepoints in it, and wake the tasks that wait."""
        while self.innermost is not transaction.parent and self.innermost is not None:
            self.innermost.ended = True
            self.innermost = self.innermost.parent
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()


class Transaction(Generic[C]):
    """``async with connection.transaction():`` commits at its end, or rolls back after an error.

    In another transaction it is a savepoint. Other tasks of the same context wait until it has
    ended. Tasks that are started in it are part of it.

    .. versionadded:: 0.1

    Arguments:
        connection: The value of ``async with``.
        queue: The queue of the connection.
        submit: Calls a function in the thread of the connection.
        mode: How the transaction begins; a savepoint has no mode.
    """

    def __init__(self, connection: C, queue: TransactionQueue, submit: Submit, mode: Mode) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"mode must be {', '.join(get_args(Mode))}, not {mode!r}")
        self._connection = connection
        self._queue = queue
        self._submit = submit
        self._mode = mode
        self._open: OpenTransaction
        self._begun = False

    async def __aenter__(self) -> C:
        self._open = self._queue.enter(await self._queue.wait())
        try:
            await self._submit(self._begin)
        except BaseException:
            self._queue.leave(self._open)
            self._open.failed = True
            # After a cancellation the transaction may still begin in the thread.
            self._end(self._undo)
            raise
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._queue.leave(self._open)
        innermost = self._queue.innermost
        while innermost is not None and innermost.failed:
            innermost = innermost.parent
        savepoint_open = innermost is not self._open and not self._open.ended
        done = self._end(partial(self._finish, commit=error is None and not savepoint_open))
        try:
            await finish(lambda: done)
        except sqlite3.Error as failure:
            if error is None:
                raise
            log.warning("a transaction could not be rolled back: %s", failure)
        if error is None and savepoint_open:
            raise sqlite3.ProgrammingError(
                "the transaction is rolled back: a task that was started in it is still in a"
                " savepoint of its own; await the task inside of the block"
            )

    @property
    def _savepoint(self) -> str | None:
        """The name of the savepoint; ``None`` for the outermost transaction."""
        depth, parent = 0, self._open.parent
        while parent is not None:
            depth, parent = depth + 1, parent.parent
        return f"quartpatterns_{depth}" if depth else None

    def _end(self, function: Callable[[sqlite3.Connection], None]) -> asyncio.Future[None]:
        done = self._submit(function)
        done.add_done_callback(self._ended)
        return done

    def _ended(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            done.exception()  # Marks it as seen: the task that waits gets it as well.
        self._queue.end(self._open)

    # In the thread.

    def _begin(self, connection: sqlite3.Connection) -> None:
        if self._savepoint and not connection.in_transaction:
            raise sqlite3.ProgrammingError(ENDED)
        if not self._savepoint and connection.in_transaction:
            raise sqlite3.ProgrammingError(
                "an earlier statement has begun a transaction: await commit() or rollback() before"
                " `async with transaction():`, or move the statement into the block"
            )
        begin = f"SAVEPOINT {self._savepoint}" if self._savepoint else f"BEGIN {self._mode}"
        connection.execute(begin).close()
        self._begun = True

    def _undo(self, connection: sqlite3.Connection) -> None:
        if self._begun:
            self._finish(connection, commit=False)

    def _finish(self, connection: sqlite3.Connection, *, commit: bool) -> None:
        if not connection.in_transaction:
            if commit:
                raise sqlite3.ProgrammingError(ENDED)
        elif self._savepoint:
            if not commit:
                connection.execute(f"ROLLBACK TO {self._savepoint}").close()
            connection.execute(f"RELEASE {self._savepoint}").close()
        else:
            try:
                connection.execute("COMMIT" if commit else "ROLLBACK").close()
            except sqlite3.Error:
                connection.rollback()
                raise


def _busy(timeout: float) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(
        f"another task of this context has been in a transaction for {timeout:g} s: keep"
        " transactions short, or give the task a context of its own"
        " (`async with app.app_context():`)"
    )
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    error.sqlite_errorname = "SQLITE_BUSY"
    return error
