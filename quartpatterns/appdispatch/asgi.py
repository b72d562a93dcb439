"""Types, scopes and complete responses of ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map
from werkzeug.sansio.utils import get_host
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

__all__ = [
    "ASGIApp",
    "Receive",
    "Scope",
    "Send",
    "child_scope",
    "discard_body",
    "encode_headers",
    "header",
    "local_path",
    "normalize",
    "not_found",
    "redirect_to_slash",
    "respond",
]

# Hypercorn, Starlette and others have their own types for these, which are incompatible.
Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

DRAIN_TIMEOUT = 2.0
"""Seconds in which a client that has its response can send the rest of its body."""

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application of any framework."""

# A map without rules: binding it to a host validates the host, as in Flask.
_HOSTS = Map()
# These characters are not percent-encoded in a Location header.
_PATH_CHARACTERS = "/!$&'()*+,;=:@~"


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header with this lower-case name, or None if the client sent none."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key == name), None)


def normalize(scope: Scope) -> Scope:
    """Return the scope with a path that starts with a slash and a root_path that ends without.

    A request for a proxy has an absolute target, ``http://host/path``, of which the path remains.
    """
    target: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    if target[:1] == "/" and root_path[-1:] != "/":
        return scope
    _, absolute, rest = target.partition("://")
    path = target if target[:1] == "/" else rest.partition("/")[2] if absolute else target
    return child_scope(scope, root_path.rstrip("/"), f"/{path.removeprefix('/')}")


def local_path(scope: Scope) -> str | None:
    """Return the path of a normalized scope below its ``root_path``.

    In ASGI, ``path`` includes ``root_path``. The result is ``""`` for the root without its slash,
    and None for a path that is not below ``root_path``.
    """
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    if not root_path:
        return path
    rest = path.removeprefix(root_path)
    return rest if len(rest) < len(path) and rest[:1] in ("", "/") else None


def child_scope(
    scope: Scope, root_path: str, path: str, state: Mapping[str, Any] | None = None
) -> Scope:
    """Return a copy of *scope* for an application below *root_path*.

    Arguments:
        scope: The scope of the request.
        root_path: The new ``root_path``.
        path: The new ``path``, including *root_path*.
        state: What the lifespan of the application has stored for its requests.
    """
    child = scope.copy()
    child["root_path"] = root_path
    child["path"] = path
    if state:
        child["state"] = {**(scope.get("state") or {}), **state}
    return child


def encode_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI sends them."""
    return [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers]


async def respond(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a Werkzeug response whose body is complete.

    A websocket gets it as the answer to its handshake, or is closed if the server cannot send
    that.
    """
    kind = "http.response"
    if scope["type"] == "websocket":
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1000, "reason": None})
            return
    body = b"" if scope.get("method") == "HEAD" else response.get_data()
    status, headers = response.status_code, encode_headers(response.headers)
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body, "more_body": True})
    await discard_body(receive)
    await send({"type": f"{kind}.body", "body": b"", "more_body": False})


async def discard_body(receive: Receive) -> None:
    """Receive the rest of the request body, for at most :data:`DRAIN_TIMEOUT` seconds.

    Await it before the last message of a response. If a server closes a connection while the client
    sends, the client may lose a response that it has not read yet (RFC 9112, section 9.6).
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            while (await receive()).get("more_body", False):
                pass


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application that answers every request with Flask's 404 page, and refuses websockets.

    .. versionadded:: 0.1
    """
    if scope["type"] != "lifespan":
        await respond(Response.force_type(NotFound().get_response()), scope, receive, send)


async def redirect_to_slash(scope: Scope, path: str, receive: Receive, send: Send) -> None:
    """Redirect to *path* with a slash, with the same 308 and absolute ``Location`` as Flask.

    As in Flask, the host is written in lower case, and one that can't be a host name is a 400.
    """
    host = get_host(scope["scheme"], header(scope, b"host"), scope.get("server"))
    try:
        origin = f"{scope['scheme']}://{_HOSTS.bind(host).server_name}" if host else ""
    except HTTPException as error:
        await respond(Response.force_type(error.get_response()), scope, receive, send)
        return
    query = scope["query_string"].decode("latin-1")
    location = f"{origin}{quote(path, safe=_PATH_CHARACTERS)}/{'?' + query if query else ''}"
    await respond(Response.force_type(redirect(location, 308)), scope, receive, send)
