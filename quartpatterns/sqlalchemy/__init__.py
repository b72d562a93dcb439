"""SQLAlchemy for Quart: an asynchronous session per context, models, pages and migrations.

::

    db = SQLAlchemy()
    db.init_app(app)                                # SQLALCHEMY_DATABASE_URI = "sqlite:///app.db"

    @app.get("/users/<int:id>")
    async def get_user(id: int) -> dict[str, str]:
        user = await db.get_or_404(User, id)
        return {"name": user.name}

The names are those of Flask-SQLAlchemy, and what talks to the database is awaited.
"""

try:
    from quartpatterns.sqlalchemy.engines import make_engine
except ModuleNotFoundError as _missing:
    raise ImportError(
        f"quartpatterns.sqlalchemy needs {_missing.name}: pip install 'quartpatterns[sqlalchemy]'",
        name=_missing.name,
    ) from _missing

from quartpatterns.sqlalchemy.binds import ReadingError, RoutedSession
from quartpatterns.sqlalchemy.cursors import CursorError
from quartpatterns.sqlalchemy.errors import DatabaseUnavailable, diagnose, handle_database_error
from quartpatterns.sqlalchemy.extension import SQLAlchemy
from quartpatterns.sqlalchemy.keyset import KeysetPage
from quartpatterns.sqlalchemy.models import Model
from quartpatterns.sqlalchemy.pagination import Pagination
from quartpatterns.sqlalchemy.recording import Query, get_recorded_queries
from quartpatterns.sqlalchemy.registration import DEFAULTS
from quartpatterns.sqlalchemy.sessions import ConcurrentUseError, Session
from quartpatterns.sqlalchemy.urls import async_url

__all__ = [
    "DEFAULTS",
    "ConcurrentUseError",
    "CursorError",
    "DatabaseUnavailable",
    "KeysetPage",
    "Model",
    "Pagination",
    "Query",
    "ReadingError",
    "RoutedSession",
    "SQLAlchemy",
    "Session",
    "async_url",
    "diagnose",
    "get_recorded_queries",
    "handle_database_error",
    "make_engine",
]
