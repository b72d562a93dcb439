"""What the dispatchers share: the shape of an application, scopes, and a few small answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import NotFound
from werkzeug.sansio.utils import get_host
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

__all__ = [
    "ASGIApp",
    "Receive",
    "Scope",
    "Send",
    "header",
    "local_path",
    "moved",
    "not_found",
    "redirect_to_slash",
    "respond",
    "tidy",
]

# Hypercorn, Starlette and others have types of their own for these, which exclude each other.
Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application of any framework."""

# Left as they are in a Location; anything else in a path is percent-encoded.
_PATH_CHARACTERS = "/!$&'()*+,;=:@~"


def header(scope: Scope, name: bytes) -> str | None:
    """The first header called *name*, in lower case; ``None`` where the client sent none."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key == name), None)


def tidy(scope: Scope) -> Scope:
    """The scope as dispatchers and Quart understand it; mostly it is that already.

    A ``root_path`` ends without a slash, and of a target as proxies are sent it
    (``http://host/path``) only the path is left.
    """
    target: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    if target[:1] == "/" and root_path[-1:] != "/":
        return scope
    _, absolute, rest = target.partition("://")
    path = target if target[:1] == "/" else rest.partition("/")[2] if absolute else target
    return moved(scope, root_path.rstrip("/"), f"/{path.removeprefix('/')}")


def local_path(scope: Scope) -> str | None:
    """The path of a tidy scope below ``root_path``: what a dispatcher at this depth looks at.

    ASGI's ``path`` includes ``root_path``. The answer is ``""`` for the root without its slash,
    and ``None`` for a path that lies elsewhere, which belongs to no mount.
    """
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    if not root_path:
        return path
    rest = path.removeprefix(root_path)
    return rest if len(rest) < len(path) and rest[:1] in ("", "/") else None


def moved(scope: Scope, root_path: str, path: str, state: Mapping[str, Any] | None = None) -> Scope:
    """A copy of *scope* for an application at *root_path*, asked for the whole *path*.

    Arguments:
        state: What the application's own lifespan left for its requests.
    """
    child = scope.copy()
    child["root_path"] = root_path
    child["path"] = path
    if state:
        child["state"] = {**(scope.get("state") or {}), **state}
    return child


async def respond(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a Werkzeug response whose body is complete.

    It refuses the handshake of a websocket where the server can send it, else that is closed.
    """
    kind = "http.response"
    if scope["type"] == "websocket":
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1000, "reason": None})
            return
    headers = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in response.headers]
    body = b"" if scope.get("method") == "HEAD" else response.get_data()
    # Hypercorn's last send waits until somebody takes in what the client still sends.
    discarding = asyncio.create_task(_discard(receive))
    try:
        await send({"type": f"{kind}.start", "status": response.status_code, "headers": headers})
        await send({"type": f"{kind}.body", "body": body, "more_body": False})
    finally:
        discarding.cancel()
        await asyncio.wait({discarding})


async def _discard(receive: Receive) -> None:
    while not (await receive())["type"].endswith(".disconnect"):
        pass


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application that knows nothing: Flask's 404 page; websockets are closed."""
    if scope["type"] != "lifespan":
        await respond(Response.force_type(NotFound().get_response()), scope, receive, send)


async def redirect_to_slash(scope: Scope, path: str, receive: Receive, send: Send) -> None:
    """Redirect to *path* and a slash, so that a page's relative links stay inside its mount.

    It is the 308 that Flask gives for the root of a mount, with the same absolute ``Location``.
    """
    host = get_host(scope["scheme"], header(scope, b"host"), scope.get("server"))
    origin = f"{scope['scheme']}://{host}" if host else ""
    query = scope["query_string"].decode("latin-1")
    location = f"{origin}{quote(path, safe=_PATH_CHARACTERS)}/{'?' + query if query else ''}"
    await respond(Response.force_type(redirect(location, 308)), scope, receive, send)
