"""Conditional and range requests, evaluated by Werkzeug as Flask does it."""

from __future__ import annotations

from typing import Any

from quart import request
from werkzeug.http import remove_entity_headers
from werkzeug.wrappers import Response

__all__ = ["complete_headers", "conditional_environ"]

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
