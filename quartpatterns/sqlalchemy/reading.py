"""Sessions that read, each statement for itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from types import TracebackType
from typing import ParamSpec, TypeVar

from quart.ctx import AppContext

from quartpatterns.sqlalchemy.sessions import Session

__all__ = ["Reading", "reader_of"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Reader:
    """The session that reads, of one SQLAlchemy object in one context."""

    db: object
    context: AppContext
    session: Session


_reader: ContextVar[_Reader | None] = ContextVar("quartpatterns.sqlalchemy.reader", default=None)


def reader_of(db: object, context: AppContext) -> Session | None:
    """The session of the ``db.reading()`` that the code is in; ``None`` where it is in none."""
    found = _reader.get()
    return found.session if found and found.db is db and found.context is context else None


class Reading:
    """What ``db.reading()`` returns: for ``async with``, and to decorate views.

    Arguments:
        db: Whose ``session`` it replaces.
        make: Makes the session, and names the context that it is for.
    """

    _session: Session
    _token: Token[_Reader | None]

    def __init__(self, db: object, make: Callable[[], tuple[Session, AppContext]]) -> None:
        self._db = db
        self._make = make

    async def __aenter__(self) -> Session:
        """Make the session that reads ``db.session``, and return it."""
        self._session, context = self._make()
        self._token = _reader.set(_Reader(self._db, context, self._session))
        return self._session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give its connection back."""
        _reader.reset(self._token)
        await self._session.discarded()

    def __call__(self, view: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """*view*, in which ``db.session`` reads.

        Raises:
            TypeError: It is no ``async def`` function.
        """
        if not iscoroutinefunction(view):
            raise TypeError(f"db.reading() is for coroutines: write {view!r} with `async def`")

        @wraps(view)
        async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
            async with Reading(self._db, self._make):
                return await view(*args, **kwargs)

        return wrapped
