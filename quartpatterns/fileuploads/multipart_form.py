"""Reading a multipart form part by part, while it arrives."""

# The library multipart has no annotations, and Quart's leave out type arguments.
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedBaseClass=false

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from types import EllipsisType
from typing import Any, Self, cast

import multipart  # type: ignore[import-untyped]
from quart import Request, current_app
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout, UnsupportedMediaType
from werkzeug.http import parse_options_header

from quartpatterns._shared.time_limits import await_within
from quartpatterns.fileuploads.errors import BadMultipartError, LimitExceededError

__all__ = ["MultipartParser", "OnProgress", "Part", "PartIterator", "stream_multipart"]

OnProgress = Callable[[int, int | None], Awaitable[None]]
"""Called with the bytes received, and the bytes declared or ``None``."""

MEDIA_TYPE = "multipart/form-data"
MAX_BOUNDARY = 70  # characters (RFC 2046, section 5.1.1)
BLOCK_SIZE = 64 * 1024  # bytes that are parsed at once, however many have arrived

# Parameters with an encoding (RFC 2231). RFC 7578 forbids filename*, but clients send it.
_ENCODED = re.compile(r";\s*(name|filename)\*", re.IGNORECASE)

# Python has codecs that take hours for some inputs, so only those that browsers use are allowed.
CHARSETS = frozenset("utf-8 utf8 us-ascii ascii iso-8859-1 latin1 windows-1252".split())


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
) -> PartIterator:
    """Iterate over the parts of the form in *request*, each as soon as its headers have arrived.

    .. code-block:: python

        async for part in stream_multipart(request, max_part_size=10_000_000):
            if part.filename:
                async for chunk in part:
                    ...
            else:
                fields[part.name] = await part.text()

    Read a part before you ask for the next one, because the rest of a part is then skipped. This
    function stores nothing in memory or on disk. With
    :class:`~quartpatterns.subclassing.FaithfulQuart`, the client must wait while the view does not
    read. Plain Quart continues to receive the body into memory. It also compares the declared
    length with ``MAX_CONTENT_LENGTH`` before the view runs.

    Bytes are counted as they arrive. The first byte above a limit raises an error. ``None`` sets no
    limit.

    Arguments:
        request: The request. Its body must be unread.
        max_content_length: Bytes of the whole body. The default is the request's
            ``max_content_length``.
        max_part_size: Bytes of a file, which is a part with a file name.
        max_field_size: Bytes of a field, which is a part without a file name. The default is the
            request's ``max_form_memory_size``.
        max_parts: Number of parts. The default is the request's ``max_form_parts``.
        max_header_size: Bytes of one header line of a part.
        max_headers: Number of headers of a part.
        body_timeout: Seconds to wait for the next bytes. The default is ``BODY_TIMEOUT``.
        on_progress: A coroutine function, called with the bytes received and the bytes declared
            (or ``None``) whenever bytes arrive.

    Raises:
        UnsupportedMediaType: The body is not a multipart form, or it is compressed.
        BadMultipartError: The form is malformed, or ends too early.
        LimitExceededError: A limit is exceeded; the error names it.
        RequestTimeout: No bytes arrived within *body_timeout*.

    .. versionadded:: 0.1
    """
    if max_content_length is ...:
        max_content_length = request.max_content_length
    else:
        # The body has a limit of its own. None would set it to the configured value.
        limit = sys.maxsize if max_content_length is None else max_content_length
        request.max_content_length = limit
    config = cast("dict[str, Any]", current_app.config)
    return PartIterator(
        request,
        _parser(request, max_header_size, max_headers),
        max_content_length,
        max_part_size,
        request.max_form_memory_size if max_field_size is ... else max_field_size,
        request.max_form_parts if max_parts is ... else max_parts,
        config["BODY_TIMEOUT"] if body_timeout is ... else body_timeout,
        on_progress,
    )


def _parser(request: Request, max_header_size: int, max_headers: int) -> MultipartParser:
    if request.mimetype != MEDIA_TYPE:
        raise UnsupportedMediaType(f"Send the form as {MEDIA_TYPE}.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the form without a Content-Encoding.")
    boundary = request.mimetype_params.get("boundary", "")
    printable = boundary.isascii() and boundary.isprintable()
    if not 0 < len(boundary) <= MAX_BOUNDARY or not printable:
        raise BadMultipartError(
            f"The boundary in the Content-Type must have 1 to {MAX_BOUNDARY} printable ASCII"
            " characters."
        )
    return MultipartParser(boundary, max_header_size, max_headers)


class PartIterator:
    """Iterates over the parts of a form; :func:`stream_multipart` returns it."""

    END: Any = object()

    def __init__(
        self,
        request: Request,
        parser: MultipartParser,
        max_content_length: int | None,
        max_part_size: int | None,
        max_field_size: int | None,
        max_parts: int | None,
        body_timeout: float | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._body = aiter(request.body)
        self._declared = request.content_length
        self._parser = parser
        self._limit = max_content_length
        self._max_sizes = max_part_size, max_field_size
        self._max_parts = max_parts
        self._timeout = body_timeout
        self._on_progress = on_progress
        self._received = 0
        self._data = b""
        self._position = 0
        self._events: deque[Any] = deque()
        self._error: multipart.MultipartError | None = None
        self._count = 0
        self._part: Part | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Part:
        if self._part is not None:
            await self._part.skip()
        if (segment := await self.next_event()) is self.END:
            raise StopAsyncIteration
        self._count += 1
        if self._max_parts is not None and self._count > self._max_parts:
            raise LimitExceededError("max_parts", self._max_parts, "parts")
        self._part = Part(segment, self, *self._max_sizes)
        return self._part

    async def next_event(self) -> Any:
        """Return the next event: a segment, bytes of its content, ``None`` for its end, or END.

        All events before an error are returned first, however the network has split the body.
        """
        while not self._events:
            if self._error is not None:
                raise self._client_error(self._error) from self._error
            block = await self._next_block()
            try:
                self._events.extend(self._parser.parse(block))
            except multipart.MultipartError as error:
                self._error = error
            else:
                if not block:
                    return self.END
        return self._events.popleft()

    async def _next_block(self) -> bytes:
        if self._position >= len(self._data):
            self._data, self._position = await self._receive(), 0
        block = self._data[self._position : self._position + BLOCK_SIZE]
        self._position += BLOCK_SIZE
        return block

    async def _receive(self) -> bytes:
        if self._limit is not None and (self._declared or 0) > self._limit:
            raise self._too_large()
        try:
            data = await await_within(self._timeout, self._receive_data())
        except TimeoutError as error:
            raise RequestTimeout(f"No data arrived for {self._timeout:g} s.") from error
        except RequestEntityTooLarge as error:
            raise self._too_large() from error
        self._received += len(data)
        if self._limit is not None and self._received > self._limit:
            raise self._too_large()
        if data and self._on_progress is not None:
            await self._on_progress(self._received, self._declared)
        return data

    async def _receive_data(self) -> bytes:
        return await anext(self._body, b"")

    def _too_large(self) -> RequestEntityTooLarge:
        if self._limit is None:
            return RequestEntityTooLarge()
        return LimitExceededError("max_content_length", self._limit, "bytes in the body")

    def _client_error(self, error: multipart.MultipartError) -> Exception:
        if isinstance(error, multipart.ParserLimitReached):
            size, count = self._parser.max_header_size, self._parser.max_header_count
            what = f"headers in a part, each of {size} bytes (max_header_size),"
            return LimitExceededError("max_headers", count, what)
        # Its other arguments are exceptions.
        if any(isinstance(cause, UnicodeDecodeError) for cause in error.args[1:]):
            return BadMultipartError(
                "The form is malformed: a name is not UTF-8. Browsers send names in the encoding of"
                " the page with the form."
            )
        return BadMultipartError(f"The form is malformed: {error.args[0]}.")


class Part:
    """A part of a form, which can be read once, while it arrives.

    Clients may send ``filename*`` beside ``filename``, and ``name*`` (RFC 2231). A backslash in a
    file name is kept, unless another one or a quote follows, because browsers send it so.

    Attributes:
        name: The name of the field.
        filename: The file name that the client sent, or ``None`` for a field that is not a file.
            It is empty if the user chose no file. Never use it as a path.
        content_type: The media type that the client declared, without parameters.
        headers: All headers of the part.
        size: The number of bytes read so far.
        complete: Whether the whole part has been read.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        segment: Any,
        parts: PartIterator,
        max_part_size: int | None,
        max_field_size: int | None,
    ) -> None:
        try:
            self.headers = Headers(segment.headerlist)
        except ValueError as error:  # a line break in a value
            raise BadMultipartError(f"The form is malformed: {error}") from error
        self.name, self.filename = _names(segment, self.headers["Content-Disposition"])
        self.content_type: str | None = segment.content_type
        self.charset: str = segment.charset or "utf-8"
        self.size = 0
        self.complete = False
        self._parts: PartIterator | None = parts
        self._own_limit = ("max_field_size", max_field_size)
        if self.filename is not None:
            self._own_limit = ("max_part_size", max_part_size)

    name: str
    filename: str | None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.filename!r}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._parts is None:
            raise RuntimeError(
                f"{self!r} can't be read any more: read a part before you ask for the next one"
            )
        if self.complete:
            raise StopAsyncIteration
        chunk: bytes | None = await self._parts.next_event()
        if chunk is None:
            self.complete = True
            raise StopAsyncIteration
        self.size += len(chunk)
        name, limit = self._own_limit
        if limit is not None and self.size > limit:
            raise LimitExceededError(name, limit, f"bytes in {self.name!r}")
        return chunk

    async def read(self) -> bytes:
        """Return the rest of the part. It is in memory, so set a limit."""
        return b"".join([chunk async for chunk in self])

    async def text(self) -> str:
        """Return the rest of the part as text.

        Raises:
            BadMultipartError: The bytes are not valid in the declared encoding, which is UTF-8 by
                default, or the encoding is not one of those that browsers send.
        """
        data = await self.read()
        try:
            if self.charset.lower() in CHARSETS:
                return data.decode(self.charset)
        except UnicodeDecodeError:
            pass
        raise BadMultipartError(f"{self.name!r} is not valid {self.charset} text.")

    async def skip(self) -> None:
        """Read and discard the rest of the part, which can't be read afterwards."""
        try:
            if not self.complete:
                async for _ in self:
                    pass
        finally:
            self._parts = None


def _names(segment: Any, disposition: str) -> tuple[str, str | None]:
    """Return the name and the file name of a part. An encoded one precedes, as in Werkzeug."""
    name, filename = _unescaped(segment.name or ""), segment.filename
    filename = filename and _unescaped(filename)
    if "*" in disposition and (encoded := _ENCODED.findall(disposition.lower())):
        options = parse_options_header(disposition)[1]
        if "name" in encoded:
            name = options.get("name", name)
        if "filename" in encoded:
            filename = options.get("filename", filename)
    return name, filename


def _unescaped(name: str) -> str:
    """Replace escaped backslashes in *name* (RFC 9110, section 5.6.4).

    Go, Java, Perl and Ruby escape backslashes, but browsers don't, so the library leaves them in a
    name without quotes.
    """
    return name.replace("\\\\", "\\") if "\\\\" in name and '"' not in name else name


class MultipartParser(multipart.PushMultipartParser):  # type: ignore[misc]
    """A push parser that also accepts parts without a body.

    In an empty part, the empty line after the headers and the line break before the next boundary
    may be the same one (RFC 2046, section 5.1.1). The test clients of Quart and Flask write empty
    files like this. The library takes the next boundary for the content of the part, up to the
    boundary after that. Real content can't begin with a boundary, so this class gives such content
    to a second parser.

    Blanks at the end of a boundary line are removed (RFC 2046, section 5.1.1), which the library
    refuses. No known client sends them, so the content is searched for them only if the first
    boundary line has some.

    Arguments:
        boundary: The boundary between the parts.
        max_header_size: The maximum size of a header line of a part, in bytes.
        max_headers: The maximum number of headers of a part.
    """

    def __init__(self, boundary: str, max_header_size: int, max_headers: int) -> None:
        super().__init__(boundary, max_header_size=max_header_size, max_header_count=max_headers)
        self._arguments = boundary, max_header_size, max_headers
        self._boundary_line = f"--{boundary}".encode()
        # The first bytes of a part, until they are longer than a boundary.
        self._first: bytes | None = None
        self._inner: MultipartParser | None = None
        self._padding: _Padding | None = _Padding(self._boundary_line)

    def parse(self, chunk: bytes) -> Iterator[Any]:
        """Parse *chunk*; an empty chunk is the end of the body.

        Yields:
            A segment with the headers of a part, then bytes of its content, then ``None``.

        Raises:
            MultipartError: The form is malformed, ends too early, or exceeds a limit.
        """
        if self._padding is None:
            yield from self._parse(chunk)
            return
        is_end = not chunk
        data = self._padding.remove(chunk)
        if self._padding.begun and not self._padding.found:
            data += self._padding.held
            self._padding = None
        if data:
            yield from self._parse(data)
        if is_end:
            yield from self._parse(b"")

    def _parse(self, chunk: bytes) -> Iterator[Any]:
        if not chunk and self._inner is not None:
            yield from self._inner.parse(chunk)
            self.close(check_complete=False)
            return
        for event in super().parse(chunk):
            if self._inner is not None:
                yield from self._parse_inner(self._inner, event)
            elif self._first is not None:
                yield from self._parse_first(self._first, event)
            else:
                yield event
                if event is not None and not isinstance(event, bytes):
                    self._first = b""

    def _parse_first(self, before: bytes, event: bytes | None) -> Iterator[Any]:
        first = before + (event or b"")
        if event is not None and len(first) < len(self._boundary_line):
            self._first = first
            return
        self._first = None
        if first.startswith(self._boundary_line):
            self._inner = MultipartParser(*self._arguments)
            yield None
            yield from self._inner.parse(first)
            return
        if first:
            yield first
        if event is None:
            yield None

    def _parse_inner(self, inner: MultipartParser, event: bytes | None) -> Iterator[Any]:
        if event is None:
            self._inner = None
            event = b"\r\n" + self._boundary_line + b"\r\n"
        yield from inner.parse(event)


class _Padding:
    """Removes the blanks between a boundary and the end of its line.

    Arguments:
        boundary_line: The boundary with its hyphens.

    Attributes:
        begun: Whether the first boundary line has been seen.
        found: Whether a boundary line had blanks at its end.
        held: The last bytes, which may be the beginning of a boundary line.
    """

    LONGEST = 1024  # bytes that are held back until the end of their line arrives

    def __init__(self, boundary_line: bytes) -> None:
        line = re.escape(boundary_line)
        self._lines = re.compile(rb"(\r\n%s)[ \t]+(?=\r\n)" % line)
        self._first_line = re.compile(rb"(%s)[ \t]+(?=\r\n)" % line)
        # The beginning of a boundary line at the end of the data.
        self._cut = re.compile(rb"(?:\A|\r\n)%s[ \t]*\r?\n?\Z" % line)
        self._delimiter = b"\r\n" + boundary_line
        self.held = b""
        self._is_start = True
        self.begun = False
        self.found = False

    def remove(self, chunk: bytes) -> bytes:
        """Return the data up to *chunk* that can be parsed; an empty chunk is the end."""
        data = self.held + chunk
        end = self._end(data) if chunk else len(data)
        data, self.held = data[:end], data[end:]
        if not data or self._delimiter[2:] not in data:
            self._is_start = self._is_start and not data
            return data
        self.begun = True
        removed = 0
        if self._is_start and self._first_line.match(data):
            data, removed = self._first_line.sub(rb"\1", data, count=1), 1
        elif not self.found:
            # The first boundary line decides, however much has arrived after it.
            is_first = self._is_start and data.startswith(self._delimiter[2:])
            if is_first or not self._lines.match(data, max(0, data.find(self._delimiter))):
                self._is_start = False
                return data
        self._is_start = False
        data, more = self._lines.subn(rb"\1", data)
        self.found = self.found or bool(removed + more)
        return data

    def _end(self, data: bytes) -> int:
        """Return where the data ends that contains no beginning of a boundary line."""
        start = max(0, data.rfind(self._delimiter))
        if (cut := self._cut.search(data, start)) and len(data) - cut.start() < self.LONGEST:
            return cut.start()
        start = data.rfind(b"\r", max(0, len(data) - len(self._delimiter)))
        if start >= 0 and self._delimiter.startswith(data[start:]):
            return start
        if self._is_start and self._delimiter[2:].startswith(data):
            return 0
        return len(data)
