"""Cursors: positions in a list, as signed text for URLs."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, cast
from uuid import UUID

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer
from quart import current_app
from werkzeug.exceptions import BadRequest

from quartpatterns._shared import tagged_json

__all__ = ["Comparison", "Cursor", "CursorError", "read_cursor", "write_cursor"]

Comparison = Literal[">", ">=", "<", "<="]

MAX_CURSOR = 2048
"""The maximum length of a cursor, because it is part of a URL."""


class CursorError(BadRequest):
    """400: a cursor is invalid, has expired, or belongs to another list.

    .. versionadded:: 0.1
    """


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a list: the rows that compare so to the values of a row that it sorts by."""

    comparison: Comparison
    values: tuple[Any, ...]


_PLAIN_TYPES: dict[type, Callable[[Any], Any]] = {
    dt.datetime: lambda value: dt.datetime.fromisoformat(value.isoformat()),
    dt.date: lambda value: dt.date.fromisoformat(value.isoformat()),  # after its subclass
    dt.time: lambda value: dt.time.fromisoformat(value.isoformat()),
    dt.timedelta: lambda value: dt.timedelta(value.days, value.seconds, value.microseconds),
    Decimal: Decimal,
    UUID: lambda value: UUID(int=value.int),
    bytes: bytes,
}


def write_cursor(cursor: Cursor, order: str) -> str:
    """Return *cursor* as text for URLs, which is signed, and valid only for a list in *order*.

    Raises:
        RuntimeError: The application has no ``SECRET_KEY``.
        TypeError: A cursor can't contain a value of this type.
        ValueError: The values are too long for a URL.
    """
    values = [_plain(value) for value in cursor.values]
    text = str(_serializer().dumps([_digest(order), cursor.comparison, values]))
    if len(text) > MAX_CURSOR:
        raise ValueError("the values of a row are too long for a cursor: order by shorter columns")
    return text


def read_cursor(text: str, order: str, *, max_age: int | None = None) -> Cursor:
    """Return the cursor that :func:`write_cursor` has written for a list in *order*.

    Raises:
        CursorError: The text is invalid, has expired, or belongs to another list.
        RuntimeError: The application has no ``SECRET_KEY``.
    """
    try:
        digest, comparison, values = cast(
            "tuple[str, Comparison, list[Any]]", _serializer().loads(text, max_age=max_age)
        )
    except SignatureExpired as error:
        raise CursorError("This cursor has expired. Start from the first page.") from error
    except BadData as error:
        raise CursorError("This cursor is invalid. Start from the first page.") from error
    if digest != _digest(order):
        raise CursorError(
            "This cursor belongs to a list in another order. Start from the first page."
        )
    return Cursor(comparison, tuple(values))


def _serializer() -> URLSafeTimedSerializer:
    if not (key := current_app.secret_key):
        raise RuntimeError("cursors are signed: set SECRET_KEY")
    config = cast("dict[str, Any]", current_app.config)
    keys: Any = [*(config.get("SECRET_KEY_FALLBACKS") or ()), key]
    return URLSafeTimedSerializer(
        keys,
        salt="quartpatterns.sqlalchemy.keyset",
        serializer=tagged_json,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _digest(order: str) -> str:
    return hashlib.sha256(order.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """Return *value* as a type of tagged JSON; drivers return subclasses of such types."""
    if isinstance(value, enum.Enum):
        return value.name  # The type of the column has the class.
    if value is None or type(value) in (bool, int, float, str):
        return value
    for type_, convert in _PLAIN_TYPES.items():
        if isinstance(value, type_):
            return convert(value)
    raise TypeError(f"a cursor can't contain {type(value).__name__}: order by another column")
