"""A new connection to the database, as every context gets it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any

from quartpatterns.sqlite3.settings import Settings

__all__ = ["Configure", "connect"]

Configure = Callable[[sqlite3.Connection], object]
STATEMENTS = 256  # that stay prepared, on each connection


def connect(
    settings: Settings, row_factory: Any, functions: Iterable[Configure]
) -> sqlite3.Connection:
    """Open the database; to be called in the thread of the connection.

    A transaction that a statement begins is ``IMMEDIATE``, as it is one that writes: it waits for
    its turn, where a deferred one may be refused at once.

    Arguments:
        settings: Which database, and how.
        row_factory: What makes a row of a tuple.
        functions: Called with the connection; for functions, collations and extensions.

    Raises:
        sqlite3.Error: It can't be opened.
        OSError: Its folder can't be made.
    """
    if settings.folder is not None:
        settings.folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"isolation_level": "IMMEDIATE", "cached_statements": STATEMENTS}
    options |= {"timeout": settings.busy_timeout, "uri": True, **settings.options}
    connection: sqlite3.Connection = sqlite3.connect(settings.database, **options)
    try:
        for name, value in settings.pragmas.items():
            _set(connection, f"PRAGMA {name} = {value}", settings.busy_timeout)
        for function in functions:
            function(connection)
        connection.row_factory = row_factory
    except BaseException:
        connection.close()
        raise
    return connection


def _set(connection: sqlite3.Connection, statement: str, patience: float) -> None:
    """Set a pragma, however many processes do so at the same time.

    SQLite doesn't wait while it changes the journal's mode, whatever the time-out.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute(statement).close()
            return
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code == sqlite3.SQLITE_READONLY:
                return  # A database that is only read keeps the journal that it has.
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
