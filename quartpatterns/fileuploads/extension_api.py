"""What only applications that move from Flask-Reuploaded or Flask-Uploads need."""

from __future__ import annotations

from os import PathLike
from typing import IO, Any, NoReturn, cast

from quart.datastructures import FileStorage

__all__ = ["TestingFileStorage", "addslash", "patch_request_class"]


class TestingFileStorage(FileStorage):
    """A file for tests of applications: saving it writes nothing, and only remembers the path.

    .. code-block:: python

        file = TestingFileStorage(filename="me.png")
        assert await photos.save(file) == "me.png"
        assert file.saved == photos.path("me.png")

    Its content is not compared with its extension.

    Arguments:
        stream: The content. It is empty by default.
        filename: The name that a client sent.
        name: The name of the form field.
        content_type: The media type.
        content_length: The length in bytes.
        headers: The headers of the part. Flask-Reuploaded ignores them.

    Attributes:
        saved: The path under which it was saved, or ``None``.

    .. versionadded:: 0.1
    """

    # pytest would collect it as a test.
    __test__ = False

    def __init__(
        self,
        stream: IO[bytes] | None = None,
        filename: str | None = None,
        name: str | None = None,
        content_type: str = "application/octet-stream",
        content_length: int = -1,
        headers: Any = None,
    ) -> None:
        super().__init__(stream, filename, name, content_type, content_length, headers)
        self.saved: str | None = None

    async def save(  # type: ignore[override]
        self, destination: str | PathLike[str], buffer_size: int = 16384
    ) -> None:
        """Remember *destination* as ``saved``.

        Raises:
            RuntimeError: *destination* is no path.
        """
        if not isinstance(cast(object, destination), str | PathLike):
            raise RuntimeError("the destination of a TestingFileStorage must be a path")
        self.saved = str(destination)


def addslash(url: str) -> str:
    """Return *url* with a slash at the end.

    .. versionadded:: 0.1
    """
    return url if url.endswith("/") else f"{url}/"


def patch_request_class(app: Any, size: int | None = None) -> NoReturn:
    """Raise an error: Flask-Uploads limited the size of requests with this function.

    Raises:
        RuntimeError: Always.

    .. versionadded:: 0.1
    """
    limit = 64 * 1024 * 1024 if size is None else size
    raise RuntimeError(
        f"patch_request_class() is not supported: set app.config['MAX_CONTENT_LENGTH'] = {limit}"
    )
