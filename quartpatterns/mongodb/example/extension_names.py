"""What becomes of the names of Flask-PyMongo and Flask-MongoEngine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from quartpatterns.compare.extension_names import Extension, ExtensionName
from quartpatterns.mongodb.instead import (
    DOCUMENT_INSTEAD,
    FIELD_INSTEAD,
    MODULE_INSTEAD,
    MONGOENGINE_INSTEAD,
    PYMONGO_OPTIONS_INSTEAD,
)
from quartpatterns.mongodb.settings import MONGO_INSTEAD, MONGODB_INSTEAD

__all__ = ["EXTENSION"]


def _refused(instead: Mapping[str, str], pattern: str = "{}") -> Iterable[ExtensionName]:
    for name, remedy in instead.items():
        # The error of each field of MongoEngine ends with the type to write.
        remark = FIELD_INSTEAD if remedy.startswith(FIELD_INSTEAD) else remedy
        yield ExtensionName(pattern.format(name), "refused", remark)


_CLIENT = "a call of PyMongo's asynchronous client is awaited"
_IN_A_FUNCTION = "use it in an `async def` function, and not while a module is imported"
_DOCUMENT = "derive from it, annotate the fields, and write @mongo.register"

EXTENSION = Extension(
    "Flask-PyMongo 3.0, Flask-MongoEngine 1.0",
    (
        # Flask-PyMongo
        ExtensionName("PyMongo"),
        ExtensionName("PyMongo(app=)"),
        ExtensionName("PyMongo(uri=)"),
        ExtensionName("PyMongo(json_options=)"),
        ExtensionName("PyMongo(document_class=)"),
        ExtensionName("PyMongo(tz_aware=)"),
        ExtensionName("PyMongo(connect=)"),
        *_refused(PYMONGO_OPTIONS_INSTEAD, "PyMongo({}=)"),
        ExtensionName("PyMongo.init_app"),
        ExtensionName("PyMongo.init_app(uri=)"),
        ExtensionName(
            "PyMongo.cx", "changed", "use it in a function, not while a module is imported"
        ),
        ExtensionName(
            "PyMongo.db", "changed", "use it in a function, not while a module is imported"
        ),
        ExtensionName("PyMongo.save_file", "awaited", "await mongo.save_file(name, file)"),
        ExtensionName("PyMongo.send_file", "awaited", "return await mongo.send_file(name)"),
        ExtensionName("ASCENDING"),
        ExtensionName("DESCENDING"),
        ExtensionName("BSONObjectIdConverter"),
        ExtensionName("BSONProvider"),
        ExtensionName("BSONProvider.dumps"),
        ExtensionName("BSONProvider.loads"),
        ExtensionName("<ObjectId:id>"),
        ExtensionName("MongoClient", "awaited", _CLIENT),
        ExtensionName("MongoClient.address", "awaited", "await mongo.cx.address"),
        ExtensionName("Database", "awaited", _CLIENT),
        ExtensionName("Collection", "awaited", _CLIENT),
        ExtensionName(
            "Collection.find_one_or_404", "awaited", "await mongo.db.users.find_one_or_404(id)"
        ),
        ExtensionName("jsonify(cursor)", "awaited", "return await jsonify(cursor)"),
        ExtensionName("MONGO_URI"),
        *_refused(MONGO_INSTEAD),
        # Flask-MongoEngine
        *_refused(MODULE_INSTEAD),
        *_refused(MONGOENGINE_INSTEAD, "MongoEngine.{}"),
        ExtensionName("MongoEngine.init_app", "changed", "write MongoDB.init_app"),
        *_refused(DOCUMENT_INSTEAD, "Document.{}"),
        ExtensionName("Document", "changed", _DOCUMENT),
        ExtensionName("Pagination", "awaited", "await mongo.paginate(Movie.find(...))"),
        ExtensionName("Settings.db_alias", "changed", "class Settings: db_alias = 'logs'"),
        ExtensionName("MONGODB_SETTINGS"),
        ExtensionName("MONGODB_DB"),
        ExtensionName("MONGODB_HOST"),
        ExtensionName("MONGODB_PORT"),
        ExtensionName("MONGODB_USERNAME"),
        ExtensionName("MONGODB_PASSWORD"),
        ExtensionName("MONGODB_ALIAS"),
        ExtensionName("MONGODB_AUTHENTICATION_SOURCE"),
        ExtensionName("MONGODB_AUTHENTICATION_MECHANISM"),
        ExtensionName("MONGODB_CONNECT"),
        ExtensionName("MONGODB_REPLICASET"),
        ExtensionName("MONGODB_READ_PREFERENCE"),
        ExtensionName("MONGODB_TZ_AWARE"),
        ExtensionName("MONGODB_UUIDREPRESENTATION"),
        *_refused(MONGODB_INSTEAD),
    ),
)
"""The names, for ``quartpatterns parity mongodb --extension`` and the table of the README."""
