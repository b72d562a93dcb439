"""Finding the CSRF token in a form without consuming the body of the request."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from typing import Any, cast
from urllib.parse import unquote_plus

from quart import Request
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout
from werkzeug.sansio.multipart import Data, Epilogue, Field, MultipartDecoder, NeedData

from quartpatterns._shared.time_limits import await_within

__all__ = ["PeekedBody", "find_field", "has_form"]


def has_form(request: Request) -> bool:
    """Return whether the body may be a form, which the headers of the request say."""
    return request.content_length != 0 and _search(request, "") is not None


async def find_field(request: Request, name: str, *, limit: int) -> str | None:
    """Return the value of the first form field whose name ends with *name* and that is not empty.

    It reads the body until it finds the field, the body ends, or *limit* bytes have been read. The
    view can still read the whole body, as a form or as a stream, with a limit of its own. The
    request must be the object itself, not Quart's proxy.

    Raises:
        RequestTimeout: The bytes did not arrive within ``BODY_TIMEOUT`` seconds.
    """
    search = _search(request, name)
    if search is None:
        return None
    body = PeekedBody(request)
    request.body = cast("Any", body)
    # The view may raise the limit of the body, so this search must not apply it.
    view_limit, request.max_content_length = request.max_content_length, sys.maxsize
    try:
        return await await_within(request.body_timeout, _search_body(body, search, limit))
    except TimeoutError as error:
        raise RequestTimeout from error
    finally:
        request.max_content_length = view_limit


async def _search_body(body: PeekedBody, search: _FieldSearch, limit: int) -> str | None:
    remaining = limit
    while remaining > 0 and (data := await body.peek()):
        if (value := search.feed(data[:remaining])) is not None:
            return value
        remaining -= len(data)
    return search.feed(None) if remaining > 0 else None


class PeekedBody:
    """A body whose first bytes have been read, and can be read again by the view.

    Arguments:
        request: The request, whose body it replaces.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._inner = request.body
        self._head = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def peek(self) -> bytes:
        """Return the next bytes and keep them; return no bytes at the end of the body."""
        try:
            data = await self._inner.__anext__()
        except StopAsyncIteration:
            return b""
        self._head += data
        return data

    def __aiter__(self) -> PeekedBody:
        return self

    async def __anext__(self) -> bytes:
        if self._head:
            data = bytes(self._head)
            self._head.clear()
            return data
        return await self._inner.__anext__()

    def __await__(self) -> Generator[Any, None, bytes]:
        rest: bytes = yield from self._inner.__await__()
        # Quart's body counts only the bytes in its buffer, which no longer has the head.
        limit = self._request.max_content_length
        if limit is not None and len(self._head) + len(rest) > limit:
            raise RequestEntityTooLarge
        return bytes(self._head) + rest

    def clear(self) -> None:
        """Discard all data that has been received."""
        self._head.clear()
        self._inner.clear()


def _search(request: Request, name: str) -> _FieldSearch | None:
    if request.mimetype == "application/x-www-form-urlencoded":
        return _UrlencodedSearch(name)
    boundary = request.mimetype_params.get("boundary", "")
    if request.mimetype == "multipart/form-data" and boundary:
        return _MultipartSearch(name, boundary.encode())
    return None


class _FieldSearch:
    """Searches a form for a field while the form arrives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[str] = set()

    def feed(self, data: bytes | None) -> str | None:
        """Return the value once it is complete. ``None`` is the end of the data."""
        for name, value in self._fields(data):
            # As in a MultiDict, the first field of each name counts.
            if name.endswith(self._name) and name not in self._seen:
                self._seen.add(name)
                if value:
                    return value
        return None

    def _fields(self, data: bytes | None) -> Iterable[tuple[str, str]]:
        raise NotImplementedError


class _UrlencodedSearch(_FieldSearch):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._raw_name = name.encode()
        self._rest = bytearray()

    def _fields(self, data: bytes | None) -> Iterator[tuple[str, str]]:
        self._rest += b"&" if data is None else data
        *pairs, last = self._rest.split(b"&") if data is None or b"&" in data else [self._rest]
        self._rest = last
        for pair in pairs:
            name, _, value = pair.partition(b"=")
            if b"%" in name or name.endswith(self._raw_name):  # Most pairs need no decoding.
                yield _unquote(name), _unquote(value)


def _unquote(data: bytearray) -> str:
    return unquote_plus(data.decode(errors="replace"))


class _MultipartSearch(_FieldSearch):
    def __init__(self, name: str, boundary: bytes) -> None:
        super().__init__(name)
        self._decoder = MultipartDecoder(boundary)
        self._field: str | None = None
        self._value = bytearray()
        self._malformed = False

    def _fields(self, data: bytes | None) -> Iterator[tuple[str, str]]:
        try:
            if not self._malformed:
                self._decoder.receive_data(data)
                yield from self._decoded_fields()
        except ValueError:
            # A malformed form has no token. The view gets the same error when it parses the form.
            self._malformed = True

    def _decoded_fields(self) -> Iterator[tuple[str, str]]:
        while not isinstance(event := self._decoder.next_event(), Epilogue | NeedData):
            # Despite the decoder's annotations, the name is None if the client sends none.
            if isinstance(event, Field) and str(event.name).endswith(self._name):
                self._field = event.name
                self._value.clear()
            elif not isinstance(event, Data):
                self._field = None  # a file or another field
            elif self._field is not None:
                self._value += event.data
                if not event.more_data:
                    # If the data is cut in the last hyphens of the boundary, Werkzeug counts the
                    # carriage return before the boundary as data.
                    yield self._field, self._value.decode(errors="replace").rstrip("\r")
