"""The encoding of events, checked with a parser after the HTML standard."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart

from quartpatterns.streaming import ServerSentEvent, last_event_id, wants_event_stream
from quartpatterns.streaming.events import Separator
from tests.streaming.event_parser import EventParser, Received

SEPARATORS: list[Separator] = ["\n", "\r\n", "\r"]
text = st.text(st.characters(exclude_categories=["Cs"]))
line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1)


def parse(encoded: bytes) -> EventParser:
    parser = EventParser()
    parser.feed(encoded + b":")  # completes a CR
    return parser


@given(text, line, line, st.integers(0, 10**9), text, st.sampled_from(SEPARATORS))
def test_every_field(
    data: str, event: str, id: str, retry: int, comment: str, separator: Separator
) -> None:
    """A browser gets every field back; line ends of the data become line feeds."""
    parser = parse(ServerSentEvent(data, event, id, retry, comment).encode(separator))
    lines = re.sub(r"\r\n|\r", "\n", data)
    assert parser.events == [Received(lines, event, id)]
    assert parser.retry == retry
    assert parser.comments == re.split(r"\r\n|\r|\n", comment)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_two_events(separator: Separator) -> None:
    """An event ends with an empty line, so that the next one is another."""
    encoded = ServerSentEvent("a\nb").encode(separator) + ServerSentEvent("c").encode(separator)
    assert [one.data for one in parse(encoded).events] == ["a\nb", "c"]


@pytest.mark.parametrize("data", [{"a": [1, None]}, [], 0, False, "é\u2028", {"a": "x\ny"}])
def test_json(data: Any) -> None:
    """Values that are not str are sent as JSON; U+2028 is not a line end."""
    (event,) = parse(ServerSentEvent(data).encode()).events
    assert (event.data if isinstance(data, str) else json.loads(event.data)) == data


def test_nothing() -> None:
    """Fields that are None are not sent; empty data is an event, no data is none."""
    assert ServerSentEvent().encode() == b"\n"
    assert parse(ServerSentEvent(event="x", id="1").encode()).events == []
    assert parse(ServerSentEvent("").encode()).events == [Received("")]
    assert ServerSentEvent(id="").encode() == b"id: \n\n"
    assert ServerSentEvent(retry=0).encode() == b"retry: 0\n\n"
    assert ServerSentEvent(comment="").encode() == b": \n\n"


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"event": "a\nb"}, ValueError, "event must be one line"),
        ({"id": "a\rb"}, ValueError, "id must be one line"),
        ({"id": "\0"}, ValueError, "null character"),
        ({"id": 5}, TypeError, "id must be a str or None, not int"),
        ({"event": b"x"}, TypeError, "event must be a str or None, not bytes"),
        ({"comment": 1}, TypeError, "comment must be a str or None, not int"),
        ({"retry": -1}, ValueError, "retry must be 0 or more"),
        ({"retry": 1.5}, TypeError, "retry must be an int or None, not float"),
        ({"retry": True}, TypeError, "retry must be an int or None, not bool"),
    ],
)
def test_invalid_fields(fields: dict[str, Any], error: type[Exception], message: str) -> None:
    """A field that would end early, or that browsers ignore, is refused."""
    with pytest.raises(error, match=message):
        ServerSentEvent("data", **fields)


def test_invalid_separator() -> None:
    with pytest.raises(ValueError, match="separator must be"):
        ServerSentEvent("x").encode("\n\n")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, None), ("", None), ("17-0", "17-0"), ("caf\u00e9 \u2713", "caf\u00e9 \u2713")],
)
async def test_last_event_id(
    app_class: type[Quart], header: str | None, expected: str | None
) -> None:
    """The header is read as browsers send it, in UTF-8."""
    app = app_class(__name__)
    headers = {} if header is None else {"Last-Event-ID": header.encode().decode("latin-1")}
    async with app.test_request_context("/", headers=headers):
        assert last_event_id() == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/event-stream", True),
        ("text/event-stream, text/html;q=0.5", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("*/*", False),
        (None, False),
        ("application/json", False),
    ],
)
async def test_wants_event_stream(
    app_class: type[Quart], accept: str | None, expected: bool
) -> None:
    """EventSource gets the events, and a browser that opens the URL gets the page."""
    app = app_class(__name__)
    headers = {} if accept is None else {"Accept": accept}
    async with app.test_request_context("/", headers=headers):
        assert wants_event_stream() is expected
