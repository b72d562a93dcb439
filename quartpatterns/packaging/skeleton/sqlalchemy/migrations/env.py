"""How Alembic reaches the database of the application, one process at a time."""

from __future__ import annotations

import asyncio

from alembic import context
from quartpatterns.sqlalchemy import async_url, make_engine
from sqlalchemy import URL, Connection, NullPool

from yourapplication import create_app
from yourapplication.models import db

LOCK = 0x6E6F7465  # any number, as long as no other application uses it


def database_url() -> URL:
    """What the caller has named, else the database of the application's settings."""
    given: URL | None = context.config.attributes.get("url")
    if given is not None:
        return given
    app = create_app()
    return async_url(app.config["SQLALCHEMY_DATABASE_URI"], app.instance_path)


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction, which nobody else's runs beside."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        # The driver opens transactions for rows only. This one covers tables, too.
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
    # Without foreign keys: to alter a table SQLite makes it anew and drops the old one.
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
