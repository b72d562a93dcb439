"""The errors of uploads. All are HTTP exceptions, which Quart answers without a handler.

* :exc:`BadMultipartError`: 400
* :exc:`LimitExceededError`: 413
* :exc:`UploadNotAllowed`: 415

  * :exc:`InvalidNameError`, which is a :exc:`ValueError` as well
* :exc:`StorageUnavailableError`: 503
* :exc:`StorageFullError`: 507
"""

from __future__ import annotations

from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from quartpatterns._shared.sizes import readable_size
from quartpatterns._shared.unavailable import ServiceUnavailableError

__all__ = [
    "BadMultipartError",
    "InvalidNameError",
    "LimitExceededError",
    "StorageFullError",
    "StorageUnavailableError",
    "UploadNotAllowed",
]


class BadMultipartError(BadRequest):
    """400: the body is not a valid multipart form, or it ends too early.

    .. versionadded:: 0.1
    """


class LimitExceededError(RequestEntityTooLarge):
    """413: the body, a part or a header is larger than a limit, which the message names.

    Arguments:
        limit: The argument of ``stream_multipart`` that sets the limit.
        allowed: The value of the limit.
        what: What the limit counts, such as ``bytes in the body``.

    .. versionadded:: 0.1
    """

    def __init__(self, limit: str, allowed: int, what: str) -> None:
        amount = f"{allowed} {what}"
        if what.startswith("bytes "):
            amount = f"{readable_size(allowed)} {what.removeprefix('bytes ')}"
        super().__init__(f"At most {amount} are allowed ({limit}).")
        self.limit = limit
        self.allowed = allowed


class UploadNotAllowed(UnsupportedMediaType):
    """415: the extension, the content or the name of a file is not allowed.

    .. versionadded:: 0.1
    """


class InvalidNameError(UploadNotAllowed, ValueError):
    """415: a file has no usable name, or its folder is not one of the upload set.

    Flask-Reuploaded raises :exc:`ValueError` for such names.

    .. versionadded:: 0.1
    """


class StorageUnavailableError(ServiceUnavailableError):
    """503: the object store failed. The log has the cause.

    .. versionadded:: 0.1
    """

    description = "The file storage is not available. Try again later."


class StorageFullError(HTTPException):
    """507: there is no space for the file (RFC 4918, section 11.5).

    .. versionadded:: 0.1
    """

    code = 507
    description = "There is no space left for this file. No part of it was saved."

    @property
    def name(self) -> str:
        """The reason phrase, which Werkzeug does not have for 507."""
        return "Insufficient Storage"
