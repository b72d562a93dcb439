"""Sending files and static files.

Werkzeug's own functions create the response, so that headers, ranges and conditions are Flask's.
They run in a thread, because they read the disk.
"""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import IO, Any

import werkzeug.utils
import werkzeug.wsgi
from quart import Blueprint, Quart
from quart.globals import current_app, request
from quart.utils import run_sync
from quart.wrappers import Response
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns.subclassing.response import FaithfulResponse, conditional_environ

__all__ = ["FileDefaults", "StaticFiles", "send_file", "send_from_directory", "send_static_file"]

# Quart's names of arguments, and Flask's.
FLASK_NAMES = {
    "attachment_filename": "download_name",
    "cache_timeout": "max_age",
    "add_etags": "etag",
}
BLOCK_SIZE = 64 * 1024

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
    if options.get("max_age") is None:
        options["max_age"] = current_app.get_send_file_max_age
    options["_root_path"] = current_app.root_path
    options["use_x_sendfile"] = current_app.config["USE_X_SENDFILE"]
    environ = conditional_environ(request) | {"wsgi.file_wrapper": _file_wrapper}

    def in_thread() -> WerkzeugResponse:
        made = send(*args, environ=environ, **options)
        body: Any = made.response
        # With USE_X_SENDFILE the body is an empty list, and the front server sends the file.
        if 0 < (made.content_length or 0) <= BLOCK_SIZE and hasattr(body, "close"):
            # A small file is read now. Later each block, the end and closing need a thread each.
            with closing(body):
                made.response = [b"".join(body)]
            made.direct_passthrough = False
        return made

    made = await run_sync(in_thread)()
    # An ASGI server adds the date itself.
    made.headers.remove("Date")
    cls: type[Any] = current_app.response_class
    return (cls if issubclass(cls, FaithfulResponse) else FaithfulResponse).force_type(made)


def _file_wrapper(file: IO[bytes], _: int = 0) -> werkzeug.wsgi.FileWrapper:
    """Read larger blocks than WSGI's 8 KiB, because each block needs a thread."""
    return werkzeug.wsgi.FileWrapper(file, BLOCK_SIZE)


class FileDefaults(Quart):
    """Clients ask before they use their copy of a file. Quart lets them use it for half a day."""

    default_config = type(Quart.default_config)(
        Quart.default_config | {"SEND_FILE_MAX_AGE_DEFAULT": None}
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
            application = weakref.ref(self)

            async def static_of_application(filename: str) -> Response:
                app = application()
                assert app is not None
                response: Response = await app.send_static_file(filename)
                return response

            view_func = static_of_application
        if getattr(view_func, "__func__", None) is Blueprint.send_static_file:
            blueprint = view_func.__self__

            async def static(filename: str) -> Response:
                return await send_static_file(blueprint, filename)

            view_func = static
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)


async def send_static_file(owner: Any, filename: str) -> FaithfulResponse:
    """Send a file of the static folder of *owner*, an application or a blueprint.

    Raises:
        RuntimeError: It has no static folder.
    """
    if not owner.has_static_folder:
        raise RuntimeError("'static_folder' must be set to serve static files")
    max_age = owner.get_send_file_max_age(filename)
    return await send_from_directory(owner.static_folder, filename, max_age=max_age)
