"""``db.session`` where there is no context yet: a name for the session of the later context.

A module may name it before any request: ``event.listen(db.session, "before_commit", function)``, or
``sqlalchemy_session = db.session`` of factory_boy. It is a :class:`~sqlalchemy.orm.scoped_session`,
because SQLAlchemy's events accept one. What is called on it reaches the session of the context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from sqlalchemy.orm import scoped_session

from quartpatterns.sqlalchemy.sessions import RoutedSession, Session

__all__ = ["ScopedSession"]


class ScopedSession(scoped_session[Any]):
    """The session of the context in which it is used.

    Arguments:
        current: Returns the session of the current context.
        session_class: The class of synchronous sessions, to which events are bound.
    """

    def __init__(self, current: Callable[[], Session], session_class: type[RoutedSession]) -> None:
        self._current = current
        self.session_factory: Any = session_class

    def __call__(self, **options: Any) -> Any:
        """Return the session of the current context.

        Raises:
            TypeError: There are options; they belong to ``db.new_session()``.
            RuntimeError: There is no context.
        """
        if options:
            raise TypeError(
                "db.session() takes no options: write them in SQLAlchemy(session_options=...)"
            )
        return self._current()

    def configure(self, **options: Any) -> NoReturn:
        """Refuse it.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "db.session.configure() is not supported: write SQLAlchemy(session_options=...)"
        )

    def query_property(self, query_cls: Any = None) -> NoReturn:
        """Refuse it.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "db.session.query_property() is not supported: models of db.Model have `query`"
        )

    def __contains__(self, instance: object) -> bool:
        return instance in self._current()

    def __iter__(self) -> Iterator[object]:
        return iter(self._current())

    async def __aenter__(self) -> Any:
        return await self._current().__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._current().__aexit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current(), name)

    def __repr__(self) -> str:
        return "<db.session, outside of a context>"


def _delegate(name: str) -> property:
    def get(self: ScopedSession) -> Any:
        return getattr(self._current(), name)  # pyright: ignore[reportPrivateUsage]

    def set_value(self: ScopedSession, value: Any) -> None:
        setattr(self._current(), name, value)  # pyright: ignore[reportPrivateUsage]

    return property(get, set_value, doc=f"``{name}`` of the session of the current context.")


# The methods of scoped_session itself are those of a synchronous session.
for _name in dir(scoped_session):
    if not _name.startswith("_") and _name not in vars(ScopedSession):
        setattr(ScopedSession, _name, _delegate(_name))
