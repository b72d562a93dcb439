"""The token in a form, found without reading more of the body than it takes, or taking any away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator, Iterable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from quart import Request
from quart.wrappers.request import Body
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout
from werkzeug.sansio.multipart import Data, Epilogue, Field, MultipartDecoder, NeedData

__all__ = ["PeekedBody", "find_field"]


class PeekedBody(Body):
    """A body whose first bytes have been looked at, and are still there for whoever reads it.

    Arguments:
        inner: The body to read.
    """

    def __init__(self, inner: Body) -> None:
        # Quart's __init__ is left out: all that it makes is in the inner body.
        self.inner = inner
        self._head = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def peek(self) -> bytes:
        """The next bytes, which stay here; none at the end of the body."""
        try:
            data = await self.inner.__anext__()
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
        return await self.inner.__anext__()

    def __await__(self) -> Generator[Any, None, bytes]:
        rest: bytes = yield from self.inner.__await__()
        # Quart's own body counts what it holds, and the head is no longer there.
        limit = getattr(self.inner, "_max_content_length", None)
        if limit is not None and len(self._head) + len(rest) > limit:
            raise RequestEntityTooLarge
        return bytes(self._head) + rest

    def append(self, data: bytes) -> None:
        """Hand *data* from the server to the inner body."""
        self.inner.append(data)

    def set_complete(self) -> None:
        """Tell the inner body that there is no more."""
        self.inner.set_complete()

    def clear(self) -> None:
        """Forget what has been looked at, and what the inner body holds."""
        self._head.clear()
        self.inner.clear()


async def find_field(request: Request, name: str, *, limit: int) -> str | None:
    """The value of the first field of a form whose name ends with *name* and that is not empty.

    The body is read until the field is found, it ends, or *limit* bytes of it are here, and can
    be read by the view as if nobody had: as a form, as a stream, with a limit of its own.

    Arguments:
        request: The request itself, not Quart's proxy.
        name: The field's name; what stands before it is the prefix of a form.
        limit: Bytes to look at.

    Raises:
        RequestTimeout: They did not arrive within ``BODY_TIMEOUT`` seconds.
    """
    scan = _scanner(request, name)
    if scan is None:
        return None
    request.body = body = PeekedBody(request.body)
    # The limit on the whole body is for who reads it: a view may raise it for itself.
    allowed, request.max_content_length = request.max_content_length, sys.maxsize
    try:
        async with asyncio.timeout(request.body_timeout):
            return await _look(body, scan, limit)
    except TimeoutError as error:
        raise RequestTimeout from error
    finally:
        request.max_content_length = allowed


async def _look(body: PeekedBody, scan: _Scan, limit: int) -> str | None:
    left = limit
    while left > 0 and (data := await body.peek()):
        if (found := scan.feed(data[:left])) is not None:
            return found
        left -= len(data)
    return scan.end() if left > 0 else None


def _scanner(request: Request, name: str) -> _Scan | None:
    if request.mimetype == "application/x-www-form-urlencoded":
        return _Urlencoded(name)
    boundary = request.mimetype_params.get("boundary", "")
    if request.mimetype == "multipart/form-data" and boundary:
        return _Multipart(name, boundary.encode())
    return None


class _Scan:
    """Looks at the fields of a form while they arrive."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[str] = set()

    def feed(self, data: bytes) -> str | None:
        """The value that is searched, once all of it has been here."""
        return self._search(self._fields(data))

    def end(self) -> str | None:
        """The same for what is complete as there is no more."""
        return self._search(self._fields(None))

    def _search(self, fields: Iterable[tuple[str, str]]) -> str | None:
        for name, value in fields:
            # As in a MultiDict, the first field of a name is the one that counts.
            if name.endswith(self._name) and name not in self._seen:
                self._seen.add(name)
                if value:
                    return value
        return None

    def _fields(self, data: bytes | None) -> Iterator[tuple[str, str]]:
        raise NotImplementedError


class _Urlencoded(_Scan):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._rest = bytearray()

    def _fields(self, data: bytes | None) -> Iterator[tuple[str, str]]:
        self._rest += b"&" if data is None else data
        *pairs, last = self._rest.split(b"&") if data is None or b"&" in data else [self._rest]
        self._rest = last
        for pair in pairs:
            name, _, value = pair.partition(b"=")
            yield _unquoted(name), _unquoted(value)


def _unquoted(data: bytearray) -> str:
    return unquote_plus(data.decode(errors="replace"))


class _Multipart(_Scan):
    def __init__(self, name: str, boundary: bytes) -> None:
        super().__init__(name)
        self._decoder = MultipartDecoder(boundary)
        self._part: str | None = None
        self._value = bytearray()
        self._broken = False

    def _fields(self, data: bytes | None) -> Iterator[tuple[str, str]]:
        try:
            if not self._broken:
                self._decoder.receive_data(data)
                yield from self._decoded()
        except ValueError:
            # It is no multipart form: there is no field in it, and the view is told the same.
            self._broken = True

    def _decoded(self) -> Iterator[tuple[str, str]]:
        while not isinstance(event := self._decoder.next_event(), Epilogue | NeedData):
            # A client may leave the name out, whatever the decoder's annotations say.
            if isinstance(event, Field) and str(event.name).endswith(self._name):
                self._part = event.name
                self._value.clear()
            elif not isinstance(event, Data):
                self._part = None  # a file, or a field that is not wanted: nothing of it is kept
            elif self._part is not None:
                self._value += event.data
                if not event.more_data:
                    # Of a boundary that is cut at its last hyphens, Werkzeug takes the first byte
                    # for data.
                    yield self._part, self._value.decode(errors="replace").rstrip("\r")
