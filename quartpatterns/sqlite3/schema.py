"""The initial schema: a file of statements beside the application."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from quart import Quart
from quart.utils import run_sync

from quartpatterns.sqlite3.connection import Connection

__all__ = ["initialise"]

# A script with transactions of its own, or what can't be in one, such as PRAGMA foreign_keys.
_OWN = re.compile(
    r"^\s*(?:BEGIN(?:\s+\w+){0,2}\s*;|COMMIT|END\s+TRANSACTION|PRAGMA|VACUUM|ATTACH)",
    re.IGNORECASE | re.MULTILINE,
)


async def initialise(app: Quart, connection: Connection, schema: str, *, if_empty: bool) -> bool:
    """Execute the statements in the file *schema* of *app*; return whether that was done.

    Raises:
        FileNotFoundError: There is no such file.
        sqlite3.Error: A statement is wrong; none of them is kept.
    """
    script = await run_sync(_read)(Path(app.root_path, schema))
    connection.retire()  # The script may have set what stays.
    return await connection.run(_execute, script, if_empty)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there is no {file}: write the statements that make the tables there, or name the"
            " file, init_db(schema=...)"
        ) from error


def _execute(connection: sqlite3.Connection, script: str, if_empty: bool) -> bool:
    atomic = not _OWN.search(script)
    try:
        if atomic:
            connection.execute("BEGIN IMMEDIATE").close()
        if empty := not (if_empty and _has_tables(connection)):
            if atomic:
                for statement in _statements(script):
                    connection.execute(statement).close()
            else:
                connection.executescript(script)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return empty


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def _statements(script: str) -> Iterator[str]:
    """The statements of *script*; a trigger is one, with those that are in it."""
    statement = ""
    for part in re.split("(?<=;)", script):
        statement += part
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    yield statement
