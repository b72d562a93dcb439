"""The command ``quart init-db``."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable

import click
from quart import Quart

from quartpatterns.sqlite3.errors import DatabaseUnavailable, diagnose

__all__ = ["add_init_db"]


def add_init_db(app: Quart, init_db: Callable[..., Awaitable[bool]]) -> None:
    """Add ``init-db`` to the commands of *app*.

    A synchronous command that brings an event loop of its own: Quart calls one with ``async def``
    and drops what it returns, and runs one with an application context inside a running loop.

    Arguments:
        app: The application.
        init_db: Awaited with it.
    """

    @app.cli.command("init-db")
    @click.option("--schema", default="schema.sql", show_default=True, help="The file.")
    @click.option("--if-empty", is_flag=True, help="Do nothing where there is a table.")
    def init_db_command(schema: str, if_empty: bool) -> None:
        """Execute the statements of schema.sql: make the tables."""

        async def main() -> bool:
            return await init_db(app, schema=schema, if_empty=if_empty)

        try:
            done = asyncio.run(main())
        except (DatabaseUnavailable, OSError, sqlite3.Error) as error:
            raise click.ClickException(_explain(error)) from error
        click.echo("Initialized the database." if done else "There are tables; nothing was done.")


def _explain(error: DatabaseUnavailable | OSError | sqlite3.Error) -> str:
    answer = diagnose(error) if isinstance(error, sqlite3.Error) else error
    if isinstance(answer, DatabaseUnavailable):
        return f"{answer.description} ({error.__cause__ or error})"
    return str(error)
