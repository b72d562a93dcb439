"""The id of the current request in log lines, also in those that a server writes itself."""

from __future__ import annotations

import logging
from contextvars import ContextVar

__all__ = ["add_request_id", "logged_request_id", "request_id_filter"]

logged_request_id: ContextVar[str | None] = ContextVar("quartpatterns.request_id", default=None)
"""The id of the current request. Each request has a task of its own, in whose context the server
writes its access log."""


def add_request_id(record: logging.LogRecord) -> bool:
    """Add the id of the current request to a log record: a filter for handlers and loggers.

    The record gets the attribute ``request_id``, for formats that show it, and its message ends
    with the id, for formats that don't.
    """
    if "request_id" not in record.__dict__:
        id = logged_request_id.get()
        record.request_id = id or "-"
        if id:
            record.msg = f"{record.msg} [request {id}]"
    return True


def request_id_filter() -> object:
    """Return :func:`add_request_id`, for the configuration of logging."""
    return add_request_id
