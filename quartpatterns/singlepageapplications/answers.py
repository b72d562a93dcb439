"""The answer that a file makes: headers, conditions, ranges, body."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from quart import current_app, request
from quart.typing import ResponseTypes
from werkzeug.http import remove_entity_headers
from werkzeug.utils import send_file
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns.singlepageapplications.assets import Asset
from quartpatterns.singlepageapplications.body import FileBody

__all__ = ["FOREVER", "answer_data", "answer_file"]

FOREVER = 365 * 24 * 60 * 60
CONDITIONS = ("Range", "If-Range", "If-Modified-Since", "If-None-Match", "If-Match")


def answer_file(asset: Asset, *, immutable: bool = False) -> ResponseTypes:
    """Send *asset*, or what the request's conditions and ranges make of it.

    Arguments:
        asset: The file.
        immutable: Whether clients keep it for a year without asking.

    Raises:
        PreconditionFailed: The request asks for another version.
        RequestedRangeNotSatisfiable: The range lies outside; the answer carries the length.
    """
    head = _head(asset, asset.etag)
    if immutable:
        head.cache_control.no_cache = None
        head.cache_control.public = True
        head.cache_control.max_age = FOREVER
        head.cache_control.immutable = True
    start, stop = _part(head, asset.size)
    if asset.content is not None or start == stop:
        return _response(head, (asset.content or b"")[start:stop])
    return _response(head, FileBody(asset.path, start, stop))


def answer_data(asset: Asset, data: bytes, tag: str) -> ResponseTypes:
    """Send *data*, which was made from *asset*, in its place.

    Arguments:
        asset: What the headers are of.
        data: The body.
        tag: What tells it from other bodies that are made from the same file.
    """
    head = _head(replace(asset, size=len(data)), f"{asset.etag}-{tag}")
    start, stop = _part(head, len(data))
    return _response(head, data[start:stop])


def _head(asset: Asset, etag: str) -> WerkzeugResponse:
    """Status and headers as :func:`flask.send_file` makes them, and those of the coding."""
    head = send_file(
        io.BytesIO(),
        {},
        mimetype=asset.type,
        download_name=asset.name,
        conditional=False,
        etag=etag,
        last_modified=asset.modified,
    )
    head.content_length = asset.size
    if asset.negotiated:
        head.vary.add("Accept-Encoding")
    if asset.coding:
        head.content_encoding = asset.coding
    head.make_conditional(_environ(), accept_ranges=True, complete_length=asset.size)
    # An ASGI server dates its answers itself.
    head.headers.remove("Date")
    if head.status_code == 304:
        remove_entity_headers(head.headers)
    return head


def _environ() -> dict[str, Any]:
    return {"REQUEST_METHOD": request.method} | {
        f"HTTP_{name.upper().replace('-', '_')}": request.headers[name]
        for name in CONDITIONS
        if name in request.headers
    }


def _part(head: WerkzeugResponse, size: int) -> tuple[int, int]:
    """From where to where the body goes; nowhere where there is to be none."""
    if request.method == "HEAD" or head.status_code == 304:
        return 0, 0
    if head.status_code == 206:
        return head.content_range.start or 0, head.content_range.stop or 0
    return 0, size


def _response(head: WerkzeugResponse, body: FileBody | bytes) -> ResponseTypes:
    cls: Any = current_app.response_class
    response = cls(body, head.status_code)
    response.headers = head.headers
    # A large file over a slow line takes what it takes; Quart's limit would cut it in silence.
    response.timeout = None
    return response  # type: ignore[no-any-return]
