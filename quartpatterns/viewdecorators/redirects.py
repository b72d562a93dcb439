"""Where a login redirects to: the login page before it, and only the own site after it."""

from __future__ import annotations

import re
from urllib.parse import quote

from quart import has_websocket_context, jsonify, redirect, request, url_for
from quart.typing import ResponseTypes
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

__all__ = ["MAX_LENGTH", "own_path", "redirect_to_login", "safe_next"]

MAX_LENGTH = 2048
"""The number of characters in a URL to redirect to; longer ones are refused."""

# Browsers remove tabs and line breaks, trim other control characters and spaces, and read a
# backslash as a slash (WHATWG URL Standard): "/\t/evil.example" is "//evil.example".
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_UNQUOTED = "!#$%&'()*+,-./:;=?@_~"


def redirect_to_login(endpoint: str | None, message: str) -> ResponseTypes:
    """Return a redirect to *endpoint* with the current URL in ``next``.

    Arguments:
        endpoint: The endpoint of the login page, if there is one.
        message: The text for clients that prefer JSON.

    Raises:
        Unauthorized: There is no *endpoint*, or the client is a websocket or prefers JSON.
    """
    if has_websocket_context():
        raise Unauthorized
    if _prefers_json():
        response = jsonify(error="unauthorized", message=message)
        response.status_code = 401
        response.www_authenticate = WWWAuthenticate("cookie")
        # Raised, so that the application's handler for 401 can replace it.
        raise Unauthorized(response=response)
    if endpoint is None:
        raise Unauthorized
    return redirect(url_for(endpoint, next=request.url))


def own_path(target: str, host_url: str) -> str | None:
    """Return *target* as a path of the own site, or ``None`` if it may lead to another site.

    It accepts an absolute path, and a URL that starts with *host_url*, of which it returns the
    path, query and fragment. The result contains no host, so that a browser stays on the current
    scheme, host and port.

    Arguments:
        target: A path or URL from a client.
        host_url: The scheme, the host and a slash, as in ``request.host_url``.

    .. versionadded:: 0.1
    """
    if len(target) > MAX_LENGTH or _UNSAFE.search(target):
        return None
    if target.startswith(host_url):
        target = target[len(host_url) - 1 :]
    if not target.startswith("/") or target.startswith("//"):
        return None
    return quote(target, safe=_UNQUOTED, errors="replace")


def safe_next(target: str | None, *, default: str = "/") -> str:
    """Return *target* as a path of the own site, or *default* if it may lead to another site.

    Flask's page passes ``next`` to the login page, and leaves the check to the reader.

    Arguments:
        target: The ``next`` of a query or form.
        default: The path without a valid *target*. It is not checked.

    .. versionadded:: 0.1
    """
    path = own_path(target, request.host_url) if target else None
    return default if path is None else path


def _prefers_json() -> bool:
    if request.headers.get("X-Requested-With") == "XMLHttpRequest" or request.is_json:
        return True
    accepted = request.accept_mimetypes
    return accepted.quality("application/json") > accepted.quality("text/html")
