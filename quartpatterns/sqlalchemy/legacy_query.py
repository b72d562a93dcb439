"""``Model.query`` and ``db.session.query``: the queries of SQLAlchemy 1.x, awaited.

The methods that build a query are those of :class:`sqlalchemy.orm.Query`. Those that talk to the
database return a coroutine: ``await User.query.filter_by(name="x").first()``. Inside
``session.run_sync`` they return the result, as in SQLAlchemy.
"""

# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from greenlet import getcurrent  # type: ignore[import-untyped]
from quart import abort, current_app
from sqlalchemy import orm
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession, async_session
from sqlalchemy.util.concurrency import in_greenlet

from quartpatterns._shared.greenlet_views import RUNS_COROUTINE
from quartpatterns._shared.pagination import MAX_PER_PAGE, Pagination
from quartpatterns.sqlalchemy.pages import StatementPages, paginate

if TYPE_CHECKING:
    from quartpatterns.sqlalchemy.sessions import Session

__all__ = ["Query", "QueryProperty", "add_query_class"]

T = TypeVar("T")

_AWAITED = (
    "all count delete first get get_or_404 first_or_404 one one_or_404 one_or_none scalar update"
    " value __getitem__"
).split()


class Query(orm.Query[T]):
    """The class of ``User.query`` and ``db.session.query(User)``; new code uses ``select()``.

    ``await`` the methods ``all``, ``first``, ``one``, ``one_or_none``, ``scalar``, ``count``,
    ``get``, ``update``, ``delete``, ``get_or_404``, ``first_or_404``, ``one_or_404`` and
    ``paginate``, and an index: ``await query[:5]``. A loop is ``async for user in query``.

    A subclass is the *query_class* of :class:`SQLAlchemy`. Its methods of these names may be
    written as in Flask-SQLAlchemy, without ``await``, or with ``async def``.

    .. versionadded:: 0.1
    """

    if TYPE_CHECKING:

        async def all(self) -> list[T]: ...  # type: ignore[override]
        async def count(self) -> int: ...  # type: ignore[override]
        async def delete(self, *args: Any, **options: Any) -> int: ...  # type: ignore[override]
        async def first(self) -> T | None: ...  # type: ignore[override]
        async def get(self, ident: Any) -> Any: ...  # type: ignore[override]
        async def one(self) -> T: ...  # type: ignore[override]
        async def one_or_none(self) -> T | None: ...  # type: ignore[override]
        async def scalar(self) -> Any: ...
        async def update(self, *args: Any, **options: Any) -> int: ...  # type: ignore[override]
        def __getitem__(self, item: Any) -> Any: ...
        async def get_or_404(self, ident: Any, description: str | None = None) -> Any: ...
        async def first_or_404(self, description: str | None = None) -> T: ...
        async def one_or_404(self, description: str | None = None) -> T: ...

    else:

        def get_or_404(self, ident, description=None):
            """Await the row with the primary key *ident*, or answer 404."""
            return _or_404(self.get(ident), description)

        def first_or_404(self, description=None):
            """Await the first result, or answer 404."""
            return _or_404(self.first(), description)

        def one_or_404(self, description=None):
            """Await the only result, or answer 404."""
            try:
                return self.one()
            except (NoResultFound, MultipleResultsFound):
                abort(404, description=description)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Also for the class that SQLAlchemy makes of this one for lazy="dynamic".
        _await_methods(cls)

    async def paginate(
        self,
        *,
        page: int | None = None,
        per_page: int | None = None,
        max_per_page: int | None = MAX_PER_PAGE,
        error_out: bool = True,
        count: bool = True,
    ) -> Pagination[Any]:
        """Return one page of the results; the arguments are those of ``db.paginate``."""
        statement: Any = self.statement
        rows = len(self.column_descriptions) > 1
        return await paginate(
            StatementPages(_session_of(self), statement, rows=rows),
            page=page,
            per_page=per_page,
            max_per_page=max_per_page,
            error_out=error_out,
            count=count,
        )

    def __iter__(self) -> Iterator[T]:
        if in_greenlet():
            return super().__iter__()
        _refuse_loop()

    async def __aiter__(self) -> AsyncIterator[T]:
        for item in await self.all():
            yield item

    def values(self, *columns: Any) -> NoReturn:
        """Refuse it: ``with_entities`` has the same effect.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "Query.values() is not supported: write await query.with_entities(...).all()"
        )

    def run(self, name: str, method: Callable[..., Any]) -> Any:
        """Return a coroutine that calls *method*, which talks to the database."""
        return _run(self, name, method)


def _or_404(value: Any, description: str | None) -> Any:
    if value is None:
        abort(404, description=description)
    return value


def _refuse_loop() -> NoReturn:
    raise TypeError(
        "a loop over a query would be I/O without an await: write `async for x in query`, or"
        " `for x in await query.all()`"
    )


async def _run(query: Query[Any], name: str, method: Callable[..., Any]) -> Any:
    session = _session_of(query)

    async def work(session: AsyncSession) -> Any:
        return await session.run_sync(lambda _: method())

    if (exclusively := getattr(session, "run_exclusively", None)) is not None:
        return await exclusively(f"query.{name}", work)
    return await work(session)


def _session_of(query: Query[Any]) -> AsyncSession:
    # A dynamic relationship has no session of its own, but its object has.
    instance = getattr(query, "instance", None)
    sync = query.session if instance is None else orm.object_session(instance)
    session = async_session(sync) if sync is not None else None
    if session is None:
        raise RuntimeError(
            "this query has no session of db.session, which could await it: begin it with"
            " db.session.query(...)"
        )
    return session


def _awaited(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def wrapper(self: Query[Any], *args: Any, **options: Any) -> Any:
        # SQLAlchemy's own methods call each other, and need the results.
        call = partial(method, self, *args, **options)
        # With GREENLET_VIEWS, the code of a view runs in a greenlet, and awaits.
        awaits = not in_greenlet() or getattr(getcurrent(), RUNS_COROUTINE, False)
        return self.run(name, call) if awaits else call()

    if method.__module__.startswith("sqlalchemy."):
        wrapper.__doc__ = f"Await the result of SQLAlchemy's ``Query.{name}()``."
    wrapper.is_awaited_query_method = True  # type: ignore[attr-defined]
    return wrapper


def _await_methods(cls: type[Query[Any]]) -> None:
    for name in _AWAITED:
        method = getattr(cls, name)
        if not hasattr(method, "is_awaited_query_method") and not iscoroutinefunction(method):
            setattr(cls, name, _awaited(name, method))


_await_methods(Query)


class QueryProperty:
    """``User.query``: a query of the model with the session of the current context."""

    def __get__(self, instance: object, model: Any) -> Query[Any]:
        session: Session = current_app.extensions["sqlalchemy"].db.session()
        query_class: type[Query[Any]] = model.query_class
        return query_class(model, session=session.sync_session)


def add_query_class(options: dict[str, Any], query_class: type[Query[Any]]) -> dict[str, Any]:
    """Return the *options* of a relationship, also of its backref, with a class for queries."""
    options = {"query_class": query_class, **options}
    if isinstance(backref := options.get("backref"), str):
        options["backref"] = (backref, {"query_class": query_class})
    elif backref:
        options["backref"] = (backref[0], {"query_class": query_class, **backref[1]})
    return options
