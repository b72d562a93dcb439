"""Where a request comes from, by the headers that browsers set and pages can't."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers

__all__ = ["foreign_origin", "is_proven", "origin", "same_origin"]

PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}

Origin = tuple[str, str, int | None]


def origin(url: str) -> Origin | None:
    """Scheme, host and port of *url*, with the scheme's own port where none is named.

    ``None`` where there is no host, or what a client sent is no URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or PORTS.get(parts.scheme)


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have scheme, host and port in common (RFC 6454, section 5)."""
    return (found := origin(one)) is not None and found == origin(other)


def foreign_origin(headers: Headers, host: str, trusted: Collection[str] = ()) -> str | None:
    """The other site that a browser names as the sender of a request, if it names one.

    ``Sec-Fetch-Site`` decides where it is sent, which is on https and on localhost: it is right
    also behind a proxy that changes ``Host``. Else the host of ``Origin`` is compared, not its
    scheme, as an application behind a proxy may not know its own. A client that sends neither is
    no browser, or an old one; and the origin ``null`` is what browsers send from a page with the
    policy ``no-referrer``: both say nothing, and the token decides.

    Arguments:
        headers: The request's.
        host: Its ``Host``.
        trusted: Origins of other sites that may send requests, as browsers write them.
    """
    sent = headers.get("Origin", "")
    if sent and any(same_origin(sent, one) for one in trusted):
        return None
    if site := headers.get("Sec-Fetch-Site"):
        return None if site in {"same-origin", "none"} else sent or f"a {site} page"
    if not sent or sent == "null":
        return None
    found = origin(sent)
    own = origin(f"{found[0]}://{host}") if found else None
    return None if own and own == found else sent


def is_proven(headers: Headers, host_url: str) -> bool:
    """Whether a browser says that the request comes from *host_url* itself.

    Arguments:
        headers: The request's.
        host_url: Scheme and host of the application.
    """
    if headers.get("Sec-Fetch-Site") == "same-origin":
        return True
    return same_origin(headers.get("Origin", ""), host_url)
