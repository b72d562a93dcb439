"""The names of what is read of a request, and which of them may tell visitors apart.

The names are texts such as ``header x-api-key``, ``cookie theme`` and ``session user``. They are
stored with the responses, and warnings show them.
"""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["AUTHORIZATION", "BODY", "CALLBACK", "CLIENT", "COOKIES", "COOKIE_HEADER", "HEADERS"]
__all__ += ["QUERY", "SCOPE", "SESSION", "STREAM", "UNKNOWN", "VARY"]
__all__ += ["is_harmless", "of_cookies", "varies"]

# All headers, all cookies, and everything in the session.
HEADERS, COOKIES, SESSION = "headers", "cookies", "session"
AUTHORIZATION, COOKIE_HEADER = "header authorization", "header cookie"
CLIENT, SCOPE = "client address", "ASGI scope"
QUERY, BODY = "query string", "body of a GET"
# What a response is or has, and the start of what it has.
STREAM = "a stream or file"
VARY, CALLBACK = "Vary:", "a callback of"
# What hooks have read before the recording began.
UNKNOWN = "hooks that ran before the application had a cache: create one, Cache(app)"

# Headers that do not tell visitors apart: those of one representation, of one connection, of one
# request, and "Host", which is part of every key. Every other header may name a visitor.
_HARMLESS = frozenset(
    """
    accept cache-control connection date device-memory dnt downlink dpr early-data ect expect host
    keep-alive max-forwards origin pragma priority purpose range referer rtt save-data te trailer
    transfer-encoding upgrade upgrade-insecure-requests user-agent via viewport-width width
    x-requested-with
    baggage traceparent tracestate x-amzn-trace-id x-b3-flags x-b3-parentspanid x-b3-sampled
    x-b3-spanid x-b3-traceid x-cloud-trace-context x-correlation-id x-request-id x-request-start
    """.split()
)
_HARMLESS_PREFIXES = ("accept-", "access-control-", "content-", "if-", "sec-")


def is_harmless(header: str) -> bool:
    """Return whether the header does not tell visitors apart; *header* is lower case."""
    return header in _HARMLESS or header.startswith(_HARMLESS_PREFIXES)


def of_cookies(name: str) -> bool:
    """Return whether the name is one of cookies, or of the session, which a cookie names."""
    return name.partition(" ")[0] in ("cookie", COOKIES, SESSION) or name == COOKIE_HEADER


def varies(name: str, vary: Collection[str]) -> bool:
    """Return whether a header in *vary* makes what was read a part of the key."""
    if of_cookies(name):
        return "cookie" in vary
    kind, _, key = name.partition(" ")
    return kind == "header" and key in vary
