"""PyMongo's asynchronous client, database and collection, with the method of Flask-PyMongo.

A collection has :meth:`Collection.find_one_or_404` however its database is named:
``client.shop``, ``client["shop"]`` or ``client.get_database("shop")``.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any, cast

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from quart import abort

__all__ = ["Collection", "Database", "MongoClient"]


class MongoClient(AsyncMongoClient[dict[str, Any]]):
    """PyMongo's ``AsyncMongoClient``, whose databases are :class:`Database` objects.

    .. versionadded:: 0.1
    """

    def __getattr__(self, name: str) -> Database:
        """Return the database *name*, unless it begins with an underscore."""
        # PyMongo's method calls __getitem__(). This one is here for its type.
        return cast("Database", super().__getattr__(name))

    def __getitem__(self, name: str) -> Database:
        """Return the database *name*."""
        begin_to_connect(self)
        return Database(self, name)

    def get_database(self, name: str | None = None, *args: Any, **options: Any) -> Database:
        """Return the database *name*, or the one that the URI names.

        Arguments:
            name: The name of the database.
            args: The other arguments of PyMongo's method.
            options: The same as keywords, such as ``read_preference``.
        """
        begin_to_connect(self)
        return _database(super().get_database(name, *args, **options))

    def get_default_database(
        self, default: str | None = None, *args: Any, **options: Any
    ) -> Database:
        """Return the database that the URI names.

        Arguments:
            default: The name to use if the URI names no database.
            args: The other arguments of PyMongo's method.
            options: The same as keywords, such as ``read_preference``.

        Raises:
            ConfigurationError: Neither the URI nor *default* names a database.
        """
        return _database(super().get_default_database(default, *args, **options))


class Database(AsyncDatabase[dict[str, Any]]):
    """PyMongo's ``AsyncDatabase``, whose collections are :class:`Collection` objects.

    .. versionadded:: 0.1
    """

    def __getattr__(self, name: str) -> Collection:
        """Return the collection *name*, unless it begins with an underscore."""
        # PyMongo's method calls __getitem__(). This one is here for its type.
        return cast("Collection", super().__getattr__(name))

    def __getitem__(self, name: str) -> Collection:
        """Return the collection *name*."""
        return Collection(self, name)

    def get_collection(self, name: str, *args: Any, **options: Any) -> Collection:
        """Return the collection *name*.

        Arguments:
            name: The name of the collection.
            args: The other arguments of PyMongo's method.
            options: The same as keywords, such as ``read_preference``.
        """
        return _collection(super().get_collection(name, *args, **options))

    def with_options(  # type: ignore[override]
        self, *args: Any, **options: Any
    ) -> Database:
        """Return a copy of this database with other options, as PyMongo's method does."""
        return _database(super().with_options(*args, **options))


class Collection(AsyncCollection[dict[str, Any]]):
    """PyMongo's ``AsyncCollection`` with one more method.

    .. versionadded:: 0.1
    """

    def __getattr__(self, name: str) -> Collection:
        """Return the collection whose name is that of this one, a dot, and *name*."""
        return cast("Collection", super().__getattr__(name))

    def __getitem__(self, name: str) -> Collection:
        """Return the collection whose name is that of this one, a dot, and *name*."""
        return _collection(super().__getitem__(name))

    def with_options(  # type: ignore[override]
        self, *args: Any, **options: Any
    ) -> Collection:
        """Return a copy of this collection with other options, as PyMongo's method does."""
        return _collection(super().with_options(*args, **options))

    async def find_one_or_404(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Return one document of the collection: ``await mongo.db.users.find_one_or_404(id)``.

        The arguments are those of PyMongo's ``find_one``.

        Raises:
            NotFound: No document matches.
        """
        found = await self.find_one(*args, **options)
        if found is None:
            abort(404)
        return found


# An attribute of the client, whose name can't hide a database. Clients of one server are equal, so
# that no set can tell them apart.
_BEGUN = "_quartpatterns_begun"


def begin_to_connect(client: MongoClient) -> None:
    """Start the tasks of the client, if an event loop is running.

    The first operation would start them otherwise, and they would keep its context, such as that
    of a request, as long as the client lives.
    """
    if _BEGUN in vars(client):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    vars(client)[_BEGUN] = True
    connecting = client.aconnect()
    try:
        Context().run(connecting.send, None)
    except StopIteration:
        return
    # The DNS lookup of mongodb+srv has to wait: the first operation does it.
    connecting.close()


def _database(database: AsyncDatabase[Any]) -> Database:
    return Database(
        cast("MongoClient", database.client),
        database.name,
        cast("Any", database.codec_options),
        database.read_preference,
        database.write_concern,
        database.read_concern,
    )


def _collection(collection: AsyncCollection[Any]) -> Collection:
    return Collection(
        collection.database,
        collection.name,
        False,
        cast("Any", collection.codec_options),
        collection.read_preference,
        collection.write_concern,
        collection.read_concern,
    )
