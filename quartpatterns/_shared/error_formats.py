"""Whether a client gets an error as a page or as data: one rule for all helpers.

``ErrorPages`` can set the format for a part of the site. Where it does not, the request decides. A
helper that answers an error itself, such as the redirect to a login page, follows the same rule.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from quart import current_app, request
from werkzeug.exceptions import HTTPException

__all__ = ["EXTENSION", "ErrorFormat", "ErrorFormats", "error_formats", "prefers_data"]

ErrorFormat = Literal["html", "json", "problem"]

EXTENSION = "quartpatterns.errorpages"
"""The key of the application's :class:`ErrorFormats` in ``app.extensions``."""

_FORMATS = ("text/html", "application/problem+json", "application/json", "text/event-stream")


class ErrorFormats(Protocol):
    """What answers the errors of an application."""

    def configured_format(self) -> ErrorFormat | None:
        """Return the format of errors for the current request, or ``None`` if it decides."""
        ...

    def problem_response(self, error: HTTPException) -> Any:
        """Return the response to *error* as a problem document."""
        ...


def error_formats() -> ErrorFormats | None:
    """Return what answers the errors of the current application, or ``None``."""
    formats: ErrorFormats | None = current_app.extensions.get(EXTENSION)
    return formats


def prefers_data() -> bool:
    """Return whether the client of the current request is a program that has no use for a page.

    It prefers JSON to HTML, or a stream of events, or it has sent JSON. A client without a
    preference gets the page.
    """
    if request.is_json:
        return True
    return request.accept_mimetypes.best_match(_FORMATS, "text/html") != "text/html"
