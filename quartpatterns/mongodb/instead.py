"""Names of Flask-PyMongo and Flask-MongoEngine that are refused, and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "DOCUMENT_INSTEAD",
    "FIELD_INSTEAD",
    "MODULE_INSTEAD",
    "MONGOENGINE_INSTEAD",
    "PYMONGO_OPTIONS_INSTEAD",
]

_TYPES = {
    "BinaryField": "bytes",
    "BooleanField": "bool",
    "CachedReferenceField": "beanie.Link[Author]",
    "ComplexDateTimeField": "datetime.datetime",
    "DateField": "datetime.date",
    "DateTimeField": "datetime.datetime",
    "Decimal128Field": "decimal.Decimal",
    "DecimalField": "decimal.Decimal",
    "DictField": "dict[str, Any]",
    "DynamicField": "Any",
    "EmailField": "pydantic.EmailStr",
    "EmbeddedDocumentField": "Imdb, a class derived from pydantic.BaseModel",
    "EmbeddedDocumentListField": "list[Imdb], where Imdb is derived from pydantic.BaseModel",
    "EnumField": "Status, a class derived from enum.Enum",
    "FileField": "bson.ObjectId, and store the file with mongo.save_file()",
    "FloatField": "float",
    "GenericEmbeddedDocumentField": "Imdb | Tmdb, classes derived from pydantic.BaseModel",
    "GenericLazyReferenceField": "beanie.Link[Author]",
    "GenericReferenceField": "beanie.Link[Author]",
    "GeoJsonBaseField": "dict[str, Any]",
    "GeoPointField": "tuple[float, float]",
    "ImageField": "bson.ObjectId, and store the file with mongo.save_file()",
    "IntField": "int",
    "LazyReferenceField": "beanie.Link[Author]",
    "LineStringField": "dict[str, Any]",
    "ListField": "list[str]",
    "LongField": "int",
    "MapField": "dict[str, int]",
    "MultiLineStringField": "dict[str, Any]",
    "MultiPointField": "dict[str, Any]",
    "MultiPolygonField": "dict[str, Any]",
    "ObjectIdField": "beanie.PydanticObjectId",
    "PointField": "dict[str, Any]",
    "PolygonField": "dict[str, Any]",
    "ReferenceField": "beanie.Link[Author]",
    "SequenceField": "int, and count in a collection of its own",
    "SortedListField": "list[str], and sort it before you save it",
    "StringField": "str",
    "URLField": "pydantic.AnyUrl",
    "UUIDField": "uuid.UUID",
}

FIELD_INSTEAD = "annotate the field of the document"
MONGOENGINE_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        **{name: f"{FIELD_INSTEAD}, as in `name: {type_}`" for name, type_ in _TYPES.items()},
        "Document": "derive from quartpatterns.mongodb.Document, and write @mongo.register",
        "DynamicDocument": (
            "derive from quartpatterns.mongodb.Document, and set"
            ' `model_config = ConfigDict(extra="allow")`'
        ),
        "EmbeddedDocument": "derive from pydantic.BaseModel",
        "DynamicEmbeddedDocument": (
            'derive from pydantic.BaseModel, and set `model_config = ConfigDict(extra="allow")`'
        ),
        "Q": "write operators of beanie: `Or(Movie.year == 2017, Movie.rated == None)`",
        "DoesNotExist": "a query returns None; mongo.first_or_404(query) raises NotFound",
        "MultipleObjectsReturned": "await mongo.one_or_404(query) raises NotFound",
        "NotUniqueError": "catch pymongo.errors.DuplicateKeyError; without it, the answer is a 409",
        "ValidationError": "catch DocumentInvalid of quartpatterns.mongodb",
        "connect": "set MONGODB_SETTINGS and call MongoDB.init_app(app)",
        "disconnect": "the client is closed when the application shuts down",
        "signals": "write methods with beanie's decorators @before_event and @after_event",
        "app": "use quart.current_app",
        "config": "use quart.current_app.config",
        "connection": "use mongo.database(alias) for a database with an alias, or mongo.cx",
    }
)
"""Attributes of Flask-MongoEngine's ``MongoEngine`` object."""

DOCUMENT_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "objects": (
            "write await Movie.find(Movie.title == title).to_list(), first_or_none() or count();"
            " await mongo.get_or_404(Movie, id); await mongo.first_or_404(Movie.find(...));"
            " await mongo.paginate(Movie.find(...))"
        ),
        "meta": (
            'write `class Settings` with name = "posts", indexes = [...], is_root = True or'
            ' db_alias = "logs"'
        ),
        "paginate_field": "slice the list: movie.actors[start:stop]",
        "to_wtf_form": "write the form as a class, see quartpatterns.wtforms",
    }
)
"""Attributes of a document class of Flask-MongoEngine."""

_SESSIONS = "store sessions in Redis or Memcached with Quart-Session, or use Quart's own"
MODULE_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "MongoEngine": "write MongoDB",
        "BaseQuerySet": DOCUMENT_INSTEAD["objects"],
        "DynamicDocument": MONGOENGINE_INSTEAD["DynamicDocument"],
        "EmbeddedDocument": MONGOENGINE_INSTEAD["EmbeddedDocument"],
        "DynamicEmbeddedDocument": MONGOENGINE_INSTEAD["DynamicEmbeddedDocument"],
        "ListFieldPagination": DOCUMENT_INSTEAD["paginate_field"],
        "MongoEngineSession": _SESSIONS,
        "MongoEngineSessionInterface": _SESSIONS,
        "MongoDebugPanel": "use PyMongo's pymongo.monitoring.CommandListener",
        "MongoEngineJSONProvider": "MongoDB.init_app() extends app.json",
        "override_json_encoder": "MongoDB.init_app() extends app.json",
        "create_connections": "set MONGODB_SETTINGS and call MongoDB.init_app(app)",
        "get_connection_settings": "set MONGODB_SETTINGS and call MongoDB.init_app(app)",
        "current_mongoengine_instance": "keep the MongoDB object in a module and import it",
        "db_fields": "annotate the fields of the document",
        "wtf": DOCUMENT_INSTEAD["to_wtf_form"],
    }
)
"""Names of the package ``flask_mongoengine``."""

PYMONGO_OPTIONS_INSTEAD: Mapping[str, str] = MappingProxyType(
    {"config_prefix": 'write PyMongo(app, uri=app.config["MONGO2_URI"])'}
)
"""Options of old versions of Flask-PyMongo."""
