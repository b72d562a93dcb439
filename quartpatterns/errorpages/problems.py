"""Errors for programs: an exception to raise in views, and problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

__all__ = ["PROBLEM", "APIError", "describe", "problem"]

PROBLEM = "application/problem+json"
"""The media type of a problem document."""


class APIError(Exception):
    """An error that a client is told of in JSON: raise it in a view.

    Subclasses may have a ``status_code`` of their own. Without
    :class:`~quartpatterns.errorpages.ErrorPages` it is an error as any other: 500.

    Arguments:
        message: What is wrong, for a person who reads what a program received.
        status_code: The status, from 400 to 599.
        payload: Further members of the answer, which JSON must know.

    Raises:
        ValueError: The status is not one of an error.

    See Flask's page "Implementing API Exceptions".
    """

    status_code = 400

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.payload = payload
        if status_code is not None:
            self.status_code = status_code
        if not 400 <= self.status_code < 600:
            raise ValueError(
                f"{self.status_code} is no status of an error: use one from 400 to 599"
            )

    def to_dict(self) -> dict[str, Any]:
        """The payload and the message, which wins where the payload has one too."""
        return {**(self.payload or {}), "message": self.message}


def problem(error: HTTPException | APIError, request_id: str) -> dict[str, Any]:
    """The problem document for *error* (RFC 9457, section 3.1).

    Arguments:
        error: What to describe; the payload of an :class:`APIError` becomes extension members.
        request_id: The id of the request, the member ``request_id``.
    """
    if isinstance(error, APIError):
        status, detail = error.status_code, error.message
        more = dict(error.payload or {})
    else:
        status, detail, more = error.code or 500, describe(error), {}
    title = HTTP_STATUS_CODES.get(status, "Unknown Error")
    document = {"type": "about:blank", "title": title, **more, "status": status}
    return document | {"detail": detail, "request_id": request_id}


def describe(error: HTTPException) -> str:
    """What *error* says of itself, as text and not as HTML."""
    return "" if error.description is None else str(error.description)
