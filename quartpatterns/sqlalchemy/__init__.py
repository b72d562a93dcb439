"""SQLAlchemy for Quart: an asynchronous session per context, models, pages and migrations.

::

    app = Quart(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///app.db"
    db = SQLAlchemy(app)

    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String)

    @app.before_serving
    async def create_tables() -> None:
        await db.create_all()

    @app.get("/users/<int:id>")
    async def get_user(id: int) -> dict[str, str]:
        user = await db.get_or_404(User, id)
        return {"name": user.name}

The names are those of Flask-SQLAlchemy. Methods that talk to the database are awaited.
"""

from importlib import import_module
from typing import NoReturn

from quartpatterns._shared.extras import requires_extra

with requires_extra("sqlalchemy"):
    import_module("greenlet")  # SQLAlchemy raises an ImportError that does not name it.

    from quartpatterns.sqlalchemy.engines import make_engine

from quartpatterns._shared.pagination import Pagination
from quartpatterns.sqlalchemy.cursors import CursorError
from quartpatterns.sqlalchemy.errors import DatabaseUnavailable, diagnose, handle_database_error
from quartpatterns.sqlalchemy.extension import LazySQLAlchemy, SQLAlchemy, add_models_to_shell
from quartpatterns.sqlalchemy.greenlet_engines import async_drivers
from quartpatterns.sqlalchemy.greenlets import wait_in_greenlet
from quartpatterns.sqlalchemy.keyset import KeysetPage
from quartpatterns.sqlalchemy.legacy_query import Query
from quartpatterns.sqlalchemy.metaclasses import (
    BindMetaMixin,
    DefaultMeta,
    DefaultMetaNoName,
    NameMetaMixin,
)
from quartpatterns.sqlalchemy.models import Model, camel_to_snake_case, should_set_tablename
from quartpatterns.sqlalchemy.recording import QueryInfo, get_recorded_queries
from quartpatterns.sqlalchemy.sessions import (
    ConcurrentUseError,
    DirectSession,
    ReadingError,
    RoutedSession,
    Session,
)
from quartpatterns.sqlalchemy.settings import SETTINGS, async_url
from quartpatterns.sqlalchemy.track_modifications import (
    before_models_committed,
    models_committed,
)

__all__ = [
    "SETTINGS",
    "BindMetaMixin",
    "ConcurrentUseError",
    "CursorError",
    "DatabaseUnavailable",
    "DefaultMeta",
    "DefaultMetaNoName",
    "DirectSession",
    "KeysetPage",
    "LazySQLAlchemy",
    "Model",
    "NameMetaMixin",
    "Pagination",
    "Query",
    "QueryInfo",
    "ReadingError",
    "RoutedSession",
    "SQLAlchemy",
    "Session",
    "add_models_to_shell",
    "async_drivers",
    "async_url",
    "before_models_committed",
    "camel_to_snake_case",
    "diagnose",
    "get_recorded_queries",
    "handle_database_error",
    "make_engine",
    "models_committed",
    "should_set_tablename",
    "wait_in_greenlet",
]

_REFUSED = {
    "BindMixin": "write `class Base(Model, DeclarativeBase)`",
    "NameMixin": "write `class Base(Model, DeclarativeBase)`",
    "QueryPagination": "write `await User.query.paginate()`",
    "SelectPagination": "write `await db.paginate(select)`",
}


def __getattr__(name: str) -> NoReturn:
    """Refuse a name of Flask-SQLAlchemy, with what to write instead."""
    if name in _REFUSED:
        # An AttributeError would lose its message in an import statement.
        raise ImportError(f"{name} of Flask-SQLAlchemy is not supported: {_REFUSED[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
