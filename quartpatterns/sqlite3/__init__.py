"""SQLite for Quart: one connection per context, opened on demand, without blocking the event loop.

.. code-block:: python

    from quartpatterns.sqlite3 import SQLite

    app.config["DATABASE"] = "app.db"
    db = SQLite(app)

    @app.get("/users/<name>")
    async def user(name: str) -> dict[str, Any]:
        found = await db.query_db("SELECT * FROM users WHERE name = ?", [name], one=True)
        ...

The names are those of Flask's page, with ``await``. The connections are aiosqlite connections
from a pool. A query takes one round trip to the thread of its connection.

Errors: the errors are those of :mod:`sqlite3`. :exc:`DatabaseUnavailable` (503) is raised when no
connection can be opened, or none is free in time.
"""

from quartpatterns._shared.extras import requires_extra

with requires_extra("sqlite3"):
    from quartpatterns.sqlite3.connection import Connection, make_dicts
    from quartpatterns.sqlite3.dbapi import StandaloneConnection, connect

from quartpatterns.sqlite3.errors import DatabaseUnavailable, diagnose, handle_database_error
from quartpatterns.sqlite3.extension import SQLite, get_db, init_db, query_db, stream_query
from quartpatterns.sqlite3.settings import SETTINGS
from quartpatterns.sqlite3.transactions import Transaction

__all__ = [
    "SETTINGS",
    "Connection",
    "DatabaseUnavailable",
    "SQLite",
    "StandaloneConnection",
    "Transaction",
    "connect",
    "diagnose",
    "get_db",
    "handle_database_error",
    "init_db",
    "make_dicts",
    "query_db",
    "stream_query",
]
