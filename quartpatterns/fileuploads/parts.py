"""The parts of a multipart form, while they arrive."""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import sys
from types import EllipsisType
from typing import Any, Self, cast

from quart import Request, current_app
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header

from quartpatterns.fileuploads.errors import BadMultipartError, LimitExceededError
from quartpatterns.fileuploads.feed import END, Feed, OnProgress, Source

__all__ = ["Part", "Parts", "stream_multipart"]

CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "windows-1252": "cp1252",
}


def stream_multipart(
    request: Request,
    *,
    max_content_length: int | None | EllipsisType = ...,
    max_part_size: int | None = None,
    max_field_size: int | None | EllipsisType = ...,
    max_parts: int | None | EllipsisType = ...,
    max_header_size: int = 4096,
    max_headers: int = 8,
    body_timeout: float | None | EllipsisType = ...,
    on_progress: OnProgress | None = None,
) -> Parts:
    """The parts of the form in *request*, each as soon as its headers are here.

    .. code-block:: python

        async for part in stream_multipart(request, max_part_size=10_000_000):
            if part.filename:
                async for chunk in part:
                    ...
            else:
                fields[part.name] = await part.text()

    A part is read before the next one is asked for; what was not read is skipped. Nothing is
    kept, in memory or on a disk. On :class:`~quartpatterns.subclassing.FaithfulQuart` the
    client waits while nobody reads. Plain Quart receives regardless, into memory, and holds a
    declared length against ``MAX_CONTENT_LENGTH`` before anybody can ask for more.

    All limits count what comes over the wire; ``None`` is no limit. The first byte that is too
    many ends the iteration, so that whoever writes a file must be ready to take it back.

    Arguments:
        request: The request, whose body nobody has read.
        max_content_length: Bytes of the whole body; by default the request's own limit.
        max_part_size: Bytes of a part that has a file name.
        max_field_size: Bytes of a part that has none; by default the request's own limit.
        max_parts: How many parts; by default the request's own limit.
        max_header_size: Bytes of a header line of a part.
        max_headers: How many headers a part has.
        body_timeout: Seconds to wait for the next bytes; ``BODY_TIMEOUT`` by default.
        on_progress: Awaited with the bytes received and the bytes declared, or ``None``, as
            they come.

    Raises:
        UnsupportedMediaType: It is no multipart form, or it is compressed.
        BadMultipartError: The form is malformed, or ends too soon.
        LimitExceededError: A limit is exceeded; the error names it.
        RequestTimeout: The client stopped sending.
    """
    if max_content_length is ...:
        max_content_length = request.max_content_length
    else:
        # For the body itself, which None would send back to the configuration.
        most = sys.maxsize if max_content_length is None else max_content_length
        request.max_content_length = most
    config = cast("dict[str, Any]", current_app.config)
    patience = config["BODY_TIMEOUT"] if body_timeout is ... else body_timeout
    source = Source(request, max_content_length, patience, on_progress)
    return Parts(
        Feed(request, source, max_header_size, max_headers),
        max_part_size,
        request.max_form_memory_size if max_field_size is ... else max_field_size,
        request.max_form_parts if max_parts is ... else max_parts,
    )


class Parts:
    """An asynchronous iterator of parts; :func:`stream_multipart` makes one."""

    def __init__(
        self,
        feed: Feed,
        max_part_size: int | None,
        max_field_size: int | None,
        max_parts: int | None,
    ) -> None:
        self._feed = feed
        self._sizes = max_part_size, max_field_size
        self._most = max_parts
        self._count = 0
        self._part: Part | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Part:
        if self._part is not None:
            await self._part.skip()
        if (segment := await self._feed.next()) is END:
            raise StopAsyncIteration
        self._count += 1
        if self._most is not None and self._count > self._most:
            raise LimitExceededError("max_parts", self._most, "parts")
        self._part = Part(segment, self._feed, *self._sizes)
        return self._part


class Part:
    """A part of a form, to be read once, while it arrives.

    Attributes:
        name: The name of the field.
        filename: The name of the file as the client sent it, never to be used as a path; empty
            where the field of a browser was left empty, ``None`` where this is no file.
        content_type: The media type as the client declares it, without parameters.
        headers: All headers of the part.
        size: The bytes read so far.
        complete: Whether all of it has been read.
    """

    def __init__(
        self,
        segment: Any,
        feed: Feed,
        max_part_size: int | None,
        max_field_size: int | None,
    ) -> None:
        try:
            self.headers = Headers(segment.headerlist)
        except ValueError as error:  # a line break in a value
            raise BadMultipartError(f"The form is malformed: {error}") from error
        self.name = segment.name or ""
        self.filename = segment.filename
        if self.filename is None and "filename*" in (value := self.headers["Content-Disposition"]):
            # RFC 7578 forbids this form, and some clients use it all the same.
            self.filename = parse_options_header(value)[1].get("filename")
        self.content_type = segment.content_type
        self.charset = segment.charset or "utf-8"
        self.size = 0
        self.complete = False
        self._feed: Feed | None = feed
        self._limit = ("max_field_size", max_field_size)
        if self.filename is not None:
            self._limit = ("max_part_size", max_part_size)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.filename!r}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._feed is None:
            raise RuntimeError(f"{self!r} is over: read a part before you ask for the next one")
        if self.complete:
            raise StopAsyncIteration
        chunk = await self._feed.next()
        if chunk is None:
            self.complete = True
            raise StopAsyncIteration
        self.size += len(chunk)
        name, allowed = self._limit
        if allowed is not None and self.size > allowed:
            raise LimitExceededError(name, allowed, f"bytes in {self.name!r}")
        data: bytes = chunk
        return data

    async def read(self) -> bytes:
        """All that has not been read, in memory: give the part a limit before."""
        return b"".join([chunk async for chunk in self])

    async def text(self) -> str:
        """All that has not been read, as text.

        Raises:
            BadMultipartError: It is not in the encoding that it declares, UTF-8 by default, or
                that is none of the few that browsers send.
        """
        data = await self.read()
        try:
            # Some of Python's other codecs can be made to work for hours.
            return data.decode(CHARSETS[self.charset.lower()])
        except (LookupError, UnicodeDecodeError) as error:
            raise BadMultipartError(f"{self.name!r} is no text in {self.charset}.") from error

    async def skip(self) -> None:
        """Read what is left and forget it; the part can't be read any more."""
        try:
            if not self.complete:
                async for _ in self:
                    pass
        finally:
            self._feed = None
