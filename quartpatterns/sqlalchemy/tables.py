"""The engines of an application, and the tables behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from quart.ctx import AppContext
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase

from quartpatterns.sqlalchemy.binds import bound_metadata, unbound
from quartpatterns.sqlalchemy.loops import LoopEngines
from quartpatterns.sqlalchemy.registration import NoLoopError, Registration, current_context

__all__ = ["Tables"]

ALL = "__all__"
BindKeys = str | Sequence[str | None] | None


class Tables:
    """Engines, metadata and tables by bind key, under the names of Flask-SQLAlchemy."""

    Model: type[DeclarativeBase]
    """The class that models are derived from."""

    @property
    def engine(self) -> AsyncEngine:
        """The engine of the current application, for the running event loop.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
            UnboundExecutionError: There are ``SQLALCHEMY_BINDS`` only.
        """
        return self._found("db.engine")[0].engine

    @property
    def engines(self) -> Mapping[str | None, AsyncEngine]:
        """The engines by bind key, for the running event loop.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._found("db.engines")[0].engines

    @property
    def metadata(self) -> sa.MetaData:
        """The tables of :attr:`Model` and :meth:`Table` that have no bind key."""
        return bound_metadata(self.Model.metadata, None)

    @property
    def metadatas(self) -> Mapping[str | None, sa.MetaData]:
        """The tables by bind key."""
        family: Mapping[str | None, sa.MetaData] = self.metadata.info["binds"]
        return family

    def Table(  # noqa: N802  as there
        self, name: str, *args: Any, bind_key: str | None = None, **options: Any
    ) -> sa.Table:
        """A table in :attr:`metadata`, without naming it.

        Arguments:
            name: The name of the table.
            args: Columns and constraints.
            bind_key: The database it is in, one of ``SQLALCHEMY_BINDS``.
            options: For :class:`sqlalchemy.Table`.
        """
        if args and isinstance(args[0], sa.MetaData):
            return sa.Table(name, *args, **options)
        return sa.Table(name, bound_metadata(self.metadata, bind_key), *args, **options)

    async def create_all(self, bind_key: BindKeys = ALL) -> None:
        """Create the tables that don't exist. Existing ones are left alone: migrate those.

        Arguments:
            bind_key: In which database, or databases; all, where none is named.
        """
        for engine, metadata in self._bound(bind_key):
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all)

    async def drop_all(self, bind_key: BindKeys = ALL) -> None:
        """Drop all tables.

        Arguments:
            bind_key: In which database, or databases; all, where none is named.
        """
        for engine, metadata in self._bound(bind_key):
            async with engine.begin() as connection:
                await connection.run_sync(metadata.drop_all)

    async def reflect(self, bind_key: BindKeys = ALL) -> None:
        """Load the definitions of the tables that are in the database.

        Arguments:
            bind_key: Of which database, or databases; all, where none is named.
        """
        for engine, metadata in self._bound(bind_key):
            async with engine.connect() as connection:
                await connection.run_sync(metadata.reflect)

    def _bound(self, keys: BindKeys) -> list[tuple[AsyncEngine, sa.MetaData]]:
        """The engines and tables of *keys*."""
        engines = self.engines
        if keys == ALL:
            keys = [*engines, *(key for key in self.metadatas if self.metadatas[key].tables)]
        elif keys is None or isinstance(keys, str):
            keys = [keys]
        for key in keys:
            if key not in engines:
                raise unbound(key)
        return [(engines[key], bound_metadata(self.metadata, key)) for key in dict.fromkeys(keys)]

    def _found(self, what: str) -> tuple[LoopEngines, AppContext]:
        """The engines, and the context; *what* is the name for errors."""
        if (context := current_context()) is None:
            raise RuntimeError(
                f"{what} needs a context: use it in a request, a websocket or a background task,"
                " or inside `async with app.app_context():`"
            )
        registration: Any = context.app.extensions.get("sqlalchemy")
        if not isinstance(registration, Registration) or registration.db is not self:
            raise RuntimeError(
                f"{what}: the current application is not initialised with this SQLAlchemy object;"
                " call db.init_app(app), and make one SQLAlchemy object only"
            )
        try:
            return registration.engine(), context
        except NoLoopError as error:
            raise RuntimeError(
                f"{what} needs the event loop, and synchronous code runs in a thread beside it:"
                " write the function with `async def`"
            ) from error
