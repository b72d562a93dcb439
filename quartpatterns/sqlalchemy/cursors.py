"""Cursors of keyset pages: signed, so that nobody writes one, and bound to their order."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, cast
from uuid import UUID

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer
from quart import current_app
from werkzeug.exceptions import BadRequest

__all__ = ["Cursor", "CursorError", "Way", "read_cursor", "write_cursor"]

Way = Literal[">", ">=", "<", "<="]
"""After or before a row, and whether that row belongs to the page."""

LONGEST = 2048
"""Characters of a cursor, as it goes into a URL."""


def _parts(value: dt.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _timedelta(parts: list[int]) -> dt.timedelta:
    return dt.timedelta(*parts)


_WRITE: dict[type, Any] = {
    dt.datetime: dt.datetime.isoformat,  # before date, which it is, too
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    dt.timedelta: _parts,
    Decimal: str,
    UUID: str,
    bytes: bytes.hex,
}
_READ: dict[str, Any] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": _timedelta,
    "Decimal": Decimal,
    "UUID": UUID,
    "bytes": bytes.fromhex,
}
_FORGED = "This cursor is not one of ours. Start from the first page."
_OTHER = "This cursor belongs to a list in another order. Start from the first page."
_EXPIRED = "This cursor has expired. Start from the first page."


class CursorError(BadRequest):
    """400: a cursor is forged, has expired, or belongs to another list."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list.

    Arguments:
        way: Which rows follow.
        values: Those of the row that it is at, one for each column of the order.
    """

    way: Way
    values: tuple[Any, ...]


def write_cursor(cursor: Cursor, order: str) -> str:
    """*cursor* as a text for URLs, which is signed and not secret.

    Arguments:
        cursor: A place.
        order: What the list is ordered by; the cursor is good for no other.

    Raises:
        RuntimeError: The application has no ``SECRET_KEY``.
        TypeError: A value of this type can't be kept in a cursor.
        ValueError: The values are too long for a URL.
    """
    values = [_written(value) for value in cursor.values]
    text = str(_serializer().dumps([_digest(order), cursor.way, values]))
    if len(text) > LONGEST:
        raise ValueError("a row has values too long for a cursor: order by shorter columns")
    return text


def read_cursor(text: str, order: str, *, max_age: int | None = None) -> Cursor:
    """The cursor that *text* is.

    Arguments:
        text: What a client has sent.
        order: What the list is ordered by.
        max_age: Seconds for which a cursor is good; ``None`` is for ever.

    Raises:
        CursorError: It is none of ours, too old, or one of another list.
        RuntimeError: The application has no ``SECRET_KEY``.
    """
    if len(text) > LONGEST:
        raise CursorError(_FORGED)
    try:
        digest, way, values = cast(
            "tuple[str, Way, list[Any]]", _serializer().loads(text, max_age=max_age)
        )
    except SignatureExpired as error:
        raise CursorError(_EXPIRED) from error
    except BadData as error:
        raise CursorError(_FORGED) from error
    if digest != _digest(order):
        raise CursorError(_OTHER)
    return Cursor(way, tuple(_read(value) for value in values))


def _serializer() -> URLSafeTimedSerializer:
    if not (key := current_app.secret_key):
        raise RuntimeError("cursors are signed: set SECRET_KEY")
    config = cast("dict[str, Any]", current_app.config)
    keys: Any = [*(config.get("SECRET_KEY_FALLBACKS") or ()), key]
    return URLSafeTimedSerializer(
        keys,
        salt="quartpatterns.sqlalchemy.cursor",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _digest(order: str) -> str:
    return hashlib.sha256(order.encode()).hexdigest()[:16]


def _written(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return {"Enum": value.name}
    if value is None or type(value) in (bool, int, float, str):
        return value
    for kind, write in _WRITE.items():
        if isinstance(value, kind):
            return {kind.__name__: write(value)}
    raise TypeError(f"a cursor can't hold {type(value).__name__}: order by another column")


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, written)] = cast("dict[str, Any]", value).items()
    # The type of an enumeration is that of its column, which takes names.
    return written if kind == "Enum" else _READ[kind](written)
