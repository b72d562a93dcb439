"""Conditional and range requests, evaluated by Werkzeug as Flask does it."""

from __future__ import annotations

from typing import Any

from quart import request
from werkzeug.http import parse_date, parse_range_header, remove_entity_headers
from werkzeug.wrappers import Response

__all__ = ["apply_conditions", "complete_headers", "conditional_environ"]

_HEADERS = ("Range", "If-Range", "If-Modified-Since", "If-None-Match", "If-Match")


def conditional_environ() -> dict[str, Any]:
    """Return what ``make_conditional`` reads from the current request, as a WSGI environ."""
    headers = {
        f"HTTP_{name.upper().replace('-', '_')}": request.headers[name]
        for name in _HEADERS
        if name in request.headers
    }
    return {"REQUEST_METHOD": request.method, **headers}


def complete_headers(response: Response) -> None:
    """Remove the headers of a conditional *response* that must not be sent.

    They are ``Date``, which an ASGI server adds itself, and those of the body if it is a 304.
    """
    response.headers.remove("Date")
    if response.status_code == 304:
        remove_entity_headers(response.headers)


def apply_conditions(response: Response, size: int) -> tuple[int, int]:
    """Apply the conditions and the range of the current request to *response*.

    Werkzeug looks at the range first, so that it sends a range of a file that the client has, or
    that has changed. This function keeps the order of RFC 9110, section 13.2.2. It also follows
    section 14: a range of HEAD, several ranges and unknown units are ignored, and a suffix that is
    longer than the file is the whole file.

    Arguments:
        response: It has the validators ``ETag`` and ``Last-Modified``.
        size: The bytes of the file.

    Returns:
        The start and the end of the bytes to send. They are equal if the response has no body.

    Raises:
        RequestedRangeNotSatisfiable: The range is malformed, or outside of the file.
    """
    response.content_length = size
    response.accept_ranges = "bytes"
    environ = conditional_environ()
    wanted = _range(environ.pop("HTTP_RANGE", ""), size)
    if_range = environ.pop("HTTP_IF_RANGE", None)
    response.make_conditional(environ)
    if _has_changed(response):
        response.status_code = 412
    if response.status_code == 200 and wanted and request.method == "GET":
        environ = {"REQUEST_METHOD": "GET", "HTTP_RANGE": wanted}
        if if_range is not None:
            environ["HTTP_IF_RANGE"] = if_range
        response.make_conditional(environ, accept_ranges=True, complete_length=size)
    complete_headers(response)
    if request.method == "HEAD" or response.status_code not in {200, 206}:
        return 0, 0
    if response.status_code == 206:
        return response.content_range.start or 0, response.content_range.stop or 0
    return 0, size


def _range(header: str, size: int) -> str:
    """Return the range that *header* asks for; an empty one if the header is to be ignored."""
    unit, _, ranges = header.partition("=")
    if ranges and (unit.strip().lower() != "bytes" or "," in ranges):
        return ""
    parsed = parse_range_header(header)
    if parsed is not None and parsed.ranges[0][0] < -size:
        return "bytes=0-"
    return header


def _has_changed(response: Response) -> bool:
    """Return whether ``If-Unmodified-Since`` is not fulfilled, which Werkzeug does not look at."""
    since = parse_date(request.headers.get("If-Unmodified-Since"))
    modified = response.last_modified
    if since is None or modified is None or "If-Match" in request.headers:
        return False
    return modified > since
