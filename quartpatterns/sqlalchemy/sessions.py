"""Sessions: one task at a time, a database for each statement, and reading without transactions."""

# SQLAlchemy's own methods use the private function as well.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar, Token
from functools import partial, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast
from weakref import WeakSet

import sqlalchemy as sa
from quart.ctx import AppContext
from sqlalchemy import Connection, Engine, event, orm
from sqlalchemy.exc import DBAPIError, UnboundExecutionError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.asyncio.result import _ensure_sync_result
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.sql import visitors
from sqlalchemy.util import immutabledict

from quartpatterns._shared.calling import is_async
from quartpatterns._shared.cleanup import finish
from quartpatterns.sqlalchemy.connections import closes_without_io
from quartpatterns.sqlalchemy.greenlets import spawn
from quartpatterns.sqlalchemy.kept_objects import KeptObjects

if TYPE_CHECKING:
    from quartpatterns.sqlalchemy.legacy_query import Query

__all__ = [
    "BIND_KEY",
    "CURRENT",
    "ConcurrentUseError",
    "DirectSession",
    "Reading",
    "ReadingError",
    "RoutedSession",
    "Session",
    "changed_error",
    "keep_objects",
    "reading_session",
    "unknown_bind",
]

BIND_KEY = "bind_key"
"""The key of the bind in ``MetaData.info``."""

_log = logging.getLogger(__name__.rpartition(".")[0])

P = ParamSpec("P")
T = TypeVar("T")


class ConcurrentUseError(RuntimeError):
    """Two tasks used one session at the same time; the message says how to give each its own.

    .. versionadded:: 0.1
    """


class ReadingError(RuntimeError):
    """Code under ``db.reading()`` or ``db.preloading()`` tried to write or lock.

    The message says what to do.

    .. versionadded:: 0.1
    """


class RoutedSession(orm.Session):
    """The synchronous half of a session, which chooses the database of each statement.

    Arguments:
        engines: The engines by bind key.
        single_engine: The engine of all statements, if no model and no table has a bind key.
        reading: Whether to run statements without a transaction, and to refuse to write or lock.
        written: Returns the session that writes while this one reads, if it exists.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        *,
        engines: Mapping[str | None, Engine],
        single_engine: Engine | None = None,
        reading: bool = False,
        written: Callable[[], Session | None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._engines = engines
        self._single_engine = single_engine
        self.reading = reading
        self._written = written
        self._connections: list[Connection] = []
        self.kept = KeptObjects()
        """The objects of ``db.preloading()``, whose values survive a rollback."""

    def closes_without_io(self) -> bool:
        """Return whether ``close()`` has nothing to wait for, because no transaction has begun."""
        return all(map(closes_without_io, self._connections))

    def begin_for_cursor(self, statement: Any) -> None:
        """Begin a transaction for a server-side cursor, which needs one, also when reading."""
        if self.reading:
            _set_autocommit(self.connection(bind_arguments={"clause": statement}), False)

    def get_bind(
        self, mapper: Any = None, *, clause: Any = None, bind: Any = None, **options: Any
    ) -> Any:
        """Return the engine for a statement: *bind* if given, else that of its first table.

        Raises:
            UnboundExecutionError: No database has the bind key of the table.
            ReadingError: The statement writes or locks, and the session only reads.
        """
        if self.reading and clause is not None:
            locks = getattr(clause, "_for_update_arg", None) is not None
            if locks or getattr(clause, "is_dml", False):
                raise ReadingError(
                    "This statement writes or locks, and db.reading() and db.preloading() have no"
                    " transaction: execute it outside of them."
                )
        if bind is not None:
            return bind
        if self._single_engine is not None:
            return self._single_engine
        key = _bind_key(mapper, clause)
        if key not in self._engines:
            raise unknown_bind(key)
        return self._engines[key]

    def flush(self, objects: Any = None) -> None:
        """Write the changes of objects to the database.

        Raises:
            ReadingError: There are changes, and the session only reads.
        """
        if self.reading and self.has_changes():
            raise changed_error()
        super().flush(objects)

    def commit(self) -> None:
        """Commit the transaction.

        Raises:
            ReadingError: The session only reads, and an object of ``db.session`` was changed, such
                as the current user.
        """
        if self.reading and self._written is not None and (written := self._written()) is not None:
            if written.sync_session.has_changes():
                raise changed_error()
        super().commit()

    def has_changes(self) -> bool:
        """Return whether an object was added, changed or deleted and not flushed."""
        return bool(self.new or self.dirty or self.deleted)

    def _after_begin(self, connection: Connection) -> None:
        self._connections = [other for other in self._connections if not other.closed]
        self._connections.append(connection)
        if self.reading:
            _set_autocommit(connection, True)


@event.listens_for(RoutedSession, "after_begin")
def _after_begin(session: RoutedSession, transaction: object, connection: Connection) -> None:
    session._after_begin(connection)  # pyright: ignore[reportPrivateUsage]


# Not event.contains(): it takes a new class for a deleted one that had the same id().
_keeping: WeakSet[type[RoutedSession]] = WeakSet()


def keep_objects(session_class: type[RoutedSession]) -> None:
    """Let the sessions of a class keep their :class:`KeptObjects`. A second call has no effect.

    Each event takes time in every request, so only applications that keep objects have them.
    """
    if session_class not in _keeping:
        _keeping.add(session_class)
        event.listen(session_class, "after_commit", _after_commit)
        event.listen(session_class, "after_transaction_create", _after_transaction_create)
        event.listen(session_class, "after_soft_rollback", _after_rollback)


def _after_commit(session: RoutedSession) -> None:
    if not session.in_nested_transaction():
        session.kept.after_commit()


def _after_transaction_create(session: RoutedSession, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.kept.after_savepoint(transaction)


def _after_rollback(session: RoutedSession, transaction: SessionTransaction) -> None:
    session.kept.after_rollback(transaction)


def changed_error() -> ReadingError:
    """Return the error for a change where ``db.session`` only reads."""
    return ReadingError(
        "An object was added, changed or deleted under db.reading() or db.preloading(): write"
        " outside of it."
    )


def _set_autocommit(connection: Connection, value: bool) -> None:
    # Only asyncpg begins a transaction in a round trip of its own. Behind a pooler, a statement
    # must be prepared in the transaction that executes it.
    if connection.dialect.driver == "asyncpg":
        adapter: Any = connection.connection.dbapi_connection
        adapter.autocommit = value and adapter.caches_statements


def _bind_key(mapper: Any, clause: Any) -> str | None:
    source = sa.inspect(mapper).local_table if mapper is not None else clause
    if source is None:
        return None
    element: Any
    for element in visitors.iterate(source):
        if isinstance(element, sa.Table):
            return cast("str | None", element.metadata.info.get(BIND_KEY))
    return None


def unknown_bind(key: str | None) -> UnboundExecutionError:
    """Return the error for a bind *key* that no database has."""
    setting = "SQLALCHEMY_DATABASE_URI" if key is None else f"SQLALCHEMY_BINDS[{key!r}]"
    return UnboundExecutionError(f"no database has the bind key {key!r}: set {setting}")


_BUFFERED = immutabledict({"prebuffer_rows": True})


class DirectSession(AsyncSession):
    """SQLAlchemy's asynchronous session, whose methods take less time.

    SQLAlchemy makes a greenlet for each call of these methods. Here it is used again for the next
    call. Their arguments and results are those of :class:`~sqlalchemy.ext.asyncio.AsyncSession`.

    .. versionadded:: 0.1
    """

    if not TYPE_CHECKING:  # Type checkers infer what AsyncSession's own methods return.

        async def execute(self, statement, params=None, *, execution_options=None, **more):
            """Execute *statement* and return its result, whose rows have been fetched."""
            options = _buffered(execution_options)
            execute = self.sync_session.execute
            result = await spawn(execute, statement, params, execution_options=options, **more)
            return await _ensure_sync_result(result, self.execute)

        async def scalar(self, statement, params=None, *, execution_options=None, **more):
            """Execute *statement* and return the first value of the first row, or ``None``."""
            options = _buffered(execution_options)
            scalar = self.sync_session.scalar
            return await spawn(scalar, statement, params, execution_options=options, **more)

        async def run_sync(self, fn, *args, **kwargs):
            """Call *fn* with the synchronous session; it can load lazily."""
            return await spawn(fn, self.sync_session, *args, **kwargs)


def _buffered(options: Mapping[str, Any] | None) -> Any:
    return immutabledict(options).union(_BUFFERED) if options else _BUFFERED


def _spawning(name: str) -> Callable[..., Awaitable[Any]]:
    @wraps(getattr(AsyncSession, name))
    async def method(self: DirectSession, *args: Any, **kwargs: Any) -> Any:
        return await spawn(getattr(self.sync_session, name), *args, **kwargs)

    return method


for _name in "close commit flush get get_one refresh rollback".split():
    setattr(DirectSession, _name, _spawning(_name))


class Session(DirectSession):
    """SQLAlchemy's asynchronous session, which raises an error if two tasks use it at once.

    A session is one conversation with the database. SQLAlchemy's own is not safe to share between
    tasks, and only sometimes notices. Here a method that is called while another task awaits one
    raises :exc:`ConcurrentUseError`. Tasks may use it one after another; for example,
    :func:`asyncio.wait_for` runs its argument in another task on Python 3.11.

    .. versionadded:: 0.1
    """

    sync_session_class = RoutedSession

    sync_session: RoutedSession  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._method = ""
        self._waiters: list[asyncio.Future[None]] = []
        self._discarded = False

    async def close(self) -> None:
        """Roll back what is not committed, and return the connection to the pool.

        It waits until the method that another task awaits has ended. The session can be used again.
        """
        while self._task is not None:
            self._waiters.append(waiter := self._loop.create_future())
            await waiter
        await self._run("close", DirectSession.close)
        if not self._discarded:
            self.sync_session.kept.after_close(self.sync_session)

    def __call__(self) -> Self:
        """Return this session, as ``db.session()`` does."""
        return self

    async def remove(self) -> None:
        """Close the session, as :meth:`close` does, and forget its objects."""
        await self.close()

    def query(self, *entities: Any) -> Query[Any]:
        """Return a query of SQLAlchemy 1.x: ``await session.query(User).all()``."""
        return cast("Query[Any]", self.sync_session.query(*entities))

    async def bulk_save_objects(self, objects: Iterable[object], **options: Any) -> None:
        """Call :meth:`sqlalchemy.orm.Session.bulk_save_objects`."""
        await self.run_sync(lambda sync: sync.bulk_save_objects(objects, **options))

    async def bulk_insert_mappings(
        self, mapper: Any, mappings: Iterable[dict[str, Any]], **options: Any
    ) -> None:
        """Call :meth:`sqlalchemy.orm.Session.bulk_insert_mappings`."""
        await self.run_sync(lambda sync: sync.bulk_insert_mappings(mapper, mappings, **options))

    async def bulk_update_mappings(self, mapper: Any, mappings: Iterable[dict[str, Any]]) -> None:
        """Call :meth:`sqlalchemy.orm.Session.bulk_update_mappings`."""
        await self.run_sync(lambda sync: sync.bulk_update_mappings(mapper, mappings))

    async def __aexit__(self, *error: Any) -> None:
        """Close the session, also if its connection is lost: then nothing is left to roll back."""
        await finish(self._close_lost)

    async def _close_lost(self) -> None:
        try:
            await self.close()
        except DBAPIError as failure:
            # The pool discards the connection, and what the block has computed is complete.
            _log.warning("a session could not be closed: %s", failure.orig)

    def discard(self) -> Coroutine[Any, Any, None] | None:
        """Close the session for good, because its context has ended. A second call does no harm.

        Returns:
            A coroutine to await, or ``None`` if the session is closed already.
        """
        self._discarded = True
        if self._task is None and self.sync_session.closes_without_io():
            # A task, and a greenlet in it, would cost as much as reading a row.
            self.sync_session.close()
            return None
        return self._close_lost()

    def end_transaction(self) -> Coroutine[Any, Any, None] | None:
        """End a transaction that has only read, without a commit, which would call listeners.

        Returns:
            A coroutine to await, or ``None`` if there is nothing to wait for.
        """
        transaction = self.sync_session.get_transaction()
        if transaction is None:
            return None
        if self._task is None and self.sync_session.closes_without_io():
            transaction.close()
            return None
        return self._end_lost(lambda sync: transaction.close())

    def roll_back_lost(self) -> Coroutine[Any, Any, None] | None:
        """Roll back, also if the connection is lost; see :meth:`end_transaction`."""
        if not self.in_transaction():
            return None
        return self._end_lost(RoutedSession.rollback)

    async def _end_lost(self, end: Callable[[RoutedSession], None]) -> None:
        try:
            await self._run("run_sync", DirectSession.run_sync, end)
        except DBAPIError as failure:
            _log.warning("a transaction could not be ended: %s", failure.orig)

    async def run_exclusively(self, name: str, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await the method *work*, unless another task awaits one.

        Arguments:
            name: The name of the method, for errors.
            work: A function that gets the session and *args*.

        Raises:
            ConcurrentUseError: Another task awaits a method.
            RuntimeError: The context of this session has ended, or its event loop is another.
        """
        if self._task is not None:
            if self._task is asyncio.current_task():
                return await work(self, *args)
            raise ConcurrentUseError(
                f"session.{name}() was called while another task awaits {self._method}() of the"
                " same session. Await one after the other, or give each task a session of its own:"
                " `async with db.new_session() as session:`"
            )
        if self._discarded:
            raise RuntimeError(
                f"session.{name}() was called after the end of the context that the session belongs"
                " to: use db.session instead of keeping its value, and start a task that outlives"
                " its request with app.add_background_task()"
            )
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(
                f"session.{name}(): this session belongs to another event loop; in `quart shell`"
                " write run(lambda: db.session...), so that db.session is evaluated in the loop"
            )
        return await self._run(name, work, *args)

    async def _run(self, name: str, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        self._task, self._method = asyncio.current_task(), name
        try:
            return await work(self, *args)
        finally:
            self._task = None
            while self._waiters:
                if not (waiter := self._waiters.pop()).done():
                    waiter.set_result(None)


def _exclusive(method: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    name = method.__name__

    @wraps(method)
    async def wrapper(self: Session, *args: Any, **kwargs: Any) -> T:
        work = partial(method, **kwargs) if kwargs else method
        return await self.run_exclusively(name, work, *args)

    return wrapper


# Each coroutine of AsyncSession that may talk to the database.
for _name in (
    "commit connection delete delete_all execute flush get get_one invalidate merge merge_all"
    " refresh reset rollback run_sync scalar scalars stream stream_scalars"
).split():
    if hasattr(DirectSession, _name):
        setattr(Session, _name, _exclusive(getattr(DirectSession, _name)))


_Current = tuple[object, AppContext, Session]
CURRENT: ContextVar[_Current | None] = ContextVar("sqlalchemy_reading", default=None)
"""The session that ``db.session`` is, if it is not that of the context."""


def reading_session(db: object, context: AppContext) -> Session | None:
    """Return the session of the current ``db.reading()`` in *context*, or None."""
    if (current := CURRENT.get()) and current[0] is db and current[1] is context:
        return current[2]
    return None


class Reading:
    """The context manager and decorator that ``db.reading()`` returns."""

    _session: Session
    _token: Token[_Current | None]

    def __init__(self, db: object, make_session: Callable[[], tuple[Session, AppContext]]) -> None:
        self._db = db
        self._make_session = make_session

    async def __aenter__(self) -> Session:
        """Make ``db.session`` a session that only reads, and return it."""
        self._session, context = self._make_session()
        self._token = CURRENT.set((self._db, context, self._session))
        return self._session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Return the connection to the pool."""
        CURRENT.reset(self._token)
        await finish(self._session.discard)

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return *function*, in which ``db.session`` only reads.

        Raises:
            TypeError: It is not an ``async def`` function.
        """
        if not is_async(function):
            raise TypeError(
                f"db.reading() needs a coroutine function: write {function!r} with `async def`"
            )

        @wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            async with Reading(self._db, self._make_session):
                return await function(*args, **kwargs)

        return wrapper
