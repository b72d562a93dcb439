"""Alembic's environment: it migrates with an asynchronous driver, one process at a time.

The URL of the database comes from the calling program (``quartpatterns.sqlalchemy.migrations``),
from ``alembic -x url=...``, or from the environment variable ``SQLALCHEMY_DATABASE_URI`` or
``DATABASE_URL``.
"""

from __future__ import annotations

import asyncio
import os
from typing import cast

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL, Connection, NullPool, event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from quartpatterns.sqlalchemy import async_url, make_engine
from quartpatterns.sqlalchemy.example.port import db

LOCK = 0x71756172
"""The number of the advisory lock on PostgreSQL. No other application may use it."""


def database_url() -> URL:
    """Return the URL of the database to migrate, with an asynchronous driver."""
    if url := context.config.attributes.get("url"):
        return cast("URL", url)
    urls = [context.get_x_argument(as_dictionary=True).get("url")]
    urls += [os.environ.get(name) for name in ("SQLALCHEMY_DATABASE_URI", "DATABASE_URL")]
    for url in filter(None, urls):
        return async_url(url)
    raise CommandError(
        "The URL of the database is not set: set SQLALCHEMY_DATABASE_URI, or write"
        " alembic -x url=sqlite:///app.db"
    )


def begin_sqlite(connection: Connection) -> None:
    """Begin a transaction that covers changes of tables, and waits for other processes."""
    # The driver begins transactions for changes of rows only.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


async def lock_postgresql(connection: AsyncConnection) -> None:
    """Wait until no other process migrates. The lock ends with the connection."""
    # It is not the lock of a transaction, which op.get_context().autocommit_block() would end.
    # It does not wait in the server: CREATE INDEX CONCURRENTLY would wait for that statement.
    while not await connection.scalar(text(f"SELECT pg_try_advisory_lock({LOCK})")):
        await connection.rollback()
        await asyncio.sleep(0.1)
    await connection.commit()


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction, while other processes wait."""
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=sqlite,
        transactional_ddl=True if sqlite else None,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Migrate the database."""
    # The pragma foreign_keys is off: to alter a table, SQLite copies it and drops the old one,
    # which would delete the rows that refer to it.
    pragmas = {"journal_mode": "WAL"}
    engine = make_engine(database_url(), options={"poolclass": NullPool}, pragmas=pragmas)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "begin", begin_sqlite)
    try:
        async with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                await lock_postgresql(connection)
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def run_offline() -> None:
    """Print the SQL statements instead of executing them."""
    url = database_url()
    context.configure(
        url=url,
        target_metadata=db.metadata,
        literal_binds=True,
        transactional_ddl=True if url.get_backend_name() == "sqlite" else None,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
