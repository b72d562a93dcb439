"""JSON of documents and of the types of MongoDB."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

from beanie.odm.utils.dump import get_dict
from bson import Code, DBRef, ObjectId, json_util
from bson.errors import BSONError
from flask.json.provider import DefaultJSONProvider, JSONProvider
from pydantic import BaseModel
from quart import Quart, Response

from quartpatterns.mongodb.documents import Document

__all__ = ["BSONProvider", "register_document_json"]


class BSONProvider(DefaultJSONProvider):
    """The JSON provider of Flask-PyMongo: MongoDB's Extended JSON.

    :class:`~quartpatterns.mongodb.PyMongo` sets it as ``app.json``. ``jsonify`` writes an ObjectId
    as ``{"$oid": "..."}`` and a datetime as ``{"$date": "..."}``, and ``request.get_json()`` reads
    them. Types that MongoDB does not have are written as Flask writes them.

    Arguments:
        app: The application.
        json_options: How to write the types of MongoDB; the default is ``RELAXED_JSON_OPTIONS``.

    .. versionadded:: 0.1
    """

    sort_keys = False

    def __init__(
        self, app: Quart, json_options: json_util.JSONOptions = json_util.RELAXED_JSON_OPTIONS
    ) -> None:
        super().__init__(cast("Any", app))
        self.response_class = app.response_class
        self.json_options = json_options

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return *obj* as JSON.

        Arguments:
            obj: The object.
            kwargs: Arguments of :func:`json.dumps`.

        Raises:
            TypeError: A value can't be written as JSON, such as a cursor inside of *obj*.
        """
        return super().dumps(_convert(obj, self.json_options), **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return the object that *s* describes.

        Arguments:
            s: The JSON.
            kwargs: Arguments of :func:`json.loads`.

        Raises:
            ValueError: It is not valid JSON, or not valid Extended JSON.
        """
        kwargs.setdefault("json_options", self.json_options)
        try:
            return json_util.loads(s, **kwargs)
        except (ArithmeticError, AttributeError, BSONError, LookupError, TypeError) as error:
            raise ValueError(f"invalid Extended JSON: {error}") from error
        except RecursionError as error:
            raise ValueError("the JSON is nested too deeply") from error

    def response(self, *args: Any, **kwargs: Any) -> Any:
        """Return the response of ``jsonify``.

        The rows of a cursor are an array: ``return await jsonify(mongo.db.carts.find())``.
        ``await`` reads them all, so that an error of the database has its own response. Without it
        the rows are sent while they are read.
        """
        if len(args) == 1 and not kwargs and _is_cursor(args[0]):
            response_class = _cursor_response(self.response_class)
            return response_class(_write(args[0], self), mimetype=self.mimetype)
        if self.compact is not None:
            return super().response(*args, **kwargs)
        response = JSONProvider.response(self, *args, **kwargs)
        response.mimetype = self.mimetype
        return response


class _CursorResponse:
    """What ``jsonify(cursor)`` adds to the response class of the application."""

    def __await__(self) -> Generator[Any, Any, Response]:
        """Read all rows, and return this response."""
        return self._read().__await__()

    async def _read(self) -> Response:
        response = cast("Response", self)
        response.set_data(await response.get_data(as_text=False))
        return response


@lru_cache
def _cursor_response(response_class: type[Response]) -> type[Response]:
    return type("CursorResponse", (_CursorResponse, response_class), {})


async def _write(rows: AsyncIterable[Any], provider: JSONProvider) -> AsyncGenerator[str]:
    separator = "["
    async for row in rows:
        yield separator + provider.dumps(row)
        separator = ", "
    yield "[]" if separator == "[" else "]"


def register_document_json(app: Quart) -> None:
    """Let ``jsonify`` of *app* write documents, and ids as text, as Flask-MongoEngine does.

    A provider that has no ``default``, which means that the application has written its own,
    is not changed.
    """
    provider: Any = app.json
    if (otherwise := getattr(provider, "default", None)) is None:
        return

    def default(value: Any) -> Any:
        if isinstance(value, ObjectId):
            return str(value)
        if isinstance(value, DBRef):
            return value.id
        if isinstance(value, Document) or _is_cursor(value):
            return _convert(value, json_util.RELAXED_JSON_OPTIONS)
        return otherwise(value)

    provider.default = default


def _is_cursor(value: object) -> bool:
    return issubclass(type(value), AsyncIterable)


def _convert(value: Any, options: json_util.JSONOptions) -> Any:
    """Return *value* with the types of MongoDB as Extended JSON; other types stay as they are."""
    if isinstance(value, Document):
        value = get_dict(value)
    elif isinstance(value, BaseModel):
        value = value.model_dump()
    kind = cast("type[object]", type(value))
    if issubclass(kind, str) and not issubclass(kind, Code):
        return value
    if issubclass(kind, Mapping):
        return {name: _convert(one, options) for name, one in value.items()}
    if issubclass(kind, Iterable) and not issubclass(kind, str | bytes):
        return [_convert(one, options) for one in value]
    if _is_cursor(value):
        raise TypeError(
            f"{type(value).__name__} is read asynchronously: write `await cursor.to_list()`"
        )
    try:
        return json_util.default(value, options)
    except TypeError:
        return value
