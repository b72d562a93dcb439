"""What original and port must answer alike: everything, also where an answer breaks off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartpatterns.compare import Case, Close, Difference, Receive, Send, Step
from quartpatterns.compare.case import same_settings
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.redirect_page import redirect_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

# A WSGI server answers with a page of its own, of another length, and none in process.
SERVER_PAGE = ("content-length", "content-type")
SERVER = "the WSGI server answers, with a page of its own"
EARLY = (
    "If an error occurs before the first chunk, the port calls its error handlers. Flask does not."
)

CASES = (
    Case(
        "a host that is not trusted",
        Step("/stream?name=x", headers={"Host": "evil.example"}),
        checks=("ST-1",),
    ),
    Case("large.csv", Step("/large.csv"), checks=("ST-1",)),
    Case("large.csv with many rows", Step("/large.csv", query={"rows": "50000"}), checks=("ST-1",)),
    Case(
        "large.csv without rows",
        Step("/large.csv", query={"rows": "0"}),
        differs=(
            Difference(
                "header:content-length",
                None,
                "0",
                "Granian knows the length of a stream that ends before its first byte.",
                where="granian",
                kind="interface",
            ),
        ),
        checks=("ST-1",),
    ),
    Case("large.csv knows no ranges", Step("/large.csv", headers={"Range": "bytes=0-9"})),
    Case("large.csv, HEAD", Step("/large.csv", method="HEAD"), checks=("ST-1",)),
    Case(
        "other methods",
        Step("/large.csv", method="POST"),
        Step("/my-large-page.html", method="POST"),
        Step("/timeline", method="PUT"),
        Step("/stream", method="OPTIONS"),
        Step("/visits", method="DELETE"),
    ),
    Case("rows is no number", Step("/large.csv", query={"rows": "many"})),
    Case("rows is empty", Step("/large.csv", query={"rows": ""})),
    Case("rows is negative", Step("/large.csv", query={"rows": "-1"})),
    Case("rows is a fraction", Step("/large.csv", query={"rows": "1.5"})),
    Case("rows has other digits", Step("/large.csv", query={"rows": "٣"})),
    Case("rows is one too many", Step("/large.csv", query={"rows": "10000001"})),
    Case("rows has a thousand digits", Step("/large.csv", query={"rows": "9" * 1000})),
    Case("rows has eight digits", Step("/large.csv?rows=00000003")),
    Case("rows has nine digits", Step("/large.csv?rows=000000003")),
    Case("rows is the first of two", Step("/large.csv?rows=2&rows=x")),
    Case("rows is not UTF-8", Step("/large.csv?rows=%FF")),
    Case("large page", Step("/my-large-page.html"), checks=("ST-2",)),
    Case("large page without rows", Step("/my-large-page.html?rows=0"), checks=("ST-2",)),
    Case("large page, HEAD", Step("/my-large-page.html", method="HEAD"), checks=("ST-2",)),
    Case("large page, bad rows", Step("/my-large-page.html?rows=x")),
    Case("timeline", Step("/timeline"), checks=("ST-2",)),
    Case("timeline, HEAD", Step("/timeline", method="HEAD"), checks=("ST-2",)),
    Case("stream", Step("/stream", query={"name": "World"}), checks=("ST-3",)),
    Case("stream escapes", Step("/stream", query={"name": "<b>'Ünï' & \"co\""}), checks=("ST-3",)),
    Case("stream, first of two names", Step("/stream?name=a&name=b"), checks=("ST-3",)),
    Case("stream, empty name", Step("/stream?name="), checks=("ST-3",)),
    Case("stream, a name that is not UTF-8", Step("/stream?name=%FF"), checks=("ST-3",)),
    Case(
        "stream without a name",
        Step("/stream", compare="ignore", reason=SERVER, ignore_headers=SERVER_PAGE),
        checks=("ST-3", "ST-6"),
        differs=(Difference("status", 500, 400, EARLY, kind="input"),),
    ),
    # In both, the server answers before the first chunk.
    Case(
        "no chunk before the error",
        Step("/broken?chunks=0", compare="ignore", reason=SERVER, ignore_headers=SERVER_PAGE),
        checks=("ST-6",),
    ),
    # Status 200 and the first chunks are sent; then both break off, for all to see.
    Case("one chunk before the error", Step("/broken?chunks=1"), checks=("ST-3", "ST-6")),
    Case("many chunks before the error", Step("/broken?chunks=1000"), checks=("ST-3",)),
    Case("error, HEAD", Step("/broken?chunks=0", method="HEAD"), checks=("ST-3", "ST-6")),
    Case("stream without a name, HEAD", Step("/stream", method="HEAD"), checks=("ST-3",)),
    Case(
        "visits",
        Step("/visits", query={"user": "Ada"}),
        Step("/visits", query={"user": "Ada"}),
        Step("/visits", query={"user": "<Grace>"}),
        Step("/visits"),
        checks=("ST-3", "ST-4"),
    ),
    Case("visits, HEAD", Step("/visits", method="HEAD"), checks=("ST-4",)),
    # What has arrived before what. All rows take seconds and hundreds of megabytes.
    Case(
        "the first rows arrive before the last is made",
        Step(
            "/large.csv?rows=10000000",
            stream=[
                Receive(until="\n9,item 9,0.63\n"),
                Step("/stream?name=meanwhile"),
                Receive(until="\n999,item 999,69.93\n"),
                Close(),
            ],
        ),
        checks=("ST-1",),
    ),
    Case(
        "the first rows of a page arrive before the last is made",
        Step(
            "/my-large-page.html?rows=10000000",
            stream=[
                Receive(until="<td>item 9</td>"),
                Step("/stream?name=meanwhile"),
                Receive(until="<td>item 2000</td>"),
                Close(),
            ],
        ),
        checks=("ST-2",),
    ),
    Case(
        "an event of the timeline arrives before the next",
        Step(
            "/timeline",
            stream=[
                Receive(until="<li>8:00</li>\n"),
                Step("/stream?name=meanwhile"),
                Receive(until="<li>9:00</li>\n"),
                Receive(),
            ],
        ),
        checks=("ST-2",),
    ),
    Case(
        "the chunks before an error arrive",
        Step("/broken?chunks=2", stream=[Receive(until="chunk 1\n"), Receive()]),
        checks=("ST-3",),
    ),
)
EXPECTED = Path(__file__).parent / "expected"
HTML = "text/html; charset=utf-8"
REDIRECTION = redirect_page("/feed")
INVALID = error_page(400, "text has 1 to 200 characters")


def page(path: str, body: str) -> Step:
    """Return a step that gets a page."""
    expected = {"status": 200, "header:content-type": HTML, "body": body}
    return Step(path, compare="html", expected=expected)


def failed(name: str, path: str, status: int) -> Case:
    """Return the case of a view that fails before its first chunk: the whole page of the port.

    The page of the original is that of the WSGI server, so other cases compare only the statuses.
    """
    expected = {"status": status, "header:content-type": HTML, "body": error_page(status)}
    return Case(name, Step(path, expected=expected), checks=("ST-6",))


def publish(text: str | None, status: int, body: str, **options: Any) -> Step:
    """Return a step that publishes a message."""
    form = {} if text is None else {"text": text}
    expected = {"status": status, "header:content-type": HTML, "body": body}
    expected |= {"header:location": "/feed" if status == 303 else None}
    return Step("/feed", method="POST", form=form, expected=expected, **options)


SHOWN = "another case compares the response to this form"
EVENTS = {"Accept": "text/event-stream"}
RETRY = "retry: 1000\n\n"
PUBLISH = Step("/feed", method="POST", form={"text": "one"}, compare="ignore", reason=SHOWN)
ARRIVED = """\
< retry: 1000


> POST /feed
status: 303
complete: True
header:content-length: 197
header:content-type: text/html; charset=utf-8
header:location: /feed
< id: {first}
data: one


> close
"""
MISSED = """\
< retry: 1000


< id: {second}
data: two
data: lines


> close
"""
LOST = "< retry: 1000\n\n\n< event: lost\ndata: \n\n\n> close\n"
REFUSED = "< close 1008 text has 1 to 200 characters\n"
LONG = f"> '{'x' * 200}'\n< '{'x' * 200}'\n> '{'x' * 201}'\n{REFUSED}"


# The port's error pages, and what is not on Flask's page: messages that everybody gets.
EXTRAS = (
    failed("the page for a stream without a name", "/stream", 400),
    failed("the page for an error before the first chunk", "/broken?chunks=0", 500),
    Case("index", page("/", (EXPECTED / "index.html").read_text()), checks=("ST-1",)),
    Case("feed", page("/feed", (EXPECTED / "feed.html").read_text()), checks=("ST-7",)),
    Case(
        "feed, publish",
        publish("hello", 303, REDIRECTION),
        publish(" <b>two</b>\r\nlines ", 303, REDIRECTION),
        publish("x", 303, REDIRECTION),
        publish("x" * 200, 303, REDIRECTION),
        checks=("ST-7",),
    ),
    Case(
        "feed, publish nothing",
        publish(" ", 400, INVALID),
        publish("", 400, INVALID),
        publish(None, 400, INVALID),
        publish("x" * 201, 400, INVALID),
        checks=("ST-7",),
    ),
    Case(
        "feed, publish from another site",
        publish("bad", 403, error_page(403), headers={"Origin": "http://evil.example"}),
        checks=("ST-9",),
    ),
    Case(
        "feed, an event arrives when it is published",
        Step(
            "/feed/events",
            headers=EVENTS,
            stream=[Receive(until=RETRY), PUBLISH, Receive(until="data: one\n\n"), Close()],
            capture={"first": "id: (.+)"},
            expected={"status": 200, "body": ARRIVED},
        ),
        publish("two\r\nlines", 303, REDIRECTION),
        # A client that comes back gets what it has missed; one with an unknown id has lost some.
        Step(
            "/feed/events",
            headers={**EVENTS, "Last-Event-ID": "{first}"},
            stream=[Receive(until=RETRY), Receive(until="data: lines\n\n"), Close()],
            capture={"second": "id: (.+)"},
            expected={"status": 200, "body": MISSED},
        ),
        Step(
            "/feed/events?after={first}",
            headers=EVENTS,
            stream=[Receive(until=RETRY), Receive(until="data: lines\n\n"), Close()],
            mask={"second": ["id: (.+)"]},
            expected={"status": 200, "body": MISSED},
        ),
        Step(
            "/feed/events?after=unknown",
            headers=EVENTS,
            stream=[Receive(until=RETRY), Receive(until="event: lost\n[^\n]*\n\n"), Close()],
            expected={"status": 200, "body": LOST},
        ),
        checks=("ST-7", "ST-8"),
    ),
    Case(
        "websocket",
        Step(
            "/feed/live",
            websocket=[Send(" one "), Receive(), Send("two"), Receive(until="two"), Close()],
            expected={
                "status": 101,
                "body": "> ' one '\n< 'one'\n> 'two'\n< 'two'\n> close 1000\n",
            },
        ),
        checks=("ST-9",),
    ),
    Case(
        "websocket, a message that is too long",
        Step(
            "/feed/live",
            websocket=[Send("x" * 200), Receive(), Send("x" * 201)],
            expected={"status": 101, "body": LONG},
        ),
        checks=("ST-9",),
    ),
    Case(
        "websocket, an empty message",
        Step(
            "/feed/live",
            websocket=[Send(" ")],
            expected={"status": 101, "body": f"> ' '\n{REFUSED}"},
        ),
        checks=("ST-9",),
    ),
    Case(
        "websocket, bytes",
        Step(
            "/feed/live",
            websocket=[Send(b"bytes")],
            expected={"status": 101, "body": f"> b'bytes'\n{REFUSED}"},
        ),
        checks=("ST-9",),
    ),
    Case(
        "websocket, from this site",
        Step(
            "/feed/live",
            headers={"Origin": "http://localhost"},
            websocket=[Send("hello"), Receive(), Close()],
            expected={"status": 101, "body": "> 'hello'\n< 'hello'\n> close 1000\n"},
        ),
        checks=("ST-9",),
    ),
    Case(
        "websocket, from another site",
        Step(
            "/feed/live",
            headers={"Origin": "http://evil.example"},
            websocket=[Send("hello"), Receive()],
            expected={"status": 403, "body": error_page(403)},
        ),
        checks=("ST-9",),
    ),
)
