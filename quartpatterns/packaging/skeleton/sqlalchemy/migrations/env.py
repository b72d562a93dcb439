"""Runs the migrations of Alembic, in one process at a time."""

from __future__ import annotations

import asyncio

from alembic import context
from quartpatterns.sqlalchemy import async_url, make_engine
from sqlalchemy import URL, Connection, NullPool, event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from yourapplication import create_app
from yourapplication.models import db

LOCK = 0x6E6F7465  # any number that no other application uses in this database


def database_url() -> URL:
    """Return the URL from the caller, or else from the settings of the application."""
    url: URL | None = context.config.attributes.get("url")
    if url is not None:
        return url
    app = create_app()
    return async_url(app.config["SQLALCHEMY_DATABASE_URI"], app.instance_path)


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
    """Run the migrations in one transaction, while no other process runs them."""
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
    """Run the migrations in the database."""
    # Foreign keys stay off: to alter a table, SQLite creates a new one and drops the old one.
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
    """Print the statements, so that a database administrator can run them."""
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
