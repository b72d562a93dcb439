"""The extension: the database of the current application, and queries that answer 404."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import asynccontextmanager, contextmanager
from textwrap import shorten
from typing import Any, NoReturn, TypeVar, cast

from beanie.odm.queries.find import FindMany
from pydantic import BaseModel, TypeAdapter, ValidationError
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError
from quart import Quart, abort
from quart.signals import appcontext_pushed

from quartpatterns._shared.pagination import MAX_PER_PAGE, Pagination, page_numbers
from quartpatterns.mongodb.connection import AppDatabases, LoopClient, current_database
from quartpatterns.mongodb.documents import Document, create_indexes, initialize_classes
from quartpatterns.mongodb.errors import (
    StoredDocumentError,
    diagnose,
    is_unstorable_value,
    register_error_handlers,
)
from quartpatterns.mongodb.files import GridFSMixin
from quartpatterns.mongodb.instead import MONGOENGINE_INSTEAD
from quartpatterns.mongodb.json import register_document_json
from quartpatterns.mongodb.routing import register_converter
from quartpatterns.mongodb.settings import read_settings
from quartpatterns.mongodb.wrappers import Database, MongoClient

__all__ = ["MongoDB", "literal"]

D = TypeVar("D", bound=Document)
M = TypeVar("M", bound=BaseModel)

MAX_SKIP = 2**31 - 1
"""The largest number of documents that every server can skip; a page after it is empty."""


class MongoDB(GridFSMixin):
    """The extension: it gives applications access to MongoDB, by documents or by collections.

    .. code-block:: python

        mongo = MongoDB()


        @mongo.register
        class Movie(Document):
            title: str
            year: int | None = None


        @app.get("/movies/<id>")
        async def get_movie(id):
            movie = await mongo.get_or_404(Movie, id)
            return {"title": movie.title}

    It works in requests, websockets, background tasks, streams, and in
    ``async with app.app_context()``. Several applications can use one object. They share its
    document classes, but each has its own client and database.

    Arguments:
        app: The application. An application factory calls :meth:`init_app` instead.

    .. versionadded:: 0.1
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._documents: dict[type[Document], None] = {}  # an ordered set
        self._in_use = False
        if app is not None:
            self.init_app(app)

    def __getattr__(self, name: str) -> NoReturn:
        """Raise an error that says what to write instead of a name of Flask-MongoEngine."""
        remedy = MONGOENGINE_INSTEAD.get(name)
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}"
            + (f": {remedy}" if remedy else ""),
            name=name,
            obj=self,
        )

    def init_app(self, app: Quart) -> None:
        """Use the database that the settings of *app* name.

        ``app.url_map`` gets the converter ``<ObjectId:id>``, and ``jsonify`` writes documents and
        ids as Flask-MongoEngine does. The settings are read now. When *app* starts, it connects
        and creates the indexes. If the database cannot be reached, *app* does not start. If the
        database becomes unavailable later, the response is a 503 until it is available again; see
        :func:`diagnose`.

        Raises:
            RuntimeError: *app* is already initialized.
            SettingError: A setting is invalid; a subclass of ``ValueError``.
        """
        if "mongodb" in app.extensions:
            raise RuntimeError(
                f"the application {app.name!r} already has a MongoDB object: call init_app() only"
                " once"
            )
        connection = AppDatabases(self, read_settings(app), self._documents.keys())
        app.extensions["mongodb"] = connection
        register_error_handlers(app)
        register_converter(app)
        register_document_json(app)

        async def initialize_documents(app: Quart, **values: Any) -> None:
            if not self._in_use:
                initialize_classes(self._documents)
                self._in_use = True

        # At the first context all classes that derive from others have been imported.
        appcontext_pushed.connect(initialize_documents, app, weak=False)

        @app.before_serving
        async def open_database() -> None:
            for database in (connection, *connection.others.values()):
                with _start_up_errors():
                    await database.open()
            if connection.settings.create_indexes:
                await self.create_indexes()

        @app.after_serving
        async def close_databases() -> None:
            for database in (connection, *connection.others.values()):
                await database.close()

    def register(self, *documents: type[D]) -> type[D]:
        """Register document classes: ``@mongo.register``, or ``mongo.register(Movie, User)``.

        Returns:
            The first class.

        Raises:
            TypeError: A class is not derived from :class:`~quartpatterns.mongodb.Document`.
        """
        for document in documents:
            if Document not in getattr(document, "__mro__", ()):
                raise TypeError(
                    f"{document!r} is not derived from quartpatterns.mongodb.Document: change its"
                    " base class, because beanie's own Document uses one database for the whole"
                    " process"
                )
            self._documents[document] = None
        if self._in_use:
            initialize_classes(documents)
        return documents[0]

    async def create_indexes(self) -> None:
        """Create the indexes of all documents in the database of the current application.

        A server does this at start-up. Scripts and tests call it if they need a unique index.
        Existing indexes are not changed.

        Raises:
            RuntimeError: An index or a document in the database conflicts with a new index, or
                the database cannot be reached.
        """
        self._loop_client("mongo.create_indexes()")
        with _start_up_errors():
            await create_indexes(self._documents)

    @property
    def client(self) -> MongoClient:
        """PyMongo's client of the current application for the running event loop.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._loop_client("mongo.client").client

    @property
    def db(self) -> Database:
        """PyMongo's database: ``await mongo.db.users.find_one({"name": "x"})``.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._loop_client("mongo.db").database

    def database(self, alias: str) -> Database:
        """Return the database with this alias of several in ``MONGODB_SETTINGS``.

        Arguments:
            alias: The ``alias`` of the settings.

        Raises:
            RuntimeError: No database has this alias, there is no context, or this is a synchronous
                view.
        """
        return self._loop_client("mongo.database()", alias).database

    @asynccontextmanager
    async def transaction(
        self, *, alias: str | None = None, **options: Any
    ) -> AsyncGenerator[AsyncClientSession]:
        """Run a transaction: ``async with mongo.transaction() as session:``.

        Pass the session to each operation in it: ``await movie.save(session=session)``. The end
        of the block commits; an error or a cancellation rolls back. It needs a replica set.

        Arguments:
            alias: The alias of the database, if it is not the default one.
            options: Passed to :meth:`AsyncClientSession.start_transaction`, for example
                ``read_concern``.
        """
        client = self._loop_client("mongo.transaction()", alias).client
        async with client.start_session() as session, await session.start_transaction(**options):
            yield session

    async def get_or_404(
        self, document: type[D], ident: Any, *, description: str | None = None, **options: Any
    ) -> D:
        """Return the document with the id *ident*.

        Arguments:
            document: The document class.
            ident: The id, or the id as a text.
            description: The description of the 404 error.
            options: Passed to beanie's ``find_one``, for example ``fetch_links=True``.

        Raises:
            NotFound: There is no such document, or *ident* is not a valid id.
            StoredDocumentError: The document is not valid for its class.
        """
        id = TypeAdapter(cast("Any", document.model_fields["id"].annotation))
        try:
            valid = id.validate_python(ident)
        except ValidationError:
            abort(404, description=description)
        query: Awaitable[D | None] = document.find_one({"_id": literal(valid)}, **options)
        try:
            with _stored_documents(valid):
                value = await query
        except (ArithmeticError, UnicodeEncodeError) as error:
            if not is_unstorable_value(error):
                raise
            value = None
        return _or_404(value, description)

    async def first_or_404(self, query: FindMany[M], *, description: str | None = None) -> M:
        """Return the first document of *query*.

        Raises:
            NotFound: There is none.
            StoredDocumentError: The document is not valid for its class.
        """
        with _stored_documents():
            found = await query.first_or_none()
        return _or_404(found, description)

    async def one_or_404(self, query: FindMany[M], *, description: str | None = None) -> M:
        """Return the only document of *query*.

        Raises:
            NotFound: There is none, or more than one.
            StoredDocumentError: A document is not valid for its class.
        """
        with _stored_documents():
            found = await _slice(query, 0, 2).to_list()
        return _or_404(found[0] if len(found) == 1 else None, description)

    async def paginate(
        self,
        query: FindMany[M],
        *,
        page: int | None = None,
        per_page: int | None = None,
        max_per_page: int | None = MAX_PER_PAGE,
        error_out: bool = True,
        count: bool = True,
    ) -> Pagination[M]:
        """Return one page of the results of *query*, which should be sorted.

        Arguments:
            query: For example ``Movie.find(...).sort("title")``. Its skip and limit are replaced.
            page: The number of the page; the first is 1. If it is ``None``, the argument ``page``
                of the query string is used, or 1.
            per_page: The number of documents on a page. If it is ``None``, the argument
                ``per_page`` of the query string is used, or 20.
            max_per_page: The largest *per_page*; ``None`` sets no limit.
            error_out: Whether to raise a 404 for an invalid number or a page after the last one.
            count: Whether to count all documents, which takes long in large collections. If it is
                false, ``total`` is None, and one more document is fetched to set ``has_next``.

        Raises:
            NotFound: There is no such page, and *error_out* is true.
            StoredDocumentError: A document is not valid for its class.
        """
        page, per_page = page_numbers(
            page=page, per_page=per_page, max_per_page=max_per_page, error_out=error_out
        )

        def fetch(page: int, error_out: bool) -> Awaitable[Pagination[M]]:
            return self.paginate(
                query,
                page=page,
                per_page=per_page,
                max_per_page=max_per_page,
                error_out=error_out,
                count=False,
            )

        items: list[M] = []
        if (skip := (page - 1) * per_page) <= MAX_SKIP - per_page:
            with _stored_documents():
                items = await _slice(query, skip, per_page + (not count)).to_list()
        if not items and page > 1 and error_out:
            abort(404)
        return Pagination[M].of(
            items=items[:per_page],
            page=page,
            per_page=per_page,
            max_per_page=max_per_page,
            total=await _slice(query, 0, 0).count() if count else None,
            more=None if count else len(items) > per_page,
            fetch=fetch,
        )

    def _loop_client(self, used_for: str, alias: str | None = None) -> LoopClient:
        connection = current_database(used_for)
        if connection.mongo is not self:
            raise RuntimeError(
                f"{used_for}: the current application is initialized with another MongoDB object;"
                " use that object, or call init_app() of this one"
            )
        return connection.with_alias(alias).client(used_for)


def literal(value: Any) -> dict[str, Any]:
    """Return a query condition that matches only this value: ``{"$eq": value}``.

    If you insert JSON from a client into a query, the client can send an operator instead of a
    value, such as ``{"$ne": null}``, which matches everything. With
    ``mongo.db["users"].find_one({"name": literal(fields["name"])})`` MongoDB treats it as a value.

    .. versionadded:: 0.1
    """
    return {"$eq": value}


def _slice(query: FindMany[M], skip: int, limit: int) -> FindMany[M]:
    """Return a copy of *query* for a part of its results."""
    part = copy.copy(query)
    part.skip_number, part.limit_number = skip, limit
    return part


def _or_404(value: M | None, description: str | None) -> M:
    if value is None:
        abort(404, description=description)
    return value


@contextmanager
def _stored_documents(ident: object = None) -> Generator[None]:
    """Raise a :exc:`StoredDocumentError` if a document of the database is not valid."""
    try:
        yield
    except ValidationError as error:
        raise StoredDocumentError(error, ident) from error


@contextmanager
def _start_up_errors() -> Generator[None]:
    """Raise errors of the database with a remedy, for the person who starts the application."""
    try:
        yield
    except PyMongoError as error:
        if (answer := diagnose(error)) is None:
            raise
        raise RuntimeError(f"{answer.description} ({shorten(str(error), 160)})") from error
