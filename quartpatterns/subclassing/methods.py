"""Methods of the application and of blueprints with Flask's arguments and messages."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportMissingTypeStubs=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import os
from collections.abc import Callable
from io import BufferedReader, BytesIO, TextIOWrapper
from types import TracebackType
from typing import Any, TypeAlias

from aiofiles import open as open_file  # type: ignore[import-untyped]
from aiofiles.base import AiofilesContextManager  # type: ignore[import-untyped]
from aiofiles.threadpool import wrap  # type: ignore[import-untyped]
from quart import Blueprint, Quart, current_app, has_app_context, has_request_context, request

from quartpatterns._shared.file_cache import FileCache
from quartpatterns.subclassing.files import file_cache, small_content

__all__ = ["ApplicationMethods", "BlueprintResources"]

# In quotes, because only the stubs have a type argument.
File: TypeAlias = "AiofilesContextManager[Any]"
Path: TypeAlias = "bytes | str | os.PathLike[Any]"
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

READING = frozenset({"r", "rb", "rt"})


class _Inline:
    """Takes the place of the event loop in a file of aiofiles that needs no thread."""

    async def run_in_executor(self, executor: None, call: Callable[[], Any]) -> Any:
        return call()


class _Content(BytesIO):
    """The content of a file. Unlike ``BytesIO`` it can have the attributes of a file."""


class _Opening(AiofilesContextManager):  # type: ignore[misc]
    """Closes a file without a thread if it is in memory. That of aiofiles always uses one."""

    async def __aexit__(self, *error: object) -> None:
        await (await self).close()


def _open(folder: Any, path: Path, mode: str, encoding: str | None, app: Quart | None) -> File:
    """Return a file below *folder*, which ``async with`` opens. Binary files have no encoding."""
    opening: Any = open_file
    full_path = os.path.join(folder, os.fsdecode(path))
    encoding = None if "b" in mode else encoding
    if app is None or mode not in READING:
        return opening(full_path, mode, encoding=encoding)
    return _Opening(_open_for_reading(file_cache(app), full_path, mode, encoding))


async def _open_for_reading(
    cache: FileCache[Any], path: str, mode: str, encoding: str | None
) -> Any:
    """Return a file, which is in memory if it is small: threads for each step take longer."""
    opening: Any = open_file
    if not cache.size or (content := await small_content(cache, path)) is None:
        return await opening(path, mode, encoding=encoding)
    raw: Any = _Content(content)
    raw.name, raw.mode = path, "rb"
    file: Any = BufferedReader(raw)
    if "b" not in mode:
        file = TextIOWrapper(file, encoding)
        file.mode = mode
    return wrap(file, loop=_Inline())


def _check_reading(mode: str) -> None:
    if mode not in READING:
        raise ValueError(f"Resources can only be opened for reading, not with mode {mode!r}")


class ApplicationMethods(Quart):
    """Resources have an encoding, and errors are logged with Flask's message.

    A small file that is opened for reading is read at once and kept in memory until it changes,
    up to ``FILE_CACHE_SIZE`` bytes for all files. Quart needs a thread for opening, for each
    reading, and for closing. Such a file has no descriptor: if you need its ``fileno()``, open it
    with :func:`aiofiles.open`.
    """

    async def open_resource(
        self, path: Path, mode: str = "rb", encoding: str | None = None
    ) -> File:
        """Open a file next to the application, as :meth:`flask.Flask.open_resource` does.

        .. code-block:: python

            async with await app.open_resource("schema.sql", "r", "utf-8") as file:
                schema = await file.read()

        Arguments:
            path: The path below ``root_path``.
            mode: ``"r"`` (or ``"rt"``) or ``"rb"``.
            encoding: The encoding of a text file. ``None`` means that of the system.

        Raises:
            ValueError: *mode* is not for reading.
        """
        _check_reading(mode)
        return _open(self.root_path, path, mode, encoding, self)

    async def open_instance_resource(
        self, path: Path, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> File:
        """Open a file in the instance folder, also for writing.

        Arguments:
            path: The path below ``instance_path``.
            mode: A mode of :func:`open`.
            encoding: The encoding of a text file.
        """
        return _open(self.instance_path, path, mode, encoding, self)

    def log_exception(self, exception_info: ExceptionInfo) -> None:
        """Log an error that no handler answered, with Flask's message for a request.

        Arguments:
            exception_info: What :func:`sys.exc_info` returns.
        """
        if not has_request_context():
            super().log_exception(exception_info)
            return
        message = f"Exception on {request.path} [{request.method}]"
        self.logger.error(message, exc_info=exception_info)


class BlueprintResources(Blueprint):
    """Resources of a blueprint have an encoding."""

    async def open_resource(
        self, path: Path, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> File:
        """Open a file next to the blueprint, as :meth:`flask.Blueprint.open_resource` does.

        Arguments:
            path: The path below ``root_path``.
            mode: ``"r"`` (or ``"rt"``) or ``"rb"``.
            encoding: The encoding of a text file.

        Raises:
            ValueError: *mode* is not for reading.
        """
        _check_reading(mode)
        app: Any = current_app
        current = app._get_current_object() if has_app_context() else None
        return _open(self.root_path, path, mode, encoding, current)
