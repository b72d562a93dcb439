"""The name of a request, by which a page of an error and a line in the log find each other."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from typing import Any

from quart import current_app, has_request_context, request

__all__ = ["DEFAULTS", "RequestIDFilter", "request_id"]

DEFAULTS: Mapping[str, Any] = {"REQUEST_ID_HEADER": "X-Request-ID"}
"""The configuration: the header in which a proxy sends the id; ``None`` reads none."""

# What a client sends comes into the log: no line breaks, no percent signs, and not for ever.
ACCEPTABLE = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}")
KEY = "quartpatterns.request_id"


def request_id() -> str:
    """The id of the current request: the proxy's if it sent a good one, else a new one.

    Raises:
        RuntimeError: There is no request.
    """
    scope: Any = request.scope
    if KEY not in scope:
        name = id_header()
        sent = request.headers.get(name, "") if name else ""
        scope[KEY] = sent if ACCEPTABLE.fullmatch(sent) else uuid.uuid4().hex
    found: str = scope[KEY]
    return found


def id_header() -> str | None:
    """The name of the header that carries the id."""
    config: Any = current_app.config
    name: str | None = config.get("REQUEST_ID_HEADER", DEFAULTS["REQUEST_ID_HEADER"])
    return name


class RequestIDFilter(logging.Filter):
    """Put the id of the current request on what is logged.

    It is the record's ``request_id``, for a format that wants it, and the end of its message, for
    those that don't know it. :class:`~quartpatterns.errorpages.ErrorPages` adds a filter to the
    application's logger; add another to a handler for all the others.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Name the request in *record*, and let it pass."""
        if not hasattr(record, "request_id"):
            found = request_id() if has_request_context() else None
            record.__dict__["request_id"] = found
            if found:
                record.msg = f"{record.msg} [request {found}]"
        return True
