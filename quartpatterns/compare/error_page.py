"""The page that Flask and Quart send for an error, as the cases expect it.

The texts are written out here. If they came from Werkzeug or from :class:`http.HTTPStatus`, the
expected page would change together with the page that is tested.
"""

from __future__ import annotations

from markupsafe import escape

__all__ = ["error_page"]

_HEADINGS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
}
_TEXTS = {
    400: "The browser (or proxy) sent a request that this server could not understand.",
    403: "You don't have the permission to access the requested resource. It is either"
    " read-protected or not readable by the server.",
    404: "The requested URL was not found on the server. If you entered the URL manually please"
    " check your spelling and try again.",
    405: "The method is not allowed for the requested URL.",
    413: "The data value transmitted exceeds the capacity limit.",
    500: "The server encountered an internal error and was unable to complete your request. Either"
    " the server is overloaded or there is an error in the application.",
}


def error_page(status: int, text: str | None = None) -> str:
    """Return the page that Flask and Quart send for *status*.

    Arguments:
        status: The HTTP status, one of those that the cases of the patterns need.
        text: What the page says, without escapes. By default it is the text of this status.

    Raises:
        KeyError: No heading is known for *status*: add it to this module.

    .. versionadded:: 0.1
    """
    heading = _HEADINGS[status]
    return (
        f"<!doctype html>\n<html lang=en>\n<title>{status} {heading}</title>\n"
        f"<h1>{heading}</h1>\n<p>{escape(_TEXTS[status] if text is None else text)}</p>\n"
    )
