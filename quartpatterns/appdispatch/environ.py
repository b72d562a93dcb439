"""The WSGI environment of an ASGI request."""

from __future__ import annotations

import io
import sys
from typing import Any

from .asgi import Scope

__all__ = ["build_environ"]


def build_environ(scope: Scope, body: io.BufferedReader) -> dict[str, Any]:
    """The WSGI environment of a request, as :pep:`3333` has it."""
    root_path: str = scope.get("root_path", "")
    query = scope["query_string"].decode("latin-1")
    target = (scope.get("raw_path") or b"").decode("latin-1") + (f"?{query}" if query else "")
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _native(root_path),
        "PATH_INFO": _native(scope["path"].removeprefix(root_path)),
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "asgi.scope": scope,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    environ.update(_headers(scope))
    if "CONTENT_LENGTH" not in environ:
        # Chunked, or HTTP/2: the server knows where the body ends, and so does wsgi.input.
        environ["wsgi.input_terminated"] = True
    return environ


def _native(text: str) -> str:
    """A path as WSGI carries it: bytes, each as one character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").upper(), raw_value.decode("latin-1")
        if "_" in name:
            continue  # X_Real_IP would pass for X-Real-IP, which a proxy filters
        key = name.replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        # HTTP/2 may split cookies, and they are joined otherwise than other headers.
        joint = "; " if key == "HTTP_COOKIE" else ","
        headers[key] = f"{headers[key]}{joint}{value}" if key in headers else value
    return headers
