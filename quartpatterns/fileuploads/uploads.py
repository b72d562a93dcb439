"""Upload sets: which files they accept, and where the files are stored."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import IO, cast

from quart import Quart, current_app, url_for
from werkzeug.datastructures import FileStorage

from quartpatterns._shared.calling import maybe_await
from quartpatterns._shared.threads import run_sync
from quartpatterns.fileuploads.errors import InvalidNameError, UploadNotAllowed
from quartpatterns.fileuploads.extension_api import TestingFileStorage
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
from quartpatterns.fileuploads.storage import (
    READ_SIZE,
    ResolveConflict,
    Storage,
    reserve_name,
    write_chunks,
)

__all__ = ["EXTENSION_KEY", "UploadConfiguration", "UploadSet"]

EXTENSION_KEY = "quartpatterns.fileuploads"
MAX_NUMBER = 9  # the last number that is tried before a random suffix


@dataclass(frozen=True)
class UploadConfiguration:
    """The configuration of an upload set in one application.

    ``configure_uploads`` creates it. Tests may create one and assign it to ``photos._config``.

    Arguments:
        destination: The folder with the files. A relative path is below the working directory.
        base_url: The prefix of the URLs of files, with a slash at the end.
        allow: Extensions that are allowed additionally.
        deny: Extensions that are not allowed.
        storage: Where the files are. The default is the folder *destination*.
        check_content: Whether the content of a file must match its extension.

    .. versionadded:: 0.1
    """

    destination: str
    base_url: str | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    storage: Storage = field(default=cast(Storage, None), compare=False, repr=False, kw_only=True)
    check_content: bool = field(default=True, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if cast("Storage | None", self.storage) is None:
            if "://" in self.destination:
                raise ValueError(
                    f"{self.destination!r} is no folder: set UPLOADED_X_DEST and call"
                    " configure_uploads(), or pass the storage"
                )
            object.__setattr__(self, "storage", Folder(Path(self.destination).absolute()))

    @property
    def tuple(
        self,
    ) -> builtins.tuple[str, str | None, builtins.tuple[str, ...], builtins.tuple[str, ...]]:
        """The values that are compared."""
        return self.destination, self.base_url, self.allow, self.deny


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
            whether they match. It may be a coroutine function. ``None`` turns the check off.

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
        matches: Callable[[str, bytes], bool | Awaitable[bool]] | None = content_matches,
    ) -> None:
        if not name.isalnum():
            raise ValueError(
                f"The name of an UploadSet must have letters and digits only: {name!r}"
            )
        self.name = name
        self.extensions = extensions
        self.default_dest = default_dest
        self.matches = matches
        self._config: UploadConfiguration | None = None

    @property
    def config(self) -> UploadConfiguration:
        """The configuration of this set in the current application.

        A test may assign another one to ``_config``, and ``None`` afterwards.

        Raises:
            RuntimeError: ``configure_uploads`` was not called with this set.
        """
        if self._config is not None:
            return self._config
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
        return self.extension_allowed(extension(basename).lower())

    def extension_allowed(self, ext: str) -> bool:
        """Return whether an extension, in lower case and without the dot, is allowed."""
        config = self.config
        return ext in config.allow or (ext in self.extensions and ext not in config.deny)

    async def resolve_conflict(self, target_folder: str, basename: str) -> str:
        """Return another name for a file whose name is in use.

        It appends ``_1`` to ``_9``, and after that a random suffix. A subclass may raise
        :class:`UploadNotAllowed` instead, and may be a plain function as in Flask-Reuploaded.

        Arguments:
            target_folder: The absolute path of the folder. In an object store it is the folder
                in the set, or an empty string.
            basename: The name that is in use.
        """
        storage = self.storage
        folder = target_folder
        if isinstance(storage, Folder):
            folder = storage.relative(target_folder)
        for number in range(1, MAX_NUMBER + 1):
            name = add_suffix(basename, number)
            if await storage.stat(_join(folder, name)) is None:
                return name
        return add_suffix(basename, token_hex(8))

    def get_basename(self, filename: str) -> str:
        """Return the safe name for a file that a client calls *filename*."""
        return secure_name(filename)

    async def check_file(self, storage: FileStorage) -> None:
        """Raise the error that :meth:`save` would raise because of the name or the content.

        ``FileAllowed`` of :mod:`quartpatterns.wtforms` calls it, so that the error is shown next to
        the field.

        Arguments:
            storage: A file of ``await request.files``. It can be read again afterwards.

        Raises:
            TypeError: *storage* is another object, such as a part, which can be read only once.
            UploadNotAllowed: The extension or the content is not allowed.
            InvalidNameError: The name is not valid.

        .. versionadded:: 0.1
        """
        if not isinstance(cast(object, storage), FileStorage):
            raise TypeError(
                "check_file() takes a file of await request.files, not"
                f" {type(storage).__name__}; save() checks a part"
            )
        target = await self._target(storage, None, None)
        if not isinstance(storage, TestingFileStorage):
            head = await run_sync(_head)(storage.stream)
            await self._check_head(head, target.extension)

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
            TypeError: *storage* is neither of both.
            UploadNotAllowed: The extension or the content is not allowed.
            InvalidNameError: The name or the folder is not valid, or the folder is a link.
            LimitExceededError: The part or the form is too large.
            StorageFullError: There is no space for the file.
            StorageUnavailableError: The storage failed.
        """
        target = await self._target(storage, folder, name)
        folder, basename = target.folder, target.basename

        async def resolve(taken: str) -> str:
            return _join(folder, await self._resolve(folder, basename))

        if isinstance(storage, TestingFileStorage):
            return await self._remember(storage, target, None if overwrite else resolve)
        chunks = self._check_content(_chunks(storage), target.extension)
        writer = self.storage.open(_join(folder, basename), None if overwrite else resolve)
        try:
            await write_chunks(chunks, writer)
            return SavedName(await writer.finish(), writer.size, writer.digest.hexdigest())
        except BaseException:
            await writer.discard()
            raise

    async def _resolve(self, folder: str, basename: str) -> str:
        storage = self.storage
        if isinstance(storage, Folder):
            folder = str(storage.root / folder)
        return await maybe_await(self.resolve_conflict(folder, basename))

    async def _remember(
        self, file: TestingFileStorage, target: _Target, resolve: ResolveConflict | None
    ) -> SavedName:
        """Give a file of a test the path that it would have."""
        name = _join(target.folder, target.basename)
        storage = self.storage

        async def reserve(name: str) -> None:
            if await storage.stat(name) is not None:
                raise FileExistsError

        if isinstance(storage, Folder):
            await storage.check(name)
        if resolve is not None:
            name = await reserve_name(name, resolve, reserve)
        content = await run_sync(file.stream.read)()
        await file.save(self.path(name) if isinstance(storage, Folder) else name)
        return SavedName(name, len(content), hashlib.sha256(content).hexdigest())

    async def _target(
        self, storage: Part | FileStorage, folder: str | None, name: str | None
    ) -> _Target:
        """Return the safe folder and the safe name of a file.

        Raises:
            TypeError: *storage* is no file.
            UploadNotAllowed: The extension, or another property of the file, is not allowed.
            InvalidNameError: The name or the folder is not valid.
        """
        if not isinstance(cast(object, storage), Part | FileStorage):
            raise TypeError(
                "save() takes a part of stream_multipart(), or a file of await request.files, not"
                f" {type(storage).__name__}"
            )
        if not storage.filename:
            raise InvalidNameError("No file was chosen.")
        basename = await maybe_await(self.get_basename(storage.filename))
        if not await maybe_await(self.file_allowed(storage, basename)):
            raise UploadNotAllowed(f"Files like {basename!r} are not allowed.")
        ending = extension(basename).lower()
        if name:
            if not folder:
                folder, slash, name = name.rpartition("/")
                if slash and not folder:
                    folder = slash  # an absolute path, which is refused
            if name:
                basename = await self._chosen_basename(name, ending)
        folder = secure_path(folder) if folder else ""
        return _Target(folder, basename, extension(basename).lower() or ending)

    async def _chosen_basename(self, name: str, ending: str) -> str:
        """Return the safe form of a name that the application has chosen."""
        if not name.strip(". \t"):
            raise InvalidNameError(f"{name!r} is no usable name for a file.")
        if name.rstrip().endswith("."):
            name = f"{name.rstrip()}{ending}"
        basename: str = await maybe_await(self.get_basename(name))
        chosen = extension(basename).lower()
        # As in Flask-Reuploaded, the name that the application has chosen needs no extension.
        if chosen and not await maybe_await(self.extension_allowed(chosen)):
            raise UploadNotAllowed(f"Files like {basename!r} are not allowed.")
        return basename

    async def _check_content(self, chunks: AsyncIterator[bytes], ext: str) -> AsyncIterator[bytes]:
        """Yield *chunks* after the first bytes have been compared with the extension."""
        head = b""
        async for chunk in chunks:
            head += chunk
            if len(head) >= HEAD_SIZE:
                break
        await self._check_head(head[:HEAD_SIZE], ext)
        yield head
        async for chunk in chunks:
            yield chunk

    async def _check_head(self, head: bytes, ext: str) -> None:
        """Compare the first bytes of a file with its extension."""
        matches = self.matches if self.config.check_content else None
        if matches is None or await maybe_await(matches(ext, head)):
            return
        if not head:
            raise UploadNotAllowed("The file is empty.")
        raise UploadNotAllowed(f"The content of the file does not match the extension .{ext}.")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a file is saved, and the extension that its content must match."""

    folder: str
    basename: str
    extension: str


def _join(folder: str | None, basename: str) -> str:
    return f"{folder}/{basename}" if folder else basename


def _head(stream: IO[bytes]) -> bytes:
    """Return the first bytes of what is left of *stream*, which stays as it is."""
    position = stream.tell()
    head = stream.read(HEAD_SIZE)
    stream.seek(position)
    return head


async def _chunks(storage: Part | FileStorage) -> AsyncIterator[bytes]:
    if isinstance(storage, Part):
        async for chunk in storage:
            yield chunk
        return
    stream: IO[bytes] = storage.stream
    while block := await run_sync(stream.read)(READ_SIZE):
        yield block
