"""The extension: an asynchronous session per context, and what Flask-SQLAlchemy puts around it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from quart import Blueprint, Quart
from quart.ctx import AppContext
from quart.signals import appcontext_tearing_down
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns.sqlalchemy.binds import RoutedSession
from quartpatterns.sqlalchemy.loops import LoopEngines
from quartpatterns.sqlalchemy.models import Model, make_model
from quartpatterns.sqlalchemy.queries import Queries
from quartpatterns.sqlalchemy.reading import Reading, reader_of
from quartpatterns.sqlalchemy.registration import configured
from quartpatterns.sqlalchemy.retries import Retry
from quartpatterns.sqlalchemy.sessions import Session
from quartpatterns.sqlalchemy.shell import shell_names
from quartpatterns.sqlalchemy.tables import Tables

__all__ = ["SQLAlchemy"]

_WIDGETS = "sqlalchemy_widgets"


class SQLAlchemy(Tables, Queries):
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
        self._engine_options = dict(engine_options or {})
        options: dict[str, Any] = {"expire_on_commit": False, **(session_options or {})}
        session_class: Any = options.pop("class_", Session)
        if not issubclass(session_class, Session):
            raise TypeError(
                "the class_ of sessions is a subclass of quartpatterns.sqlalchemy.Session"
            )
        if not issubclass(options.get("sync_session_class", RoutedSession), RoutedSession):
            raise TypeError(
                "sync_session_class is a subclass of quartpatterns.sqlalchemy.RoutedSession"
            )
        self._session_class: type[Session] = session_class
        self._session_options = options
        self._reader_options = {**options, "autoflush": False, "reading": True}
        self._family = self.metadatas
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
        app.teardown_appcontext(registration.discard_session)
        app.shell_context_processor(partial(shell_names, self))
        if _WIDGETS not in app.blueprints:
            app.register_blueprint(Blueprint(_WIDGETS, __name__, template_folder="widgets"))

    @property
    def session(self) -> AsyncSession:
        """The session of the current context; under :meth:`reading`, the one that reads.

        One task at a time may use it: tasks that run side by side in one context, as under
        :func:`asyncio.gather`, take a :meth:`new_session` each.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        engines, context = self._found("db.session")
        if (found := reader_of(self, context) or engines.session(context)) is not None:
            return found
        if engines.late(context):
            # Quart calls teardown functions in the order of their registration, so that those of
            # the application come after ours. The signal comes behind all of them.
            appcontext_tearing_down.connect(_discard_session, context.app)
        session = self._make_session(engines)
        engines.adopt(context, session)
        return session

    def new_session(self) -> AsyncSession:
        """A session beside that of the context: ``async with db.new_session() as session:``.

        For tasks that run side by side. It is closed at the end of the block; nothing is
        committed by itself.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._make_session(self._found("db.new_session()")[0])

    def reading(self) -> Reading:
        """Read, and nothing else: for ``async with``, or above a view as ``@db.reading()``.

        ``db.session`` is then one that reads each statement for itself, without a transaction
        around them: on PostgreSQL that spares two of three trips to the server. It reads from
        the replica, where one is configured, and refuses to write.
        """
        return Reading(self, self._make_reader)

    def retrying(
        self, attempts: int = 3, *, first_wait: float = 0.05, longest_wait: float = 1.0
    ) -> Retry:
        """Do a function again whose transaction the database has undone: ``@db.retrying()``.

        After a serialization failure, a deadlock, a lock that was held for too long, or a lost
        connection, the session is rolled back, and the function begins anew after a short and
        random wait. The last failure is raised. The function is the whole transaction, and does
        no harm when it is done twice: nobody knows whether a ``COMMIT`` was done whose
        connection was lost.

        Arguments:
            attempts: How often it is done at most.
            first_wait: Seconds before the second time, at most; twice as long each time.
            longest_wait: The most seconds between two.
        """
        return Retry(lambda: self.session, attempts, first_wait, longest_wait)

    def _make_session(self, engines: LoopEngines) -> Session:
        return self._session_of(engines.sync_engines, self._session_options)

    def _make_reader(self) -> tuple[Session, AppContext]:
        engines, context = self._found("db.reading()")
        return self._session_of(engines.sync_readers, self._reader_options), context

    def _session_of(
        self, engines: Mapping[str | None, sa.Engine], options: Mapping[str, Any]
    ) -> Session:
        alone = engines.get(None) if len(engines) == len(self._family) == 1 else None
        return self._session_class(engines=engines, alone=alone, **options)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The names of SQLAlchemy, as in Flask-SQLAlchemy: ``db.Column``, ``db.select``."""
            for module in (sa, orm):
                if not name.startswith("_") and hasattr(module, name):
                    return getattr(module, name)
            raise AttributeError(f"neither SQLAlchemy nor this object has {name!r}")


async def _discard_session(app: Quart, **values: Any) -> None:
    await app.extensions["sqlalchemy"].discard_session()
