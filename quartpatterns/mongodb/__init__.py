"""MongoDB for Quart: documents on beanie, collections on PyMongo's asynchronous client.

::

    mongo = MongoDB()
    mongo.register(Movie)                           # class Movie(Document): title: str
    mongo.init_app(app)                             # MONGODB_URL = "mongodb://localhost/myapp"

    @app.get("/movies/<id>")
    async def get_movie(id: str) -> dict[str, str]:
        movie = await mongo.get_or_404(Movie, id)
        return {"title": movie.title}

A class of documents belongs to no database: each application finds it in its own.
"""

try:
    from quartpatterns.mongodb.documents import Document
except ModuleNotFoundError as _missing:
    raise ImportError(
        f"quartpatterns.mongodb needs {_missing.name}: pip install 'quartpatterns[mongodb]'",
        name=_missing.name,
    ) from _missing

from quartpatterns.mongodb.errors import (
    DocumentInvalid,
    MongoUnavailable,
    diagnose,
    handle_database_error,
    read_document,
    register_error_handlers,
)
from quartpatterns.mongodb.extension import MongoDB
from quartpatterns.mongodb.pagination import Pagination
from quartpatterns.mongodb.queries import literal
from quartpatterns.mongodb.settings import DEFAULTS

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
