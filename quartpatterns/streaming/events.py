"""Server-sent events: their fields, their encoding, and the headers of a client that wants them.

The format is that of the HTML standard, section 9.2.5:
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from quart import json, request

__all__ = [
    "EVENT_STREAM",
    "Separator",
    "ServerSentEvent",
    "check_separator",
    "last_event_id",
    "wants_event_stream",
]

EVENT_STREAM = "text/event-stream"
Separator = Literal["\n", "\r\n", "\r"]

_LINE_END = re.compile(r"\r\n|\r|\n")
# str.splitlines() would also split at U+2028, form feeds and others.


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event for an :class:`~quartpatterns.streaming.EventStream`.

    .. code-block:: python

        ServerSentEvent({"order": 17}, event="paid", id="17")

    A field that is ``None`` is not sent. A browser dispatches an event only if it has data; an
    empty string is data.

    .. versionadded:: 0.1

    Arguments:
        data: A string of any number of lines, or another value, which is sent as JSON.
        event: The type of the event, to which a page listens with ``addEventListener``. Without it
            the type is ``message``.
        id: What the browser sends as ``Last-Event-ID`` when it connects again. An empty string
            makes it forget the last one.
        retry: The milliseconds that the browser waits before it connects again.
        comment: Text that the browser ignores.

    Raises:
        ValueError: *event* or *id* has several lines, *id* contains a null character, or *retry* is
            negative.
        TypeError: *event*, *id* or *comment* is not a string, or *retry* is not an int.
    """

    data: Any = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        for name in ("event", "id", "comment"):
            value: object = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} must be a str or None, not {type(value).__name__}")
        for name in ("event", "id"):
            text: str | None = getattr(self, name)
            if text is not None and _LINE_END.search(text):
                raise ValueError(f"{name} must be one line, not {text!r}")
        if self.id is not None and "\0" in self.id:
            raise ValueError(f"browsers ignore an id with a null character: {self.id!r}")
        retry: object = self.retry
        if retry is not None:
            if type(retry) is not int:
                raise TypeError(f"retry must be an int or None, not {type(retry).__name__}")
            if retry < 0:
                raise ValueError(f"retry must be 0 or more milliseconds, not {retry}")

    def encode(self, separator: Separator = "\n") -> bytes:
        """Return the event as it is sent.

        Arguments:
            separator: What ends each line: ``"\\n"``, ``"\\r\\n"`` or ``"\\r"``.

        Raises:
            TypeError: The data can't be encoded as JSON.
            UnicodeEncodeError: A string contains half of a surrogate pair.
        """
        check_separator(separator)
        lines: list[str] = []
        if self.comment is not None:
            lines += [f": {line}" for line in _LINE_END.split(self.comment)]
        if self.retry is not None:
            lines.append(f"retry: {self.retry}")
        if self.event is not None:
            lines.append(f"event: {self.event}")
        if self.id is not None:
            lines.append(f"id: {self.id}")
        if self.data is not None:
            text = self.data if isinstance(self.data, str) else json.dumps(self.data)
            lines += [f"data: {line}" for line in _LINE_END.split(text)]
        return separator.join([*lines, "", ""]).encode()


def check_separator(separator: str) -> None:
    """Raise a ``ValueError`` if no line can end with *separator*."""
    if separator not in get_args(Separator):
        raise ValueError(f"separator must be '\\n', '\\r\\n' or '\\r', not {separator!r}")


def last_event_id() -> str | None:
    """Return the id of the last event that the client of this request has received.

    A browser that connects again sends it in the header ``Last-Event-ID``. Pass it to
    :meth:`Broadcaster.subscribe() <quartpatterns.streaming.Broadcaster.subscribe>` as *after*.

    .. versionadded:: 0.1

    Returns:
        The id, or ``None`` if the client has received no event with an id.
    """
    value = request.headers.get("Last-Event-ID")
    if not value:
        return None
    # Headers are decoded as Latin-1, and browsers send this one as UTF-8.
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def wants_event_stream() -> bool:
    """Return whether the client of this request prefers events to a page.

    Use it for a URL that has both. ``EventSource`` asks for ``text/event-stream``. A client that
    accepts anything, or does not say what it accepts, gets the page:

    .. code-block:: python

        @app.get("/orders")
        async def orders():
            if wants_event_stream():
                return EventStream(broadcaster.subscribe("orders", after=last_event_id()))
            response = await make_response(await render_template("orders.html"))
            response.vary.add("Accept")
            return response

    .. versionadded:: 0.1
    """
    accept = request.accept_mimetypes
    return bool(accept) and accept.best_match(["text/html", EVENT_STREAM]) == EVENT_STREAM
