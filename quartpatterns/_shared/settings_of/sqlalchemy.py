"""The settings of :mod:`quartpatterns.sqlalchemy`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

from quartpatterns._shared.declarations import Declarations, Seconds, Setting

__all__ = ["SETTINGS"]

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_PRAGMAS: Mapping[str, str | int] = MappingProxyType({"foreign_keys": "ON", "journal_mode": "WAL"})
_ENGINE_OPTION = "pass it in SQLALCHEMY_ENGINE_OPTIONS, by the name that create_engine() gives it"


@runtime_checkable
class URL(Protocol):
    """``sqlalchemy.URL``."""

    drivername: str
    render_as_string: Any


SETTINGS = Declarations(
    {
        "SQLALCHEMY_DATABASE_URI": Setting(
            str | URL | None,
            None,
            "The URL of the database; it is required, unless there are `SQLALCHEMY_BINDS`. A URL"
            " without a driver gets an asynchronous driver: aiosqlite for `sqlite:///app.db`,"
            " asyncpg for `postgresql://`. Drivers that block are refused. A relative SQLite file"
            " is in `app.instance_path`.",
        ),
        "SQLALCHEMY_REPLICA_URI": Setting(
            str | URL | None, None, "A copy of the database that `db.reading()` reads."
        ),
        "SQLALCHEMY_BINDS": Setting(Mapping, _EMPTY, "Other databases, by key."),
        "SQLALCHEMY_ENGINE_OPTIONS": Setting(
            Mapping,
            _EMPTY,
            "Options of `create_engine` for the default database and its replica; they override"
            " `engine_options=`. A bind has its own. Values may be strings.",
        ),
        "SQLALCHEMY_ECHO": Setting(
            bool | Literal["debug"],
            False,
            'Log statements and connections; `"debug"` logs rows, too.',
        ),
        "SQLALCHEMY_RECORD_QUERIES": Setting(
            bool,
            False,
            "Record the last 1,000 queries of each context for `get_recorded_queries()`, with"
            " parameters, duration and location.",
        ),
        "SQLALCHEMY_SLOW_QUERY_SECONDS": Setting(
            Seconds | None,
            None,
            "Log a warning for a query that takes this long, with the line that executed it and"
            " without its parameters.",
        ),
        "SQLALCHEMY_TRACK_MODIFICATIONS": Setting(
            bool | None,
            False,
            "Send the signals `before_models_committed` and `models_committed`, whose receivers may"
            " be `async def`. `None` is `False`.",
        ),
        "SQLALCHEMY_POOLER": Setting(
            Literal["transaction"] | None,
            None,
            "How a pooler in front of PostgreSQL, such as PgBouncer, shares connections. Set"
            ' `"transaction"` for `pool_mode = transaction` (asyncpg, psycopg); sessions and'
            " `db.reading()` then use no prepared statement outside of its transaction. Other modes"
            " need no setting.",
        ),
        "SQLALCHEMY_CONNECT_TIMEOUT": Setting(
            Seconds | None,
            10,
            "How long to wait for a connection to PostgreSQL (asyncpg) or MySQL. `None` means the"
            " driver's default.",
        ),
        "SQLALCHEMY_STATEMENT_TIMEOUT": Setting(
            Seconds | None,
            30,
            "How long to wait for a statement, or for a batch of a large result, on PostgreSQL"
            " (asyncpg). `None` means no limit.",
        ),
        "SQLALCHEMY_SQLITE_PRAGMAS": Setting(
            Mapping, _PRAGMAS, "Pragmas to set on each connection to SQLite."
        ),
        "SQLALCHEMY_SQLITE_READ_ON_LOOP": Setting(
            bool,
            False,
            "Execute short reads of SQLite on the event loop instead of in a thread.",
        ),
    },
    prefixes=("SQLALCHEMY_",),
    instead={
        "SQLALCHEMY_COMMIT_ON_TEARDOWN": "await db.session.commit() in the view",
        "SQLALCHEMY_MAX_OVERFLOW": _ENGINE_OPTION,
        "SQLALCHEMY_NATIVE_UNICODE": "remove it, because all drivers use Unicode",
        "SQLALCHEMY_POOL_RECYCLE": _ENGINE_OPTION,
        "SQLALCHEMY_POOL_SIZE": _ENGINE_OPTION,
        "SQLALCHEMY_POOL_TIMEOUT": _ENGINE_OPTION,
    },
)
