"""A look at the beginning of a form, without taking it from the application."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Field, MultipartDecoder, NeedData

__all__ = ["PEEK", "field_in_form", "peeked"]

PEEK = 4096  # bytes

Receive = Callable[[], Awaitable[Any]]


async def peeked(scope: Any, receive: Receive, size: int) -> tuple[Receive, bytes]:
    """The first *size* bytes of a form, or all of a shorter one, and a *receive* that repeats them.

    What is no form by its content type is not looked at.
    """
    if _content_type(scope)[0] not in (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ):
        return receive, b""
    messages: deque[Any] = deque()
    beginning = bytearray()
    while len(beginning) < size:
        messages.append(message := await receive())
        beginning += message.get("body", b"")
        if not message.get("more_body", False):
            break

    async def repeated() -> Any:
        return messages.popleft() if messages else await receive()

    return repeated, bytes(beginning[:size])


def field_in_form(scope: Any, beginning: bytes, name: str) -> str:
    """The value of the field *name*, or ``""`` where the *beginning* does not have it whole."""
    content_type, options = _content_type(scope)
    if content_type == "multipart/form-data":
        return _multipart(beginning, options.get("boundary", ""), name)
    # What follows the last & may go on.
    whole = beginning.rpartition(b"&")[0] if _goes_on(scope, beginning) else beginning
    return next((value for key, value in parse_qsl(whole.decode("latin-1")) if key == name), "")


def _goes_on(scope: Any, beginning: bytes) -> bool:
    length = dict(scope["headers"]).get(b"content-length", b"")
    return not length.isdigit() or int(length) > len(beginning)


def _multipart(beginning: bytes, boundary: str, name: str) -> str:
    decoder = MultipartDecoder(boundary.encode("latin-1"))
    value, inside = b"", False
    try:
        decoder.receive_data(beginning)
        while not isinstance(event := decoder.next_event(), NeedData):
            if isinstance(event, Field):
                inside = event.name == name
            elif isinstance(event, Data) and inside:
                value += event.data
                if not event.more_data:
                    return value.decode("latin-1")
            elif not isinstance(event, Data):
                inside = False
    except (RequestEntityTooLarge, ValueError):
        pass  # No form: the application says so when it reads it.
    return ""


def _content_type(scope: Any) -> tuple[str, dict[str, str]]:
    value = dict(scope["headers"]).get(b"content-type", b"")
    return parse_options_header(value.decode("latin-1"))
