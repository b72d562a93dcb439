"""The 42 places where Quart answers otherwise than Flask, as data with runnable probes.

Nothing in the table is typed in: :func:`table` asks Flask, Quart and FaithfulQuart, each in its
own words, when it is called. Flask is the oracle; no helper imports this package.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quartpatterns.subclassing.example.rows import clients, files, limits, routing, views
from quartpatterns.subclassing.example.rows.side import SIDES, Side

__all__ = ["ROWS", "Line", "Row", "main", "markdown", "measure", "table"]

Probe = Callable[[Side], Coroutine[Any, Any, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One place.

    Arguments:
        number: Its number.
        case: What is asked.
        close: What is done about it: *yes* answers as Flask does; *option* does when it is asked
            to; *state* can't, or for a good reason does not, and says so.
        piece: The names to import in order to take this row alone.
        probe: Asks a side, and gives its answer in a few words.
    """

    number: int
    case: str
    close: Literal["yes", "option", "state"]
    piece: str
    probe: Probe


@dataclass(frozen=True, slots=True)
class Line:
    """A row with the three answers, as they were measured."""

    row: int
    case: str
    flask: str
    quart: str
    faithful: str


ROWS: tuple[Row, ...] = (
    Row(
        1,
        "get_json() of another content type",
        "yes",
        "request.JSONErrors",
        views.other_content_type,
    ),
    Row(2, "a view returns iter([...])", "yes", "values.ReturnValues", views.iterator),
    Row(3, 'a status "201 CREATED"', "yes", "values.ReturnValues", views.status_string),
    Row(4, "a view returns a bytearray", "yes", "values.ReturnValues", views.byte_array),
    Row(5, "Range: bytes=-2", "yes", "response.ConditionalResponse", files.suffix_range),
    Row(
        6,
        "a range that can't be satisfied",
        "yes",
        "response.ConditionalResponse",
        files.unsatisfiable,
    ),
    Row(7, "send_file() and Range", "yes", "files.send_file", files.conditional_by_default),
    Row(
        8,
        "send_file(download_name=, max_age=, etag=)",
        "yes",
        "files.send_file",
        files.names_of_arguments,
    ),
    Row(
        9,
        "caching of static files",
        "yes",
        "files.StaticFiles, files.FileDefaults",
        files.static_caching,
    ),
    Row(10, "a download name that is not ASCII", "yes", "files.send_file", files.foreign_name),
    Row(
        11, "Content-Disposition of a plain file", "yes", "files.send_file", files.plain_disposition
    ),
    Row(
        12,
        "a session that is only read",
        "yes",
        "context.Contexts, templates.SessionInTemplates",
        views.session_read,
    ),
    Row(
        13,
        "TRUSTED_HOSTS, another host",
        "yes",
        "hosts.Hosts, context.Contexts",
        routing.trusted_hosts,
    ),
    Row(14, "SERVER_NAME, another host", "yes", "hosts.Hosts", routing.server_name),
    Row(
        15,
        "stream_with_context: g",
        "yes",
        "names.stream_with_context",
        views.g_in_stream,
    ),
    Row(
        16,
        "stream_with_context(generate())",
        "yes",
        "names.stream_with_context",
        views.stream_call_form,
    ),
    Row(17, "a context variable set in a synchronous hook", "state", "", views.context_variable),
    Row(18, "48 synchronous views that wait", "option", "threads.SyncThreads", limits.threads),
    Row(
        19,
        "the header Remote-Addr",
        "yes",
        "connection.FaithfulHTTPConnection",
        limits.sent_headers,
    ),
    Row(
        20,
        "a stream longer than RESPONSE_TIMEOUT",
        "yes",
        "connection.FaithfulHTTPConnection",
        limits.long_stream,
    ),
    Row(
        21,
        "the body of HEAD in the test client",
        "yes",
        "connection.FaithfulHTTPConnection",
        clients.head,
    ),
    Row(
        22,
        "a view raises under TESTING",
        "yes",
        "connection.FaithfulHTTPConnection",
        clients.raised_under_testing,
    ),
    Row(23, "request.max_content_length = n", "yes", "request.RequestLimits", views.own_limit),
    Row(
        24,
        "MAX_CONTENT_LENGTH, chunked multipart",
        "yes",
        "request.RequestLimits, connection.FaithfulHTTPConnection",
        limits.chunked_limit,
    ),
    Row(25, "the default MAX_CONTENT_LENGTH", "state", "", limits.default_limit),
    Row(
        26,
        "32 MiB for a view that does not read",
        "yes",
        "request.RequestLimits, connection.FaithfulHTTPConnection",
        limits.slow_reader,
    ),
    Row(27, "order of teardown_appcontext", "yes", "hooks.TeardownOrder", limits.teardown_order),
    Row(
        28,
        "add_url_rule(redirect_to=, build_only=)",
        "yes",
        "rules.FaithfulRule",
        routing.rule_keywords,
    ),
    Row(
        29,
        "OPTIONS for a rule of Werkzeug's",
        "yes",
        "dispatch.Dispatch, context.Contexts",
        routing.raw_rule,
    ),
    Row(
        30,
        "mounted at /b, asked for /b",
        "yes",
        "connection.FaithfulHTTPConnection, hosts.FaithfulMap",
        routing.mount_point,
    ),
    Row(
        31,
        "the path //",
        "yes",
        "connection.FaithfulHTTPConnection, hosts.FaithfulMap",
        routing.double_slash,
    ),
    Row(
        32,
        "a websocket and a URL value preprocessor",
        "yes",
        "hooks.UrlProcessors",
        routing.websocket_preprocessor,
    ),
    Row(33, "response.get_json(silent=)", "yes", "response.ResponseJSON", clients.silent),
    Row(34, "client.post(data={...})", "yes", "testing.FaithfulClient", clients.data_as_form),
    Row(
        35,
        "g and url_for after a request of the client",
        "yes",
        "testing.FaithfulClient, context.Contexts, dispatch.Dispatch",
        clients.kept_context,
    ),
    Row(36, "set-up after the first request", "yes", "hooks.FirstRequest", routing.late_setup),
    Row(
        37,
        "an async URL processor",
        "yes",
        "hooks.UrlProcessors, commands.Commands",
        routing.async_preprocessor,
    ),
    Row(
        38,
        "flash() without await",
        "state",
        "messages.flash, messages.FlashChecks",
        limits.flash_forgotten,
    ),
    Row(39, "a callable object, a wrapped view", "yes", "threads.AsyncCallables", views.callables),
    Row(
        40,
        "send_from_directory() of a relative folder",
        "yes",
        "files.send_from_directory",
        files.relative_folder,
    ),
    Row(
        41,
        "response.call_on_close()",
        "yes",
        "response.CloseCallbacks, connection.FaithfulHTTPConnection",
        views.call_on_close,
    ),
    Row(
        42,
        "app.ensure_sync, .wsgi_app, request.environ, .stream",
        "state",
        "signposts",
        limits.signposts,
    ),
)


async def measure(row: Row, side: Side) -> str:
    """The answer of one side to *row*; the name of what it raised where it raised something."""
    # A task has context variables of its own, which Flask's views would set for those after it.
    try:
        return await asyncio.create_task(row.probe(side))
    except Exception as error:
        # Also a crash is an answer here.
        return type(error).__name__


async def table(rows: Sequence[Row] = ROWS) -> list[Line]:
    """All rows, measured now; about ten seconds for the 42."""
    # What the crashes of a side log is in the table.
    logging.getLogger("quartpatterns.subclassing.example.rows.side").setLevel(logging.CRITICAL + 1)
    lines = []
    for row in rows:
        answers = [await measure(row, Side(side)) for side in SIDES]
        lines.append(Line(row.number, row.case, *answers))
    return lines


def markdown(lines: Sequence[Line]) -> str:
    """The table of this pattern's README.md, from what was measured."""
    head = "| # | case | close | Flask 3.1.3 | Quart 0.22.0 | FaithfulQuart | piece |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *map(_markdown_line, lines)])


def _markdown_line(line: Line) -> str:
    row = next(row for row in ROWS if row.number == line.row)
    answers = [line.flask, line.quart, line.faithful]
    cells = [str(line.row), line.case, row.close]
    cells += ["-" if answer == "-" else f"`{answer}`" for answer in answers]
    cells.append(", ".join(f"`{piece}`" for piece in row.piece.split(", ") if piece))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> list[Line]:
    """The table, for callers without an event loop."""
    return asyncio.run(table())
