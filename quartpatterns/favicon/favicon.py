"""A small static file at the root of the site."""

from __future__ import annotations

import mimetypes
import time
from contextlib import closing
from os.path import join
from typing import Any

from quart import Blueprint, Quart, current_app, url_for
from quart import redirect as redirect_to
from quart.typing import ResponseTypes
from werkzeug.utils import send_from_directory
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.conditional import complete_headers, conditional_environ
from quartpatterns._shared.file_cache import DEFAULT_SIZE, FileCache
from quartpatterns._shared.threads import run_sync

__all__ = ["add_favicon"]

# The headers and the content of a file.
_File = tuple[tuple[tuple[str, str], ...], bytes]

# The tables of an operating system may have another type.
_ICON_TYPE = "image/vnd.microsoft.icon"


def add_favicon(
    app: Quart | Blueprint,
    filename: str = "favicon.ico",
    *,
    path: str = "/favicon.ico",
    endpoint: str = "favicon",
    redirect: bool = False,
    max_age: int | None = None,
    cache_size: int = DEFAULT_SIZE,
) -> None:
    """Answer requests for *path* with a static file.

    Browsers request ``/favicon.ico`` if a page names no icon, and many tools always do. Conditional
    and range requests are answered as in Flask. The file is read in a thread, and kept in memory
    until it changes, so this is only for small files, such as ``apple-touch-icon.png`` and
    ``robots.txt``.

    Arguments:
        app: The application, or a blueprint, whose own static folder is then used.
        filename: The name of the file, relative to the static folder.
        path: The path of the URL rule.
        endpoint: The endpoint of the URL rule.
        redirect: Redirect (308) to the static file instead of sending it. That is one request
            more, but the file has only one URL.
        max_age: The seconds for which clients may use the file without revalidation; by default
            they revalidate it each time.
        cache_size: The bytes of memory for the file, if it is smaller than an eighth of that. Each
            request looks whether it has changed. Set this to 0 if it is on a slow network file
            system.

    Raises:
        ValueError: The application or blueprint has no static folder.

    .. versionadded:: 0.1
    """
    folder = app.static_folder
    if folder is None:
        raise ValueError(f"{app.name} has no static folder with {filename}: set static_folder.")

    cache: FileCache[_File] = FileCache(cache_size)

    async def view() -> ResponseTypes:
        if redirect:
            return redirect_to(url_for(".static", filename=filename), 308)
        if (file := cache.get(filename)) is None:
            file = await run_sync(cache.load)(filename, [join(folder, filename)], read)
        assert file is not None
        head, data = _apply_conditions(file, conditional_environ(), max_age)
        response_class: Any = current_app.response_class
        response: ResponseTypes = response_class(data, head.status_code)
        response.headers = head.headers
        return response

    def read() -> tuple[_File, int]:
        file = _read(folder, filename, max_age)
        return file, len(file[1])

    # As in Flask, OPTIONS is redirected too. A view that sends a file answers it automatically.
    methods, automatic = (["GET", "OPTIONS"], False) if redirect else (["GET"], None)
    app.add_url_rule(path, endpoint, view, methods=methods, provide_automatic_options=automatic)


def _read(folder: str, filename: str, max_age: int | None) -> _File:
    """Return the headers of the response as Flask makes it, and its body. It runs in a thread.

    Raises:
        NotFound: There is no such file.
    """
    mimetype = _ICON_TYPE if filename.endswith(".ico") else mimetypes.guess_type(filename)[0]
    environ = {"REQUEST_METHOD": "GET"}
    response = send_from_directory(
        folder, filename, environ=environ, mimetype=mimetype, max_age=max_age
    )
    with closing(response):
        complete_headers(response)
        response.direct_passthrough = False
        return tuple(response.headers), response.get_data()


def _apply_conditions(
    file: _File, environ: dict[str, Any], max_age: int | None
) -> tuple[WerkzeugResponse, bytes]:
    """Return the response to the current request, and its body.

    Raises:
        RequestedRangeNotSatisfiable: The range is outside of the file.
    """
    headers, data = file
    response: Any = WerkzeugResponse(data, headers=headers)
    if max_age is not None:
        response.expires = int(time.time() + max_age)
    if len(environ) > 1:
        response.make_conditional(environ, accept_ranges=True, complete_length=len(data))
        complete_headers(response)
        data = b"" if response.status_code == 304 else response.get_data()
    return response, data
