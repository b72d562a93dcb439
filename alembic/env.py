"""Alembic's environment: it migrates with an asynchronous driver, one process at a time.

The URL of the database comes from the calling program (``quartpatterns.sqlalchemy.migrations``),
from ``alembic -x url=...``, or from the environment variable ``SQLALCHEMY_DATABASE_URI`` or
``DATABASE_URL``.
"""

from __future__ import annotations

import os

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL

from quartpatterns.gallery import results
from quartpatterns.sqlalchemy import async_url
from quartpatterns.sqlalchemy.example import port
from quartpatterns.sqlalchemy.migrations import run_migrations


def database_url() -> URL:
    """Return the URL of the database to migrate, with an asynchronous driver."""
    urls = [context.get_x_argument(as_dictionary=True).get("url")]
    urls += [os.environ.get(name) for name in ("SQLALCHEMY_DATABASE_URI", "DATABASE_URL")]
    for url in filter(None, urls):
        return async_url(url)
    raise CommandError(
        "The URL of the database is not set: set SQLALCHEMY_DATABASE_URI, or write"
        " alembic -x url=sqlite:///app.db"
    )


run_migrations([port.db, results.db], database_url)
