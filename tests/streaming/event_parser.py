"""A parser of event streams after the HTML standard, section 9.2.6, as browsers have it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["EventParser", "Received"]


@dataclass(frozen=True)
class Received:
    """An event that a browser would dispatch."""

    data: str
    event: str = "message"
    id: str = ""


@dataclass
class EventParser:
    """Parses chunks, and keeps what a browser keeps."""

    events: list[Received] = field(default_factory=list[Received])
    comments: list[str] = field(default_factory=list[str])
    retry: int | None = None
    last_id: str = ""
    _buffer: bytes = b""
    _data: list[str] = field(default_factory=list[str])
    _event: str = ""
    _id: str = ""

    def feed(self, chunk: bytes) -> list[Received]:
        """Parse *chunk*, and return the events that it completes."""
        before = len(self.events)
        self._buffer += chunk
        # A CR at the end may be the first half of a line end.
        complete = self._buffer[:-1] if self._buffer.endswith(b"\r") else self._buffer
        lines = re.split(rb"\r\n|\r|\n", complete)
        self._buffer = lines.pop() + self._buffer[len(complete) :]
        for line in lines:
            self._line(line.decode())
        return self.events[before:]

    def _line(self, line: str) -> None:
        if not line:
            self._dispatch()
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self.comments.append(value)
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _dispatch(self) -> None:
        self.last_id = self._id
        if self._data:
            data = "\n".join(self._data)
            self.events.append(Received(data, self._event or "message", self.last_id))
        self._data, self._event = [], ""
