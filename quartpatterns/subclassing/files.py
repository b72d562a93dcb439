"""Files that are sent: rows 7 to 11 and 40.

Werkzeug's own ``send_file`` makes the answer, in a thread as it asks the disk: the headers are
Flask's to the letter, and so are ranges and conditions.
"""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import os
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

from quartpatterns.subclassing.response import FaithfulResponse, conditions

__all__ = ["FileDefaults", "StaticFiles", "send_file", "send_from_directory", "send_static_file"]

# The names that Quart kept from Flask 1, and what Flask calls them now.
OLD_NAMES = {
    "attachment_filename": "download_name",
    "cache_timeout": "max_age",
    "add_etags": "etag",
}
BLOCK = 64 * 1024

Path = os.PathLike[str] | str


def _names(options: dict[str, Any]) -> dict[str, Any]:
    """*options* by Flask's names.

    Raises:
        TypeError: One is given by both of its names.
    """
    for old, name in OLD_NAMES.items():
        if old in options:
            if name in options:
                raise TypeError(f"{old!r} is the old name of {name!r}: give one of them")
            options[name] = options.pop(old)
    return options


async def send_file(
    path_or_file: Path | IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | int | float | None = None,
    max_age: int | Callable[[str | None], int | None] | None = None,
    **old_names: Any,
) -> FaithfulResponse:
    """Answer with a file, as :func:`flask.send_file` does.

    Ranges and conditions are answered, the client asks again before it uses its copy, and names
    that are not ASCII are sent as RFC 5987 says. Never pass a path that a client made up: that is
    what :func:`send_from_directory` is for.

    Arguments:
        path_or_file: A path, relative to the application's ``root_path``; or a binary file.
        mimetype: The media type; guessed from the name where it is not given.
        as_attachment: Have a browser save the file instead of showing it.
        download_name: The name to save it under.
        conditional: Answer ranges and conditions.
        etag: Make an entity tag of path, size and time; or the tag itself.
        last_modified: When the file was changed, where its path does not tell.
        max_age: Seconds that the client may use its copy for without asking.
        old_names: Quart's names: ``attachment_filename``, ``cache_timeout``, ``add_etags``.
    """
    options = _names(
        old_names
        | {
            name: value
            for name, value in {
                "download_name": download_name,
                "etag": etag if etag is not True else None,
                "max_age": max_age,
            }.items()
            if value is not None
        }
    )
    if isinstance(path_or_file, bytes):
        path_or_file = os.fsdecode(path_or_file)
    return await _send(
        werkzeug.utils.send_file,
        path_or_file,
        mimetype=mimetype,
        as_attachment=as_attachment,
        conditional=conditional,
        last_modified=last_modified,
        **options,
    )


async def send_from_directory(
    directory: Path, path: Path | None = None, **options: Any
) -> FaithfulResponse:
    """Answer with a file below *directory*, as :func:`flask.send_from_directory` does.

    Arguments:
        directory: The folder, relative to the application's ``root_path``.
        path: The file's path below it; a client may have made it up.
        options: What :func:`send_file` takes; ``file_name`` is Quart's name for *path*.

    Raises:
        NotFound: There is no such file, or it is not below the folder.
    """
    if path is None:
        path = options.pop("file_name")
    return await _send(werkzeug.utils.send_from_directory, directory, path, **_names(options))


async def _send(
    send: Callable[..., WerkzeugResponse], *args: Any, **options: Any
) -> FaithfulResponse:
    if options.get("max_age") is None:
        options["max_age"] = current_app.get_send_file_max_age
    options["_root_path"] = current_app.root_path
    options["use_x_sendfile"] = current_app.config["USE_X_SENDFILE"]
    environ = conditions(request) | {"wsgi.file_wrapper": _wrapped}

    def in_thread() -> WerkzeugResponse:
        made = send(*args, environ=environ, **options)
        if 0 < (made.content_length or 0) <= BLOCK:
            # Small ones are read now: each block, the end and the closing cost a visit each.
            body: Any = made.response
            with closing(body):
                made.response = [b"".join(body)]
            made.direct_passthrough = False
        return made

    made = await run_sync(in_thread)()
    # An ASGI server dates its answers itself.
    made.headers.remove("Date")
    return _response_class().force_type(made)


def _wrapped(file: IO[bytes], _: int = 0) -> werkzeug.wsgi.FileWrapper:
    """Read in larger blocks than WSGI's 8 KiB, as each costs a visit to a thread."""
    return werkzeug.wsgi.FileWrapper(file, BLOCK)


def _response_class() -> type[FaithfulResponse]:
    cls: type[Any] = current_app.response_class
    return cls if issubclass(cls, FaithfulResponse) else FaithfulResponse


class FileDefaults(Quart):
    """Clients keep no file for half a day without asking (row 9)."""

    default_config = type(Quart.default_config)(
        Quart.default_config | {"SEND_FILE_MAX_AGE_DEFAULT": None}
    )


class StaticFiles(Quart):
    """Static files, also those of blueprints, are sent by this module's functions (7, 9)."""

    async def send_static_file(self, filename: str) -> Response:
        """Answer with a file of the static folder.

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
        """Add a rule; that for the static files of a plain Quart blueprint becomes ours."""
        if getattr(view_func, "__func__", None) is Blueprint.send_static_file:
            blueprint = view_func.__self__

            async def static(filename: str) -> Response:
                return await send_static_file(blueprint, filename)

            view_func = static
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)


async def send_static_file(owner: Any, filename: str) -> FaithfulResponse:
    """Answer with a file of the static folder of *owner*, an application or a blueprint.

    Raises:
        RuntimeError: It has no static folder.
    """
    if not owner.has_static_folder:
        raise RuntimeError("'static_folder' must be set to serve static files")
    max_age = owner.get_send_file_max_age(filename)
    return await send_from_directory(owner.static_folder, filename, max_age=max_age)
