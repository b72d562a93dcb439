"""The checksum of a request's body, and its comparison with the digest that a client declares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Protocol, cast

from quart import Request
from quart.wrappers.request import Body
from werkzeug.exceptions import BadRequest, RequestTimeout

from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.time_limits import await_within

with requires_extra("requestchecksum"):
    import http_sf

__all__ = ["ALGORITHMS", "Checksum", "DigestError", "TeeBody", "generate_checksum", "verify_digest"]

ALGORITHMS: Mapping[str, str] = {"sha-256": "sha256", "sha-512": "sha512"}
"""The digest algorithms that are verified, with their names in :mod:`hashlib`.

RFC 9530 calls these two active. The others in its registry, such as ``md5``, are not secure.
"""

_WANT_HEADER = ("Want-Content-Digest", ", ".join(f"{name}=10" for name in ALGORITHMS))


class _Hash(Protocol):
    """A hash object of :mod:`hashlib`, whose type has no public name."""

    @property
    def name(self) -> str: ...

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class TeeBody(Body):
    """A request body that passes each byte to a function when it is read for the first time.

    Quart has no input stream to wrap. Everything that reads a request (the form parser,
    ``get_data``, ``async for``) iterates over ``request.body`` or awaits it. The server adds data
    through ``request.body`` too, which this class forwards to the wrapped body.

    *on_data* is called with bytes that were not read before, and *on_end* each time a reader
    reaches the end. The reader gets its exception in place of the end.
    """

    def __init__(
        self,
        body: Body,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        # Quart's __init__ is not called, because this body has no data of its own.
        self._body = body
        self._on_data = on_data
        self._on_end = on_end
        self._removed = 0  # bytes that were removed from the wrapped body's buffer
        self._passed = 0  # bytes that on_data was called with

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def __aiter__(self) -> TeeBody:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._body.__anext__()
        except StopAsyncIteration:
            self._on_end()
            raise
        self._pass_on(data)
        self._removed += len(data)
        return data

    def __await__(self) -> Generator[Any, None, bytes]:
        # Awaiting leaves the data in the buffer, so it can be read again.
        data: bytes = yield from self._body.__await__()
        self._pass_on(data)
        self._on_end()
        return data

    def _pass_on(self, data: bytes) -> None:
        """Pass on the new bytes in *data*, which starts after the bytes that were removed."""
        if new := data[self._passed - self._removed :]:
            self._on_data(new)
            self._passed += len(new)

    # Body defines these methods, so __getattr__ does not forward them.

    def append(self, data: bytes) -> None:
        self._body.append(data)

    def set_complete(self) -> None:
        self._body.set_complete()

    def clear(self) -> None:
        self._body.clear()


class Checksum:
    """The checksum of a whole body, with the methods of :mod:`hashlib`'s objects, awaited.

    :func:`generate_checksum` returns it.

    .. versionadded:: 0.1
    """

    def __init__(self, request: Request, algorithm: str) -> None:
        self._hash = _new_hash(algorithm)
        self._request = _tee(request, self._hash.update)

    @property
    def name(self) -> str:
        """The name of the algorithm."""
        return self._hash.name

    async def digest(self) -> bytes:
        """Return the digest of the whole body.

        It reads the rest of the body, and keeps it for later readers.

        Raises:
            RequestEntityTooLarge: The body is larger than ``MAX_CONTENT_LENGTH``.
            RequestTimeout: The body didn't arrive within ``BODY_TIMEOUT`` seconds.
        """
        await _read_body(self._request)
        return self._hash.digest()

    async def hexdigest(self) -> str:
        """Return :meth:`digest` in hexadecimal."""
        return (await self.digest()).hex()


def generate_checksum(request: Request, algorithm: str = "sha1") -> Checksum:
    """Compute the checksum of the request's body while it is read.

    Call it before anything reads the body. Then read the request in any way and as often as you
    like, or not at all: each byte is hashed once. See Flask's page "Request Content Checksums".

    Arguments:
        request: Quart's request, or the proxy ``quart.request``.
        algorithm: An algorithm of :func:`hashlib.new` with a fixed digest length.

    Raises:
        RuntimeError: A multipart form was read already, so its bytes are not available.
        ValueError: The algorithm is unknown or has no fixed digest length.

    .. versionadded:: 0.1
    """
    return Checksum(request, algorithm)


class DigestError(BadRequest):
    """400: the body doesn't match the declared digest, or no digest can be verified.

    The response names the accepted algorithms in ``Want-Content-Digest`` (RFC 9530, section 4).

    .. versionadded:: 0.1
    """

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """Return the headers of the response."""
        return [*super().get_headers(*args, **kwargs), _WANT_HEADER]


async def verify_digest(
    request: Request, *, required: bool = False, streaming: bool = False
) -> None:
    """Answer 400 if the body doesn't match ``Content-Digest`` or ``Repr-Digest`` (RFC 9530).

    Await it at the start of a view or in a ``before_request`` function. It reads the whole body
    and keeps it for the view. All digests with one of :data:`ALGORITHMS` must match; others are
    ignored. ``Repr-Digest`` is ignored if the request has ``Content-Range``, because it is the
    digest of a whole representation, and the body is a part of it.

    Arguments:
        request: Quart's request, or the proxy ``quart.request``.
        required: Answer 400 if there is no digest that can be verified.
        streaming: Don't read the body now. The code that reads it to the end gets the error
            there. Use it for uploads that don't fit in memory, and don't keep their data before
            the end.

    Raises:
        DigestError: A digest doesn't match, is missing, or a header is invalid.
        RuntimeError: A multipart form was read already, so its bytes are not available.
        RequestEntityTooLarge: The body is larger than ``MAX_CONTENT_LENGTH``.
        RequestTimeout: The body didn't arrive within ``BODY_TIMEOUT`` seconds.

    .. versionadded:: 0.1
    """
    digests = [*_declared_digests(request, "Content-Digest")]
    if "Content-Range" not in request.headers:
        digests += _declared_digests(request, "Repr-Digest")
    if not digests:
        if required:
            raise DigestError("Send the digest of the content in the header Content-Digest.")
        return

    def update(data: bytes) -> None:
        for _, _, _, received in digests:
            received.update(data)

    def verify() -> None:
        for header, algorithm, declared, received in digests:
            if received.digest() != declared:
                raise DigestError(
                    f"The {algorithm} digest of the received content doesn't match {header}:"
                    " compute the digest of the bytes that you send, or send them again."
                )

    current = _tee(request, update, verify)
    if not streaming:
        await _read_body(current)


def _tee(
    request: Request, on_data: Callable[[bytes], None], on_end: Callable[[], None] = lambda: None
) -> Request:
    """Wrap the request's body in a :class:`TeeBody`, and return the request itself."""
    current: Request = getattr(request, "_get_current_object", lambda: request)()
    is_parsed = getattr(current, "_form", None) is not None
    if is_parsed and current.mimetype == "multipart/form-data":
        raise RuntimeError(
            "The form was read already: call this before anything reads the request's body, for"
            " example in a before_request function."
        )
    current.body = TeeBody(current.body, on_data, on_end)
    return current


async def _read_body(request: Request) -> None:
    """Read the whole body. ``get_data()`` may return nothing if a form was parsed, as in Flask."""
    try:
        await await_within(request.body_timeout, _receive_all(request))
    except TimeoutError as error:
        raise RequestTimeout from error


async def _receive_all(request: Request) -> None:
    await request.body


def _new_hash(algorithm: str) -> _Hash:
    """Return a new hash object, also for SHA-1 and MD5 where they are disabled for security."""
    try:
        new = hashlib.new(algorithm, usedforsecurity=False)
    except ValueError as error:
        names = ", ".join(sorted(hashlib.algorithms_guaranteed))
        raise ValueError(f"hashlib doesn't have {algorithm!r} here: use one of {names}.") from error
    if not new.digest_size:
        raise ValueError(f"{algorithm!r} has no fixed digest length: use another one, as sha256.")
    return new


def _declared_digests(request: Request, header: str) -> Iterator[tuple[str, str, bytes, _Hash]]:
    """Yield each digest that can be verified: header, algorithm, value, and hash of the body.

    Raises:
        DigestError: The header is not a dictionary of byte sequences (RFC 9651).
    """
    # A repeated header is one list (RFC 9651, section 4.2).
    value = ", ".join(request.headers.getlist(header))
    invalid = DigestError(f"{header} is invalid: write sha-256=:digest in base64:")
    try:
        parsed = http_sf.parse(value.encode("latin-1", "replace"), tltype="dictionary")
    except ValueError as error:
        raise invalid from error
    for algorithm, member in cast("dict[str, Any]", parsed).items():
        if algorithm in ALGORITHMS:
            if not isinstance(member[0], bytes):
                raise invalid
            yield header, algorithm, member[0], _new_hash(ALGORITHMS[algorithm])
