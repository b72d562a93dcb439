"""Files that were uploaded, sent back."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import AsyncIterator
from typing import Any

from quart import current_app, request
from quart.wrappers import Response
from werkzeug.exceptions import NotFound
from werkzeug.http import remove_entity_headers
from werkzeug.utils import send_file
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns.fileuploads.names import is_plain
from quartpatterns.fileuploads.storage import Storage
from quartpatterns.fileuploads.uploads import UploadSet

__all__ = ["send_upload"]

CONDITIONS = (
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Range",
)
# What a browser shows without running anything that is in it. Everything else is saved.
SHOWN = ("audio/", "image/", "video/", "application/pdf", "text/plain")
NOT_SHOWN = ("image/svg+xml",)
# It reads the system's types from the disk: now, and not at the first download.
mimetypes.init()


async def send_upload(
    source: UploadSet | Storage,
    filename: str,
    *,
    as_attachment: bool | None = None,
    download_name: str | None = None,
    mimetype: str | None = None,
    max_age: int | None = None,
) -> Response:
    """Answer with a file that was uploaded, or with the ranges of it that are asked for.

    It works alike for a folder and for a store of objects, in Quart and in its subclasses. A
    browser shows pictures, sound, video, PDF and plain text; it saves everything else, as HTML
    and SVG would run their scripts with the rights of this site, and it is told not to guess.
    It asks again before it uses its copy. The name to save a file under may be in any script
    (RFC 6266, RFC 8187).

    Arguments:
        source: The set, or its storage.
        filename: The name that ``save`` returned; a client may have made it up.
        as_attachment: Whether a browser saves it; decided by its type where not given.
        download_name: The name to save it under.
        mimetype: The media type; that of the name's extension where not given.
        max_age: Seconds that the client may use its copy for without asking.

    Raises:
        NotFound: There is no such file.
        RequestedRangeNotSatisfiable: The range lies outside; the answer carries the length.
    """
    storage = source.storage if isinstance(source, UploadSet) else source
    found = await storage.stat(filename) if is_plain(filename) else None
    if found is None:
        raise NotFound
    kind = mimetype or mimetypes.guess_type(filename)[0] or "application/octet-stream"
    if as_attachment is None:
        as_attachment = kind in NOT_SHOWN or not kind.startswith(SHOWN)
    # Flask's own headers, down to the letter.
    head = send_file(
        io.BytesIO(),
        {},
        mimetype=kind,
        as_attachment=as_attachment,
        download_name=download_name or filename.rpartition("/")[2],
        conditional=False,
        etag=found.etag or False,
        last_modified=found.modified,
        max_age=max_age,
    )
    start, stop = _range(head, found.size)
    head.headers["X-Content-Type-Options"] = "nosniff"
    return _response(head, storage.read(filename, start, stop) if start < stop else b"")


def _range(head: WerkzeugResponse, size: int) -> tuple[int, int]:
    """From where to where the file is sent, after the conditions of the request."""
    head.content_length = size
    environ = {"REQUEST_METHOD": request.method} | {
        f"HTTP_{name.upper().replace('-', '_')}": request.headers[name]
        for name in CONDITIONS
        if name in request.headers
    }
    head.make_conditional(environ, accept_ranges=True, complete_length=size)
    # An ASGI server dates its answers itself.
    head.headers.remove("Date")
    if head.status_code == 304:
        remove_entity_headers(head.headers)
    if head.status_code in {304, 412} or request.method == "HEAD":
        return 0, 0
    if head.status_code == 206:
        return head.content_range.start or 0, head.content_range.stop or 0
    return 0, size


def _response(head: WerkzeugResponse, body: AsyncIterator[bytes] | bytes) -> Response:
    cls: Any = current_app.response_class
    response: Response = cls(body, head.status_code)
    response.headers = head.headers
    # A large file over a slow line takes what it takes; Quart's limit would cut it in silence.
    response.timeout = None
    return response
