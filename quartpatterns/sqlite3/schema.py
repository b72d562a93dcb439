"""``init_db`` and ``quart init-db``: execute a file of SQL statements."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import click
from quart import Quart

from quartpatterns._shared.threads import run_sync
from quartpatterns.sqlite3.connection import Connection
from quartpatterns.sqlite3.errors import DatabaseUnavailable, diagnose

__all__ = ["add_init_db_command", "execute_schema"]

# A script with transactions of its own, or with statements that can't be in a transaction, such
# as PRAGMA foreign_keys.
_NOT_ATOMIC = re.compile(
    r"^\s*(?:BEGIN(?:\s+\w+){0,2}\s*;|COMMIT|END\s+TRANSACTION|PRAGMA|VACUUM|ATTACH)",
    re.IGNORECASE | re.MULTILINE,
)


async def execute_schema(
    app: Quart, connection: Connection, schema: str, *, if_empty: bool
) -> bool:
    """Execute the statements in the file *schema* of *app*; return whether they were executed.

    The context of *connection* must end afterwards, because that is what rolls back after an error.

    Raises:
        FileNotFoundError: There is no such file.
        sqlite3.Error: A statement is invalid. None of the statements has an effect.
    """
    script = await run_sync(_read)(Path(app.root_path, schema))
    connection.retire()  # The script may have changed the connection.
    return await connection.run(_execute, script, if_empty)


def add_init_db_command(app: Quart, init_db: Callable[..., Awaitable[bool]]) -> None:
    """Add ``init-db`` to the commands of *app*.

    The command is synchronous and runs an event loop of its own. Quart calls an ``async def``
    command and drops the coroutine.

    Arguments:
        app: The application.
        init_db: Executes the schema of the application that it is called with.
    """

    @app.cli.command("init-db")
    @click.option(
        "--schema", default="schema.sql", show_default=True, help="The file with the statements."
    )
    @click.option("--if-empty", is_flag=True, help="Do nothing if the database has a table.")
    def init_db_command(schema: str, if_empty: bool) -> None:
        """Create the tables: execute the statements of schema.sql."""

        async def main() -> bool:
            return await init_db(app, schema=schema, if_empty=if_empty)

        try:
            executed = asyncio.run(main())
        except (DatabaseUnavailable, OSError, sqlite3.Error) as error:
            raise click.ClickException(_explain(error)) from error
        done = "Initialized the database." if executed else "The database has tables: unchanged."
        click.echo(done)


def _explain(error: DatabaseUnavailable | OSError | sqlite3.Error) -> str:
    answer = diagnose(error) if isinstance(error, sqlite3.Error) else error
    if isinstance(answer, DatabaseUnavailable):
        return f"{answer.description} ({answer.__cause__ or error})"
    return str(error)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there is no {file}: write the statements that create the tables there, or name"
            " another file, init_db(schema=...)"
        ) from error


def _execute(connection: sqlite3.Connection, script: str, if_empty: bool) -> bool:
    # After an error, the end of the context rolls back.
    atomic = not _NOT_ATOMIC.search(script)
    if atomic:
        connection.execute("BEGIN IMMEDIATE").close()
    if executed := not (if_empty and _has_tables(connection)):
        if atomic:
            for statement in _statements(script):
                connection.execute(statement).close()
        else:
            connection.executescript(script)
    connection.commit()
    return executed


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of *script*; a trigger with the statements in it is one."""
    statement = ""
    for part in re.split("(?<=;)", script):
        statement += part
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    yield statement
