"""Where a login may lead back to: only to the own site, whatever ``next`` says."""

from __future__ import annotations

import re
from urllib.parse import quote

from quart import request

__all__ = ["LONGEST", "own_path", "safe_next"]

LONGEST = 2048
"""Characters of a URL to go back to; a longer one is not followed."""

# Browsers drop tabs and line breaks wherever they stand, trim other control characters and
# spaces, and read a backslash as a slash: "/\t/evil.example" is "//evil.example".
_HOSTILE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_KEPT = "!#$%&'()*+,-./:;=?@_~"  # of a URL that is one already


def own_path(target: str, host_url: str) -> str | None:
    """*target* as a path of the site *host_url*, or ``None`` where it may lead elsewhere.

    Accepted is an absolute path, and an absolute URL that begins with *host_url*; of that its
    path, query and fragment are left. So no answer names a host, and a browser that follows
    it (WHATWG URL Standard) stays on the scheme, host and port that it is on.

    Arguments:
        target: What a client says.
        host_url: Scheme, host and a slash, as in ``request.host_url``.
    """
    if len(target) > LONGEST or _HOSTILE.search(target):
        return None
    if target.startswith(host_url):
        target = target[len(host_url) - 1 :]
    if not target.startswith("/") or target.startswith("//"):
        return None
    return quote(target, safe=_KEPT, errors="replace")


def safe_next(target: str | None, *, default: str = "/") -> str:
    """*target* where it lies on the own site, else *default*; for use in ``redirect()``.

    Arguments:
        target: The ``next`` of a query or form.
        default: Where to go without it; it is not checked.

    Flask's page hands ``next`` to the login and leaves it to the reader not to redirect to
    ``//evil.example``.
    """
    found = own_path(target, request.host_url) if target else None
    return default if found is None else found
