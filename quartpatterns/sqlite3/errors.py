"""What a database that can't answer looks like to a client."""

from __future__ import annotations

import logging
import sqlite3

from quart import ResponseReturnValue, current_app
from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable

__all__ = ["DatabaseUnavailable", "closed", "diagnose", "handle_database_error", "unavailable"]

log = logging.getLogger(__name__)


class DatabaseUnavailable(ServiceUnavailable):
    """503: the database can't answer; the description says why, and what to do.

    Its cause is the error of :mod:`sqlite3`. The description holds no statement, no value and no
    path, so that it may be shown to anybody.
    """


_BUSY = "Somebody else is writing to the database. Try again in a moment."
_INIT = "Tables of this application are missing or older than its code. Run `quart init-db`."
_OPEN = (
    "The database file can't be opened. Create its folder, let the server's user write to it, or"
    " correct DATABASE."
)
# By the primary result code, with the seconds of Retry-After; https://www.sqlite.org/rescode.html
_CODES: dict[int, tuple[str, int | None]] = {
    sqlite3.SQLITE_BUSY: (_BUSY, 1),
    sqlite3.SQLITE_CANTOPEN: (_OPEN, None),
    sqlite3.SQLITE_CORRUPT: ("The database file is damaged. Restore it from a backup.", None),
    sqlite3.SQLITE_FULL: ("The disk of the database is full. Make room on it.", None),
    sqlite3.SQLITE_IOERR: ("The disk of the database has failed. See the server's log.", None),
    sqlite3.SQLITE_LOCKED: (_BUSY, 1),
    sqlite3.SQLITE_NOTADB: ("The file is not an SQLite database. Correct DATABASE.", None),
    sqlite3.SQLITE_PERM: (_OPEN, None),
    sqlite3.SQLITE_READONLY: (
        "The database file can't be written. Let the server's user write to it and its folder.",
        None,
    ),
}
_SCHEMA = ("no such table", "no such column", "has no column named")
# A connection that has met one of these is not lent again.
_BROKEN = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
}


def diagnose(error: sqlite3.Error) -> HTTPException | None:
    """What a client is told: 503 where the database can't answer, 400 for an impossible value.

    ``None`` where *error* is a fault of the program, or means something only where it was raised,
    such as :exc:`sqlite3.IntegrityError`.
    """
    if isinstance(error, sqlite3.DataError):
        return BadRequest("A value is too large for the database, or holds what it can't store.")
    code = _code(error)
    if code == sqlite3.SQLITE_ERROR and any(part in str(error) for part in _SCHEMA):
        return DatabaseUnavailable(_INIT)
    if code not in _CODES:
        return None
    text, retry_after = _CODES[code]
    return DatabaseUnavailable(text, retry_after=retry_after)


async def handle_database_error(error: sqlite3.Error) -> ResponseReturnValue | HTTPException:
    """Answer what :func:`diagnose` finds; what it doesn't know stays a 500. A 503 is logged.

    :meth:`SQLite.init_app` registers it for :exc:`sqlite3.Error`. The answer goes through the
    application's own handlers for 503 and 400, where it has them.
    """
    if (answer := diagnose(error)) is None:
        raise error
    answer.__cause__ = error
    if isinstance(answer, DatabaseUnavailable):
        current_app.logger.error("%s (%s)", answer.description, error)
    return await current_app.handle_http_exception(answer)


def unavailable(error: BaseException, database: str) -> BaseException:
    """*error*, which came while *database* was opened, as what a client is told; logged."""
    answer = diagnose(error) if isinstance(error, sqlite3.Error) else None
    if isinstance(error, OSError):
        answer = DatabaseUnavailable(_OPEN)
    if answer is None:
        return error
    answer.__cause__ = error
    log.error("%s (%s: %s)", answer.description, database, error)
    return answer


def breaks(error: sqlite3.Error) -> bool:
    """Whether a connection is not to be used again after *error*."""
    return _code(error) in _BROKEN


def closed() -> sqlite3.ProgrammingError:
    """The error of a connection whose context has ended."""
    return sqlite3.ProgrammingError(
        "Cannot operate on a closed database: the context of this connection has ended. Ask"
        " `await get_db()` where it is used; a task that outlives its request is started with"
        " app.add_background_task()"
    )


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
