"""The extension for collections, with the names of Flask-PyMongo."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from textwrap import shorten
from typing import Any
from weakref import WeakKeyDictionary

from bson.json_util import RELAXED_JSON_OPTIONS, JSONOptions
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError
from quart import Quart

from quartpatterns._shared.loop_bound import current_context
from quartpatterns._shared.unavailable import redact
from quartpatterns.mongodb.connection import AppDatabase, LoopClient
from quartpatterns.mongodb.errors import register_error_handlers
from quartpatterns.mongodb.files import GridFSMixin
from quartpatterns.mongodb.instead import PYMONGO_OPTIONS_INSTEAD
from quartpatterns.mongodb.json import BSONProvider
from quartpatterns.mongodb.routing import register_converter
from quartpatterns.mongodb.settings import read_uri
from quartpatterns.mongodb.wrappers import Database, MongoClient

__all__ = ["PyMongo"]

log = logging.getLogger(__name__)


class PyMongo(GridFSMixin):
    """The extension with the names of Flask-PyMongo: collections of dictionaries.

    .. code-block:: python

        app.config["MONGO_URI"] = "mongodb://localhost:27017/myapp"
        mongo = PyMongo(app)


        @app.get("/users/<ObjectId:id>")
        async def get_user(id):
            return await mongo.db.users.find_one_or_404(id)

    An application can have several objects, each with its own URI. An object can belong to
    several applications. In a context it uses the database of the current application. Without
    one, such as in a script, it uses that of its only application.

    Arguments:
        app: The application. An application factory calls :meth:`init_app` instead.
        uri: The URI; the default is the setting ``MONGO_URI``.
        args: Arguments of PyMongo's client: port, ``document_class``, ``tz_aware``, ``connect``,
            ``type_registry``.
        json_options: How ``jsonify`` writes the types of MongoDB; the default is
            ``RELAXED_JSON_OPTIONS``.
        kwargs: Options of PyMongo's client.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart | None = None,
        uri: str | None = None,
        *args: Any,
        json_options: JSONOptions | None = None,
        **kwargs: Any,
    ) -> None:
        self._databases: WeakKeyDictionary[Quart, AppDatabase] = WeakKeyDictionary()
        if app is not None:
            self.init_app(app, uri, *args, json_options=json_options, **kwargs)
        elif uri is not None or args or kwargs or json_options is not None:
            raise TypeError(
                "PyMongo() has arguments, but no application: pass them to init_app(app, uri)"
            )

    def init_app(
        self,
        app: Quart,
        uri: str | None = None,
        *args: Any,
        json_options: JSONOptions | None = None,
        **kwargs: Any,
    ) -> None:
        """Use the database of *uri* in *app*.

        ``app.json`` becomes a :class:`BSONProvider`, and ``app.url_map`` gets the converter
        ``<ObjectId:id>``. The client connects when the application starts, or when it is first
        used. If the database cannot be reached then, the application starts nevertheless.

        Arguments:
            app: The application.
            uri: The URI; the default is the setting ``MONGO_URI``.
            args: Arguments of PyMongo's client.
            json_options: How ``jsonify`` writes the types of MongoDB.
            kwargs: Options of PyMongo's client.

        Raises:
            RuntimeError: The object is already initialized with *app*.
            SettingError: There is no URI, or it or an option is invalid; a ``ValueError``.
            TypeError: An option is not supported.
        """
        if app in self._databases:
            raise RuntimeError(
                f"this PyMongo object is already initialized with the application {app.name!r}:"
                " make another one for another database"
            )
        for name in PYMONGO_OPTIONS_INSTEAD.keys() & kwargs.keys():
            raise TypeError(f"{name}= is not supported: {PYMONGO_OPTIONS_INSTEAD[name]}")
        database = AppDatabase(read_uri(app, uri, args, kwargs))
        self._databases[app] = database
        register_error_handlers(app)
        register_converter(app)
        app.json = BSONProvider(app, json_options or RELAXED_JSON_OPTIONS)

        @app.before_serving
        async def open_database() -> None:
            try:
                await database.open()
            except PyMongoError as error:
                log.warning("MongoDB can't be reached: %s", shorten(redact(str(error)), 160))

        app.after_serving(database.close)

    @property
    def cx(self) -> MongoClient:
        """PyMongo's client for the running event loop: ``await mongo.cx.drop_database("x")``.

        Raises:
            RuntimeError: No event loop is running, or there is no application.
        """
        return self._loop_client("mongo.cx").client

    @property
    def db(self) -> Database | None:
        """PyMongo's database: ``await mongo.db.users.find_one()``; None if the URI names none.

        Raises:
            RuntimeError: No event loop is running, or there is no application.
        """
        return self._loop_client("mongo.db").find_database()

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncGenerator[AsyncClientSession]:
        """Run a transaction: ``async with mongo.transaction() as session:``.

        Pass the session to each operation in it. The end of the block commits; an error or a
        cancellation rolls back. It needs a replica set.

        Arguments:
            options: Passed to :meth:`AsyncClientSession.start_transaction`.
        """
        client = self._loop_client("mongo.transaction()").client
        async with client.start_session() as session, await session.start_transaction(**options):
            yield session

    def _loop_client(self, used_for: str) -> LoopClient:
        context = current_context()
        database = None if context is None else self._databases.get(context.app)
        if context is None and len(self._databases) == 1:
            (database,) = self._databases.values()
        if database is None:
            if context is not None:
                raise RuntimeError(
                    f"{used_for}: the current application is not initialized with this PyMongo"
                    " object; call mongo.init_app(app)"
                )
            raise RuntimeError(
                f"{used_for} needs an application: call mongo.init_app(app), and if there are"
                " several applications, use it inside `async with app.app_context():`"
            )
        return database.client(used_for)
