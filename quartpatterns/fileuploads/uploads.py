"""Upload sets: which files they accept, and where the files are stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container
from dataclasses import dataclass
from secrets import token_hex
from typing import IO, cast

from quart import Quart, current_app, url_for
from werkzeug.datastructures import FileStorage

from quartpatterns._shared.threads import run_sync
from quartpatterns.fileuploads.errors import UploadNotAllowed
from quartpatterns.fileuploads.filetypes import (
    DEFAULTS,
    HEAD_SIZE,
    SavedName,
    add_suffix,
    content_matches,
    extension,
    secure_name,
    secure_path,
)
from quartpatterns.fileuploads.folder import Folder
from quartpatterns.fileuploads.multipart_form import Part
from quartpatterns.fileuploads.storage import READ_SIZE, Storage, write_chunks

__all__ = ["EXTENSION_KEY", "UploadConfiguration", "UploadSet"]

EXTENSION_KEY = "quartpatterns.fileuploads"
MAX_NUMBER = 9  # the last number that is tried before a random suffix


@dataclass(frozen=True, slots=True)
class UploadConfiguration:
    """The configuration of an upload set in one application; see ``configure_uploads``."""

    storage: Storage
    base_url: str | None
    allow: Container[str]
    deny: Container[str]


class UploadSet:
    """A set of files of certain types, as in Flask-Uploads.

    .. code-block:: python

        photos = UploadSet("photos", IMAGES)
        configure_uploads(app, photos)

        async for part in stream_multipart(request):
            if part.name == "photo":
                name = await photos.save(part)

    One set can be used by several applications, each with its own configuration.

    Arguments:
        name: The name of the set. It consists of letters and digits, and is part of the names of
            the settings.
        extensions: The allowed extensions in lower case: groups added together, ``ALL``, or
            ``AllExcept(...)``.
        default_dest: A function that takes the application and returns the destination. It is
            called if the application does not configure a destination for this set.
        matches: A function that takes an extension and the first bytes of a file, and returns
            whether they match. ``None`` turns the check off.

    Raises:
        ValueError: The name contains other characters than letters and digits.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        name: str = "files",
        extensions: Container[str] = DEFAULTS,
        default_dest: Callable[[Quart], str] | None = None,
        *,
        matches: Callable[[str, bytes], bool] | None = content_matches,
    ) -> None:
        if not name.isalnum():
            raise ValueError(
                f"The name of an UploadSet must have letters and digits only: {name!r}"
            )
        self.name = name
        self.extensions = extensions
        self.default_dest = default_dest
        self.matches = matches

    @property
    def config(self) -> UploadConfiguration:
        """The configuration of this set in the current application.

        Raises:
            RuntimeError: ``configure_uploads`` was not called with this set.
        """
        sets = cast("dict[str, UploadConfiguration]", current_app.extensions.get(EXTENSION_KEY, {}))
        if (config := sets.get(self.name)) is None:
            raise RuntimeError(
                f"The upload set {self.name!r} is not configured: pass it to configure_uploads()."
            )
        return config

    @property
    def storage(self) -> Storage:
        """The storage of this set in the current application."""
        return self.config.storage

    def url(self, filename: str) -> str:
        """Return the URL of a file, whether the file exists or not.

        Raises:
            RuntimeError: Nothing serves the files of this set.
        """
        base_url = self.config.base_url
        if base_url is not None:
            return base_url + filename
        if "_uploads" not in current_app.blueprints:
            raise RuntimeError(
                f"The upload set {self.name!r} has no URL: set UPLOADED_{self.name.upper()}_URL, or"
                " UPLOADS_AUTOSERVE = True."
            )
        return url_for(
            "_uploads.uploaded_file", setname=self.name, filename=filename, _external=True
        )

    def path(self, filename: str, folder: str | None = None) -> str:
        """Return the absolute path of a file, whether the file exists or not.

        Raises:
            ValueError: The path is outside of the destination or hidden.
            RuntimeError: The files are not in a folder of this machine.
        """
        storage = self.storage
        if not isinstance(storage, Folder):
            raise RuntimeError(
                f"The upload set {self.name!r} is in an object store: its files have no path."
            )
        return str(storage.path(_join(folder, filename)))

    def file_allowed(self, storage: Part | FileStorage, basename: str) -> bool:
        """Return whether a file may be saved as *basename*. Subclasses may override it.

        Arguments:
            storage: The file, unread.
            basename: A name that :func:`secure_name` has returned.
        """
        return self.extension_allowed(extension(basename))

    def extension_allowed(self, ext: str) -> bool:
        """Return whether an extension, in lower case and without the dot, is allowed."""
        config = self.config
        return ext in config.allow or (ext in self.extensions and ext not in config.deny)

    async def resolve_conflict(self, folder: str, basename: str) -> str:
        """Return another name for a file whose name is in use.

        It appends ``_1`` to ``_9``, and after that a random suffix. A subclass may raise
        :class:`UploadNotAllowed` instead.

        Arguments:
            folder: The folder in the set, or an empty string.
            basename: The name that is in use.
        """
        for number in range(1, MAX_NUMBER + 1):
            name = add_suffix(basename, number)
            if await self.storage.stat(_join(folder, name)) is None:
                return name
        return add_suffix(basename, token_hex(8))

    def get_basename(self, filename: str) -> str:
        """Return the safe name for a file that a client calls *filename*."""
        return secure_name(filename)

    async def save(
        self,
        storage: Part | FileStorage,
        folder: str | None = None,
        name: str | None = None,
        *,
        overwrite: bool = False,
    ) -> SavedName:
        """Save a file, and return its name with its folder.

        The file is visible only when it is complete. If the client disconnects, the request is
        cancelled, or an error occurs, the incomplete file is removed.

        Arguments:
            storage: A part of :func:`stream_multipart`, or a file of ``await request.files``.
            folder: A folder in this set.
            name: The name of the file. If it ends with a dot, the extension of the uploaded file
                is added. Without *folder*, the text before the last ``/`` is the folder.
            overwrite: Whether to replace a file of the same name, in one step. By default the new
                file gets another name.

        Raises:
            UploadNotAllowed: The name, the extension or the content is not allowed.
            LimitExceededError: The part or the form is too large.
            StorageFullError: There is no space for the file.
            StorageUnavailableError: The storage failed.
        """
        folder, basename = self._target(storage, folder, name)

        async def resolve(taken: str) -> str:
            return _join(folder, await self.resolve_conflict(folder, basename))

        chunks = self._check_content(_chunks(storage), extension(basename))
        writer = self.storage.open(_join(folder, basename), None if overwrite else resolve)
        try:
            await write_chunks(chunks, writer)
            return SavedName(await writer.finish(), writer.size, writer.digest.hexdigest())
        except BaseException:
            await writer.discard()
            raise

    def _target(
        self, storage: Part | FileStorage, folder: str | None, name: str | None
    ) -> tuple[str, str]:
        """Return the safe folder and the safe name of a file."""
        if not storage.filename:
            raise UploadNotAllowed("No file was chosen.")
        basename = self._allowed_basename(storage, storage.filename)
        if name:
            if not folder:
                folder, _, name = name.rpartition("/")
            ending = extension(basename) if name.endswith(".") else ""
            basename = self._allowed_basename(storage, f"{name}{ending}") if name else basename
        return secure_path(folder) if folder else "", basename

    def _allowed_basename(self, storage: Part | FileStorage, filename: str) -> str:
        basename = self.get_basename(filename)
        if not self.file_allowed(storage, basename):
            raise UploadNotAllowed(f"Files like {basename!r} are not allowed.")
        return basename

    async def _check_content(self, chunks: AsyncIterator[bytes], ext: str) -> AsyncIterator[bytes]:
        """Yield *chunks* after the first bytes have been compared with the extension."""
        head = b""
        async for chunk in chunks:
            head += chunk
            if len(head) >= HEAD_SIZE:
                break
        if self.matches is not None and not self.matches(ext, head[:HEAD_SIZE]):
            raise UploadNotAllowed(f"The content of the file does not match the extension .{ext}.")
        yield head
        async for chunk in chunks:
            yield chunk


def _join(folder: str | None, basename: str) -> str:
    return f"{folder}/{basename}" if folder else basename


async def _chunks(storage: Part | FileStorage) -> AsyncIterator[bytes]:
    if isinstance(storage, Part):
        async for chunk in storage:
            yield chunk
        return
    stream: IO[bytes] = storage.stream
    while block := await run_sync(stream.read)(READ_SIZE):
        yield block
