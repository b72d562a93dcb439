"""Errors of the database as HTTP responses."""

from __future__ import annotations

import logging
import sqlite3

from werkzeug.exceptions import BadRequest, HTTPException

from quartpatterns._shared.database_errors import (
    DatabaseUnavailable,
    add_rule,
    diagnose,
    handle_database_error,
)

__all__ = ["DatabaseUnavailable", "diagnose", "handle_database_error"]

log = logging.getLogger(__name__)


_BUSY = "Another connection is writing to the database. Try again in a moment."
_NO_TABLES = "Tables of this application are missing or older than its code. Run `quart init-db`."
_CANNOT_OPEN = (
    "The database file can't be opened. Create its folder, let the server's user write to it, or"
    " correct DATABASE."
)
# By the primary result code, with the seconds of Retry-After; https://www.sqlite.org/rescode.html
_UNAVAILABLE: dict[int, tuple[str, int | None]] = {
    sqlite3.SQLITE_BUSY: (_BUSY, 1),
    sqlite3.SQLITE_CANTOPEN: (_CANNOT_OPEN, None),
    sqlite3.SQLITE_CORRUPT: ("The database file is damaged. Restore it from a backup.", None),
    sqlite3.SQLITE_FULL: ("The disk of the database is full. Free some space on it.", None),
    sqlite3.SQLITE_IOERR: ("The disk of the database has failed. See the server's log.", None),
    sqlite3.SQLITE_LOCKED: (_BUSY, 1),
    sqlite3.SQLITE_NOTADB: ("The file is not an SQLite database. Correct DATABASE.", None),
    sqlite3.SQLITE_PERM: (_CANNOT_OPEN, None),
    sqlite3.SQLITE_READONLY: (
        "The database file can't be written. Let the server's user write to it and its folder.",
        None,
    ),
}
_SCHEMA = ("no such table", "no such column", "has no column named")
# After one of these errors, the connection is closed instead of used again.
_BROKEN = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
}


def _diagnose(error: sqlite3.Error) -> HTTPException | None:
    """Return the HTTP error that a client should get for *error*.

    Returns:
        A :exc:`DatabaseUnavailable` (503) if the database can't answer, a 400 if a value can't be
        stored, or ``None`` for a bug, and for an error that only the view
        understands, such as :exc:`sqlite3.IntegrityError`.
    """
    if isinstance(error, sqlite3.DataError):
        return BadRequest("A value is too large for the database, or of a kind it can't store.")
    code = _code(error)
    if code == sqlite3.SQLITE_ERROR and any(part in str(error) for part in _SCHEMA):
        return DatabaseUnavailable(_NO_TABLES)
    if code not in _UNAVAILABLE:
        return None
    description, retry_after = _UNAVAILABLE[code]
    return DatabaseUnavailable(description, retry_after=retry_after)


add_rule(sqlite3.Error, diagnose=_diagnose)


def opening_error(error: BaseException, database: str) -> BaseException:
    """Return what to raise for *error*, which occurred while *database* was opened.

    A :exc:`DatabaseUnavailable` is logged, with the database and the error.
    """
    answer = diagnose(error) if isinstance(error, sqlite3.Error) else None
    if isinstance(error, OSError):
        answer = DatabaseUnavailable(_CANNOT_OPEN)
    if answer is None:
        return error
    answer.__cause__ = error
    log.warning("%s (%s: %s)", answer.description, database, error)
    return answer


def breaks_connection(error: sqlite3.Error) -> bool:
    """Return whether a connection must not be used again after *error*."""
    return _code(error) in _BROKEN


def context_ended() -> sqlite3.ProgrammingError:
    """Return the error for the use of a connection whose context has ended."""
    return sqlite3.ProgrammingError(
        "Cannot operate on a closed database: the context of this connection has ended. Call"
        " `await get_db()` where you use it. Start a task that outlives its request with"
        " app.add_background_task()"
    )


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
