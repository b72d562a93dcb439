"""``init_db`` and ``quart init-db``: execute a file of SQL statements."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import click
from quart import Quart

from quartpatterns._shared.threads import run_sync
from quartpatterns.sqlite3.connection import Connection
from quartpatterns.sqlite3.errors import DatabaseUnavailable, diagnose
from quartpatterns.sqlite3.statements import (
    is_blank,
    is_outside_transaction,
    keyword,
    split_script,
)

__all__ = ["add_init_db_command", "execute_schema"]

# Statements that begin and end transactions. The whole script is one transaction here.
_BEGINS = {"BEGIN"}
_ENDS = {"COMMIT", "END"}
_ROLLBACK_TO = re.compile(r"\bTO\b", re.IGNORECASE)


async def execute_schema(
    app: Quart, connection: Connection, schema: str, *, if_empty: bool
) -> bool:
    """Execute the statements in the file *schema* of *app*; return whether they were executed.

    The context of *connection* must end afterwards, because that is what rolls back after an error.

    Raises:
        FileNotFoundError: There is no such file.
        sqlite3.Error: A statement is invalid. None of the statements has an effect, unless the
            invalid one can't be in the transaction and comes after it.
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
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there is no {file}: write the statements that create the tables there, or name"
            " another file, init_db(schema=...)"
        ) from error
    except UnicodeDecodeError as error:
        raise sqlite3.DataError(f"{file} is not UTF-8 text ({error.reason}): save it so") from error


def _execute(connection: sqlite3.Connection, script: str, if_empty: bool) -> bool:
    # After an error, the end of the context rolls back.
    before, statements, after = _divide(script)
    if if_empty and _has_tables(connection):
        return False
    _run(connection, before)
    connection.execute("BEGIN IMMEDIATE").close()
    if if_empty and _has_tables(connection):  # Another connection has just created them.
        connection.rollback()
        return False
    _run(connection, statements)
    connection.commit()
    _run(connection, after)
    return True


def _run(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        with closing(connection.execute(statement)) as cursor:
            for _ in cursor:  # A statement ends with its last row.
                pass


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def _divide(script: str) -> tuple[list[str], list[str], list[str]]:
    """Return the statements before the transaction of *script*, in it, and after it.

    Raises:
        sqlite3.ProgrammingError: A statement in the middle can't be in a transaction.
    """
    if "\0" in script:
        raise sqlite3.ProgrammingError("the script contains a NUL character: remove it")
    before: list[str] = []
    statements: list[str] = []
    after: list[str] = []
    begun = False
    for number, statement in enumerate(split_script(script), 1):
        kind = keyword(statement)
        if kind in _BEGINS:
            begun = True
        elif kind in _ENDS or is_blank(statement):
            continue
        elif is_outside_transaction(statement):
            (after if begun else before).append(statement)
        elif after:
            raise _not_atomic(keyword(after[0]), number - 1)
        elif kind == "ROLLBACK" and not _ROLLBACK_TO.search(statement):
            raise _not_atomic(kind, number)
        else:
            begun = True
            statements.append(statement)
    return before, statements, after


def _not_atomic(kind: str, number: int) -> sqlite3.ProgrammingError:
    return sqlite3.ProgrammingError(
        f"{kind} in statement {number} can't be in the transaction that makes the script all or"
        " nothing: move it to the beginning or the end of the script, before BEGIN or after COMMIT,"
        " or execute the script with (await get_db()).executescript()"
    )
