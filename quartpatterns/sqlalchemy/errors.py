"""What the errors of a database mean: try again, 503, 400, or a fault of the program."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import BadRequest, HTTPException

from quartpatterns._shared.database_errors import (
    DatabaseUnavailable,
    add_rule,
    diagnose,
    handle_database_error,
)

__all__ = [
    "DatabaseUnavailable",
    "describe",
    "diagnose",
    "handle_database_error",
    "is_invalid_value",
    "is_transient",
]


_MIGRATE = (
    "Tables of this application are missing or older than its code. Run `alembic upgrade head`."
)
_BUSY = "Another transaction is writing to the database. Try again in a moment."
_CHANGED = "A table has just been changed, for example by a migration. Try again in a moment."
_LOST = "The database server can't be reached. Start it, or correct SQLALCHEMY_DATABASE_URI."
_TIMEOUT = (
    "The database server has not answered in time. Try again in a moment, or raise"
    " SQLALCHEMY_STATEMENT_TIMEOUT."
)
_CERTIFICATE = (
    "The certificate of the database server is not trusted, or is for another name. Correct the"
    " host or sslrootcert in SQLALCHEMY_DATABASE_URI."
)
_POOLER = (
    "A pooler such as PgBouncer has sent a statement to a connection that has not prepared it. Set"
    ' SQLALCHEMY_POOLER to "transaction".'
)
_POOL = (
    "All connections to the database are in use. Try again in a moment, or raise pool_size in"
    " SQLALCHEMY_ENGINE_OPTIONS."
)
_CONNECTIONS = (
    "The database server allows no more connections. Raise its max_connections or the limit of the"
    " user, or lower pool_size in SQLALCHEMY_ENGINE_OPTIONS or the number of server processes."
)

# By the first characters of an SQLSTATE; https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES: dict[str, tuple[str, int | None]] = {
    "08": (_LOST, 5),
    "26000": (_POOLER, None),
    "28": ("The database refuses the user. Correct SQLALCHEMY_DATABASE_URI.", None),
    "3D": ("The database does not exist. Create it, or correct SQLALCHEMY_DATABASE_URI.", None),
    "40": (_BUSY, 1),
    "42703": (_MIGRATE, None),
    "42P01": (_MIGRATE, None),
    "42P05": (_POOLER, None),
    "53300": (_CONNECTIONS, 5),
    "53": ("The database server is out of disk space or memory. Give it more.", 5),
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
    sqlite3.SQLITE_FULL: ("The disk of the database is full. Free some space on it.", None),
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


def _diagnose(error: SQLAlchemyError) -> HTTPException | None:
    """Return the HTTP error for a database error, or None if it is a bug.

    The answer is a :exc:`DatabaseUnavailable` if the database can't answer, and a
    :exc:`~werkzeug.exceptions.BadRequest` if a value can't be stored. PostgreSQL's states and
    SQLite's codes are known; lost connections and an exhausted pool are recognized with every
    database.
    """
    if isinstance(error, PoolTimeoutError):
        return DatabaseUnavailable(_POOL, retry_after=1)
    if isinstance(error, NoSuchTableError):  # A view has loaded the table from the database.
        return DatabaseUnavailable(_MIGRATE)
    if not isinstance(error, DBAPIError):
        return None
    if is_invalid_value(error):
        return BadRequest("The database can't store a value: it is too large, or has invalid text.")
    if isinstance(error.orig, TimeoutError):
        return DatabaseUnavailable(_TIMEOUT, retry_after=5)
    if _is_stale_statement(error):
        return DatabaseUnavailable(_CHANGED, retry_after=1)
    if "CERTIFICATE_VERIFY_FAILED" in str(error.orig):
        return DatabaseUnavailable(_CERTIFICATE)
    text, retry_after = _by_sqlstate(error) or _by_sqlite_code(error) or ("", None)
    if not text and error.connection_invalidated:
        text, retry_after = _LOST, 5
    return DatabaseUnavailable(text, retry_after=retry_after) if text else None


def is_transient(error: DBAPIError) -> bool:
    """Return whether the same transaction may succeed if it is run again.

    So it is after a serialization failure, a deadlock, a lock timeout, a lost connection and a
    change of a table for which a statement was prepared. If
    the connection was lost during ``COMMIT``, nobody knows whether it was done.
    """
    if isinstance(error.orig, TimeoutError):
        return False  # The statement has already taken long.
    if _is_stale_statement(error):
        return True
    if error.connection_invalidated or _sqlstate(error).startswith(_TRANSIENT):
        return True
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_invalid_value(error: DBAPIError) -> bool:
    """Return whether no column of its type can store a value.

    Examples are a number of more than 64 bits, and on PostgreSQL a text with a NUL character.
    """
    return isinstance(error, DataError) or _sqlstate(error).startswith("22")


def _is_stale_statement(error: DBAPIError) -> bool:
    # After it, SQLAlchemy's dialect for asyncpg prepares all statements again.
    return type(error.orig).__name__ == "InvalidCachedStatementError"


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _by_sqlstate(error: DBAPIError) -> tuple[str, int | None] | None:
    state = _sqlstate(error)
    return next((answer for start, answer in _SQLSTATES.items() if state.startswith(start)), None)


def _by_sqlite_code(error: DBAPIError) -> tuple[str, int | None] | None:
    code = _primary_code(error)
    if code == sqlite3.SQLITE_ERROR and any(part in str(error.orig) for part in _SQLITE_SCHEMA):
        return _MIGRATE, None
    return _SQLITE_CODES.get(code)


def _primary_code(error: DBAPIError) -> int:
    code: int = getattr(error.orig, "sqlite_errorcode", 0)
    return code & 0xFF


def describe(error: SQLAlchemyError) -> str:
    """Return the driver's own message, without the statement and its parameters."""
    message = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(message).split())


add_rule(SQLAlchemyError, diagnose=_diagnose, describe=describe)
