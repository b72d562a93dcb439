"""Objects that are loaded before the view and that the view, its layout and its session share.

The user of a login is such an object. It has to be in ``db.session``, because the view may change
it. But three things that follow from this must not reach the view:

* The statement that loads it begins a transaction. ``db.retrying()`` could not repeat it, and a
  websocket would hold a connection for hours. So the transaction ends with the loading.
* A rollback expires all objects of a session, and the layout that shows the user's name fails. So
  these are :class:`~quartpatterns.sqlalchemy.kept_objects.KeptObjects`.
* Under ``db.reading()``, ``db.session`` is another session, which ends before the layout is
  rendered. So they are loaded with the session of the context.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Token
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from quart.ctx import AppContext
from sqlalchemy.orm import InstanceState

from quartpatterns._shared.calling import is_async
from quartpatterns._shared.cleanup import finish
from quartpatterns.sqlalchemy.sessions import CURRENT, Session, changed_error

__all__ = ["Preloading"]

P = ParamSpec("P")
T = TypeVar("T")


class Preloading:
    """The context manager and decorator that ``db.preloading()`` returns.

    Arguments:
        db: The SQLAlchemy object.
        find_session: Returns the session of the current context, and that context.
    """

    _session: Session
    _token: Token[tuple[object, AppContext, Session] | None]

    def __init__(self, db: object, find_session: Callable[[], tuple[Session, AppContext]]) -> None:
        self._db = db
        self._find_session = find_session
        self._reads = False
        self._known: list[object] = []

    async def __aenter__(self) -> Session:
        """Make ``db.session`` the session of the context, which only reads, and return it."""
        self._session, context = self._find_session()
        sync = self._session.sync_session
        # If the view has begun a transaction, what it has not committed must be found.
        self._reads = not self._session.in_transaction() and not sync.reading
        self._known = list(sync.identity_map.values())
        if self._reads:
            sync.reading = True
        self._token = CURRENT.set((self._db, context, self._session))
        return self._session

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """End the transaction, and keep the objects that were loaded.

        Raises:
            ReadingError: An object was added, changed or deleted.
        """
        CURRENT.reset(self._token)
        session, sync = self._session, self._session.sync_session
        known = set(map(id, self._known))
        loaded = [each for each in sync.identity_map.values() if id(each) not in known]
        self._known = []
        if self._reads:
            sync.reading = False
            if error is not None or sync.has_changes():
                await finish(session.roll_back_lost)
                if error is None:
                    raise changed_error()
                return
            await finish(session.end_transaction)
        for instance in loaded if error is None else ():
            sync.kept.add(instance)

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return *function*, whose objects are kept.

        Raises:
            TypeError: It is not an ``async def`` function.
        """
        if not is_async(function):
            raise TypeError(
                f"db.preloading() needs a coroutine function: write {function!r} with `async def`"
            )

        @wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            async with Preloading(self._db, self._find_session) as session:
                result = await function(*args, **kwargs)
            state: Any = sa.inspect(result, raiseerr=False)
            if isinstance(state, InstanceState) and not session.in_transaction():
                if state.session is session.sync_session:
                    session.sync_session.kept.add(result)  # It may have been loaded before.
            return result

        return wrapper
