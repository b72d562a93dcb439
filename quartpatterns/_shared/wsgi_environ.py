"""The WSGI environment of an ASGI request."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["wsgi_environ"]


def wsgi_environ(scope: Any, script_name: str, path_info: str) -> dict[str, Any]:
    """Return the WSGI environment of a request, as :pep:`3333` defines it, without its body.

    Arguments:
        scope: The ASGI scope of the request.
        script_name: The path at which the application is mounted.
        path_info: The path below it.
    """
    query = scope["query_string"].decode("latin-1")
    target = (scope.get("raw_path") or b"").decode("latin-1") + (f"?{query}" if query else "")
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _latin1(script_name),
        "PATH_INFO": _latin1(path_info),
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "asgi.scope": scope,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").upper(), raw_value.decode("latin-1")
        if "_" in name:
            continue  # X_Real_IP would become X-Real-IP, which a proxy filters
        key = name.replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        # HTTP/2 may split the Cookie header, whose separator is a semicolon.
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    if "CONTENT_LENGTH" not in environ:
        # A chunked or HTTP/2 request: the input ends where the body does.
        environ["wsgi.input_terminated"] = True
    return environ


def _latin1(text: str) -> str:
    """Return a path as WSGI has it: each byte as one character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
