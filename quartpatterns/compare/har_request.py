"""The requests of a HAR file, and their bodies, which tools write in different ways."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
from collections.abc import Callable
from urllib.parse import unquote_plus, urlencode

import msgspec
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.http import parse_options_header
from werkzeug.test import encode_multipart

from quartpatterns.compare.request import BOUNDARY

_URLENCODED, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


class HARPair(msgspec.Struct):
    """A header, a cookie, or a parameter of the query."""

    name: str
    value: str = ""


class HARParameter(msgspec.Struct, rename="camel"):
    """A field or a file of a form."""

    name: str
    value: str | None = None
    file_name: str | None = None
    content_type: str | None = None


class HARPostData(msgspec.Struct, rename="camel"):
    """The body of a request: as text, as parameters, or as both."""

    mime_type: str | None = None
    text: str | None = None
    params: list[HARParameter] | None = None
    encoding: str | None = None


class HARRequest(msgspec.Struct, rename="camel"):
    """The request of an entry."""

    method: str
    url: str
    headers: list[HARPair] = []
    cookies: list[HARPair] = []
    query_string: list[HARPair] = []
    post_data: HARPostData | None = None
    body_size: int | None = None

    def header(self, name: str) -> str:
        """Return the value of the first header *name*, or an empty text."""
        return next((each.value for each in self.headers if each.name.lower() == name), "")


def has_body(request: HARRequest) -> bool:
    """Return whether the recording has the body of *request*, or there was none.

    Playwright, for example, does not record a form with files.
    """
    data = request.post_data
    if data is not None and (data.text or data.params):
        return True
    length = request.header("content-length")
    return (request.body_size or 0) <= 0 and (not length.isdecimal() or int(length) == 0)


def body_of(request: HARRequest, *, encoded: bool) -> tuple[bytes | None, str | None]:
    """Return the body, and its media type if it is not that of the headers.

    Arguments:
        request: The request.
        encoded: Whether the parameters of forms are percent-encoded.

    Raises:
        ValueError: The body is not in the encoding that the recording names.
    """
    data = request.post_data
    if data is None or not (data.text or data.params):
        return None, None
    recorded = request.header("content-type")
    if data.text:
        return _bytes(data.text, data.encoding, request), None if recorded else data.mime_type
    kind = parse_options_header(recorded or data.mime_type)[0]
    params = data.params or []
    if kind == _MULTIPART or any(param.file_name is not None for param in params):
        return _multipart(params), f"{_MULTIPART}; boundary={BOUNDARY}"
    decode: Callable[[str], str] = unquote_plus if encoded else str
    pairs = [(decode(param.name), decode(param.value or "")) for param in params]
    return urlencode(pairs).encode(), None if recorded else data.mime_type or _URLENCODED


def _bytes(text: str, encoding: str | None, request: HARRequest) -> bytes:
    if encoding == "base64":
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError(f"postData: expected base64: {error}") from error
    data = text.encode(errors="surrogatepass")
    # mitmproxy writes each byte of a multipart form as one character.
    length = request.header("content-length")
    if length == str(len(text)) and length != str(len(data)):
        with contextlib.suppress(UnicodeEncodeError):
            return text.encode("latin-1")
    return data


def _multipart(params: list[HARParameter]) -> bytes:
    parts: MultiDict[str, str | FileStorage] = MultiDict()
    for param in params:
        value = param.value or ""
        if param.file_name is None:
            parts.add(param.name, value)
            continue
        kind = param.content_type or "application/octet-stream"
        stream = io.BytesIO(value.encode())
        parts.add(param.name, FileStorage(stream, filename=param.file_name, content_type=kind))
    return encode_multipart(parts, boundary=BOUNDARY)[1]
