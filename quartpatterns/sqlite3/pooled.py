"""A connection that outlives contexts: aiosqlite's, with its thread."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar, cast

import aiosqlite

__all__ = ["Pooled"]

T = TypeVar("T")
STEPS = 100_000  # of SQLite's machine, some milliseconds, between two looks whether to go on
CHECKED = 1.0  # seconds for which a file is taken to be in its place


class Pooled(aiosqlite.Connection):
    """A connection that a pool lends to one context after another.

    What is done on it is done in its thread, one after the other, as in aiosqlite. A statement
    for which nobody waits any more ends there: it would hold the connection, and perhaps a lock
    on the database, for nobody.

    Arguments:
        connect: Opens the database; called in the thread.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=64)
        # A process that ends without closing its connections, such as by a crash, must not hang.
        self._thread.daemon = True
        self._loop = asyncio.get_running_loop()
        self._current: list[asyncio.Future[Any] | None] = [None]
        self._file: tuple[str, int, int] | None = None
        self._checked = self._loop.time()
        self._factories: tuple[Any, Any] = (None, str)

    def __del__(self) -> None:
        """End a thread whose event loop was closed by force; else the pool ends it."""
        if self._connection is not None and self._loop.is_closed():
            self.stop()  # pyright: ignore[reportUnknownMemberType]

    def open(self) -> asyncio.Future[None]:
        """Start the thread, and open the database in it."""
        self._thread.start()
        return self.submit(self._open)

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Call *function* in the thread, after all that was submitted before.

        Cancelling the future ends the statement that it has under way. One trip to the thread
        and back, whatever the function does there.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        tx = cast("SimpleQueue[Any]", self._tx)  # pyright: ignore[reportUnknownMemberType]
        tx.put_nowait((None, _Job(future, function, self._current)))
        return future

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection of :mod:`sqlite3`; for its thread, and for plain attributes."""
        return self._conn

    def reset(self) -> None:
        """Undo what a context has set that is plain attributes."""
        self.raw.row_factory, self.raw.text_factory = self._factories

    @property
    def is_fresh(self) -> bool:
        """Whether the file has been seen in its place a moment ago."""
        return self._file is None or self._loop.time() - self._checked < CHECKED

    def check(self) -> asyncio.Future[bool]:
        """Look whether the file is still the one that was opened.

        A connection to one that was deleted or replaced would go on with what nobody else sees.
        """
        self._checked = self._loop.time()
        return self.submit(self._is_in_place)

    def _open(self) -> None:
        self._connection = connection = self._connector()
        # The closure holds no reference to this object, which holds the connection.
        current = self._current
        connection.set_progress_handler(lambda: _forsaken(current), STEPS)
        self._factories = (connection.row_factory, connection.text_factory)
        [[_, _, path], *_] = sqlite3.Cursor(connection).execute("PRAGMA database_list").fetchall()
        self._file = _identity(path)

    def _is_in_place(self) -> bool:
        return self._file is not None and _identity(self._file[0]) == self._file


class _Job:
    """One call in the thread; it hands over what comes of it, and keeps nothing.

    aiosqlite's thread holds what it did last until it does something else: rows that were read,
    values that were written.
    """

    __slots__ = ("_current", "_function", "_future")

    def __init__(
        self,
        future: asyncio.Future[Any],
        function: Callable[[], Any],
        current: list[asyncio.Future[Any] | None],
    ) -> None:
        self._future: asyncio.Future[Any] | None = future
        self._function: Callable[[], Any] | None = function
        self._current = current

    def __call__(self) -> None:
        future, function = self._future, self._function
        self._future = self._function = None
        if future is None or function is None or future.done():
            return  # Cancelled before it began.
        self._current[0] = future
        try:
            result = function()
        except BaseException as error:  # whatever it is, it belongs to whoever waits
            _hand_over(future, _set_exception, error)
        else:
            _hand_over(future, _set_result, result)
        finally:
            self._current[0] = None


def _hand_over(
    future: asyncio.Future[Any], hand: Callable[[asyncio.Future[Any], Any], None], what: Any
) -> None:
    with suppress(RuntimeError):  # The event loop is closed: nobody waits.
        future.get_loop().call_soon_threadsafe(hand, future, what)


def _set_result(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _forsaken(current: list[asyncio.Future[Any] | None]) -> bool:
    """Whether nobody waits for what the thread does."""
    future = current[0]
    return future is not None and future.done()


def _identity(path: str) -> tuple[str, int, int] | None:
    """Which file is at *path*; ``None`` where there is none, as for a database in memory."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return path, found.st_dev, found.st_ino
