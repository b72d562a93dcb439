"""The body of a request as what a parser says of it, one event after another."""

# The library has no annotations that count, and python-multipart has a module of the same name.
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import multipart  # type: ignore[import-untyped]
from quart import Request
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout, UnsupportedMediaType

from quartpatterns.fileuploads.errors import BadMultipartError, LimitExceededError
from quartpatterns.fileuploads.parser import Parser

__all__ = ["END", "Feed", "OnProgress", "Source"]

OnProgress = Callable[[int, int | None], Awaitable[None]]

END: Any = object()
MULTIPART = "multipart/form-data"
BOUNDARY = 70  # characters of a boundary, RFC 2046 section 5.1.1
BLOCK = 64 * 1024  # bytes that are parsed at once, however many arrive together


class Source:
    """The blocks of a body: counted, and each waited for no longer than is allowed.

    Arguments:
        request: The request.
        limit: The most bytes of its body, or ``None``.
        patience: Seconds to wait for the next bytes, or ``None``.
        on_progress: Told how many there were, and how many there will be.
    """

    def __init__(
        self,
        request: Request,
        limit: int | None,
        patience: float | None,
        on_progress: OnProgress | None,
    ) -> None:
        self.body = aiter(request.body)
        self.declared = request.content_length
        self.limit = limit
        self.patience = patience
        self.on_progress = on_progress
        self.received = 0
        self._data = b""
        self._at = 0

    async def next(self) -> bytes:
        """The next bytes, or none when there will be no more.

        Raises:
            LimitExceededError: There are, or there will be, more than is allowed.
            RequestTimeout: Nothing arrived in time.
        """
        if self._at >= len(self._data):
            self._data, self._at = await self._receive(), 0
        block = self._data[self._at : self._at + BLOCK]
        self._at += BLOCK
        return block

    async def _receive(self) -> bytes:
        if self.limit is not None and (self.declared or 0) > self.limit:
            raise self._too_large()
        try:
            async with asyncio.timeout(self.patience):
                data = await anext(self.body, b"")
        except TimeoutError as error:
            raise RequestTimeout(f"Nothing arrived for {self.patience:g} s.") from error
        except RequestEntityTooLarge as error:
            raise self._too_large() from error
        self.received += len(data)
        if self.limit is not None and self.received > self.limit:
            raise self._too_large()
        if data and self.on_progress is not None:
            await self.on_progress(self.received, self.declared)
        return data

    def _too_large(self) -> RequestEntityTooLarge:
        if self.limit is None:
            return RequestEntityTooLarge()
        return LimitExceededError("max_content_length", self.limit, "bytes in the body")


class Feed:
    """What a parser says of the form in a request.

    Arguments:
        request: The request.
        source: Its body.
        max_header_size: The most bytes of a header line of a part.
        max_headers: The most headers of a part.

    Raises:
        UnsupportedMediaType: It is no multipart form, or it is compressed.
        BadMultipartError: It has no boundary.
    """

    def __init__(
        self, request: Request, source: Source, max_header_size: int, max_headers: int
    ) -> None:
        self.source = source
        self.parser = _parser(request, max_header_size, max_headers)
        self._events: deque[Any] = deque()
        self._error: multipart.MultipartError | None = None

    async def next(self) -> Any:
        """The next event: a segment, bytes of it, ``None`` for its end; or :data:`END`.

        What comes before an error is given before it, however the body was cut on its way.

        Raises:
            BadMultipartError: The body is malformed, or ends too soon.
            LimitExceededError: A header is too long, or there are too many.
        """
        while not self._events:
            if self._error is not None:
                raise self._explained(self._error) from self._error
            data = await self.source.next()
            try:
                self._events.extend(self.parser.parse(data))
            except multipart.MultipartError as error:
                self._error = error
            else:
                if not data:
                    return END
        return self._events.popleft()

    def _explained(self, error: multipart.MultipartError) -> Exception:
        if isinstance(error, multipart.ParserLimitReached):
            size, count = self.parser.max_header_size, self.parser.max_header_count
            what = f"headers in a part, each of {size} bytes (max_header_size),"
            return LimitExceededError("max_headers", count, what)
        return BadMultipartError(f"The form is malformed: {error}.")


def _parser(request: Request, max_header_size: int, max_headers: int) -> Parser:
    if request.mimetype != MULTIPART:
        raise UnsupportedMediaType(f"Send the form as {MULTIPART}.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the form as it is, without a Content-Encoding.")
    boundary = request.mimetype_params.get("boundary", "")
    if not 0 < len(boundary) <= BOUNDARY or not boundary.isascii():
        raise BadMultipartError(
            f"The Content-Type has no usable boundary: 1 to {BOUNDARY} ASCII characters."
        )
    return Parser(boundary, max_header_size, max_headers)
