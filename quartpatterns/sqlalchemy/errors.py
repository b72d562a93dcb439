"""What a database that can't answer looks like to a client."""

from __future__ import annotations

import sqlite3

from quart import ResponseReturnValue, current_app
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable

__all__ = [
    "DatabaseUnavailable",
    "diagnose",
    "handle_database_error",
    "is_transient",
    "refuses_value",
]


class DatabaseUnavailable(ServiceUnavailable):
    """503: the database can't answer; the description says why, and what to do.

    Its cause is SQLAlchemy's error. It holds no statement, no value and no address, so that it
    may be shown to anybody.
    """


_MIGRATE = (
    "Tables of this application are missing or older than its code. Run `alembic upgrade head`."
)
_BUSY = "Somebody else is writing to the database. Try again in a moment."
_LOST = "The database server can't be reached. Start it, or correct SQLALCHEMY_DATABASE_URI."
_POOL = (
    "All connections to the database are in use. Try again in a moment, or raise pool_size in"
    " SQLALCHEMY_ENGINE_OPTIONS."
)

# By the first characters of an SQLSTATE; https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES: dict[str, tuple[str, int | None]] = {
    "08": (_LOST, 5),
    "28": ("The database refuses the user. Correct SQLALCHEMY_DATABASE_URI.", None),
    "3D": ("The database does not exist. Create it, or correct SQLALCHEMY_DATABASE_URI.", None),
    "40": (_BUSY, 1),
    "42703": (_MIGRATE, None),
    "42P01": (_MIGRATE, None),
    "53": ("The database server has no room left for this. Give it more, or ask it for less.", 5),
    "55P03": (_BUSY, 1),
    "57P": (_LOST, 5),
}
_TRANSIENT = ("08", "40", "55P03", "57P")
# By the primary result code; https://www.sqlite.org/rescode.html
_SQLITE_CODES: dict[int, tuple[str, int | None]] = {
    sqlite3.SQLITE_BUSY: (_BUSY, 1),
    sqlite3.SQLITE_CANTOPEN: (
        "The database file can't be opened. Create its folder, or correct SQLALCHEMY_DATABASE_URI.",
        None,
    ),
    sqlite3.SQLITE_CORRUPT: ("The database file is damaged. Restore it from a backup.", None),
    sqlite3.SQLITE_FULL: ("The disk of the database is full. Make room on it.", None),
    sqlite3.SQLITE_IOERR: ("The disk of the database has failed. See the server's log.", None),
    sqlite3.SQLITE_LOCKED: (_BUSY, 1),
    sqlite3.SQLITE_NOTADB: (
        "The file is not an SQLite database. Correct SQLALCHEMY_DATABASE_URI.",
        None,
    ),
    sqlite3.SQLITE_READONLY: (
        "The database file can't be written. Let the server's user write to it and its folder.",
        None,
    ),
}
_SQLITE_SCHEMA = ("no such table", "no such column", "has no column named")


def diagnose(error: SQLAlchemyError) -> HTTPException | None:
    """What a client is told: 503 where the database can't answer, 400 for an impossible value.

    ``None`` where *error* is a fault of the program. Known are PostgreSQL's states and SQLite's
    codes; a lost connection and an exhausted pool are known with every database.
    """
    if isinstance(error, PoolTimeoutError):
        return DatabaseUnavailable(_POOL, retry_after=1)
    if not isinstance(error, DBAPIError):
        return None
    if refuses_value(error):
        return BadRequest("A value is too large for the database, or holds what it can't store.")
    text, retry_after = _state(error) or _sqlite_code(error) or ("", None)
    if not text and error.connection_invalidated:
        text, retry_after = _LOST, 5
    return DatabaseUnavailable(text, retry_after=retry_after) if text else None


def is_transient(error: DBAPIError) -> bool:
    """Whether the same may succeed when it is done again, all of the transaction.

    Such as after a serialization failure, a deadlock, a lock that was held for too long, or a
    connection that was lost. Where it is lost in a ``COMMIT`` nobody knows whether that was done.
    """
    if error.connection_invalidated or _sqlstate(error).startswith(_TRANSIENT):
        return True
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def refuses_value(error: DBAPIError) -> bool:
    """Whether a value was given that a column of its type never holds.

    Such as a number beyond 64 bits, or on PostgreSQL a text with a NUL in it.
    """
    return isinstance(error, DataError) or _sqlstate(error).startswith("22")


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _state(error: DBAPIError) -> tuple[str, int | None] | None:
    state = _sqlstate(error)
    return next((say for start, say in _SQLSTATES.items() if state.startswith(start)), None)


def _sqlite_code(error: DBAPIError) -> tuple[str, int | None] | None:
    code = _primary_code(error)
    if code == sqlite3.SQLITE_ERROR and any(part in str(error.orig) for part in _SQLITE_SCHEMA):
        return _MIGRATE, None
    return _SQLITE_CODES.get(code)


def _primary_code(error: DBAPIError) -> int:
    code: int = getattr(error.orig, "sqlite_errorcode", 0)
    return code & 0xFF


async def handle_database_error(error: SQLAlchemyError) -> ResponseReturnValue | HTTPException:
    """Answer what :func:`diagnose` finds; what it doesn't know stays a 500. A 503 is logged.

    ``app.register_error_handler(SQLAlchemyError, handle_database_error)``. The answer goes
    through the application's own handlers for 503 and 400, where it has them.
    """
    if (answer := diagnose(error)) is None:
        raise error
    answer.__cause__ = error
    if isinstance(answer, DatabaseUnavailable):
        cause = error.orig if isinstance(error, DBAPIError) else error
        current_app.logger.error("%s (%s)", answer.description, " ".join(str(cause).split()))
    return await current_app.handle_http_exception(answer)
