"""Where a login redirects to: the login page before it, and only the own site after it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

from quart import current_app, has_websocket_context, jsonify, request, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from quartpatterns._shared.error_formats import error_formats, prefers_data

__all__ = [
    "MAX_LENGTH",
    "current_url",
    "expand_login_view",
    "login_url",
    "make_next_param",
    "own_path",
    "refuse_other_clients",
    "safe_next",
]

MAX_LENGTH = 16384
"""The number of characters in a URL to redirect to; longer ones are refused.

Hypercorn accepts request heads of this length.
"""

# Browsers remove tabs and line breaks and trim other control characters and spaces (WHATWG URL
# Standard): "/\t/evil.example" is "//evil.example".
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
# They also read a backslash as a slash. After the first characters it is quoted, as "%5C", which
# is part of the path.
_OTHER_SITE = ("//", "/\\")
_UNQUOTED = "!#$%&'()*+,-./:;=?@_~"


def refuse_other_clients(message: str) -> None:
    """Raise 401 for a client that can't follow a redirect to a login page.

    If the application has ``ErrorPages``, they answer it.

    Arguments:
        message: The text for programs.

    Raises:
        Unauthorized: The client is a websocket or a program, or ``ErrorPages`` sends JSON or
            problem documents for this part of the site.
    """
    formats = error_formats()
    configured = None if formats is None else formats.configured_format()
    error = Unauthorized(message.capitalize() + ".", www_authenticate=WWWAuthenticate("cookie"))
    if has_websocket_context():
        raise error if configured == "problem" else Unauthorized
    if configured == "html":
        return
    if configured is not None:  # "json" or "problem", which the error handler answers
        raise error
    if prefers_data() or request.headers.get("X-Requested-With") == "XMLHttpRequest":
        if formats is None:
            error.response = jsonify(error="unauthorized", message=message)
            error.response.status_code = 401
            error.response.www_authenticate = WWWAuthenticate("cookie")
        else:
            error.response = formats.problem_response(error)
        # Raised, so that the application's handler for 401 can replace it.
        raise error


def make_next_param(login_url: str, current_url: str) -> str:
    """Return *current_url* without its scheme and host, if they are those of the login page.

    Arguments:
        login_url: The URL of the login page.
        current_url: The URL to return to.

    .. versionadded:: 0.1
    """
    login, current = urlsplit(login_url), urlsplit(current_url)
    if login.scheme in ("", current.scheme) and login.netloc in ("", current.netloc):
        return urlunsplit(("", "", current.path, current.query, ""))
    return current_url


def expand_login_view(login_view: str) -> str:
    """Return the URL of *login_view*, which is a URL, a path or an endpoint."""
    if login_view.startswith(("https://", "http://", "/")):
        return login_view
    return url_for(login_view)


def login_url(login_view: str, next_url: str | None = None, next_field: str = "next") -> str:
    """Return the URL of the login page, with the URL to return to in its query.

    If ``FORCE_HOST_FOR_REDIRECTS`` is set, it is the host of the URL.

    Arguments:
        login_view: The endpoint of the login page, or its URL.
        next_url: The URL to return to.
        next_field: The name of the query argument.

    .. versionadded:: 0.1
    """
    base = expand_login_view(login_view)
    if next_url is None:
        return base
    parts = urlsplit(base)
    query = parse_qs(parts.query, keep_blank_values=True)
    query[next_field] = [make_next_param(base, next_url)]
    config: Any = current_app.config
    host: str | None = config.get("FORCE_HOST_FOR_REDIRECTS")
    netloc = host or parts.netloc
    return urlunsplit(
        (parts.scheme, netloc, parts.path, urlencode(query, doseq=True), parts.fragment)
    )


def current_url() -> str:
    """Return the URL of the request; without its host, if that is invalid."""
    try:
        urlsplit(request.url)
    except ValueError:
        return request.full_path.removesuffix("?")
    return request.url


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
    if not target.startswith("/") or target.startswith(_OTHER_SITE):
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
