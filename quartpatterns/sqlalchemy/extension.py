"""The extension: an asynchronous session per context, and what Flask-SQLAlchemy puts around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

import sqlalchemy as sa
from quart import Quart
from quart import has_app_context
from quart.signals import appcontext_tearing_down
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns.sqlalchemy.models import Model
from quartpatterns.sqlalchemy.models import make_model
from quartpatterns.sqlalchemy.queries import Queries
from quartpatterns.sqlalchemy.registration import Registration
from quartpatterns.sqlalchemy.registration import configured
from quartpatterns.sqlalchemy.registration import current_context
from quartpatterns.sqlalchemy.sessions import Session

__all__ = ["SQLAlchemy"]


class SQLAlchemy(Queries):
    """SQLAlchemy in a Quart application: an asynchronous session for each context.

    ``db.session`` is the session of the request, the websocket, the background task, the stream
    or the bare ``async with app.app_context()`` that the code runs in. It begins when it is first
    used; at the end of its context it is discarded: what is not committed is rolled back, and
    the connection goes back to the pool, also when the client went away in the middle of a query.

    One object serves any number of applications: models and tables are shared, engines are not.
    The names are those of Flask-SQLAlchemy; what talks to the database is awaited.

    Arguments:
        app: An application to initialise at once.
        model_class: What models are derived from: a declarative base (``db.Model`` adds table
            names to it and shares its metadata), or a mixin to make one of.
        metadata: For a base that is made here, such as one with a naming convention.
        engine_options: For :func:`~sqlalchemy.create_engine`; the configuration goes before them.
        session_options: For each session. ``expire_on_commit`` is false unless it is given, as
            reading an expired attribute would be I/O without an ``await``. ``class_`` replaces
            :class:`~quartpatterns.sqlalchemy.Session`, of which it is a subclass.

    Raises:
        ValueError: *metadata* was given beside a declarative base, which has its own.
        TypeError: The class for sessions is none.
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        model_class: type[Any] = Model,
        metadata: sa.MetaData | None = None,
        engine_options: Mapping[str, Any] | None = None,
        session_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.Model = make_model(model_class, metadata)
        """The class that models are derived from."""
        self._engine_options = dict(engine_options or {})
        options: dict[str, Any] = {"expire_on_commit": False, **(session_options or {})}
        session_class: Any = options.pop("class_", Session)
        if not issubclass(session_class, Session):
            raise TypeError(
                "the class_ of sessions is a subclass of quartpatterns.sqlalchemy.Session"
            )
        self._session_class: type[Session] = session_class
        self._session_options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Use the database that the configuration of *app* names.

        The configuration is read now: later changes have no effect. A folder for a relative
        SQLite file is made; the database itself is opened when it is first used.

        Raises:
            RuntimeError: No database is configured, or *app* has been initialised before.
            ValueError: The configured URL can't be used; the message names the one to write.
        """
        if "sqlalchemy" in app.extensions:
            raise RuntimeError("this application has a SQLAlchemy object: import that one")
        registration = configured(self, app, self._engine_options)
        app.extensions["sqlalchemy"] = registration
        app.after_serving(registration.close)
        # Quart calls teardown functions in the order of their registration, so that those of the
        # application come after this one, and may open a session anew. The signal comes last.
        app.teardown_appcontext(registration.discard_session)
        appcontext_tearing_down.connect(_discard_session, app)

    @property
    def session(self) -> AsyncSession:
        """The session of the current context.

        One task at a time may use it: tasks that run side by side in one context, as under
        :func:`asyncio.gather`, take a :meth:`new_session` each.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        engine, context = self._registration("db.session").engine(), current_context()
        if found := engine.session(context):
            return found
        # The context may have been torn down before: streams keep it, and tear it down again.
        session = self._session_class(bind=engine.engine, **self._session_options)
        engine.adopt(context, session)
        return session

    def new_session(self) -> AsyncSession:
        """A session beside that of the context: ``async with db.new_session() as session:``.

        For tasks that run side by side. It is closed at the end of the block; nothing is
        committed by itself.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._session_class(bind=self.engine, **self._session_options)

    @property
    def engine(self) -> AsyncEngine:
        """The engine of the current application, for the running event loop.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._registration("db.engine").engine().engine

    @property
    def metadata(self) -> sa.MetaData:
        """The tables of :attr:`Model` and :meth:`Table`."""
        return self.Model.metadata

    def Table(self, name: str, *args: Any, **options: Any) -> sa.Table:  # noqa: N802  as there
        """A table in :attr:`metadata`, without naming it.

        Arguments:
            name: The name of the table.
            args: Columns and constraints.
            options: For :class:`sqlalchemy.Table`.
        """
        if args and isinstance(args[0], sa.MetaData):
            return sa.Table(name, *args, **options)
        return sa.Table(name, self.metadata, *args, **options)

    async def create_all(self) -> None:
        """Create the tables that don't exist. Existing ones are left alone: migrate those."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.metadata.create_all)

    async def drop_all(self) -> None:
        """Drop all tables."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.metadata.drop_all)

    async def reflect(self) -> None:
        """Load the definitions of the tables that are in the database."""
        async with self.engine.connect() as connection:
            await connection.run_sync(self.metadata.reflect)

    def _registration(self, what: str) -> Registration:
        """The registration of the current application; *what* is the name for errors."""
        if not has_app_context():
            raise RuntimeError(
                f"{what} needs a context: use it in a request, a websocket or a background task,"
                " or inside `async with app.app_context():`"
            )
        registration = current_context().app.extensions.get("sqlalchemy")
        if not isinstance(registration, Registration) or registration.db is not self:
            raise RuntimeError(
                f"{what}: the current application is not initialised with this SQLAlchemy object;"
                " call db.init_app(app), and make one SQLAlchemy object only"
            )
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise RuntimeError(
                f"{what} needs the event loop, and synchronous code runs in a thread beside it:"
                " write the function with `async def`"
            ) from error
        return registration

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The names of SQLAlchemy, as in Flask-SQLAlchemy: ``db.Column``, ``db.select``."""
            for module in (sa, orm):
                if not name.startswith("_") and hasattr(module, name):
                    return getattr(module, name)
            raise AttributeError(f"neither SQLAlchemy nor this object has {name!r}")


async def _discard_session(app: Quart, **values: Any) -> None:
    await app.extensions["sqlalchemy"].discard_session()
