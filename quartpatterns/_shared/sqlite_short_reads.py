"""Short reads of SQLite on the event loop, if the application asks for them.

A round trip to the thread of a connection takes longer than reading a row. A statement that has
been short in the thread several times is executed on the event loop, where it may not wait:

* It is a ``SELECT`` outside of a transaction, so it can be repeated.
* It does not wait for a lock: the busy timeout is 0.
* It is abandoned after :data:`LIMIT`. SQLite asks for that between instructions of its virtual
  machine, and a single one can take longer, such as ``count(*)`` of a large table. So the first
  executions are in the thread, and those after one that was too long.

What is abandoned or finds a lock is repeated in the thread.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

__all__ = ["LIMIT", "SHORT", "RepeatInThreadError", "ShortReads"]

T = TypeVar("T")

SHORT = 0.0003
"""Seconds: a statement that takes longer in the thread stays there."""

LIMIT = 0.001
"""Seconds after which a statement on the event loop is abandoned."""

SHORT_RUNS = 3
"""Short executions in the thread before one on the event loop, also after one that was too long."""

TURNS = 16
"""One of so many reads of a connection is in the thread, so that other tasks have their turn."""

PROGRESS_STEPS = 1000
"""Instructions of SQLite's virtual machine between two looks at the clock, about 50 µs."""

MAX_STATEMENTS = 1024

_REPEATED_IN_THREAD = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_LOCKED}
)
"""The primary error codes of a read that found a lock or was abandoned."""

_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)


class RepeatInThreadError(Exception):
    """A statement has no result on the event loop: execute it in the thread."""


class ShortReads:
    """How long statements take, and their execution on the event loop.

    The connections of one event loop share it. Their threads call :meth:`measure`.
    """

    def __init__(self) -> None:
        # Short executions since the last long one.
        self._short: dict[str, int] = {}
        self._deadline = 0.0

    def is_short(self, statement: str) -> bool:
        """Return whether *statement* may be executed on the event loop."""
        return self._short.get(statement, 0) >= SHORT_RUNS

    def measure(self, statement: str, function: Callable[[], T]) -> T:
        """Call *function*, which executes *statement*, in the thread of a connection."""
        start = perf_counter()
        result = function()
        seconds = perf_counter() - start
        runs = self._short.get(statement, 0)
        if runs or _SELECT.match(statement):
            self._note(statement, runs + 1 if seconds <= SHORT else 0)
        return result

    def execute(
        self,
        statement: str,
        function: Callable[[], T],
        connection: sqlite3.Connection,
        progress: tuple[Callable[[], bool], int],
    ) -> T:
        """Call *function*, which executes *statement*, on the event loop.

        Arguments:
            statement: A statement for which :meth:`is_short` is true.
            function: Executes it, and fetches its rows.
            connection: Its connection. Its thread has nothing to do.
            progress: The progress handler of the connection, and its number of instructions.

        Raises:
            RepeatInThreadError: The statement was abandoned, or found a lock, or an authorizer
                does not allow to set the busy timeout.
        """
        cursor = sqlite3.Cursor(connection)
        cursor.row_factory = None
        try:
            [(wait,)] = cursor.execute("PRAGMA busy_timeout").fetchall()
            # Its row is fetched: sqlite3 takes an unread row for an error of the next statement.
            if wait and cursor.execute("PRAGMA busy_timeout = 0").fetchall() != [(0,)]:
                raise RepeatInThreadError
        except (sqlite3.Error, ValueError) as error:
            raise RepeatInThreadError from error
        self._deadline = perf_counter() + LIMIT
        connection.set_progress_handler(self._is_late, PROGRESS_STEPS)
        try:
            return function()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _REPEATED_IN_THREAD:
                raise RepeatInThreadError from error
            raise
        finally:
            if perf_counter() > self._deadline:
                self._note(statement, 0)
            connection.set_progress_handler(*progress)
            if wait:
                cursor.execute(f"PRAGMA busy_timeout = {wait}")
            cursor.close()

    def _is_late(self) -> bool:
        return perf_counter() > self._deadline

    def _note(self, statement: str, runs: int) -> None:
        if len(self._short) >= MAX_STATEMENTS and statement not in self._short:
            self._short.clear()
        self._short[statement] = runs
