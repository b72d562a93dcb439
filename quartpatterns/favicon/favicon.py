"""A small static file at the root of the site."""

from __future__ import annotations

import mimetypes
from contextlib import closing
from typing import Any

from quart import Blueprint, Quart, current_app, url_for
from quart import redirect as redirect_to
from quart.typing import ResponseTypes
from werkzeug.utils import send_from_directory
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.conditional import complete_headers, conditional_environ
from quartpatterns._shared.threads import run_sync

__all__ = ["add_favicon"]

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
) -> None:
    """Answer requests for *path* with a static file.

    Browsers request ``/favicon.ico`` if a page names no icon, and many tools always do. Conditional
    and range requests are answered as in Flask. The file is read in a thread and sent at once, so
    this is only for small files, such as ``apple-touch-icon.png`` and ``robots.txt``.

    Arguments:
        app: The application, or a blueprint, whose own static folder is then used.
        filename: The name of the file, relative to the static folder.
        path: The path of the URL rule.
        endpoint: The endpoint of the URL rule.
        redirect: Redirect (308) to the static file instead of sending it. That is one request
            more, but the file has only one URL.
        max_age: The seconds for which clients may use the file without revalidation; by default
            they revalidate it each time.

    Raises:
        ValueError: The application or blueprint has no static folder.

    .. versionadded:: 0.1
    """
    folder = app.static_folder
    if folder is None:
        raise ValueError(f"{app.name} has no static folder with {filename}: set static_folder.")

    async def view() -> ResponseTypes:
        if redirect:
            return redirect_to(url_for(".static", filename=filename), 308)
        head, data = await run_sync(_read)(folder, filename, conditional_environ(), max_age)
        response_class: Any = current_app.response_class
        response: ResponseTypes = response_class(data, head.status_code)
        response.headers = head.headers
        return response

    # As in Flask, OPTIONS is redirected too. A view that sends a file answers it automatically.
    methods, automatic = (["GET", "OPTIONS"], False) if redirect else (["GET"], None)
    app.add_url_rule(path, endpoint, view, methods=methods, provide_automatic_options=automatic)


def _read(
    folder: str, filename: str, environ: dict[str, Any], max_age: int | None
) -> tuple[WerkzeugResponse, bytes]:
    """Return the response as Flask makes it, and its body. It runs in a thread.

    Raises:
        NotFound: There is no such file.
        RequestedRangeNotSatisfiable: The range is outside of the file.
    """
    mimetype = _ICON_TYPE if filename.endswith(".ico") else mimetypes.guess_type(filename)[0]
    response = send_from_directory(
        folder, filename, environ=environ, mimetype=mimetype, max_age=max_age
    )
    with closing(response):
        complete_headers(response)
        response.direct_passthrough = False
        return response, b"" if response.status_code == 304 else response.get_data()
