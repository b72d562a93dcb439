"""SQLite for Quart: a connection for each context, opened on demand, without blocking the loop.

.. code-block:: python

    from quartpatterns.sqlite3 import SQLite

    app.config["DATABASE"] = "app.db"
    db = SQLite(app)

    @app.get("/users/<name>")
    async def user(name: str) -> dict[str, Any]:
        found = await db.query_db("SELECT * FROM users WHERE name = ?", [name], one=True)
        ...

The names are those of Flask's page, awaited. The connections are aiosqlite's, kept warm in a pool;
a query is one trip to the connection's thread.
"""

try:
    from quartpatterns.sqlite3.connection import Connection
except ModuleNotFoundError as _missing:
    raise ImportError(
        f"quartpatterns.sqlite3 needs {_missing.name}: pip install 'quartpatterns[sqlite3]'",
        name=_missing.name,
    ) from _missing

from quartpatterns.sqlite3.errors import DatabaseUnavailable, diagnose, handle_database_error
from quartpatterns.sqlite3.extension import SQLite
from quartpatterns.sqlite3.functions import get_db, init_db, query_db, stream_query
from quartpatterns.sqlite3.rows import make_dicts
from quartpatterns.sqlite3.settings import DEFAULTS
from quartpatterns.sqlite3.transactions import Transaction

__all__ = [
    "DEFAULTS",
    "Connection",
    "DatabaseUnavailable",
    "SQLite",
    "Transaction",
    "diagnose",
    "get_db",
    "handle_database_error",
    "init_db",
    "make_dicts",
    "query_db",
    "stream_query",
]
