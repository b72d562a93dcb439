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
from sqlalchemy import URL, Connection, NullPool

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


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction, while other processes wait."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # The driver begins transactions for changes of rows only. This one covers changes of
        # tables, too, and waits for other processes.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=sqlite,
        transactional_ddl=True if sqlite else None,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


async def run_online() -> None:
    """Migrate the database."""
    # The pragma foreign_keys is off: to alter a table, SQLite copies it and drops the old one,
    # which would delete the rows that refer to it.
    pragmas = {"journal_mode": "WAL"}
    engine = make_engine(database_url(), options={"poolclass": NullPool}, pragmas=pragmas)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def run_offline() -> None:
    """Print the SQL statements instead of executing them."""
    context.configure(url=database_url(), target_metadata=db.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
