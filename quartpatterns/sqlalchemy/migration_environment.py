"""What the ``env.py`` of an application does: Alembic with an asynchronous driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import cast

from alembic import context
from quart import Quart
from sqlalchemy import URL, Connection, MetaData, NullPool, event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from quartpatterns.sqlalchemy.engines import make_engine
from quartpatterns.sqlalchemy.extension import SQLAlchemy
from quartpatterns.sqlalchemy.settings import async_url

__all__ = ["run_migrations"]

LOCK = 0x71756172
"""The number of the advisory lock on PostgreSQL. Such a lock belongs to one database."""


def run_migrations(
    db: SQLAlchemy | Sequence[SQLAlchemy], database: Callable[[], Quart | URL]
) -> None:
    """Run the migrations. Call it in the ``env.py`` of Alembic, which needs nothing else.

    .. code-block:: python

        from quartpatterns.sqlalchemy.migrations import run_migrations

        from shop import create_app
        from shop.models import db

        run_migrations(db, create_app)

    A migration is one transaction, on SQLite too. If several processes migrate one database, they
    wait for one another. With ``alembic upgrade head --sql``, it prints the statements.

    It migrates the default database of *db*. For other binds, or for other options, write an
    ``env.py`` of your own.

    Arguments:
        db: The extension whose models are compared with the database, or several of them.
        database: The application factory, or a function that returns a URL from ``async_url``. It
            is not called if :func:`~quartpatterns.sqlalchemy.migrations.upgrade` or
            ``configuration`` has got the URL.

    .. versionadded:: 0.1
    """
    url = _database_url(database)
    tables = [each.metadata for each in ([db] if isinstance(db, SQLAlchemy) else db)]
    if context.is_offline_mode():
        _print_migrations(tables, url)
    else:
        asyncio.run(_migrate(tables, url))


def _database_url(database: Callable[[], Quart | URL]) -> URL:
    """Return the URL from the caller, or else that of *database*."""
    if given := context.config.attributes.get("url"):
        return cast("URL", given)
    found = database()
    if isinstance(found, URL):
        return found
    url = cast("str | URL", found.config["SQLALCHEMY_DATABASE_URI"])
    return async_url(url, found.instance_path)


async def _migrate(tables: list[MetaData], url: URL) -> None:
    # The pragma foreign_keys is off: to alter a table, SQLite copies it and drops the old one,
    # which would delete the rows that refer to it.
    pragmas = {"journal_mode": "WAL"}
    options = {"poolclass": NullPool}
    engine = make_engine(url, options=options, pragmas=pragmas, pooler="transaction")
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    try:
        async with AsyncExitStack() as stack:
            if engine.dialect.name == "postgresql":
                await _lock_postgresql(await stack.enter_async_context(engine.connect()))
            connection = await stack.enter_async_context(engine.connect())
            await connection.run_sync(_run_online, tables)
    finally:
        await engine.dispose()


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction that covers changes of tables, and waits for other processes."""
    # The driver begins transactions for changes of rows only.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _lock_postgresql(connection: AsyncConnection) -> None:
    """Wait until no other process migrates. The lock ends with the transaction of *connection*."""
    # It is not the transaction of the migration, which op.get_context().autocommit_block() would
    # end, and not a lock of the session, which a pooler would keep together with its connection.
    # It does not wait in the server: CREATE INDEX CONCURRENTLY would wait for that statement.
    while not await connection.scalar(text(f"SELECT pg_try_advisory_xact_lock({LOCK})")):
        await connection.rollback()
        await asyncio.sleep(0.1)
    # The statement also ends the snapshot of the one before, for which CREATE INDEX CONCURRENTLY
    # would wait.
    await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def _run_online(connection: Connection, tables: list[MetaData]) -> None:
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=tables,
        render_as_batch=sqlite,
        transactional_ddl=True if sqlite else None,
    )
    with context.begin_transaction():
        context.run_migrations()


def _print_migrations(tables: list[MetaData], url: URL) -> None:
    context.configure(
        url=url,
        target_metadata=tables,
        literal_binds=True,
        transactional_ddl=True if url.get_backend_name() == "sqlite" else None,
    )
    with context.begin_transaction():
        context.run_migrations()
