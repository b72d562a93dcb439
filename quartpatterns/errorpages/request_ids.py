"""Request ids: they connect the error page that a user sees with the lines in the log."""

from __future__ import annotations

import logging
import re
from secrets import token_hex
from typing import Any

from quart import current_app, has_request_context, has_websocket_context, request, websocket

from quartpatterns._shared.settings_of.errorpages import SETTINGS

__all__ = ["DEFAULTS", "SETTINGS", "RequestIDFilter", "request_id"]

DEFAULTS = SETTINGS.defaults
"""The default of each setting."""

# A client's value is written to the log, so it has no line breaks, no percent signs and a limit.
_VALID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}")
_SCOPE_KEY = "quartpatterns.request_id"


def request_id() -> str:
    """Return the id of the current request or websocket.

    It is the value of the header ``REQUEST_ID_HEADER`` if that is valid, or else a new one.

    Raises:
        RuntimeError: There is no active request or websocket.

    .. versionadded:: 0.1
    """
    current: Any = websocket if has_websocket_context() else request
    current = current._get_current_object()
    scope: Any = current.scope
    if _SCOPE_KEY not in scope:
        header = id_header()
        value = current.headers.get(header, "") if header else ""
        scope[_SCOPE_KEY] = value if _VALID.fullmatch(value) else token_hex(16)
    known: str = scope[_SCOPE_KEY]
    return known


def id_header() -> str | None:
    """Return the name of the header with the id, or ``None`` if there is none."""
    config: Any = current_app.config
    header: str | None = config.get("REQUEST_ID_HEADER", DEFAULTS["REQUEST_ID_HEADER"])
    return header


class RequestIDFilter(logging.Filter):
    """Adds the id of the current request to log records.

    The record gets the attribute ``request_id``, for formats that show it, and the id is appended
    to its message, for formats that don't. :class:`~quartpatterns.errorpages.ErrorPages` adds a
    filter to the application's logger. For other loggers, add one to a handler.

    .. versionadded:: 0.1
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id to *record*; return ``True``, so that it is logged."""
        if not hasattr(record, "request_id"):
            current = request_id() if has_request_context() else None
            record.__dict__["request_id"] = current
            if current:
                record.msg = f"{record.msg} [request {current}]"
        return True
