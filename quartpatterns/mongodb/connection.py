"""The connection of an application to its database: one client for each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pymongo
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from quartpatterns._shared.loop_bound import LoopBound, current_context
from quartpatterns.mongodb.settings import Settings

__all__ = ["LoopClient", "AppDatabase", "current_database"]

CLOSE_TIMEOUT = 1.0
"""Seconds to tell the server that sessions have ended, which may be unreachable."""


class LoopClient:
    """PyMongo's client for one event loop, the database, and the collections used so far."""

    def __init__(self, settings: Settings) -> None:
        self.client: AsyncMongoClient[dict[str, Any]] = settings.client()
        self.database = settings.database_of(self.client)
        self._collections: dict[str, AsyncCollection[dict[str, Any]]] = {}
        # Start the client's tasks now. They would keep the context of the first operation alive.
        connecting = self.client.aconnect()
        try:
            connecting.send(None)
        except StopIteration:
            return
        # The DNS lookup of mongodb+srv has to wait: the first operation does it.
        connecting.close()

    def collection(self, name: str) -> AsyncCollection[dict[str, Any]]:
        """Return a collection. Making one is expensive, so each is made once."""
        if name not in self._collections:
            self._collections[name] = self.database[name]
        return self._collections[name]

    async def close(self) -> None:
        """Close all connections. A second call does no harm."""
        with pymongo.timeout(CLOSE_TIMEOUT):
            await self.client.close()


class AppDatabase:
    """The value of ``app.extensions["mongodb"]``.

    Arguments:
        mongo: The :class:`MongoDB` object of the application.
        settings: The settings of the application.
        documents: Its document classes; classes that are registered later appear in it.
    """

    def __init__(self, mongo: object, settings: Settings, documents: Collection[type[Any]]) -> None:
        self.mongo = mongo
        self.settings = settings
        self.documents = documents
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
        hello = await self.client("open()").client.admin.command("hello")
        single = "setName" not in hello and hello.get("msg") != "isdbgrid"
        if single and self.settings.set_default_options({"retryWrites": False}):
            await self.close()


def current_database(used_for: str) -> AppDatabase:
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
    if not isinstance(connection, AppDatabase):
        raise RuntimeError(
            f"{used_for}: the current application has no MongoDB object; call mongo.init_app(app)"
        )
    return connection
