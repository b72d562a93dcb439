"""What a database that can't answer, or must not store something, looks like to a client."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from textwrap import shorten
from typing import Any, TypeVar, cast

from bson.errors import InvalidDocument
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
from quart import Quart, ResponseReturnValue, current_app
from werkzeug.exceptions import (
    BadRequest,
    Conflict,
    HTTPException,
    RequestEntityTooLarge,
    ServiceUnavailable,
    UnprocessableEntity,
)

__all__ = [
    "DocumentInvalid",
    "MongoUnavailable",
    "diagnose",
    "handle_database_error",
    "read_document",
    "refuses_value",
    "register_error_handlers",
    "validated",
]

M = TypeVar("M", bound=BaseModel)


class MongoUnavailable(ServiceUnavailable):
    """503: the database can't answer; the description says why, and what to do.

    Its cause is PyMongo's error. It holds no query, no value and no address, so that it may be
    shown to anybody.
    """


class DocumentInvalid(UnprocessableEntity):
    """422: what a client sent is no document of the class; the description says where and why.

    Arguments:
        error: pydantic's error.
    """

    def __init__(self, error: ValidationError) -> None:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        self.fields: dict[str, str] = {
            ".".join(map(str, one["loc"])) or "document": one["msg"] for one in found
        }
        """What is wrong, by field; a field of an embedded document is ``imdb.rating``."""
        super().__init__("; ".join(f"{name}: {text}" for name, text in self.fields.items()))


# What names a document, and so is not taken from a client.
_OURS = frozenset({"_id", "id", "revision_id"})


def read_document(model: type[M], fields: object) -> M:
    """A document of the class *model*, made of what a client sent.

    An id among the fields is left out: with one, ``save()`` would replace whatever document it
    names.

    Arguments:
        model: The class, or that of an embedded document.
        fields: Such as ``await request.get_json()``.

    Raises:
        DocumentInvalid: It is no such document.
    """
    if isinstance(fields, Mapping):
        given: dict[Any, Any] = dict(cast("Any", fields))
        fields = {name: value for name, value in given.items() if name not in _OURS}
    return validated(model, fields)


def validated(model: type[M], fields: object) -> M:
    """*fields* as a document of the class *model*, the id among them.

    Raises:
        DocumentInvalid: They are no such document.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise DocumentInvalid(error) from error


_LOST = "MongoDB can't be reached. Start it, or correct MONGODB_URL or MONGODB_SETTINGS."
_ELECTING = "MongoDB is about to choose another primary server. Try again in a moment."
_POOL = (
    "All connections to MongoDB are in use. Try again in a moment, or raise maxPoolSize in"
    " MONGODB_SETTINGS."
)
_REFUSED = "MongoDB refuses the user. Correct MONGODB_URL or MONGODB_SETTINGS."
_REPLICA_SET = (
    "Transactions and change streams need a replica set. Start mongod with --replSet, and call"
    " rs.initiate()."
)
_BUSY = "Somebody else is writing the same document. Try again in a moment."
_SLOW = "MongoDB took longer than it was given. Ask it for less."
_LARGE = (
    "The document is larger than the 16 MiB that MongoDB stores. Keep large values in files, or in"
    " GridFS."
)
_DEEP = "The document has more levels than MongoDB stores."
_IMPOSSIBLE = "A value is too large for MongoDB, or of a kind that it can't store."

# https://github.com/mongodb/mongo/blob/v8.0/src/mongo/base/error_codes.yml
_CODES: Mapping[int, Callable[[], HTTPException]] = {
    13: partial(MongoUnavailable, _REFUSED),
    15: partial(BadRequest, _DEEP),
    18: partial(MongoUnavailable, _REFUSED),
    50: partial(MongoUnavailable, _SLOW, retry_after=5),
    112: partial(MongoUnavailable, _BUSY, retry_after=1),
    121: partial(UnprocessableEntity, "The document breaks a rule of its collection."),
    251: partial(MongoUnavailable, _BUSY, retry_after=1),
    10334: partial(RequestEntityTooLarge, _LARGE),
    14031: partial(MongoUnavailable, "The disk of the database is full. Make room on it."),
    17419: partial(RequestEntityTooLarge, _LARGE),
    17420: partial(RequestEntityTooLarge, _LARGE),
    40573: partial(MongoUnavailable, _REPLICA_SET),
}
_DUPLICATE = 11000
_ILLEGAL = 20


def diagnose(error: Exception) -> HTTPException | None:
    """What a client is told of *error*; ``None`` where that is a fault of the program.

    * 503 where the database can't answer: :exc:`MongoUnavailable`.
    * 409 for what a unique index holds already; the description names the fields.
    * 413 for a document beyond 16 MiB, 400 for a value that MongoDB can't store.
    """
    if isinstance(error, WaitQueueTimeoutError):
        return MongoUnavailable(_POOL, retry_after=1)
    if isinstance(error, NotPrimaryError):
        return MongoUnavailable(_ELECTING, retry_after=1)
    if isinstance(error, ConnectionFailure):
        # Who was refused once is not tried again at once: the server counts as gone meanwhile.
        refused = "Authentication failed" in str(error)
        return MongoUnavailable(_REFUSED if refused else _LOST, retry_after=5)
    if isinstance(error, DocumentTooLarge):  # before it is told apart as an InvalidDocument
        return RequestEntityTooLarge(_LARGE)
    if isinstance(error, OperationFailure):
        return _refused(error)
    return BadRequest(_IMPOSSIBLE) if refuses_value(error) else None


def refuses_value(error: Exception) -> bool:
    """Whether the driver was given a value that MongoDB never stores, such as 10**30."""
    # In names of fields a NUL can't be; other invalid documents are the program's fault.
    if isinstance(error, InvalidDocument):
        return "NULL byte" in str(error)
    # What the driver raises for a number and for half a character is everybody's error.
    frames = traceback.walk_tb(error.__traceback__)
    modules = [frame.f_globals.get("__name__", "") for frame, _ in frames]
    from_driver = bool(modules) and modules[-1].startswith(("bson", "pymongo"))
    return from_driver and isinstance(error, OverflowError | UnicodeEncodeError)


def _refused(error: OperationFailure) -> HTTPException | None:
    details: Mapping[str, Any] = error.details or {}
    code = error.code
    if isinstance(error, BulkWriteError) and details.get("writeErrors"):
        details = details["writeErrors"][0]
        code = details["code"]
    if code == _DUPLICATE:
        return _conflict(details)
    if code == _ILLEGAL and "Transaction numbers" in str(error):
        return MongoUnavailable(_REPLICA_SET)
    if code is not None and code in _CODES:
        return _CODES[code]()
    if error.has_error_label("TransientTransactionError"):
        return MongoUnavailable(_BUSY, retry_after=1)
    return None


def _conflict(details: Mapping[str, Any]) -> Conflict:
    fields: Iterable[str] = details.get("keyPattern") or ()
    names = " and ".join(fields) or "value"
    return Conflict(f"There is a document with this {names} already.")


async def handle_database_error(error: Exception) -> ResponseReturnValue | HTTPException:
    """Answer what :func:`diagnose` finds; what it doesn't know stays a 500. A 503 is logged.

    The answer goes through the application's own handlers for its status, where it has them.
    """
    if (answer := diagnose(error)) is None:
        raise error
    answer.__cause__ = error
    if isinstance(answer, MongoUnavailable):
        # PyMongo's text goes on about timeouts, servers and their state, for every request.
        current_app.logger.error("%s (%s)", answer.description, shorten(str(error), 160))
    return await current_app.handle_http_exception(answer)


def register_error_handlers(app: Quart) -> None:
    """Answer the errors of the database by :func:`handle_database_error`, in the whole of *app*.

    They are PyMongo's, those of BSON, and what the driver raises for a value that it can't store.
    """
    for kind in (PyMongoError, InvalidDocument, OverflowError, UnicodeEncodeError):
        app.register_error_handler(kind, handle_database_error)
