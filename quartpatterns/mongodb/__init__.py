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

The errors are :exc:`MongoUnavailable`, a 503, and :exc:`DocumentInvalid`, a 422.
"""

from quartpatterns._shared.extras import requires_extra

with requires_extra("mongodb", "beanie", "pydantic", "pymongo", "bson"):
    from quartpatterns.mongodb.documents import Document
    from quartpatterns.mongodb.errors import (
        DocumentInvalid,
        MongoUnavailable,
        diagnose,
        handle_database_error,
        read_document,
        register_error_handlers,
    )
    from quartpatterns.mongodb.extension import MongoDB, literal
    from quartpatterns.mongodb.settings import DEFAULTS

from quartpatterns._shared.pagination import Pagination

__all__ = [
    "DEFAULTS",
    "Document",
    "DocumentInvalid",
    "MongoDB",
    "MongoUnavailable",
    "Pagination",
    "diagnose",
    "handle_database_error",
    "literal",
    "read_document",
    "register_error_handlers",
]
