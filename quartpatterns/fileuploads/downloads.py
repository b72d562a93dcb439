"""Sending uploaded files."""

from __future__ import annotations

import io
import mimetypes
from typing import Any

from quart import current_app
from quart.wrappers import Response
from werkzeug.exceptions import NotFound
from werkzeug.utils import send_file

from quartpatterns._shared.conditional import apply_conditions
from quartpatterns.fileuploads.filetypes import is_safe_path
from quartpatterns.fileuploads.storage import Storage
from quartpatterns.fileuploads.uploads import UploadSet

__all__ = ["send_upload"]

# Types that a browser shows without running scripts.
INLINE_TYPES = ("audio/", "image/", "video/", "application/pdf", "text/plain")
SCRIPTABLE_TYPES = ("image/svg+xml",)
# This reads the types of the system from the disk, so do it at import and not on the event loop.
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
    """Return a response with an uploaded file, or with the range that the request asks for.

    It works for folders and object stores. A browser shows images, audio, video, PDF and plain
    text. It saves all other types, because HTML and SVG could run scripts with the rights of this
    site. ``X-Content-Type-Options: nosniff`` makes it use the given type. Browsers revalidate
    cached copies unless *max_age* is given. The name for saving may contain any characters
    (RFC 6266, RFC 8187).

    Arguments:
        source: The upload set, or a storage.
        filename: The name that ``save`` returned. It may come from a client.
        as_attachment: Whether a browser saves the file. The default depends on the type.
        download_name: The name for saving.
        mimetype: The media type. The default depends on the extension.
        max_age: Seconds for which a client may use its copy without revalidation.

    Raises:
        NotFound: The file does not exist.
        RequestedRangeNotSatisfiable: The range is outside of the file.

    .. versionadded:: 0.1
    """
    storage = source.storage if isinstance(source, UploadSet) else source
    stored = await storage.stat(filename) if is_safe_path(filename) else None
    if stored is None:
        raise NotFound
    media_type = mimetype or mimetypes.guess_type(filename)[0] or "application/octet-stream"
    if as_attachment is None:
        as_attachment = media_type in SCRIPTABLE_TYPES or not media_type.startswith(INLINE_TYPES)
    # An empty file gives the headers that Flask sends.
    template = send_file(
        io.BytesIO(),
        {},
        mimetype=media_type,
        as_attachment=as_attachment,
        download_name=download_name or filename.rpartition("/")[2],
        conditional=False,
        etag=stored.etag or False,
        last_modified=stored.modified,
        max_age=max_age,
    )
    start, stop = apply_conditions(template, stored.size)
    body = storage.read(filename, start, stop) if start < stop else b""
    response_class: Any = current_app.response_class
    response: Response = response_class(body, template.status_code)
    response.headers = template.headers
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Quart's timeout would cut off a large file on a slow connection.
    response.timeout = None
    return response
