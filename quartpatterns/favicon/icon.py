"""Answer at the root with a small static file, or with the way to it."""

from __future__ import annotations

import mimetypes
from contextlib import closing
from typing import Any

from quart import Blueprint, Quart, current_app, request, url_for
from quart import redirect as redirect_to
from quart.typing import ResponseTypes
from quart.utils import run_sync
from werkzeug.http import remove_entity_headers
from werkzeug.utils import send_from_directory
from werkzeug.wrappers import Response as WerkzeugResponse

__all__ = ["add_favicon"]

# What an operating system's tables may call otherwise.
ICON = "image/vnd.microsoft.icon"
CONDITIONS = ("Range", "If-Range", "If-Modified-Since", "If-None-Match", "If-Match")


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

    Browsers ask for ``/favicon.ico`` at the root of the host where a page names no icon, and many
    tools always do. Conditional and range requests are answered as Flask answers them; the file is
    read in a thread and sent whole, so it is meant for what is small, such as
    ``apple-touch-icon.png`` or ``robots.txt`` too.

    Under a mount prefix the rule is below the prefix, where no browser looks: have the
    application at the root, or the server, answer there, and name the icon in the pages.

    Arguments:
        app: The application, or a blueprint, whose own static folder is used then.
        filename: The file, below the static folder.
        path: The rule.
        endpoint: The rule's endpoint.
        redirect: Redirect (308) to the static file instead of sending it: one request more, but
            one URL for the file.
        max_age: Seconds for which a client uses its copy without asking; by default it asks
            each time, and hears 304 if nothing changed.

    Raises:
        ValueError: The application or blueprint has no static folder.
    """
    folder = app.static_folder
    if folder is None:
        raise ValueError(
            f"{app.name} has no static folder to find {filename} in: set static_folder"
        )

    async def view() -> ResponseTypes:
        if redirect:
            return redirect_to(url_for(".static", filename=filename), 308)
        return await _answer(folder, filename, max_age)

    app.add_url_rule(path, endpoint, view, methods=["GET"])


async def _answer(folder: str, filename: str, max_age: int | None) -> ResponseTypes:
    environ = {"REQUEST_METHOD": request.method} | {
        f"HTTP_{name.upper().replace('-', '_')}": request.headers[name]
        for name in CONDITIONS
        if name in request.headers
    }
    made, data = await run_sync(_read)(folder, filename, environ, max_age)
    response: Any = current_app.response_class(data, made.status_code)
    response.headers = made.headers
    return response  # type: ignore[no-any-return]


def _read(
    folder: str, filename: str, environ: dict[str, Any], max_age: int | None
) -> tuple[WerkzeugResponse, bytes]:
    """Werkzeug's answer, which is Flask's, and its body; in a thread, as it asks the disk.

    Raises:
        NotFound: There is no such file.
        RequestedRangeNotSatisfiable: The range lies outside.
    """
    mimetype = ICON if filename.endswith(".ico") else mimetypes.guess_type(filename)[0]
    made = send_from_directory(
        folder, filename, environ=environ, mimetype=mimetype, max_age=max_age
    )
    with closing(made):
        # An ASGI server dates its answers itself.
        made.headers.remove("Date")
        made.direct_passthrough = False
        if made.status_code == 304:
            remove_entity_headers(made.headers)
            return made, b""
        return made, made.get_data()
