"""The settings, and the connections that they describe."""

from __future__ import annotations

import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from quart import Quart

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    apply_defaults,
    refuse_unknown,
)
from quartpatterns._shared.settings_of.sqlite3 import SETTINGS

__all__ = ["DEFAULTS", "SETTINGS", "Configure", "DatabaseSettings", "connect", "read_settings"]

Configure = Callable[[sqlite3.Connection], object]

DEFAULTS = SETTINGS.defaults
"""The default of each setting."""

PREPARED_STATEMENTS = 256
"""Statements that SQLite keeps prepared, for each connection."""

_WORD = re.compile(r"[-+]?\w+")


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """The validated settings of an application.

    Arguments:
        database: A path or a URI, for :func:`sqlite3.connect`.
        folder: A folder to create if it is missing: the application's instance folder.
        in_memory: Whether the database ends with the last connection to it.
        pool_size: The largest number of connections that one event loop opens.
        pool_timeout: Seconds to wait for a free connection.
        busy_timeout: Seconds to wait for a transaction of another connection.
        pragmas: Set on each new connection.
        options: For :func:`sqlite3.connect`.
        read_on_loop: Whether to execute short reads on the event loop.
    """

    database: str
    folder: Path | None
    in_memory: bool
    pool_size: int
    pool_timeout: float
    busy_timeout: float
    pragmas: Mapping[str, str | int]
    options: Mapping[str, Any]
    read_on_loop: bool


def read_settings(app: Quart) -> DatabaseSettings:
    """Return the settings of *app*, and set the missing ones in its configuration.

    Raises:
        RuntimeError: ``DATABASE`` is not set.
        SettingError: A setting is invalid; a ``ValueError`` that names its key.
    """
    refuse_unknown(app.config, SETTINGS.prefixes, SETTINGS)
    apply_defaults(app, DEFAULTS)
    if not app.config["DATABASE"]:
        raise RuntimeError(
            "DATABASE is not set: set it before init_app(), for example to app.db (a file in the"
            " application's instance folder), /path/to/app.db or :memory:"
        )
    reader = SettingsReader(app.config)
    database, folder = _locate(reader.path("DATABASE"), Path(app.instance_path))
    return DatabaseSettings(
        database,
        folder,
        in_memory="vfs=memdb" in database or "mode=memory" in database,
        pool_size=reader.count("SQLITE_POOL_SIZE"),
        pool_timeout=reader.seconds("SQLITE_POOL_TIMEOUT", zero=True),
        busy_timeout=reader.seconds("SQLITE_BUSY_TIMEOUT", zero=True),
        pragmas=_pragmas(reader.mapping("SQLITE_PRAGMAS")),
        options=reader.mapping("SQLITE_CONNECT_OPTIONS"),
        read_on_loop=reader.boolean("SQLITE_READ_ON_LOOP"),
    )


def connect(
    settings: DatabaseSettings, row_factory: Any, functions: Iterable[Configure]
) -> sqlite3.Connection:
    """Open the database; call this in the thread of the connection.

    A statement that begins a transaction begins an ``IMMEDIATE`` one, because such a statement
    writes. An immediate transaction waits for other writers; SQLite may refuse a deferred one at
    once.

    Arguments:
        settings: Which database, and how.
        row_factory: Makes a row of a tuple.
        functions: Called with the connection, to add functions, collations and extensions.

    Raises:
        sqlite3.Error: The database can't be opened.
        OSError: Its folder can't be created.
    """
    if settings.folder is not None:
        settings.folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "isolation_level": "IMMEDIATE",
        "cached_statements": PREPARED_STATEMENTS,
        "timeout": settings.busy_timeout,
        "uri": True,
        **settings.options,
    }
    if settings.read_on_loop:
        options["check_same_thread"] = False
    connection: sqlite3.Connection = sqlite3.connect(settings.database, **options)
    try:
        for name, value in settings.pragmas.items():
            _set_pragma(connection, f"PRAGMA {name} = {value}", settings.busy_timeout)
        for function in functions:
            function(connection)
        connection.row_factory = row_factory
    except BaseException:
        connection.close()
        raise
    return connection


def _set_pragma(connection: sqlite3.Connection, statement: str, timeout: float) -> None:
    """Set a pragma, even if several processes set it at the same time.

    SQLite does not wait while it changes the journal mode, whatever its busy timeout is.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute(statement).close()
            return
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code == sqlite3.SQLITE_READONLY:
                return  # A read-only database keeps its journal mode.
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _locate(given: str, instance: Path) -> tuple[str, Path | None]:
    """Return the name that every connection opens, and the folder to create."""
    if given == ":memory:" or ("mode=memory" in given and "cache=shared" not in given):
        # One database for all connections of the application, which plain :memory: is not:
        # https://www.sqlite.org/inmemorydb.html
        return f"file:/{secrets.token_hex(8)}?vfs=memdb", None
    if "://" in given:
        raise SettingError(
            "DATABASE",
            "DATABASE must be a path, not a URL: write app.db for a file in the instance folder,"
            " or /path/to/app.db",
        )
    if not given.startswith("file:"):
        path = instance / given
        return str(path), path.parent if path.is_relative_to(instance) else None
    name, _, query = given.removeprefix("file:").partition("?")
    if name.startswith("/") or "mode=memory" in query:
        return given, None
    return f"file:{quote(str(instance))}/{name}?{query}", (instance / unquote(name)).parent


def _pragmas(given: Mapping[Any, Any]) -> dict[str, str | int]:
    # They become part of a statement, in which SQLite binds no values.
    for name, value in given.items():
        if not (str(name).isidentifier() and _WORD.fullmatch(str(value))):
            raise SettingError(
                "SQLITE_PRAGMAS",
                f"SQLITE_PRAGMAS: {name} = {value!r} is invalid; write a name and a word or a"
                " number, such as {'journal_mode': 'WAL'}",
            )
    return dict(given)
