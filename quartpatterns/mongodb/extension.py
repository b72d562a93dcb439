"""The extension: a client per event loop, and documents in the database of the application."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from textwrap import shorten
from typing import Any, TypeVar

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from quart import Quart
from quart.signals import appcontext_pushed

from quartpatterns.mongodb.clients import LoopClient
from quartpatterns.mongodb.documents import Document, create_indexes, define
from quartpatterns.mongodb.errors import diagnose
from quartpatterns.mongodb.queries import Queries
from quartpatterns.mongodb.registration import Registration, current
from quartpatterns.mongodb.settings import configured

__all__ = ["MongoDB"]

D = TypeVar("D", bound=Document)


class MongoDB(Queries):
    """MongoDB in a Quart application: documents, and the collections under them.

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

    It works in requests, websockets, background tasks, streams, and the bare
    ``async with app.app_context()``. One object serves any number of applications: classes are
    shared, clients and databases are not.

    Arguments:
        app: An application to initialise at once.
    """

    def __init__(self, app: Quart | None = None) -> None:
        # In the order of their registration; a dict, as a set has none.
        self._documents: dict[type[Document], None] = {}
        self._in_use = False
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Use the database that the configuration of *app* names.

        The configuration is read now. Indexes are created when *app* begins to serve, which it
        doesn't where the database can't be reached; from then on it may come and go.

        Raises:
            RuntimeError: *app* has been initialised before.
            ValueError: The configuration can't be used; the message names the key to correct.
        """
        if "mongodb" in app.extensions:
            raise RuntimeError("this application has a MongoDB object: import that one")
        registration = Registration(self, configured(app), self._documents.keys())
        app.extensions["mongodb"] = registration

        async def define_documents(app: Quart, **values: Any) -> None:
            if not self._in_use:
                define(self._documents)
                self._in_use = True

        # Before the first context nobody needs `Movie.title` to be more than a declaration, and
        # then all classes that are derived from others have been imported.
        appcontext_pushed.connect(define_documents, app, weak=False)

        @app.before_serving
        async def open_database() -> None:
            with _explained():
                await registration.open()
            if registration.settings.create_indexes:
                await self.create_indexes()

        app.after_serving(registration.close)

    def register(self, *documents: type[D]) -> type[D]:
        """Make classes of documents known: ``@mongo.register``, or ``mongo.register(Movie, User)``.

        Raises:
            TypeError: One of them is no :class:`~quartpatterns.mongodb.Document`.
        """
        for document in documents:
            if Document not in getattr(document, "__mro__", ()):
                raise TypeError(
                    f"{document!r} is not derived from quartpatterns.mongodb.Document: a class of"
                    " beanie's own is tied to one database for the whole process"
                )
            self._documents[document] = None
        if self._in_use:
            define(documents)
        return documents[0]

    async def create_indexes(self) -> None:
        """Create the indexes of all documents, in the database of the current application.

        A server does this before it serves; scripts and tests call it where they need a unique
        index. What is there already is left alone.

        Raises:
            RuntimeError: The database has an index, or documents, that stand against it; or it
                can't be reached.
        """
        client = self._client("mongo.create_indexes()")
        with _explained():
            await create_indexes(self._documents, client.database)

    @property
    def client(self) -> AsyncMongoClient[dict[str, Any]]:
        """PyMongo's client, of the current application and the running event loop.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._client("mongo.client").client

    @property
    def db(self) -> AsyncDatabase[dict[str, Any]]:
        """The database, as PyMongo has it: ``await mongo.db["users"].find_one({"name": "x"})``.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._client("mongo.db").database

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncGenerator[AsyncClientSession]:
        """A transaction: ``async with mongo.transaction() as session:``.

        Each operation in it is given the session: ``await movie.save(session=session)``. At the
        end of the block it is committed; an error, also that of a client that went away, ends
        it without a trace. It needs a replica set.

        Arguments:
            options: For :meth:`AsyncClientSession.start_transaction`, such as ``read_concern``.
        """
        async with self._client("mongo.transaction()").client.start_session() as session:
            async with await session.start_transaction(**options):
                yield session

    def _client(self, what: str) -> LoopClient:
        registration = current(what)
        if registration.mongo is not self:
            raise RuntimeError(
                f"{what}: the current application is initialised with another MongoDB object;"
                " make one MongoDB object only"
            )
        return registration.client(what)


@contextmanager
def _explained() -> Generator[None]:
    """What a server that can't be used means for one who starts an application."""
    try:
        yield
    except PyMongoError as error:
        if (answer := diagnose(error)) is None:
            raise
        raise RuntimeError(f"{answer.description} ({shorten(str(error), 160)})") from error
