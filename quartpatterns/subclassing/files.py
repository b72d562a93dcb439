"""Sending files and static files.

Werkzeug's own functions create the response, so that headers, ranges and conditions are Flask's.
They run in a thread, because they read the disk. Small files are kept in memory: until a file
changes, a response with it needs no thread.
"""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from stat import S_ISREG
from typing import IO, Any

import werkzeug.utils
import werkzeug.wsgi
from quart import Blueprint, Quart, has_request_context
from quart.globals import current_app, request
from quart.wrappers import Response
from werkzeug.exceptions import NotFound
from werkzeug.http import http_date
from werkzeug.security import safe_join
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.file_cache import DEFAULT_SIZE, FileCache
from quartpatterns._shared.settings import SettingsReader
from quartpatterns._shared.settings_of.subclassing import SETTINGS
from quartpatterns._shared.threads import run_sync
from quartpatterns.subclassing.response import FaithfulResponse, conditional_environ

__all__ = ["FileDefaults", "StaticFiles", "send_file", "send_from_directory", "send_static_file"]

# Quart's names of arguments, and Flask's.
FLASK_NAMES = {
    "attachment_filename": "download_name",
    "cache_timeout": "max_age",
    "add_etags": "etag",
}
SMALL_SIZE = 64 * 1024
"""Bytes of a file that is read at once, and kept in memory."""
READ_SIZE = 256 * 1024
"""Bytes of a larger file that one thread reads: with 64 KiB, 100 MiB take three times as long."""
CACHE = "file_cache"

Path = os.PathLike[str] | str


async def send_file(
    path_or_file: Path | IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | int | float | None = None,
    max_age: int | Callable[[str | None], int | None] | None = None,
    **quart_names: Any,
) -> FaithfulResponse:
    """Send a file, as :func:`flask.send_file` does.

    Never pass a path that comes from a client; use :func:`send_from_directory` for that.

    .. versionadded:: 0.1

    Arguments:
        path_or_file: A path, relative to the application's ``root_path``, or a binary file.
        mimetype: The media type; by default it is guessed from the name.
        as_attachment: Whether a browser saves the file instead of showing it.
        download_name: The name under which it is saved.
        conditional: Whether ranges and conditions are answered.
        etag: Whether to create an entity tag from path, size and time, or the tag itself.
        last_modified: When the file was changed, if its path does not say.
        max_age: Seconds for which the client can use its copy without asking.
        quart_names: Quart's names: ``attachment_filename``, ``cache_timeout``, ``add_etags``.

    Raises:
        TypeError: An argument is given by both of its names.
    """
    flask_names: dict[str, Any] = {"download_name": download_name, "max_age": max_age}
    flask_names["etag"] = None if etag is True else etag
    given = {name: value for name, value in flask_names.items() if value is not None}
    if isinstance(path_or_file, bytes):
        path_or_file = os.fsdecode(path_or_file)
    return await _send(
        werkzeug.utils.send_file,
        path_or_file,
        mimetype=mimetype,
        as_attachment=as_attachment,
        conditional=conditional,
        last_modified=last_modified,
        **_with_flask_names(quart_names | given),
    )


async def send_from_directory(
    directory: Path, path: Path | None = None, **options: Any
) -> FaithfulResponse:
    """Send a file below *directory*, as :func:`flask.send_from_directory` does.

    .. versionadded:: 0.1

    Arguments:
        directory: The folder, relative to the application's ``root_path``.
        path: The path below it, which can come from a client.
        options: Arguments of :func:`send_file`; ``file_name`` is Quart's name for *path*.

    Raises:
        NotFound: There is no such file, or it is not below the folder.
    """
    if path is None:
        path = options.pop("file_name")
    options = _with_flask_names(options)
    return await _send(werkzeug.utils.send_from_directory, directory, path, **options)


def _with_flask_names(options: dict[str, Any]) -> dict[str, Any]:
    for quart_name, name in FLASK_NAMES.items():
        if quart_name in options:
            if name in options:
                raise TypeError(
                    f"{quart_name!r} is Quart's name of {name!r}: pass only one of them"
                )
            options[name] = options.pop(quart_name)
    return options


async def _send(
    send: Callable[..., WerkzeugResponse], *args: Any, **options: Any
) -> FaithfulResponse:
    app = current_app
    if options.get("max_age") is None:
        options["max_age"] = app.get_send_file_max_age
    options["_root_path"] = app.root_path
    options["use_x_sendfile"] = app.config["USE_X_SENDFILE"]
    cache = file_cache(app)
    path = _path(*args) if cache.size and not options["use_x_sendfile"] else None
    if path is None:
        return _convert(await run_sync(_call)(send, args, options, _environ()))
    if callable(options["max_age"]):
        options["max_age"] = options["max_age"](path)
    key = (path, *sorted(options.items()))
    if (found := cache.get(key)) is None:
        if send is werkzeug.utils.send_from_directory and cache.finds_none([path]):
            raise NotFound
        found = await run_sync(_load)(cache, key, path, partial(_call, send, args, options))
    if found is None:
        return _convert(await run_sync(_call)(send, args, options, _environ()))
    return await _respond(found, options)


@dataclass(frozen=True, slots=True)
class _SmallFile:
    """The response with a whole file."""

    headers: tuple[tuple[str, str], ...]
    content: bytes


def file_cache(app: Quart) -> FileCache[Any]:
    """Return the memory of an application for small files."""
    cache: FileCache[Any] | None = app.extensions.get(CACHE)
    if cache is None:
        reader = SettingsReader(app.config, SETTINGS.defaults)
        cache = app.extensions[CACHE] = FileCache(reader.size("FILE_CACHE_SIZE", minimum=0))
    return cache


async def small_content(cache: FileCache[Any], path: str) -> bytes | None:
    """Return the content of a small file, or ``None`` if it is large or missing."""

    def load() -> bytes | None:
        return cache.load(path, [path], read) if _is_small(path) else None

    def read() -> tuple[bytes, int]:
        with open(path, "rb") as file:
            content = file.read()
        return content, len(content)

    found: bytes | None = cache.get(path)
    return await run_sync(load)() if found is None else found


def _path(first: Any, *below: Any) -> str | None:
    """Return the path of the file, or ``None`` if it is no path or not below the folder."""
    if not isinstance(first, str | os.PathLike) or not all(
        isinstance(each, str | os.PathLike) for each in below
    ):
        return None
    path: Any = os.fspath(first)
    if below:
        path = safe_join(path, *map(os.fspath, below))
    return os.path.join(current_app.root_path, path) if isinstance(path, str) else None


def _environ() -> dict[str, Any]:
    """Return what ranges and conditions are read from. Outside of a request there are none."""
    return conditional_environ(request) if has_request_context() else {"REQUEST_METHOD": "GET"}


def _load(
    cache: FileCache[Any], key: Any, path: str, call: Callable[..., WerkzeugResponse]
) -> _SmallFile | None:
    """Read a small file. The result is ``None`` if it is large or missing."""
    if not _is_small(path):
        return None

    def read() -> tuple[_SmallFile | None, int | None]:
        made = call({"REQUEST_METHOD": "GET"})
        made.headers.remove("Date")
        with closing(made):
            content = b"".join(made.response)  # type: ignore[arg-type]
        if len(content) != made.content_length:
            return None, None  # It changes at this moment.
        return _SmallFile(tuple(made.headers), content), len(content)

    file: _SmallFile | None = cache.load(key, [path], read)
    return file


def _is_small(path: str) -> bool:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return False
    return S_ISREG(found.st_mode) and found.st_size <= SMALL_SIZE


async def _respond(file: _SmallFile, options: dict[str, Any]) -> FaithfulResponse:
    cls = _response_class()
    response = cls(file.content)
    response.direct_passthrough = True
    # They have been checked: Headers(...) would check each of them again.
    response.headers._list[:] = file.headers
    if (max_age := options["max_age"]) is not None:
        response.headers["Expires"] = http_date(int(time.time() + max_age))
    if options.get("conditional", True) and len(_environ()) > 1:
        await response.make_conditional(request, True, len(file.content))
    return response


def _call(
    send: Callable[..., WerkzeugResponse],
    args: tuple[Any, ...],
    options: dict[str, Any],
    environ: dict[str, Any],
) -> WerkzeugResponse:
    """Create a response, and read the file now if it is small. Call this in a thread."""
    made = send(*args, environ=environ | {"wsgi.file_wrapper": _file_wrapper}, **options)
    body: Any = made.response
    if "X-Sendfile" in made.headers:
        # The front server sends the file and its length. Hypercorn raises an error for a body that
        # is shorter than the declared length.
        made.headers.remove("Content-Length")
    elif 0 < (made.content_length or 0) <= SMALL_SIZE and hasattr(body, "close"):
        # A small file is read now. Later each block, the end and closing need a thread each.
        with closing(body):
            made.response = [b"".join(body)]
        made.direct_passthrough = False
    return made


def _convert(made: WerkzeugResponse) -> FaithfulResponse:
    # An ASGI server adds the date itself.
    made.headers.remove("Date")
    response = _response_class().force_type(made)
    response.direct_passthrough = True
    return response


def _response_class() -> type[FaithfulResponse]:
    cls: type[Any] = current_app.response_class
    return cls if issubclass(cls, FaithfulResponse) else FaithfulResponse


def _file_wrapper(file: IO[bytes], _: int = 0) -> werkzeug.wsgi.FileWrapper:
    """Read larger blocks than WSGI's 8 KiB, because each block needs a thread."""
    return werkzeug.wsgi.FileWrapper(file, READ_SIZE)


class FileDefaults(Quart):
    """Clients ask before they use their copy of a file. Quart lets them use it for half a day.

    ``FILE_CACHE_SIZE`` is the size in bytes of the memory for small files. Set it to 0 if the files
    are on a slow network file system, because each request looks whether a file has changed.
    """

    default_config = type(Quart.default_config)(
        Quart.default_config | {"SEND_FILE_MAX_AGE_DEFAULT": None, "FILE_CACHE_SIZE": DEFAULT_SIZE}
    )


class StaticFiles(Quart):
    """Static files, also those of blueprints, are sent by :func:`send_from_directory`."""

    async def send_static_file(self, filename: str) -> Response:
        """Send a file of the static folder.

        Raises:
            RuntimeError: There is no static folder.
        """
        return await send_static_file(self, filename)

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Add a rule. The views for static files of Quart's classes are replaced.

        The view of the application refers to it weakly, so that an application that is no longer
        used is freed at once, as in Flask, and not by the garbage collector some time later.
        """
        if getattr(view_func, "__self__", None) is self and endpoint == "static":
            view_func = _StaticView(self)
        if getattr(view_func, "__func__", None) is Blueprint.send_static_file:
            blueprint = view_func.__self__

            async def static(filename: str) -> Response:
                return await send_static_file(blueprint, filename)

            view_func = static
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)


class _StaticView:
    """The view for static files of an application, which it refers to weakly."""

    def __init__(self, app: Quart) -> None:
        self._app = weakref.ref(app)

    async def __call__(self, filename: str) -> Response:
        response: Response = await self._method(filename)
        return response

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the method; Quart-Schema hides views by such an attribute."""
        return getattr(self._method, name)

    @property
    def _method(self) -> Any:
        app = self._app()
        assert app is not None
        return app.send_static_file


async def send_static_file(owner: Any, filename: str) -> FaithfulResponse:
    """Send a file of the static folder of *owner*, an application or a blueprint.

    Raises:
        RuntimeError: It has no static folder.
    """
    if not owner.has_static_folder:
        raise RuntimeError("'static_folder' must be set to serve static files")
    max_age = owner.get_send_file_max_age(filename)
    return await send_from_directory(owner.static_folder, filename, max_age=max_age)
