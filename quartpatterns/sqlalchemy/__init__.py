"""SQLAlchemy for Quart: an asynchronous session per context, models, pages and migrations.

::

    db = SQLAlchemy()
    db.init_app(app)                                # SQLALCHEMY_DATABASE_URI = "sqlite:///app.db"

    @app.get("/users/<int:id>")
    async def get_user(id: int) -> dict[str, str]:
        user = await db.get_or_404(User, id)
        return {"name": user.name}

The names are those of Flask-SQLAlchemy. Methods that talk to the database are awaited.
"""

from quartpatterns._shared.extras import requires_extra

with requires_extra("sqlalchemy", "sqlalchemy", "greenlet"):
    from quartpatterns.sqlalchemy.engines import make_engine

from quartpatterns._shared.pagination import Pagination
from quartpatterns.sqlalchemy.errors import DatabaseUnavailable, diagnose, handle_database_error
from quartpatterns.sqlalchemy.extension import SQLAlchemy
from quartpatterns.sqlalchemy.keyset import CursorError, KeysetPage
from quartpatterns.sqlalchemy.models import Model
from quartpatterns.sqlalchemy.recording import Query, get_recorded_queries
from quartpatterns.sqlalchemy.sessions import (
    ConcurrentUseError,
    ReadingError,
    RoutedSession,
    Session,
)
from quartpatterns.sqlalchemy.settings import DEFAULTS, async_url

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
