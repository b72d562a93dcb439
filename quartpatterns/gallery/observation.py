"""What is noted about each request of the gallery: its id, its duration and its status.

This is ASGI middleware, so that it sees the requests of all ports and originals as well.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterable
from typing import Any

from quart.logging import default_handler

from quartpatterns._shared.request_id_log import add_request_id, logged_request_id
from quartpatterns.appdispatch import ASGIApp
from quartpatterns.gallery.metrics import WEBSOCKET, RequestMetrics, application_label

__all__ = ["HEADER", "Observation"]

HEADER = b"x-request-id"
RESPONSES = ("http.response.start", "websocket.accept", "websocket.http.response.start")
# A client's value is written to logs, so it has neither line breaks nor percent signs.
_VALID = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")


class Observation:
    """Give each request of *app* an id, and count it.

    A client or a proxy chooses the id with the header ``X-Request-ID``, if it is well-formed.
    Otherwise it is a new one. *app* gets it in the same header, and the response has it too.

    Arguments:
        app: The gallery, with its ports and originals.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._metrics = RequestMetrics()
        # Errors of views, and the access log of Granian. Hypercorn logs the header of the response,
        # and the log of Uvicorn is configured by its command.
        for target in (default_handler, logging.getLogger("granian.access")):
            target.addFilter(add_request_id)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        id, scope = _with_id(scope)
        # It is not reset: the server writes its access log after the response.
        logged_request_id.set(id.decode())
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
        application = application_label(path)
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        status: int | None = None
        is_stream = scope["type"] == "websocket"

        async def send_with_id(message: Any) -> None:
            nonlocal status, is_stream
            if message["type"] in RESPONSES:
                status = message.get("status", 101)
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != HEADER]
                is_stream = is_stream or _has_events(headers)
                message = {**message, "headers": [*headers, (HEADER, id)]}
            elif message["type"] == "websocket.close" and status is None:
                status = 403  # The server refuses a websocket that was not accepted.
            await send(message)

        started = time.perf_counter()
        self._metrics.started(application)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = None if is_stream else time.perf_counter() - started
            self._metrics.ended(application, method, status, seconds)


def _has_events(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether a response lasts as long as its client looks at it."""
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in headers
    )


def _with_id(scope: Any) -> tuple[bytes, Any]:
    """Return the id of a request, and a scope whose headers have it."""
    sent = [value for name, value in scope["headers"] if name.lower() == HEADER]
    if len(sent) == 1 and _VALID.fullmatch(sent[0]):
        return sent[0], scope
    id = uuid.uuid4().hex.encode()
    headers = [pair for pair in scope["headers"] if pair[0].lower() != HEADER]
    return id, {**scope, "headers": [*headers, (HEADER, id)]}
