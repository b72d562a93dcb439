"""The extension: the engines, sessions and tables of the current application, and its shell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import sqlalchemy as sa
from quart import Blueprint, Quart, current_app
from quart.ctx import AppContext
from quart.signals import appcontext_tearing_down
from sqlalchemy import URL, orm
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase

from quartpatterns._shared.loop_bound import LoopBound, current_context
from quartpatterns._shared.settings import apply_defaults
from quartpatterns._shared.unavailable import register_unavailable_handler
from quartpatterns.sqlalchemy.engines import LoopEngines, make_engine
from quartpatterns.sqlalchemy.errors import describe, diagnose
from quartpatterns.sqlalchemy.legacy_query import Query, add_query_class
from quartpatterns.sqlalchemy.models import Model, bound_metadata, make_model
from quartpatterns.sqlalchemy.preloading import Preloading
from quartpatterns.sqlalchemy.queries import Queries
from quartpatterns.sqlalchemy.recording import record_queries
from quartpatterns.sqlalchemy.retries import RetryDecorator
from quartpatterns.sqlalchemy.scoped_session import ScopedSession
from quartpatterns.sqlalchemy.sessions import (
    Reading,
    RoutedSession,
    Session,
    keep_objects,
    reading_session,
    unknown_bind,
)
from quartpatterns.sqlalchemy.settings import DEFAULTS, Settings, read_settings, without_driver
from quartpatterns.sqlalchemy.sqlite import MEMORY, MemoryDatabase
from quartpatterns.sqlalchemy.track_modifications import track_modifications

__all__ = ["LazySQLAlchemy", "Registration", "SQLAlchemy", "add_models_to_shell", "run"]

T = TypeVar("T")

ALL = "__all__"
BindKeys = str | Sequence[str | None] | None
_Engines = Mapping[str | None, AsyncEngine]

_TORN_DOWN = "_quartpatterns_sqlalchemy_torn_down"
_WIDGETS = "sqlalchemy_widgets"


class Registration:
    """The value of ``app.extensions["sqlalchemy"]``: the settings and engines of an application."""

    def __init__(self, db: SQLAlchemy, settings: Settings) -> None:
        self.db = db
        self.settings = settings
        self.loop_engines = LoopBound(self._make_loop_engines, LoopEngines.close)
        self.test_engines: dict[asyncio.AbstractEventLoop, LoopEngines] = {}
        """Engines that tests use in place of the others, by event loop."""
        self._memory: dict[object, MemoryDatabase] = {}
        # Making engines validates the options. The first event loop uses these.
        self._unused = [self._make_engines()]

    @property
    def url(self) -> URL:
        """The URL of ``SQLALCHEMY_DATABASE_URI``, with its driver."""
        return self.settings.databases[None].url

    def engines(self) -> LoopEngines:
        """Return the engines of the running event loop.

        Raises:
            RuntimeError: No event loop is running.
        """
        if self.test_engines and (engines := self.test_engines.get(asyncio.get_running_loop())):
            return engines
        return self.loop_engines.get()

    def set_session(self, context: AppContext, engines: LoopEngines, session: Session) -> None:
        """Make *session* that of *context*, until the context ends."""
        if hasattr(context, _TORN_DOWN):
            # A teardown function uses it that is called after ours. The signal comes after all.
            appcontext_tearing_down.connect(_discard_session, context.app)
        engines.sessions.set(context, session)

    async def discard_session(self, error: BaseException | None = None) -> None:
        """Discard the session of the current context, if it has one."""
        if (context := current_context()) is not None:
            setattr(context, _TORN_DOWN, True)
            engines = self.test_engines.get(asyncio.get_running_loop()) or self.loop_engines.find()
            if engines is not None:
                await engines.sessions.release(context)

    async def close(self) -> None:
        """Close the engines of the running event loop, if it has any."""
        await self.loop_engines.close()

    def _make_loop_engines(self) -> LoopEngines:
        return LoopEngines(*(self._unused.pop() if self._unused else self._make_engines()))

    def _make_engines(self) -> tuple[_Engines, _Engines]:
        engines: dict[str | None, AsyncEngine] = {}
        replicas: dict[str | None, AsyncEngine] = {}
        for key, database in self.settings.databases.items():
            engines[key] = self._make_engine(key, database.url, database.engine_options)
            if url := database.replica_url:
                replica = ("replica", key)
                replicas[key] = self._make_engine(replica, url, database.engine_options)
        return engines, replicas

    def _make_engine(self, key: object, url: URL, options: Mapping[str, Any]) -> AsyncEngine:
        arguments = options.get("connect_args", {})
        if url.drivername == "sqlite+aiosqlite" and url.database in {None, "", ":memory:"}:
            if "async_creator_fn" not in arguments:
                if key not in self._memory:
                    self._memory[key] = MemoryDatabase()
                memory = self._memory[key]
                options = {**options, "connect_args": {MEMORY: memory.name, **arguments}}
        engine = make_engine(
            url,
            options=options,
            pragmas=self.settings.pragmas,
            connect_timeout=self.settings.connect_timeout,
            pooler=self.settings.pooler,
            read_on_loop=self.settings.read_on_loop,
            statement_timeout=self.settings.statement_timeout,
        )
        keep, slow = self.settings.record_queries, self.settings.slow_query_seconds
        if keep or slow is not None:
            record_queries(engine.sync_engine, keep=keep, slow=slow)
        return engine


class SQLAlchemy(Queries):
    """SQLAlchemy in a Quart application: an asynchronous session for each context.

    ``db.session`` is the session of the current request, websocket, background task, stream or
    ``async with app.app_context()``. It begins when it is first used. At the end of the context it
    is discarded: what is not committed is rolled back, and the connection returns to the pool,
    also if the client has disconnected during a query.

    One object serves any number of applications. They share models and tables, but no engines.
    The names are those of Flask-SQLAlchemy; methods that talk to the database are awaited.

    Arguments:
        app: An application to initialise.
        model_class: A declarative base, to which ``db.Model`` adds table names and whose metadata
            it shares, or a mixin for a new base.
        metadata: The metadata of the new base, for example with a naming convention.
        engine_options: Options of :func:`~sqlalchemy.create_engine`. Those of the configuration
            override them.
        session_options: Options of each session. ``expire_on_commit`` is false by default, because
            reading an expired attribute would be I/O without an ``await``. ``class_`` is a subclass
            of :class:`~quartpatterns.sqlalchemy.Session`.
        query_class: The class of ``User.query``, ``db.session.query(User)`` and relationships with
            ``lazy="dynamic"``.
        add_models_to_shell: Whether ``quart shell`` has the models, ``db`` and ``run``.
        disable_autonaming: Whether each model sets its ``__tablename__`` itself.

    Raises:
        ValueError: *metadata* was given with a declarative base, which has its own.
        TypeError: An option of sessions is invalid.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        model_class: type[Any] = Model,
        metadata: sa.MetaData | None = None,
        engine_options: Mapping[str, Any] | None = None,
        session_options: Mapping[str, Any] | None = None,
        query_class: type[Query[Any]] = Query,
        add_models_to_shell: bool = True,
        disable_autonaming: bool = False,
    ) -> None:
        checked: Any = query_class
        if not issubclass(checked, Query):
            raise TypeError("query_class must be a subclass of quartpatterns.sqlalchemy.Query")
        self.Query = query_class
        self.Model: type[DeclarativeBase] = make_model(
            model_class, metadata, autonaming=not disable_autonaming, query_class=query_class
        )
        self._add_models_to_shell = add_models_to_shell
        self._engine_options = dict(engine_options or {})
        options: dict[str, Any] = {"expire_on_commit": False, "query_cls": query_class}
        options |= session_options or {}
        if "scopefunc" in options:
            raise TypeError(
                "scopefunc in session_options is not supported: a session belongs to its context;"
                " for another one write `async with db.new_session() as session:`"
            )
        session_class: Any = options.pop("class_", Session)
        if not issubclass(session_class, Session):
            raise TypeError(
                "class_ in session_options must be a subclass of quartpatterns.sqlalchemy.Session"
            )
        if not issubclass(options.get("sync_session_class", RoutedSession), RoutedSession):
            raise TypeError(
                "sync_session_class in session_options must be a subclass of"
                " quartpatterns.sqlalchemy.RoutedSession"
            )
        self._session_class: type[Session] = session_class
        sync_class: Any = options.get("sync_session_class") or session_class.sync_session_class
        # A class of its own, so that events of this object's sessions are not those of others.
        options["sync_session_class"] = type(sync_class.__name__, (sync_class,), {})
        self._sync_session_class: type[RoutedSession] = options["sync_session_class"]
        self._scoped_session = ScopedSession(self._current_session, self._sync_session_class)
        self._session_options = options
        self._reading_options = {**options, "autoflush": False, "reading": True}
        self._metadatas = self.metadatas
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Use the databases that the configuration of *app* names.

        The configuration is read now, and later changes have no effect. The folder of a relative
        SQLite file is created. A database is opened when it is first used. Database errors that
        the application does not handle are answered by :func:`diagnose`.

        Raises:
            RuntimeError: No database is configured, or *app* is already initialised.
            ValueError: A setting is invalid; the message says what to write.
        """
        if "sqlalchemy" in app.extensions:
            raise RuntimeError("this application has a SQLAlchemy object already: import that one")
        registration = Registration(self, read_settings(app, self._engine_options))
        app.extensions["sqlalchemy"] = registration
        app.after_serving(registration.close)
        app.teardown_appcontext(registration.discard_session)
        for key in registration.settings.databases:
            bound_metadata(self.metadata, key)
        if registration.settings.track_modifications:
            track_modifications(self._sync_session_class)
        if self._add_models_to_shell:
            app.shell_context_processor(partial(_shell_names, self))
        register_unavailable_handler(app, SQLAlchemyError, diagnose=diagnose, describe=describe)
        if _WIDGETS not in app.blueprints:
            app.register_blueprint(Blueprint(_WIDGETS, __name__, template_folder="widgets"))

    @property
    def session(self) -> Session:
        """The session of the current context; under :meth:`reading`, one that only reads.

        Only one task at a time may use it. Tasks that run concurrently, as under
        :func:`asyncio.gather`, each need a :meth:`new_session`.

        Outside of a context this is a :class:`ScopedSession`, which stands for the session of a
        later context. Using it raises a :exc:`RuntimeError` until then, but
        ``event.listen(db.session, ...)`` is possible.

        Raises:
            RuntimeError: The view is synchronous, or the application is not initialised.
        """
        if current_context() is None:
            return cast("Session", self._scoped_session)
        return self._current_session()

    def _current_session(self) -> Session:
        registration, engines, context = self._find("db.session")
        if (session := reading_session(self, context)) is not None:
            return session
        return self._session_of(registration, engines, context)

    def _session_of(
        self, registration: Registration, engines: LoopEngines, context: AppContext
    ) -> Session:
        if (session := engines.sessions.get(context)) is None:
            session = self._make_session(engines.sync_engines, self._session_options)
            registration.set_session(context, engines, session)
        return session

    def new_session(self) -> Session:
        """Return another session: ``async with db.new_session() as session:``.

        It is for tasks that run concurrently. It is closed at the end of the block, which does not
        commit.

        Raises:
            RuntimeError: There is no context, or the view is synchronous.
        """
        engines = self._find("db.new_session()")[1]
        return self._make_session(engines.sync_engines, self._session_options)

    def _session_for_export(self) -> tuple[Session, bool]:
        session = self.session
        if session.in_transaction():
            return session, False
        if session.sync_session.reading:
            return self._make_reading_session()[0], True
        return self.new_session(), True

    def reading(self) -> Reading:
        """Return a context manager and decorator of views, ``@db.reading()``, for reading.

        In it ``db.session`` runs each statement without a transaction, which saves two of three
        round trips to PostgreSQL. It reads from the replica, if one is configured, and refuses to
        write.
        """
        return Reading(self, self._make_reading_session)

    def preloading(self) -> Preloading:
        """Return a decorator and context manager, ``@db.preloading()``, for a user loader.

        ::

            @login_manager.user_loader
            @db.preloading()
            async def load_user(user_id: str) -> User | None:
                return await db.session.get(User, int(user_id))

        It is for what is loaded before the view, and used in the view and its layout: the user of a
        login, or what a ``before_request`` function stores in ``g``. In it, ``db.session`` is the
        session of the context, also under :meth:`reading`, and runs each statement without a
        transaction. It does not read from a replica, on which a new user may be missing. It refuses
        to write. Afterwards no transaction is open, so that views can use :meth:`retrying`, and the
        objects are still in ``db.session``: a change to them is saved by ``commit()``. A rollback
        does not expire them; they get their committed values back. If they are loaded while the
        view has begun a transaction, they are loaded in it.

        Attributes that are not loaded, such as a lazy relationship, are not loaded later: name
        them in ``options=[selectinload(User.roles)]``. The values of
        :class:`sqlalchemy.ext.mutable.Mutable` types are expired by a rollback.
        """
        keep_objects(self._sync_session_class)
        return Preloading(self, self._find_session)

    def retrying(
        self, attempts: int = 3, *, first_wait: float = 0.05, longest_wait: float = 1.0
    ) -> RetryDecorator:
        """Return a decorator that retries a transaction: ``@db.retrying()``.

        After a serialization failure, a deadlock, a lock timeout or a lost connection it rolls the
        session back, waits for a short random time and calls the function again. It raises the
        last error. The function must be the whole transaction, and safe to run twice: if the
        connection is lost during ``COMMIT``, nobody knows whether it was done.

        Arguments:
            attempts: The maximum number of calls.
            first_wait: The longest wait before the second call, in seconds. It doubles each time.
            longest_wait: The longest wait between two calls, in seconds.
        """
        return RetryDecorator(lambda: self.session, attempts, first_wait, longest_wait)

    @property
    def engine(self) -> AsyncEngine:
        """The engine of ``SQLALCHEMY_DATABASE_URI`` on the running event loop.

        Raises:
            RuntimeError: There is no context, or the view is synchronous.
            UnboundExecutionError: Only ``SQLALCHEMY_BINDS`` is set.
        """
        return self._find("db.engine")[1].engine

    @property
    def engines(self) -> Mapping[str | None, AsyncEngine]:
        """The engines by bind key, on the running event loop; see :attr:`engine`."""
        return self._find("db.engines")[1].engines

    @property
    def metadata(self) -> sa.MetaData:
        """The tables of :attr:`Model` and :meth:`Table` that have no bind key."""
        return bound_metadata(self.Model.metadata, None)

    @property
    def metadatas(self) -> Mapping[str | None, sa.MetaData]:
        """The tables by bind key."""
        metadatas: Mapping[str | None, sa.MetaData] = self.metadata.info["binds"]
        return metadatas

    def Table(  # noqa: N802 - Flask-SQLAlchemy's name
        self, name: str, *args: Any, bind_key: str | None = None, **options: Any
    ) -> sa.Table:
        """Return a table in :attr:`metadata`.

        Arguments:
            name: The name of the table.
            args: Columns and constraints; a ``MetaData`` may come first.
            bind_key: The key of its database in ``SQLALCHEMY_BINDS``.
            options: Options of :class:`sqlalchemy.Table`.
        """
        if args and isinstance(args[0], sa.MetaData):
            return sa.Table(name, *args, **options)
        return sa.Table(name, bound_metadata(self.metadata, bind_key), *args, **options)

    async def create_all(self, bind_key: BindKeys = ALL) -> None:
        """Create the missing tables in the databases with one or several bind keys, or in all.

        It does not change existing tables: use migrations for those.
        """
        await self._run_on_tables(bind_key, sa.MetaData.create_all)

    async def drop_all(self, bind_key: BindKeys = ALL) -> None:
        """Drop all tables of the databases with one or several bind keys, or of all."""
        await self._run_on_tables(bind_key, sa.MetaData.drop_all)

    async def reflect(self, bind_key: BindKeys = ALL) -> None:
        """Load the definitions of the tables in the databases with these bind keys, or in all."""
        await self._run_on_tables(bind_key, sa.MetaData.reflect)

    async def _run_on_tables(self, keys: BindKeys, function: Callable[..., None]) -> None:
        engines = self.engines
        if keys == ALL:
            keys = [*engines, *(key for key in self.metadatas if self.metadatas[key].tables)]
        elif keys is None or isinstance(keys, str):
            keys = [keys]
        for key in keys:
            if key not in engines:
                raise unknown_bind(key)
        for key in dict.fromkeys(keys):
            async with engines[key].begin() as connection:
                await connection.run_sync(partial(function, bound_metadata(self.metadata, key)))

    def relationship(self, *args: Any, **options: Any) -> Any:
        """Return a relationship; with ``lazy="dynamic"`` its queries are of :attr:`Query`."""
        return orm.relationship(*args, **add_query_class(options, self.Query))

    def dynamic_loader(self, argument: Any, **options: Any) -> Any:
        """Return a relationship with ``lazy="dynamic"``, whose queries are of :attr:`Query`."""
        return orm.dynamic_loader(argument, **add_query_class(options, self.Query))

    def __repr__(self) -> str:
        context = current_context()
        registration: Any = context and context.app.extensions.get("sqlalchemy")
        if not isinstance(registration, Registration) or registration.db is not self:
            return f"<{type(self).__name__}>"
        databases = dict(registration.settings.databases)
        default = databases.pop(None, None)
        text = "(No default engine)" if default is None else str(without_driver(default.url))
        more = f" +{len(databases)} engines" if databases else ""
        return f"<{type(self).__name__} {text}{more}>"

    def _make_session(
        self, engines: Mapping[str | None, sa.Engine], options: Mapping[str, Any]
    ) -> Session:
        single_engine = engines.get(None) if len(engines) == len(self._metadatas) == 1 else None
        return self._session_class(engines=engines, single_engine=single_engine, **options)

    def _make_reading_session(self) -> tuple[Session, AppContext]:
        _, engines, context = self._find("db.reading()")
        options = {**self._reading_options, "written": partial(engines.sessions.get, context)}
        return self._make_session(engines.sync_reading_engines, options), context

    def _find_session(self) -> tuple[Session, AppContext]:
        registration, engines, context = self._find("db.preloading()")
        return self._session_of(registration, engines, context), context

    def _find(self, name: str) -> tuple[Registration, LoopEngines, AppContext]:
        """Return what the attribute *name* needs of the current application."""
        if (context := current_context()) is None:
            raise RuntimeError(
                f"{name} needs an application context: use it in a request, a websocket or a"
                " background task, or inside `async with app.app_context():`"
            )
        registration: Any = context.app.extensions.get("sqlalchemy")
        if not isinstance(registration, Registration) or registration.db is not self:
            raise RuntimeError(
                f"{name}: the current application is not initialised with this SQLAlchemy object;"
                " call db.init_app(app), and make one SQLAlchemy object only"
            )
        try:
            return registration, registration.engines(), context
        except RuntimeError as error:
            raise RuntimeError(
                f"{name} needs the event loop, but synchronous code runs in a thread:"
                " write the function with `async def`"
            ) from error

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return a name of SQLAlchemy, as in Flask-SQLAlchemy: ``db.Column``, ``db.select``."""
            if name == "get_engine":
                raise AttributeError("db.get_engine(key) is not supported: write db.engines[key]")
            for module in (sa, orm):
                if not name.startswith("_") and hasattr(module, name):
                    return getattr(module, name)
            raise AttributeError(f"neither SQLAlchemy nor this object has {name!r}")


class LazySQLAlchemy(SQLAlchemy):
    """:class:`SQLAlchemy` whose objects load when they are read, as those of Flask-SQLAlchemy do.

    Relationships are loaded lazily, and a commit expires the attributes of all objects of the
    session, so that they are read again. Nothing in the code shows these queries. It is for
    applications that move from Flask, until their queries name what they load. SQLite does not
    check foreign keys, unless ``SQLALCHEMY_SQLITE_PRAGMAS`` says so.

    It sets ``GREENLET_VIEWS``, so it needs a
    :class:`~quartpatterns.subclassing.FaithfulQuart`, and works where that setting does: in
    requests, websockets, commands and tasks of :mod:`quartpatterns.tasks`, and with
    ``greenlet_tests`` in tests, but not in background tasks.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        session_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        session_options = {"expire_on_commit": True, **(session_options or {})}
        super().__init__(app, session_options=session_options, **options)

    def init_app(self, app: Quart) -> None:
        """Use the databases that the configuration of *app* names; set ``GREENLET_VIEWS``.

        Raises:
            TypeError: *app* is no :class:`~quartpatterns.subclassing.FaithfulQuart`.
        """
        if not hasattr(app, "loads_lazily"):
            raise TypeError(
                "LazySQLAlchemy needs quartpatterns.subclassing.FaithfulQuart: use SQLAlchemy with"
                f" {type(app).__name__}, and load relationships with selectinload()"
            )
        app.config["GREENLET_VIEWS"] = True
        pragmas = {**DEFAULTS["SQLALCHEMY_SQLITE_PRAGMAS"], "foreign_keys": "OFF"}
        apply_defaults(app, {"SQLALCHEMY_SQLITE_PRAGMAS": pragmas})
        super().init_app(app)


async def _discard_session(app: Quart, **values: Any) -> None:
    await app.extensions["sqlalchemy"].discard_session()


def add_models_to_shell() -> dict[str, Any]:
    """Return the names of ``quart shell``: the models, ``db`` and :func:`run`.

    .. versionadded:: 0.1
    """
    return _shell_names(current_app.extensions["sqlalchemy"].db)


def _shell_names(db: SQLAlchemy) -> dict[str, Any]:
    models = (mapper.class_ for mapper in db.Model.registry.mappers)
    return {**{model.__name__: model for model in models}, "db": db, "run": run}


def run(work: Callable[[], Awaitable[T]] | Awaitable[T]) -> T:
    """Return the result of *work*, in a prompt that can't await, such as ``quart shell``.

    ::

        >>> run(db.get_or_404(User, 1))
        <User 'admin'>
        >>> run(lambda: db.session.scalar(select(User.name)))
        'admin'

    Each call has a context of its own. To change something, write a coroutine that commits.

    Arguments:
        work: A coroutine, or a function to call on the event loop, because ``db.session`` needs
            one.
    """
    app = cast("Quart", cast("Any", current_app)._get_current_object())

    async def main() -> T:
        async with app.app_context():
            return await (work() if callable(work) else work)

    # The prompt runs in an event loop itself, which blocks while it waits for input.
    with ThreadPoolExecutor(1, "quart-shell") as thread:
        return thread.submit(asyncio.run, main()).result()
