"""MongoDB for Quart: documents with beanie, collections with PyMongo's asynchronous client.

.. code-block:: python

    mongo = MongoDB()
    mongo.register(Movie)                           # class Movie(Document): title: str
    mongo.init_app(app)                             # MONGODB_URL = "mongodb://localhost/myapp"

    @app.get("/movies/<id>")
    async def get_movie(id: str) -> dict[str, str]:
        movie = await mongo.get_or_404(Movie, id)
        return {"title": movie.title}

A document class does not belong to a database: each application uses its own database.
:class:`PyMongo` has the names of Flask-PyMongo, and collections without documents.

The errors are :exc:`MongoUnavailable`, a 503; :exc:`DocumentInvalid`, a 422; and
:exc:`StoredDocumentError`, a 500.
"""

from typing import NoReturn

from quartpatterns._shared.extras import requires_extra

with requires_extra("mongodb"):
    from pymongo import ASCENDING, DESCENDING

    from quartpatterns.mongodb.collections import PyMongo
    from quartpatterns.mongodb.documents import Document
    from quartpatterns.mongodb.errors import (
        DocumentInvalid,
        MongoUnavailable,
        StoredDocumentError,
        diagnose,
        handle_database_error,
        read_document,
        register_error_handlers,
    )
    from quartpatterns.mongodb.extension import MongoDB, literal
    from quartpatterns.mongodb.json import BSONProvider
    from quartpatterns.mongodb.routing import BSONObjectIdConverter
    from quartpatterns.mongodb.settings import SETTINGS
    from quartpatterns.mongodb.wrappers import Collection, Database, MongoClient

from quartpatterns._shared.pagination import Pagination
from quartpatterns.mongodb.instead import MODULE_INSTEAD

__all__ = [
    "ASCENDING",
    "DESCENDING",
    "SETTINGS",
    "BSONObjectIdConverter",
    "BSONProvider",
    "Collection",
    "Database",
    "Document",
    "DocumentInvalid",
    "MongoClient",
    "MongoDB",
    "MongoUnavailable",
    "Pagination",
    "PyMongo",
    "StoredDocumentError",
    "diagnose",
    "handle_database_error",
    "literal",
    "read_document",
    "register_error_handlers",
]


def __getattr__(name: str) -> NoReturn:
    """Raise an error that says what to write instead of a name of Flask-MongoEngine."""
    if (remedy := MODULE_INSTEAD.get(name)) is not None:
        # `from ... import` would replace the message of an AttributeError.
        raise ImportError(f"quartpatterns.mongodb has no {name}: {remedy}", name=__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
