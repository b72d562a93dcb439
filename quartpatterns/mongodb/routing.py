"""The URL converter ``<ObjectId:id>``."""

from __future__ import annotations

from bson import ObjectId
from bson.errors import InvalidId
from quart import Quart, abort
from werkzeug.routing import BaseConverter

__all__ = ["BSONObjectIdConverter", "register_converter"]


class BSONObjectIdConverter(BaseConverter):
    """The converter of ``@app.get("/tasks/<ObjectId:id>")``: the view gets a ``bson.ObjectId``.

    It is Flask-PyMongo's class. A text that is not an ObjectId is a 404.

    .. versionadded:: 0.1
    """

    def to_python(self, value: str) -> ObjectId:
        """Return the ObjectId.

        Raises:
            NotFound: *value* is not one.
        """
        try:
            return ObjectId(value)
        except InvalidId:
            abort(404)

    def to_url(self, value: object) -> str:
        """Return the hexadecimal digits."""
        return str(value)


def register_converter(app: Quart) -> None:
    """Add the converter to *app*, unless it has one of this name."""
    app.url_map.converters.setdefault("ObjectId", BSONObjectIdConverter)
