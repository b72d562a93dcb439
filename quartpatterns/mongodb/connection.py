"""The connection of an application to its database: one client for each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection as Classes
from collections.abc import Mapping
from typing import Any

import pymongo

from quartpatterns._shared.loop_bound import LoopBound, current_context
from quartpatterns.mongodb.settings import Settings
from quartpatterns.mongodb.wrappers import Collection, Database, begin_to_connect

__all__ = ["AppDatabase", "AppDatabases", "LoopClient", "current_database"]

CLOSE_TIMEOUT = 1.0
"""Seconds to tell the server that sessions have ended, which may be unreachable."""


class LoopClient:
    """PyMongo's client for one event loop, the database, and the collections used so far."""

    def __init__(self, settings: Settings) -> None:
        self.client = settings.client()
        self._database = settings.database_of(self.client)
        self._collections: dict[str, Collection] = {}
        if settings.options.get("connect"):
            begin_to_connect(self.client)

    def find_database(self) -> Database | None:
        """Return the database, or None if no setting names one. It begins to connect."""
        begin_to_connect(self.client)
        return self._database

    @property
    def database(self) -> Database:
        """The database. It begins to connect.

        Raises:
            RuntimeError: No setting names a database.
        """
        if (database := self.find_database()) is None:
            raise RuntimeError(
                "the URI names no database: add it, as in mongodb://localhost/myapp, or use"
                ' mongo.cx["myapp"]'
            )
        return database

    def collection(self, name: str) -> Collection:
        """Return a collection. Making one is expensive, so each is made once."""
        if name not in self._collections:
            self._collections[name] = self.database[name]
        return self._collections[name]

    async def close(self) -> None:
        """Close all connections. A second call does no harm."""
        with pymongo.timeout(CLOSE_TIMEOUT):
            await self.client.close()


class AppDatabase:
    """A database of an application.

    Arguments:
        settings: The settings of the database.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clients = LoopBound(lambda: LoopClient(settings), LoopClient.close)
        self.close = self.clients.close

    def client(self, used_for: str) -> LoopClient:
        """Return the client of the running event loop.

        Raises:
            RuntimeError: No event loop is running; the message names *used_for*.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise RuntimeError(
                f"{used_for} needs the event loop, but synchronous functions run in a thread:"
                " write the function with `async def`"
            ) from error
        return self.clients.get()

    async def open(self) -> None:
        """Connect, and set ``retryWrites`` to false for a server that is not in a replica set.

        Such a server does not support retryable writes. PyMongo notices that too late: a write
        that failed during a restart fails again on a good connection, which PyMongo then closes
        with all others. It repeats as long as there are writes (PyMongo 4.20,
        ``_check_last_error``).

        Raises:
            PyMongoError: The server cannot be reached, or refuses the user.
        """
        hello = await self.client("open()").client["admin"].command("hello")
        single = "setName" not in hello and hello.get("msg") != "isdbgrid"
        if single and self.settings.set_default_options({"retryWrites": False}):
            await self.close()


class AppDatabases(AppDatabase):
    """The value of ``app.extensions["mongodb"]``: the default database, and those with an alias.

    Arguments:
        mongo: The :class:`MongoDB` object of the application.
        connections: The settings of each database by its alias, the default one first.
        documents: Its document classes; classes that are registered later appear in it.
    """

    def __init__(
        self,
        mongo: object,
        connections: Mapping[str, Settings],
        documents: Classes[type[Any]],
    ) -> None:
        (alias, settings), *others = connections.items()
        super().__init__(settings)
        self.mongo = mongo
        self.documents = documents
        self.others = {alias: AppDatabase(settings) for alias, settings in others}
        self._alias = alias

    def with_alias(self, alias: str | None) -> AppDatabase:
        """Return the database with this alias, or the default one if it is None.

        Raises:
            RuntimeError: No database has this alias.
        """
        if alias is None or alias == self._alias:
            return self
        if (found := self.others.get(alias)) is None:
            names = ", ".join((self._alias, *self.others))
            raise RuntimeError(
                f"no database has the alias {alias!r}; MONGODB_SETTINGS has {names}. For several"
                " databases, set it to a list of mappings with an 'alias' each"
            )
        return found


def current_database(used_for: str) -> AppDatabases:
    """Return the connection of the current application.

    Raises:
        RuntimeError: There is no context, or its application has no MongoDB object; the message
            names *used_for*.
    """
    context = current_context()
    if context is None:
        raise RuntimeError(
            f"{used_for} needs a context: use it in a request, a websocket or a background task,"
            " or inside `async with app.app_context():`"
        )
    connection = context.app.extensions.get("mongodb")
    if not isinstance(connection, AppDatabases):
        raise RuntimeError(
            f"{used_for}: the current application has no MongoDB object; call mongo.init_app(app)"
        )
    return connection
