"""How Alembic reaches the database: asynchronously, and one process at a time.

The URL comes from the program that calls (``quartpatterns.sqlalchemy.migrations``), from
``alembic -x url=...``, or from the environment: ``SQLALCHEMY_DATABASE_URI``, or ``DATABASE_URL``.
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

LOCK = 0x71756172  # any number, as long as nobody else's application uses it


def database_url() -> URL:
    """The URL of the database to migrate, with its driver."""
    if given := context.config.attributes.get("url"):
        return cast("URL", given)
    named = [context.get_x_argument(as_dictionary=True).get("url")]
    named += [os.environ.get(name) for name in ("SQLALCHEMY_DATABASE_URI", "DATABASE_URL")]
    for url in filter(None, named):
        return async_url(url)
    raise CommandError(
        "which database? Set SQLALCHEMY_DATABASE_URI, or write alembic -x url=sqlite:///app.db"
    )


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction, which nobody else's runs beside."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # The driver opens transactions for rows only. This one covers tables, too, and waits for
        # other processes.
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
    # Without foreign_keys: to alter a table, SQLite makes it anew, and dropping the old one would
    # delete the rows that refer to it.
    pragmas = {"journal_mode": "WAL"}
    engine = make_engine(database_url(), options={"poolclass": NullPool}, pragmas=pragmas)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def run_offline() -> None:
    """Print the statements, for somebody who may change the database to run."""
    context.configure(url=database_url(), target_metadata=db.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    asyncio.run(run_online())
