"""The 42 differences between Quart and Flask, as data with functions that measure them.

:func:`measure_all` asks Flask, Quart and FaithfulQuart when it is called. ``quartpatterns parity
subclassing --table`` prints the result, which is the table in the README.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quartpatterns.subclassing.example.differences import clients, files, limits, routing, views
from quartpatterns.subclassing.example.differences.frameworks import FRAMEWORKS, Framework

__all__ = ["DIFFERENCES", "Difference", "Measurement", "main", "markdown", "measure", "measure_all"]

Probe = Callable[[Framework], Coroutine[Any, Any, str]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between Quart and Flask.

    Arguments:
        number: Its number in the README's table.
        case: What is tried.
        status: *removed*: FaithfulQuart answers as Flask does. *option*: it does with a setting.
            *documented*: it does not, or not always, and the README gives the reason.
        pieces: The names, below ``quartpatterns.subclassing``, that remove this difference alone.
        probe: Tries it with a framework and returns the result in a few words.
    """

    number: int
    case: str
    status: Literal["removed", "option", "documented"]
    pieces: str
    probe: Probe


@dataclass(frozen=True, slots=True)
class Measurement:
    """The results of the three frameworks for one difference."""

    number: int
    case: str
    flask: str
    quart: str
    faithful: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        1,
        "get_json() of another content type",
        "removed",
        "request.JSONErrors",
        views.other_content_type,
    ),
    Difference(2, "a view returns iter([...])", "removed", "response.ReturnValues", views.iterator),
    Difference(
        3, 'a status "201 CREATED"', "removed", "response.ReturnValues", views.status_string
    ),
    Difference(
        4, "a view returns a bytearray", "removed", "response.ReturnValues", views.byte_array
    ),
    Difference(5, "Range: bytes=-2", "removed", "response.ConditionalResponse", files.suffix_range),
    Difference(
        6,
        "a range that can't be satisfied",
        "removed",
        "response.ConditionalResponse",
        files.unsatisfiable,
    ),
    Difference(
        7, "send_file() and Range", "removed", "files.send_file", files.conditional_by_default
    ),
    Difference(
        8,
        "send_file(download_name=, max_age=, etag=)",
        "removed",
        "files.send_file",
        files.names_of_arguments,
    ),
    Difference(
        9,
        "caching of static files",
        "removed",
        "files.StaticFiles, files.FileDefaults",
        files.static_caching,
    ),
    Difference(
        10, "a download name that is not ASCII", "removed", "files.send_file", files.foreign_name
    ),
    Difference(
        11,
        "Content-Disposition of a plain file",
        "removed",
        "files.send_file",
        files.plain_disposition,
    ),
    Difference(
        12,
        "a session that is only read",
        "removed",
        "context.Contexts, context.SessionInTemplates",
        views.session_read,
    ),
    Difference(
        13,
        "TRUSTED_HOSTS, another host",
        "removed",
        "routing.Hosts, context.Contexts",
        routing.trusted_hosts,
    ),
    Difference(14, "SERVER_NAME, another host", "removed", "routing.Hosts", routing.server_name),
    Difference(
        15,
        "stream_with_context: g",
        "removed",
        "names.stream_with_context",
        views.g_in_stream,
    ),
    Difference(
        16,
        "stream_with_context(generate())",
        "removed",
        "names.stream_with_context",
        views.stream_call_form,
    ),
    Difference(
        17, "a context variable set in a synchronous hook", "documented", "", views.context_variable
    ),
    Difference(
        18, "48 synchronous views that wait", "option", "dispatch.SyncThreads", limits.threads
    ),
    Difference(
        19,
        "the header Remote-Addr",
        "removed",
        "connection.FaithfulHTTPConnection",
        limits.sent_headers,
    ),
    Difference(
        20,
        "a stream longer than RESPONSE_TIMEOUT",
        "removed",
        "connection.FaithfulHTTPConnection",
        limits.long_stream,
    ),
    Difference(
        21,
        "the body of HEAD in the test client",
        "removed",
        "connection.FaithfulHTTPConnection",
        clients.head,
    ),
    Difference(
        22,
        "a view raises under TESTING",
        "removed",
        "connection.FaithfulHTTPConnection",
        clients.raised_under_testing,
    ),
    Difference(
        23, "request.max_content_length = n", "removed", "request.RequestLimits", views.own_limit
    ),
    Difference(
        24,
        "MAX_CONTENT_LENGTH, chunked multipart",
        "removed",
        "request.RequestLimits, connection.FaithfulHTTPConnection",
        limits.chunked_limit,
    ),
    Difference(25, "the default MAX_CONTENT_LENGTH", "documented", "", limits.default_limit),
    Difference(
        26,
        "32 MiB for a view that does not read",
        "removed",
        "request.RequestLimits, connection.FaithfulHTTPConnection",
        limits.slow_reader,
    ),
    Difference(
        27,
        "order of teardown_appcontext",
        "removed",
        "dispatch.TeardownOrder",
        limits.teardown_order,
    ),
    Difference(
        28,
        "add_url_rule(redirect_to=, build_only=)",
        "removed",
        "routing.FaithfulRule",
        routing.rule_keywords,
    ),
    Difference(
        29,
        "OPTIONS for a rule of Werkzeug's",
        "removed",
        "dispatch.Dispatch, context.Contexts",
        routing.raw_rule,
    ),
    Difference(
        30,
        "mounted at /b, asked for /b",
        "removed",
        "connection.FaithfulHTTPConnection, routing.FaithfulMap",
        routing.mount_point,
    ),
    Difference(
        31,
        "the path // in the test client",
        "documented",
        "",
        routing.double_slash,
    ),
    Difference(
        32,
        "a websocket and a URL value preprocessor",
        "removed",
        "dispatch.URLProcessors",
        routing.websocket_preprocessor,
    ),
    Difference(
        33, "response.get_json(silent=)", "removed", "response.ResponseJSON", clients.silent
    ),
    Difference(
        34, "client.post(data={...})", "removed", "testing.FaithfulClient", clients.data_as_form
    ),
    Difference(
        35,
        "g and url_for after a request of the client",
        "removed",
        "testing.FaithfulClient, context.Contexts, dispatch.Dispatch",
        clients.kept_context,
    ),
    Difference(
        36, "set-up after the first request", "removed", "dispatch.Dispatch", routing.late_setup
    ),
    Difference(
        37,
        "an async URL processor",
        "removed",
        "dispatch.URLProcessors, cli.AsyncCommands",
        routing.async_preprocessor,
    ),
    Difference(
        38,
        "flash() without await",
        "documented",
        "context.flash, context.Contexts",
        limits.flash_forgotten,
    ),
    Difference(
        39,
        "a callable object, a wrapped view",
        "removed",
        "dispatch.AsyncCallables",
        views.callables,
    ),
    Difference(
        40,
        "send_from_directory() of a relative folder",
        "removed",
        "files.send_from_directory",
        files.relative_folder,
    ),
    Difference(
        41,
        "response.call_on_close()",
        "removed",
        "response.CloseCallbacks, connection.FaithfulHTTPConnection",
        views.call_on_close,
    ),
    Difference(
        42,
        "app.ensure_sync, .wsgi_app, request.environ, .stream",
        "documented",
        "request.UnsupportedAttribute",
        limits.unsupported_attributes,
    ),
)


async def measure(difference: Difference, framework: Framework) -> str:
    """Return the result of one framework, or the name of the exception that it raised."""
    # A task has its own context variables. Flask's views set them without a reset.
    try:
        return await asyncio.create_task(difference.probe(framework))
    except Exception as error:
        return type(error).__name__


async def measure_all(differences: Sequence[Difference] = DIFFERENCES) -> list[Measurement]:
    """Measure *differences*; all 42 take about ten seconds."""
    # The logged errors of the frameworks are results in the table.
    logging.getLogger(Framework.__module__).setLevel(logging.CRITICAL + 1)
    measurements: list[Measurement] = []
    for difference in differences:
        results = [await measure(difference, Framework(name)) for name in FRAMEWORKS]
        measurements.append(Measurement(difference.number, difference.case, *results))
    return measurements


def markdown(measurements: Sequence[Measurement]) -> str:
    """Return the table of the README."""
    head = "| # | case | difference | Flask 3.1.3 | Quart 0.22.0 | FaithfulQuart | piece |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *map(_line, measurements)])


def _line(measured: Measurement) -> str:
    difference = next(each for each in DIFFERENCES if each.number == measured.number)
    results = [measured.flask, measured.quart, measured.faithful]
    cells = [str(measured.number), measured.case, difference.status]
    cells += ["-" if result == "-" else f"`{result}`" for result in results]
    cells.append(", ".join(f"`{piece}`" for piece in difference.pieces.split(", ") if piece))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> list[Measurement]:
    """Measure all differences, for callers without an event loop."""
    return asyncio.run(measure_all())
