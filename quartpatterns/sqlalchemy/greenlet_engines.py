"""Asynchronous drivers for the synchronous engines of an application that runs in greenlets."""

# An engine does not tell its options.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from functools import partial
from importlib.util import find_spec
from inspect import getclosurevars
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import URL, Dialect, Engine, NullPool, Pool, QueuePool, StaticPool, event
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.engine.base import OptionEngine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import scoped_session
from sqlalchemy.util import ScopedRegistry, ThreadLocalRegistry
from sqlalchemy.util.concurrency import in_greenlet

from quartpatterns._shared.greenlet_views import at_end_of_request
from quartpatterns.sqlalchemy.engines import make_engine
from quartpatterns.sqlalchemy.settings import sqlite_file

__all__ = ["async_drivers"]

log = logging.getLogger(__name__)

_Drivers = Mapping[str, tuple[str, ...]]

# Of several drivers, the first that is installed. psycopg takes the values that psycopg2 takes.
_DRIVERS: _Drivers = {
    "mariadb": ("aiomysql", "asyncmy"),
    "mssql": ("aioodbc",),
    "mysql": ("aiomysql", "asyncmy"),
    "oracle": ("oracledb",),
    "postgresql": ("psycopg", "asyncpg"),
    "sqlite": ("aiosqlite",),
}
_POOL_EVENTS = (
    "connect",
    "first_connect",
    "checkout",
    "checkin",
    "reset",
    "invalidate",
    "soft_invalidate",
    "close",
    "detach",
    "close_detached",
)
_DIALECT_EVENTS = (
    "do_connect",
    "do_execute",
    "do_execute_no_params",
    "do_executemany",
    "do_setinputsizes",
    "handle_error",
)


@asynccontextmanager
async def async_drivers(
    *sources: Any, drivers: Mapping[str, str] | None = None
) -> AsyncGenerator[None, None]:
    """Use asynchronous drivers in greenlets, for engines that ``create_engine()`` has made.

    In a request of :class:`~quartpatterns.appdispatch.GreenletWSGIMiddleware`, the engines wait for
    the database without stopping the event loop, and each request has its own session of a
    :class:`~sqlalchemy.orm.scoped_session`. Elsewhere, as in threads and commands, engines use
    the driver of their URL as before. Databases of SQLite in memory always do. ::

        @app.while_serving
        async def databases():
            async with async_drivers(flask_app):
                yield

    At the end, the connections of the asynchronous drivers are closed.

    Arguments:
        sources: Flask applications with Flask-SQLAlchemy 3, engines, and scoped sessions.
        drivers: The driver for a database, such as ``{"postgresql": "asyncpg"}``. By default it is
            the one in the URL of the engine, if it is asynchronous as well, or else the first of
            psycopg and asyncpg, or of aiomysql and asyncmy, that is installed.

    Raises:
        TypeError: A source is something else.
        ValueError: There is no asynchronous driver for a database, or an engine has options that
            its asynchronous driver does not have. The message says what to change.
        ImportError: The asynchronous driver is not installed; the message says what to install.
        RuntimeError: An engine is used on another event loop at the same time.

    .. versionadded:: 0.1
    """
    known = {**_DRIVERS, **{name: (driver,) for name, driver in (drivers or {}).items()}}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_shared(Pool, _warnings))
        await stack.enter_async_context(_shared(OptionEngine, _dialects_of_option_engines))
        for source in sources:
            if isinstance(source, scoped_session):
                scoped = partial(_scoped_by_request, cast("Any", source))
                await stack.enter_async_context(_shared(cast("object", source), scoped))
                continue
            for engine in _engines(source):
                if not _is_in_memory(engine):
                    _check_loop(engine)
                    converted = partial(_converted, engine, known)
                    await stack.enter_async_context(_shared(engine, converted))
        yield


_uses: dict[int, tuple[AsyncExitStack, list[None]]] = {}  # by the id of what has changed


@asynccontextmanager
async def _shared(
    changed: object, change: Callable[[], AbstractAsyncContextManager[None]]
) -> AsyncGenerator[None, None]:
    """Enter *change* if nobody else has, and leave it when its last user leaves.

    Several applications can use one engine, and begin and end in any order.

    Arguments:
        changed: What *change* changes.
        change: Returns the context manager.
    """
    if id(changed) not in _uses:
        stack = AsyncExitStack()
        await stack.enter_async_context(change())
        _uses[id(changed)] = stack, []
    stack, users = _uses[id(changed)]
    users.append(None)
    try:
        yield
    finally:
        users.pop()
        if not users:
            del _uses[id(changed)]
            await stack.aclose()


def _engines(source: Any) -> list[Engine]:
    """Return the engines of an application, or the engine itself."""
    if isinstance(source, Engine):
        return [source]
    if not hasattr(source, "app_context") or not hasattr(source, "wsgi_app"):
        raise TypeError(
            "async_drivers() takes Flask applications, engines and scoped sessions, not a value of"
            f" type {type(source).__name__}"
        )
    with source.app_context():  # It is needed to read the engines.
        engines = getattr(source.extensions.get("sqlalchemy"), "engines", None)
    if engines is None:
        raise TypeError(
            f"the application {source.name!r} has no Flask-SQLAlchemy 3: pass the engines, and"
            " leave out the application"
        )
    return [*engines.values()]


def _check_loop(engine: Engine) -> None:
    """Refuse an engine whose connections belong to another event loop: they would wait for ever."""
    if isinstance(engine, GreenletEngine) and engine.loop is not asyncio.get_running_loop():
        raise RuntimeError(
            f"async_drivers() has {engine.url!r} on another event loop already: use an engine for"
            " each event loop, or a process"
        )


def _is_in_memory(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite" and sqlite_file(engine.url) is None


class GreenletEngine(Engine):
    """An engine that has another pool and another dialect in greenlets.

    An engine becomes one, because models, sessions and modules refer to the engine itself.

    Attributes:
        asynchronous: The engine with the pool and the dialect for greenlets.
        loop: The event loop on which it waits.
    """

    asynchronous: AsyncEngine
    loop: asyncio.AbstractEventLoop

    if not TYPE_CHECKING:  # For type checkers these are attributes.

        @property
        def pool(self) -> Pool:
            """The connection pool."""
            if in_greenlet():
                return self.asynchronous.sync_engine.pool
            return self.__dict__["pool"]

        @pool.setter
        def pool(self, pool: Pool) -> None:
            """Replace the pool, as ``dispose()`` does."""
            if in_greenlet():
                self.asynchronous.sync_engine.pool = pool
            else:
                self.__dict__["pool"] = pool

        @property
        def dialect(self) -> Dialect:
            """The dialect of the database and its driver."""
            if in_greenlet():
                return self.asynchronous.sync_engine.dialect
            return self.__dict__["dialect"]


@asynccontextmanager
async def _converted(engine: Engine, drivers: _Drivers) -> AsyncGenerator[None, None]:
    """Make *engine* a :class:`GreenletEngine`, and at the end what it was."""
    asynchronous = _asynchronous(engine, drivers)
    changed: Any = engine
    dialects: list[Any] = [engine.dialect, asynchronous.sync_engine.dialect]
    for dialect in dialects:
        dialect._set_connection_characteristics = _set_characteristics
    changed.asynchronous = asynchronous
    changed.loop = asyncio.get_running_loop()
    changed.__class__ = GreenletEngine
    try:
        yield
    finally:
        changed.__class__ = Engine
        del changed.asynchronous, changed.loop
        for dialect in dialects:
            del dialect._set_connection_characteristics
        await asynchronous.dispose()


def _set_characteristics(connection: Any, characteristics: Any) -> None:
    """Set options of an engine, such as ``isolation_level``, for a connection.

    SQLAlchemy would use the dialect that the engine had when it got the options.
    """
    dialect = connection.dialect
    cast("Any", type(dialect))._set_connection_characteristics(dialect, connection, characteristics)


@asynccontextmanager
async def _dialects_of_option_engines() -> AsyncGenerator[None, None]:
    """Let what ``engine.execution_options()`` returns have the dialect that *engine* has now.

    It has the pool of *engine* already, but keeps the dialect that *engine* had before.
    """

    def get(self: Any) -> Dialect:
        dialect: Dialect = self._proxied.dialect
        return dialect

    def store(self: Any, _: Dialect) -> None:  # for the time after this
        engine = self._proxied
        while isinstance(engine, OptionEngine):
            engine = engine._proxied
        self.__dict__["dialect"] = engine.__dict__["dialect"]

    option_engine: Any = OptionEngine
    option_engine.dialect = property(get, store)
    try:
        yield
    finally:
        del option_engine.dialect


def _asynchronous(engine: Engine, drivers: _Drivers) -> AsyncEngine:
    """Return an engine with an asynchronous driver, and the options and listeners of *engine*."""
    if type(engine) is not Engine or engine.dialect.is_async:
        raise TypeError(
            f"{engine!r} is not what create_engine() returns: pass the engine whose options or"
            " asynchronous variant it is"
        )
    url = _url(engine, drivers)
    result = make_engine(url, options=_options(engine))
    _copy_listeners(engine, result.sync_engine)
    return result


def _url(engine: Engine, drivers: _Drivers) -> URL:
    """Return the URL of the same database with an asynchronous driver.

    Raises:
        ValueError: No asynchronous driver is known.
        ImportError: None is installed.
    """
    backend, driver = engine.url.get_backend_name(), engine.dialect.driver
    if backend not in drivers:
        raise ValueError(
            f"no asynchronous driver for {engine.url!r} is known: run the application in threads,"
            " with WSGIMiddleware"
        )
    candidates = drivers[backend]
    known = [each for each in candidates if find_spec(each) is not None]
    if not known:
        raise ImportError(
            f"{backend}+{driver} stops the event loop, and no asynchronous driver is installed:"
            f" pip install {' or '.join(candidates)}",
            name=candidates[0],
        )
    return engine.url.set(drivername=f"{backend}+{driver if driver in known else known[0]}")


def _options(engine: Engine) -> dict[str, Any]:
    """Return the options of *engine* that do not depend on the driver."""
    pool: Any = engine.pool
    dialect: Any = engine.dialect
    options: dict[str, Any] = {
        "echo_pool": pool.echo,
        "pool_pre_ping": pool._pre_ping,
        "pool_recycle": pool._recycle,
        "pool_reset_on_return": pool._reset_on_return.name.removeprefix("reset_"),
        "connect_args": _connect_arguments(engine),
        "insertmanyvalues_page_size": dialect.insertmanyvalues_page_size,
        "label_length": dialect.label_length,
    }
    if "use_insertmanyvalues" in vars(dialect):
        options["use_insertmanyvalues"] = dialect.use_insertmanyvalues
    if (length := dialect._user_defined_max_identifier_length) is not None:
        options["max_identifier_length"] = length
    if (level := dialect._on_connect_isolation_level) is not None:
        options["isolation_level"] = level
    for name in ("json_serializer", "json_deserializer"):
        if (function := getattr(dialect, f"_{name}", None)) is not None:
            options[name] = function
    if type(pool) is QueuePool:
        options |= {
            "pool_size": pool.size(),
            "max_overflow": pool._max_overflow,
            "pool_timeout": pool.timeout(),
            "pool_use_lifo": pool._pool.use_lifo,
        }
    elif type(pool) in (NullPool, StaticPool):
        options["poolclass"] = type(pool)
    else:
        raise ValueError(
            f"the engine of {engine.url!r} has a pool of the class {type(pool).__name__}, which"
            " asynchronous drivers do not support: use QueuePool or NullPool"
        )
    return options


class _Connecting(Exception):  # noqa: N818 - not an error: it ends an attempt to connect
    """An engine is about to connect."""


def _connect_arguments(engine: Engine) -> dict[str, Any]:
    """Return what ``connect_args`` adds to the arguments of the driver.

    The engine begins to connect, and is stopped before it does.
    """
    arguments: dict[str, Any] = {}

    def stop(dialect: Dialect, record: object, args: list[Any], options: dict[str, Any]) -> None:
        if dialect is engine.dialect:
            arguments.update(options)
            raise _Connecting

    # Handlers of a class are called before those of the engine, which may change the arguments.
    dialect_class = type(engine.dialect)
    event.listen(dialect_class, "do_connect", stop, insert=True)
    try:
        with suppress(_Connecting):
            engine.pool.recreate().connect().close()
            raise ValueError(
                f"the engine of {engine.url!r} has an option 'creator', which connects with a"
                " synchronous driver: use connect_args, or an event handler of do_connect"
            )
    finally:
        event.remove(dialect_class, "do_connect", stop)
    of_url = engine.dialect.create_connect_args(engine.url)[1]
    missing = object()
    return {name: value for name, value in arguments.items() if of_url.get(name, missing) != value}


def _copy_listeners(source: Engine, target: Engine) -> None:
    """Register the event handlers of the pool and the dialect of an engine on another engine.

    SQLAlchemy's own handlers are left out, because the other engine has them. Handlers of classes
    are not in these lists, and are called anyway.
    """
    for name in (*_POOL_EVENTS, *_DIALECT_EVENTS):
        listeners = [each for each in _listeners(source, name) if not _is_of_sqlalchemy(each)]
        # A handler of this package makes the connection, and would be the last to be called.
        last = _listeners(target, name) if listeners and name == "do_connect" else []
        for each in last:
            event.remove(target, name, each)
        for each in (*listeners, *last):
            event.listen(target, name, each)


def _is_of_sqlalchemy(listener: Any) -> bool:
    """Return whether an event handler is SQLAlchemy's own."""
    # The options "once" and "named", and handlers with fewer arguments, are functions around "fn".
    while isinstance(listener, FunctionType) and "fn" in (
        variables := getclosurevars(listener).nonlocals
    ):
        listener = variables["fn"]
    return str(getattr(listener, "__module__", "")).startswith("sqlalchemy.")


def _listeners(engine: Engine, name: str) -> list[Any]:
    """Return the event handlers of an engine's pool or dialect, without those of its class."""
    owner: Any = engine.pool if name in _POOL_EVENTS else engine.dialect
    return [*getattr(getattr(owner.dispatch, name), "listeners", ())]


class _RequestRegistry(ScopedRegistry[Any]):
    """The sessions of a :class:`scoped_session`: in greenlets one for each request.

    Arguments:
        outside: The registry for other code.
    """

    __slots__ = ("outside", "session")

    def __init__(self, outside: ScopedRegistry[Any]) -> None:
        super().__init__(outside.createfunc, object)
        self.outside = outside
        self.session: ContextVar[Any] = ContextVar("session", default=None)

    def __call__(self) -> Any:
        if not in_greenlet():
            return self.outside()
        if (session := self.session.get()) is None:
            session = self.createfunc()
            self.set(session)
        return session

    def has(self) -> bool:
        """Return whether there is a session."""
        return self.session.get() is not None if in_greenlet() else self.outside.has()

    def set(self, obj: Any) -> None:
        """Set the session, which is closed at the end of the request."""
        if in_greenlet():
            self.session.set(obj)
            at_end_of_request(obj.close)
        else:
            self.outside.set(obj)

    def clear(self) -> None:
        """Forget the session."""
        if in_greenlet():
            self.session.set(None)
        else:
            self.outside.clear()


@asynccontextmanager
async def _scoped_by_request(session: scoped_session[Any]) -> AsyncGenerator[None, None]:
    """Give each request its own session, if *session* has one for each thread."""
    registry: Any = session.registry
    by_thread = isinstance(registry, ThreadLocalRegistry) or registry.scopefunc in (
        threading.get_ident,
        threading.current_thread,
    )
    if by_thread:
        session.registry = _RequestRegistry(cast("Any", registry))
    try:
        yield
    finally:
        session.registry = registry


@asynccontextmanager
async def _warnings() -> AsyncGenerator[None, None]:
    """Log a warning when a driver connects that would stop the event loop."""
    warn: Callable[[Any, object], None] = _warn
    event.listen(Pool, "connect", warn)
    try:
        yield
    finally:
        event.remove(Pool, "connect", warn)


def _warn(connection: Any, record: object) -> None:
    if not in_greenlet() or isinstance(connection, AdaptedConnection):
        return
    if isinstance(connection, sqlite3.Connection):
        databases = connection.execute("PRAGMA database_list").fetchall()
        if not any(file for _, _, file in databases):
            return
    log.warning(
        "a connection of %s stops the event loop while it waits for its database: pass its engine"
        " to async_drivers()",
        type(connection).__module__,
    )
