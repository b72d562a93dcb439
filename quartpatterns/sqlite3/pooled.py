"""A connection that a pool lends to one context after another."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from typing import Any

from quartpatterns._shared.sqlite_thread import SQLiteThread

__all__ = ["PooledConnection"]

CHECKED = 1.0  # seconds for which a file is taken to be in its place


class PooledConnection(SQLiteThread):
    """A SQLite connection and its thread, which outlive the contexts that use it.

    Arguments:
        connect: Opens the database. It is called in the thread.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect)
        self._file: tuple[str, int, int] | None = None
        self._checked = self._loop.time()
        self._factories: tuple[Any, Any] = (None, str)

    def reset(self) -> None:
        """Undo what a context has set as plain attributes."""
        self.raw.row_factory, self.raw.text_factory = self._factories

    @property
    def is_fresh(self) -> bool:
        """Whether the file was found in its place less than :data:`CHECKED` seconds ago."""
        return self._file is None or self._loop.time() - self._checked < CHECKED

    def check(self) -> asyncio.Future[bool]:
        """Check whether the file is still the one that was opened.

        A connection to a file that was deleted or replaced would go on with data that nobody
        else sees.
        """
        self._checked = self._loop.time()
        return self.submit(self._is_in_place)

    # In the thread.

    def _open(self) -> None:
        super()._open()
        raw = self.raw
        self._factories = (raw.row_factory, raw.text_factory)
        [[_, _, path], *_] = sqlite3.Cursor(raw).execute("PRAGMA database_list").fetchall()
        self._file = _identity(path)

    def _is_in_place(self) -> bool:
        return self._file is not None and _identity(self._file[0]) == self._file


def _identity(path: str) -> tuple[str, int, int] | None:
    """The identity of the file at *path*, or None if there is none, as for one in memory."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return path, found.st_dev, found.st_ino
