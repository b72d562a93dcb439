"""Which site has sent a request, as browsers name it in ``Sec-Fetch-Site`` and ``Origin``."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers

__all__ = ["from_another_site", "other_origin", "same_origin"]

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def other_origin(headers: Headers, host: str, trusted: Collection[str] = ()) -> str | None:
    """Return the other site that a browser names as the sender of a request, if it names one.

    Browsers send ``Sec-Fetch-Site`` over https and to localhost. It is right even behind a proxy
    that changes ``Host``. Without it, the host of ``Origin`` is compared, but not the scheme,
    because an application behind a proxy may not know its own.

    A request with neither header comes from an old browser or from no browser. Pages with the
    policy ``no-referrer`` send the origin ``null``, and so do sandboxed pages of other sites. In
    both cases the result is ``None``.

    Arguments:
        headers: The headers of the request.
        host: Its host, as in ``request.host``.
        trusted: Origins that count as this site.
    """
    sent = headers.get("Origin", "")
    if sent and any(same_origin(sent, origin) for origin in trusted):
        return None
    if site := headers.get("Sec-Fetch-Site"):
        return None if site in {"same-origin", "none"} else sent or f"a {site} page"
    if not sent or sent == "null":
        return None
    origin = _origin(sent)
    own = _origin(f"{origin[0]}://{host}") if origin else None
    return None if own and own == origin else sent


def from_another_site(headers: Headers, host: str) -> bool:
    """Return whether a page of another site may have sent a request that has no token.

    Unlike with :func:`other_origin`, the origin ``null`` counts as another site, unless
    ``Sec-Fetch-Site`` says more: a sandboxed page may be one of another site.

    Arguments:
        headers: The headers of the request.
        host: Its host, as in ``request.host``.
    """
    if other_origin(headers, host) is not None:
        return True
    return headers.get("Origin") == "null" and "Sec-Fetch-Site" not in headers


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Return scheme, host and port of *url*, or ``None`` if it is not a URL with a host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or DEFAULT_PORTS.get(parts.scheme)


def same_origin(url: str, other: str) -> bool:
    """Return whether two URLs have the same scheme, host and port (RFC 6454, section 5)."""
    return (origin := _origin(url)) is not None and origin == _origin(other)
