"""A set of uploaded files: what it takes, where it keeps it, and how it is reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container
from secrets import token_hex
from typing import IO, Protocol, cast

from quart import Quart, current_app, url_for
from quart.utils import run_sync
from werkzeug.datastructures import FileStorage

from quartpatterns.fileuploads.content import HEAD, content_matches
from quartpatterns.fileuploads.errors import UploadNotAllowed
from quartpatterns.fileuploads.folder import Folder
from quartpatterns.fileuploads.names import SavedName, extension, numbered, secure_name, secure_path
from quartpatterns.fileuploads.parts import Part
from quartpatterns.fileuploads.presets import DEFAULTS
from quartpatterns.fileuploads.storage import KEY, Storage, UploadConfiguration, transfer

__all__ = ["UploadSet"]

NUMBERED = 10  # names with a number before one that is surely free
BLOCK = 256 * 1024  # bytes that are read of a spooled file at once

Matches = Callable[[str, bytes], bool]


class Named(Protocol):
    """What has a file name: a part of a stream, or a file of Quart's own form."""

    @property
    def filename(self) -> str | None:
        """As the client sent it."""
        ...


class UploadSet:
    """A set of files of some kinds, as in Flask-Uploads; its methods that wait are awaited.

    .. code-block:: python

        photos = UploadSet("photos", IMAGES)
        configure_uploads(app, photos)

        async for part in stream_multipart(request):
            if part.name == "photo":
                name = await photos.save(part)

    One set can serve several applications: what belongs to one is in its configuration.

    Arguments:
        name: Letters and digits; the keys of the configuration have it.
        extensions: What is allowed, in lower case: presets added together, ``ALL``, or
            ``AllExcept(...)``.
        default_dest: Given the application, the destination where its configuration has none.
        matches: Given an extension and the first bytes, whether they go together; ``None``
            believes every name.

    Raises:
        ValueError: The name has other characters.
    """

    def __init__(
        self,
        name: str = "files",
        extensions: Container[str] = DEFAULTS,
        default_dest: Callable[[Quart], str] | None = None,
        *,
        matches: Matches | None = content_matches,
    ) -> None:
        if not name.isalnum():
            raise ValueError(f"{name!r}: the name of an UploadSet has letters and digits only")
        self.name = name
        self.extensions = extensions
        self.default_dest = default_dest
        self.matches = matches

    @property
    def config(self) -> UploadConfiguration:
        """What the current application says of this set.

        Raises:
            RuntimeError: It does not know this set.
        """
        sets = cast("dict[str, UploadConfiguration]", current_app.extensions.get(KEY, {}))
        if (found := sets.get(self.name)) is None:
            raise RuntimeError(
                f"the application does not know the set {self.name!r}: call configure_uploads"
            )
        return found

    @property
    def storage(self) -> Storage:
        """Where the current application keeps the files of this set."""
        return self.config.storage

    def url(self, filename: str) -> str:
        """The URL of a file, whether it is there or not.

        Raises:
            RuntimeError: The files of this set are not served.
        """
        base = self.config.base_url
        if base is not None:
            return base + filename
        if "_uploads" not in current_app.blueprints:
            raise RuntimeError(
                f"the set {self.name!r} has no URL: set UPLOADED_{self.name.upper()}_URL, or"
                " UPLOADS_AUTOSERVE = True"
            )
        return url_for(
            "_uploads.uploaded_file", setname=self.name, filename=filename, _external=True
        )

    def path(self, filename: str, folder: str | None = None) -> str:
        """The absolute path of a file, whether it is there or not.

        Raises:
            ValueError: It would be outside of the destination.
            RuntimeError: The set is not in a folder of this machine.
        """
        storage = self.storage
        if not isinstance(storage, Folder):
            raise RuntimeError(
                f"the set {self.name!r} is in a store of objects: no file has a path"
            )
        return str(storage.path(f"{folder}/{filename}" if folder else filename))

    def file_allowed(self, storage: Named, basename: str) -> bool:
        """Whether a file may be saved as *basename*; for subclasses with rules of their own.

        Arguments:
            storage: The file, of which nothing has been read.
            basename: A name that is secure.
        """
        return self.extension_allowed(extension(basename))

    def extension_allowed(self, ext: str) -> bool:
        """Whether files with an extension, given in lower case without its dot, are allowed."""
        config = self.config
        return ext in config.allow or (ext in self.extensions and ext not in config.deny)

    async def resolve_conflict(self, folder: str, basename: str) -> str:
        """Another name for a file whose name is taken: with ``_1`` to ``_9``, then at random.

        A subclass may raise :class:`UploadNotAllowed` instead.

        Arguments:
            folder: The folder in the set, or an empty string.
            basename: The name that is taken.
        """
        for count in range(1, NUMBERED):
            name = numbered(basename, count)
            if await self.storage.stat(_joined(folder, name)) is None:
                return name
        return numbered(basename, token_hex(8))

    def get_basename(self, filename: str) -> str:
        """The secure name for what a client calls *filename*."""
        return secure_name(filename)

    async def save(
        self,
        storage: Part | FileStorage,
        folder: str | None = None,
        name: str | None = None,
        *,
        overwrite: bool = False,
    ) -> SavedName:
        """Keep a file, and return its name with its folder.

        The file is there when it is whole, and not before. If the client leaves, the request is
        cancelled, or anything fails, nothing of it is left.

        Arguments:
            storage: A part of :func:`stream_multipart`, or a file of ``await request.files``.
            folder: A folder in this set.
            name: What to call it. Where it ends with a dot the file's extension is added; what
                stands before a ``/`` is the folder.
            overwrite: Replace a file of the same name, in one step, instead of choosing another.

        Raises:
            UploadNotAllowed: Its name, extension or content is not allowed.
            LimitExceededError: The part or the form is too large.
            StorageFullError: There is no room for it.
            StorageUnavailableError: The storage did not take it.
        """
        folder, basename = self._target(storage, folder, name)

        async def resolve(taken: str) -> str:
            return _joined(folder, await self.resolve_conflict(folder, basename))

        chunks = self._checked(_chunks(storage), extension(basename))
        sink = self.storage.open(_joined(folder, basename), None if overwrite else resolve)
        try:
            await transfer(chunks, sink.write)
            return SavedName(await sink.finish(), sink.size, sink.sha256)
        except BaseException:
            await sink.discard()
            raise

    def _target(self, storage: Named, folder: str | None, name: str | None) -> tuple[str, str]:
        """The folder and the name that a file goes to, both secure."""
        if not storage.filename:
            raise UploadNotAllowed("No file was chosen.")
        basename = self._allowed(storage, storage.filename)
        if name:
            if not folder:
                folder, _, name = name.rpartition("/")
            ending = extension(basename) if name.endswith(".") else ""
            basename = self._allowed(storage, f"{name}{ending}") if name else basename
        return secure_path(folder) if folder else "", basename

    def _allowed(self, storage: Named, filename: str) -> str:
        basename = self.get_basename(filename)
        if not self.file_allowed(storage, basename):
            raise UploadNotAllowed(f"Files like {basename!r} are not allowed here.")
        return basename

    async def _checked(self, chunks: AsyncIterator[bytes], ext: str) -> AsyncIterator[bytes]:
        """*Chunks*, once their beginning has been found to be what *ext* says."""
        head = b""
        async for chunk in chunks:
            head += chunk
            if len(head) >= HEAD:
                break
        if self.matches is not None and not self.matches(ext, head[:HEAD]):
            raise UploadNotAllowed(f"The content of the file is not what .{ext} says.")
        yield head
        async for chunk in chunks:
            yield chunk


def _joined(folder: str, basename: str) -> str:
    return f"{folder}/{basename}" if folder else basename


async def _chunks(storage: Part | FileStorage) -> AsyncIterator[bytes]:
    if isinstance(storage, Part):
        async for chunk in storage:
            yield chunk
        return
    stream: IO[bytes] = storage.stream
    while block := await run_sync(stream.read)(BLOCK):
        yield block
