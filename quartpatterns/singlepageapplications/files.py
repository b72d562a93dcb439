"""Files of a build: finding them, choosing a compressed one, and sending them."""

from __future__ import annotations

import io
import mimetypes
import os
import stat
import zlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, BinaryIO

from quart import current_app, request
from quart.typing import ResponseTypes
from quart.wrappers.response import ResponseBody
from werkzeug.datastructures import Accept, Headers
from werkzeug.http import parse_accept_header
from werkzeug.security import safe_join
from werkzeug.utils import send_file
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.conditional import complete_headers, conditional_environ
from quartpatterns._shared.threads import run_sync

__all__ = [
    "MEDIA_TYPES",
    "Asset",
    "FileBody",
    "asset_files",
    "find_asset",
    "media_type",
    "send_asset",
]

MEDIA_TYPES = {
    "avif": "image/avif",
    "css": "text/css",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "svg": "image/svg+xml",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
}
"""Media types that the tables of some operating systems lack or have wrong, by extension."""

# In the order of preference for equal qualities.
_EXTENSIONS = {"br": ".br", "gzip": ".gz"}
# A compressed file may be this many seconds older than its source: archives round times.
_TOLERANCE = 2.0
# A file up to this size is read when it is found: another call in a thread would cost more.
_SMALL = 64 * 1024
_ONE_YEAR = 365 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Asset:
    """A file to send, which may be compressed.

    *coding* is the content coding, such as ``br``, or ``None``; *name* and *media_type* are those
    of the uncompressed file. *varies* tells whether the choice depends on ``Accept-Encoding``.
    *content* is ``None`` if the file is large.
    """

    path: str
    name: str
    media_type: str
    size: int
    modified: float
    coding: str | None
    varies: bool
    content: bytes | None = None

    @property
    def etag(self) -> str:
        """The entity tag, computed as in Flask; each coding has its own."""
        return f"{self.modified}-{self.size}-{zlib.adler32(self.path.encode('utf-8', 'replace'))}"


def media_type(name: str) -> str:
    """Return the media type of the file called *name*. Call it in a thread: it may read tables."""
    extension = name.rpartition(".")[2].lower()
    guessed = MEDIA_TYPES.get(extension) or mimetypes.guess_type(name)[0]
    return guessed or "application/octet-stream"


def find_asset(
    folder: str, relative: str, accept_encoding: Iterable[str] = (), *, compressed: bool = True
) -> Asset | None:
    """Return the file *relative* to *folder*, or ``None`` if there is none. Call it in a thread.

    A file with the same name and ``.br`` or ``.gz`` is the compressed version, unless it is older:
    then it belongs to an earlier build. With *compressed* false, no compressed file is returned.
    The client has sent *relative*, which may be malicious: no file outside of *folder* is returned,
    also not through a symbolic link.
    """
    path = None if relative.endswith("/") else safe_join(folder, relative)
    root = os.path.join(os.path.realpath(folder), "")
    source = path and _regular_file(path, root)
    if not path or not source:
        return None
    available = {
        coding: found
        for coding, extension in _EXTENSIONS.items()
        if compressed
        and (found := _regular_file(path + extension, root))
        and found.st_mtime >= source.st_mtime - _TOLERANCE
    }
    accept = parse_accept_header(",".join(accept_encoding), Accept)
    coding = choose_coding(accept, available)
    chosen = available[coding] if coding else source
    chosen_path = path + _EXTENSIONS[coding] if coding else path
    return Asset(
        path=chosen_path,
        name=os.path.basename(path),
        media_type=media_type(path),
        size=chosen.st_size,
        modified=chosen.st_mtime,
        coding=coding,
        varies=bool(available),
        content=read_small(chosen_path, chosen.st_size),
    )


def asset_files(folder: str, relative: str, *, compressed: bool = True) -> list[str]:
    """Return the paths of all files that :func:`find_asset` looks at."""
    path = safe_join(folder, relative)
    extensions = ("", *_EXTENSIONS.values()) if compressed else ("",)
    return [] if path is None else [path + extension for extension in extensions]


def choose_coding(accept: Accept, codings: Iterable[str]) -> str | None:
    """Return the content coding with the highest quality (RFC 9110, section 12.5.3).

    The result is ``None`` if no coding is acceptable or the client prefers ``identity``. If
    qualities are equal, the first coding is returned.
    """
    best, quality = None, 0.0
    for coding in codings:
        if accept.quality(coding) > quality:
            best, quality = coding, accept.quality(coding)
    named = [value.lower() for value in accept.values()]
    return None if "identity" in named and accept.quality("identity") > quality else best


def read_small(path: str, size: int) -> bytes | None:
    """Return the content of a small file that has not changed since it was found."""
    if size > _SMALL:
        return None
    try:
        with open(path, "rb") as file:
            data = file.read(_SMALL + 1)
    except OSError:
        return None
    return data if len(data) == size else None


def _regular_file(path: str, root: str) -> os.stat_result | None:
    """Return the status of a file, or ``None`` if there is none, or a link leads out of *root*.

    *root* is a real path with a slash at its end.
    """
    try:
        status = os.stat(path)
        inside = stat.S_ISREG(status.st_mode) and os.path.realpath(path).startswith(root)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return None
    return status if inside else None


def send_asset(
    asset: Asset, *, immutable: bool = False, replacement: tuple[bytes, str] | None = None
) -> ResponseTypes:
    """Return the response with *asset*, a part of it, or 304, as the request demands.

    If *immutable* is true, clients may cache the file for a year without revalidation.
    *replacement* is content to send instead of that of the file, and a tag that distinguishes it
    from other replacements.

    Raises:
        PreconditionFailed: The request's ``If-Match`` doesn't match.
        RequestedRangeNotSatisfiable: The range is outside of the file.
    """
    etag, content = asset.etag, asset.content
    if replacement is not None:
        content, tag = replacement
        asset, etag = replace(asset, size=len(content)), f"{asset.etag}-{tag}"
    head = _head(asset, etag)
    if immutable:
        head.headers["Cache-Control"] = f"public, max-age={_ONE_YEAR}, immutable"
    start, stop = 0, asset.size
    if request.method == "HEAD" or head.status_code == 304:
        stop = 0
    elif head.status_code == 206:
        start, stop = head.content_range.start or 0, head.content_range.stop or 0
    body: bytes | FileBody
    if content is not None or start == stop:
        body = (content or b"")[start:stop]
    else:
        body = FileBody(asset.path, start, stop)
    response_class: Any = current_app.response_class
    response = response_class(body, head.status_code)
    response.headers = head.headers
    # A large file may take long on a slow connection; Quart's limit would cut it off.
    response.timeout = None
    return response  # type: ignore[no-any-return]


def _head(asset: Asset, etag: str) -> WerkzeugResponse:
    """Return status and headers as ``flask.send_file`` makes them, with those of the coding."""
    head = WerkzeugResponse()
    head.headers = Headers(
        _headers(
            asset.name,
            asset.media_type,
            asset.size,
            asset.modified,
            asset.coding,
            etag,
            varies=asset.varies,
        )
    )
    environ = conditional_environ()
    if len(environ) > 1:  # the method, and conditions
        head.make_conditional(environ, accept_ranges=True, complete_length=asset.size)
        complete_headers(head)
    return head


@lru_cache(512)
def _headers(
    name: str,
    media_type: str,
    size: int,
    modified: float,
    coding: str | None,
    etag: str,
    *,
    varies: bool,
) -> tuple[tuple[str, str], ...]:
    """Return the headers of a response without conditions."""
    head = send_file(
        io.BytesIO(),
        {},
        mimetype=media_type,
        download_name=name,
        conditional=False,
        etag=etag,
        last_modified=modified,
    )
    head.content_length = size
    if varies:
        head.vary.add("Accept-Encoding")
    if coding:
        head.content_encoding = coding
    head.make_conditional({"REQUEST_METHOD": "GET"}, accept_ranges=True, complete_length=size)
    complete_headers(head)
    return tuple(head.headers)


class FileBody(ResponseBody):
    """A response body with the bytes of a file from *start* to before *stop*.

    The file is opened when the response is sent. It is opened, read and closed in threads.
    """

    BLOCK_SIZE = 128 * 1024

    def __init__(self, path: str, start: int, stop: int) -> None:
        self._path = path
        self._start = start
        self._remaining = stop - start
        self._file: BinaryIO | None = None

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return self._blocks(await run_sync(self._open)())

    async def __aexit__(self, *exc_info: object) -> None:
        if self._file and not self._file.closed:
            # In a thread, because a thread whose task was cancelled may still be reading.
            await run_sync(self._file.close)()

    async def _blocks(self, block: bytes) -> AsyncIterator[bytes]:
        while block:
            yield block
            block = await run_sync(self._read)() if self._remaining else b""

    def _open(self) -> bytes:
        self._file = open(self._path, "rb")
        self._file.seek(self._start)
        return self._read()

    def _read(self) -> bytes:
        assert self._file
        block = self._file.read(min(self.BLOCK_SIZE, self._remaining))
        self._remaining -= len(block)
        if not self._remaining:
            self._file.close()
        return block
