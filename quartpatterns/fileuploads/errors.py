"""What can be wrong with an upload, as answers for the client."""

from __future__ import annotations

from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    ServiceUnavailable,
    UnsupportedMediaType,
)

__all__ = [
    "BadMultipartError",
    "LimitExceededError",
    "StorageFullError",
    "StorageUnavailableError",
    "UploadNotAllowed",
]


class BadMultipartError(BadRequest):
    """The body is no multipart form, or it ends too soon: 400."""


class LimitExceededError(RequestEntityTooLarge):
    """Something is larger than is allowed: 413, with the limit's name.

    Arguments:
        limit: The name of the argument of ``stream_multipart`` that sets it.
        allowed: The most that is allowed.
        what: What was measured, such as ``bytes in the body``.
    """

    def __init__(self, limit: str, allowed: int, what: str) -> None:
        super().__init__(f"At most {allowed} {what} are allowed ({limit}).")
        self.limit = limit
        self.allowed = allowed


class UploadNotAllowed(UnsupportedMediaType):
    """A file is not of a kind that is taken here, or has no usable name: 415."""


class StorageFullError(HTTPException):
    """There is no room for the file: 507 (RFC 4918, section 11.5)."""

    code = 507
    description = "There is no room left for this file. Nothing of it was kept."

    @property
    def name(self) -> str:
        """The status in words; Werkzeug has none for 507."""
        return "Insufficient Storage"


class StorageUnavailableError(ServiceUnavailable):
    """The storage did not do its work: 503, with the cause for the log."""

    description = "The storage of files can't be reached. Try again later."
