"""Errors of the database, and the HTTP errors that answer them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from decimal import DecimalException
from functools import partial
from typing import Any, TypeVar, cast

from beanie.exceptions import DocumentNotFound, RevisionIdWasChanged
from bson.errors import InvalidDocument
from gridfs import NoFile
from gridfs.errors import FileExists
from pydantic import BaseModel, ValidationError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)
from quart import Quart
from werkzeug.exceptions import (
    BadRequest,
    Conflict,
    HTTPException,
    NotFound,
    RequestEntityTooLarge,
    UnprocessableEntity,
)

from quartpatterns._shared.database_errors import (
    DatabaseUnavailable,
    add_rule,
    diagnose,
    handle_database_error,
)
from quartpatterns._shared.unavailable import register_unavailable_handler

__all__ = [
    "DocumentInvalid",
    "MongoUnavailable",
    "StoredDocumentError",
    "diagnose",
    "handle_database_error",
    "is_unstorable_value",
    "read_document",
    "register_error_handlers",
    "validate",
]

M = TypeVar("M", bound=BaseModel)


class MongoUnavailable(DatabaseUnavailable):
    """503: the database cannot answer. The description says why, and what to do.

    The cause is PyMongo's error. The description does not contain queries, values or addresses.

    .. versionadded:: 0.1
    """


class DocumentInvalid(UnprocessableEntity):
    """422: the data is not valid for the document class. The description names each invalid field.

    Arguments:
        error: pydantic's error.
        path: The names of the fields that lead to the embedded document of *error*.

    .. versionadded:: 0.1
    """

    def __init__(self, error: ValidationError, path: Iterable[str] = ()) -> None:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        self.fields: dict[str, str] = {
            ".".join((*path, *map(str, one["loc"]))) or "document": one["msg"] for one in details
        }
        """What is wrong with each field; a field of an embedded document is ``imdb.rating``."""
        super().__init__("; ".join(f"{name}: {text}" for name, text in self.fields.items()))


class StoredDocumentError(ValueError):
    """A document of the database is not valid for its class, which may have changed meanwhile.

    It is no :exc:`DocumentInvalid`, because the client did nothing wrong: the response is a 500,
    and the application logs the error. The message names the class and the fields, and holds no
    value. The cause is pydantic's error. ``ident`` is the id that was looked for, or None.

    Arguments:
        error: pydantic's error.
        ident: The id of the document, if it is known.

    .. versionadded:: 0.1
    """

    def __init__(self, error: ValidationError, ident: object = None) -> None:
        self.ident = ident
        self.fields = DocumentInvalid(error).fields
        """What is wrong with each field."""
        which = "" if ident is None else f" with the id {ident}"
        details = "; ".join(f"{name}: {text}" for name, text in self.fields.items())
        super().__init__(
            f"a stored document{which} is not valid for the class {error.title} ({details}):"
            " change the class, or correct the document in the database"
        )


_ID_FIELDS = frozenset({"_id", "id", "revision_id"})


def read_document(model: type[M], fields: object) -> M:
    """Create a document from data of a client. The document is not stored.

    An id in the data is ignored. Otherwise ``save()`` would overwrite the document with this id.

    Arguments:
        model: The class of the document, or of an embedded document.
        fields: The data, for example ``await request.get_json()``.

    Raises:
        DocumentInvalid: The data is not valid for the class.

    .. versionadded:: 0.1
    """
    if isinstance(fields, Mapping):
        data: dict[Any, Any] = dict(cast("Any", fields))
        fields = {name: value for name, value in data.items() if name not in _ID_FIELDS}
    return validate(model, fields)


def validate(model: type[M], fields: object) -> M:
    """Return a document made of *fields*, including its id.

    Raises:
        DocumentInvalid: The fields are not valid for the class.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise DocumentInvalid(error) from error


_LOST = "MongoDB can't be reached. Start it, or correct MONGODB_URL or MONGODB_SETTINGS."
_NO_PRIMARY = "MongoDB is electing a new primary server. Try again in a moment."
_POOL = (
    "All connections to MongoDB are in use. Try again in a moment, or raise maxPoolSize in"
    " MONGODB_SETTINGS."
)
_LOGIN = "MongoDB refuses the user. Correct MONGODB_URL or MONGODB_SETTINGS."
_REPLICA_SET = (
    "Transactions and change streams need a replica set. Start mongod with --replSet, and call"
    " rs.initiate()."
)
_CONFLICT = "Another request is writing the same document. Try again in a moment."
_SLOW = "The operation exceeded its time limit. Request less data."
_LARGE = (
    "The document is larger than 16 MiB, the limit of MongoDB. Store large values in files, or in"
    " GridFS."
)
_DEEP = "The document is nested more deeply than MongoDB allows."
_REVISION = "Another request has changed the document. Read it again, and repeat the change."
_GONE = "The document does not exist any more."
_FILE_EXISTS = "A file with this id already exists."
_NO_FILE = "There is no such file."
_UNSTORABLE = "A value is too large for MongoDB, or of a type that it can't store."

# https://github.com/mongodb/mongo/blob/v8.0/src/mongo/base/error_codes.yml
_CODES: Mapping[int, Callable[[], HTTPException]] = {
    13: partial(MongoUnavailable, _LOGIN),
    15: partial(BadRequest, _DEEP),
    18: partial(MongoUnavailable, _LOGIN),
    50: partial(MongoUnavailable, _SLOW, retry_after=5),
    112: partial(MongoUnavailable, _CONFLICT, retry_after=1),
    121: partial(UnprocessableEntity, "The document breaks a rule of its collection."),
    251: partial(MongoUnavailable, _CONFLICT, retry_after=1),
    10334: partial(RequestEntityTooLarge, _LARGE),
    14031: partial(MongoUnavailable, "The disk of the database is full. Free some space."),
    17419: partial(RequestEntityTooLarge, _LARGE),
    17420: partial(RequestEntityTooLarge, _LARGE),
    40573: partial(MongoUnavailable, _REPLICA_SET),
}
_ANSWERS: Mapping[type[Exception], Callable[[], HTTPException]] = {
    RevisionIdWasChanged: partial(Conflict, _REVISION),
    DocumentNotFound: partial(NotFound, _GONE),
    FileExists: partial(Conflict, _FILE_EXISTS),
    NoFile: partial(NotFound, _NO_FILE),
}
_DUPLICATE_KEY = 11000
_ILLEGAL_OPERATION = 20


def _diagnose(error: Exception) -> HTTPException | None:
    """Return the HTTP error for an error of the database, or None for a programming error.

    * 503, :exc:`MongoUnavailable`: the database cannot answer.
    * 409: a unique index already has the value, and the description names the fields; or another
      request has changed the document, whose class has ``use_revision``.
    * 404: the document that is to be changed, or a file of GridFS, does not exist.
    * 413 and 400: the document is larger than 16 MiB, or has a value that MongoDB cannot store.
    * 422: the document breaks a rule of its collection.

    .. versionadded:: 0.1
    """
    if (made := _ANSWERS.get(type(error))) is not None:
        return made()
    if isinstance(error, WaitQueueTimeoutError):
        return MongoUnavailable(_POOL, retry_after=1)
    if isinstance(error, NotPrimaryError):
        return MongoUnavailable(_NO_PRIMARY, retry_after=1)
    if isinstance(error, ConnectionFailure):
        # After a failed login PyMongo treats the server as unreachable for a while.
        login = "Authentication failed" in str(error)
        return MongoUnavailable(_LOGIN if login else _LOST, retry_after=5)
    if isinstance(error, DocumentTooLarge):  # a subclass of InvalidDocument
        return RequestEntityTooLarge(_LARGE)
    if isinstance(error, OperationFailure):
        return _diagnose_operation(error)
    if isinstance(error, RecursionError):
        return BadRequest(_DEEP) if _is_of_driver(error) else None
    return BadRequest(_UNSTORABLE) if is_unstorable_value(error) else None


_ERRORS: tuple[type[Exception], ...] = (
    *(PyMongoError, InvalidDocument, RevisionIdWasChanged, DocumentNotFound),
    *(OverflowError, UnicodeEncodeError, DecimalException, RecursionError),
)
add_rule(*_ERRORS, diagnose=_diagnose)


def register_error_handlers(app: Quart) -> None:
    """Register handlers that respond to driver errors with what :func:`diagnose` returns.

    They also log each 503. :meth:`MongoDB.init_app` calls this function. If the application
    registers a handler for the same error class, its handler is used.

    .. versionadded:: 0.1
    """
    register_unavailable_handler(app, *_ERRORS, diagnose=_diagnose)


def is_unstorable_value(error: Exception) -> bool:
    """Return whether the driver refused a value that MongoDB cannot store, such as 10**30."""
    # A NUL character in a field name comes from a client. Other invalid documents are a fault of
    # the program.
    if isinstance(error, InvalidDocument):
        return "NULL byte" in str(error)
    # For large numbers, decimals of more than 34 digits and lone surrogates the driver raises
    # built-in errors.
    kinds = OverflowError | UnicodeEncodeError | DecimalException
    return isinstance(error, kinds) and _is_of_driver(error)


def _is_of_driver(error: Exception) -> bool:
    """Return whether a built-in error comes from the driver, or from beanie's encoder."""
    # Only the traceback tells them from the same errors of other code. A RecursionError may be
    # raised in a function of the standard library that the encoder calls.
    frames = traceback.walk_tb(error.__traceback__)
    modules = [frame.f_globals.get("__name__", "") for frame, _ in frames]
    innermost = modules[-10:] if isinstance(error, RecursionError) else modules[-1:]
    return any(module.startswith(("bson", "pymongo", "beanie")) for module in innermost)


def _diagnose_operation(error: OperationFailure) -> HTTPException | None:
    details: Mapping[str, Any] = error.details or {}
    code = error.code
    if isinstance(error, BulkWriteError) and details.get("writeErrors"):
        details = details["writeErrors"][0]
        code = details["code"]
    if code == _DUPLICATE_KEY:
        fields: Iterable[str] = details.get("keyPattern") or ()
        return Conflict(f"A document with this {' and '.join(fields) or 'value'} already exists.")
    if code == _ILLEGAL_OPERATION and "Transaction numbers" in str(error):
        return MongoUnavailable(_REPLICA_SET)
    if code is not None and code in _CODES:
        return _CODES[code]()
    if error.has_error_label("TransientTransactionError"):
        return MongoUnavailable(_CONFLICT, retry_after=1)
    return None
