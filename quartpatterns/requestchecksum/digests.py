"""What a client declares its request's body to be, held against what arrives (RFC 9530)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from quart import Request
from werkzeug.exceptions import BadRequest

from quartpatterns.requestchecksum.checksum import new_hash
from quartpatterns.requestchecksum.observed import observe

try:
    import http_sf
except ModuleNotFoundError as _missing:
    raise ImportError(
        f"verify_digest needs {_missing.name}: pip install 'quartpatterns[requestchecksum]'",
        name=_missing.name,
    ) from _missing

if TYPE_CHECKING:
    from _hashlib import HASH

__all__ = ["ALGORITHMS", "DigestError", "verify_digest"]

ALGORITHMS: Mapping[str, str] = {"sha-256": "sha256", "sha-512": "sha512"}
"""The names that are verified, and :mod:`hashlib`'s: those that RFC 9530 calls active.

The others of its registry, ``md5`` and ``sha`` among them, don't withstand who wants to deceive.
"""

WANTED = ("Want-Content-Digest", ", ".join(f"{name}=10" for name in ALGORITHMS))


class DigestError(BadRequest):
    """400: the body is not what was declared, or there is no declaration that can be verified.

    The answer says in ``Want-Content-Digest`` which algorithms are (RFC 9530, section 4).
    """

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """The headers of the answer."""
        return [*super().get_headers(*args, **kwargs), WANTED]


@dataclass(frozen=True, slots=True)
class _Digest:
    """One digest that a header declares, and the hash of what arrives."""

    field: str
    algorithm: str
    value: bytes
    hash: HASH

    def verify(self) -> None:
        if self.hash.digest() != self.value:
            raise DigestError(
                f"The {self.algorithm} of the content received is not the one in {self.field}:"
                " compute it over the bytes that are sent, or send them again."
            )


async def verify_digest(
    request: Request, *, required: bool = False, streaming: bool = False
) -> None:
    """Answer 400 where the body is not what ``Content-Digest`` or ``Repr-Digest`` declare.

    Await it before the view does anything, or in a ``before_request`` function: the whole body is
    read, and kept for the view. All digests that can be verified must be right; algorithms beyond
    :data:`ALGORITHMS` are ignored, as RFC 9530 has it. ``Repr-Digest`` speaks of a whole
    representation, and is ignored where ``Content-Range`` says that this is a part of one.

    Arguments:
        request: Quart's request, or its proxy.
        required: Answer 400 too where no digest can be verified.
        streaming: Read nothing now: who reads the body to its end, in whatever way, gets the
            400 in place of the end. For uploads that are larger than the memory: undo, or do
            not yet commit, what was done with the bytes until then.

    Raises:
        DigestError: The body is not what was declared, or a header can't be understood.
        RuntimeError: A multipart form has been read, and its bytes are gone.
        RequestEntityTooLarge: The body is longer than ``MAX_CONTENT_LENGTH``.
        RequestTimeout: It did not arrive within ``BODY_TIMEOUT`` seconds.
    """
    digests = [*_declared(request, "Content-Digest")]
    if "Content-Range" not in request.headers:
        digests += _declared(request, "Repr-Digest")
    if not digests:
        if required:
            raise DigestError("Send the digest of the content in the header Content-Digest.")
        return

    def seen(data: bytes) -> None:
        for digest in digests:
            digest.hash.update(data)

    def ended() -> None:
        for digest in digests:
            digest.verify()

    found = observe(request, seen, ended)
    if not streaming:
        await found.get_data(cache=True, as_text=False, parse_form_data=False)


def _declared(request: Request, field: str) -> Iterator[_Digest]:
    """The digests in the header *field* that can be verified."""
    for key, member in _dictionary(request, field).items():
        if key in ALGORITHMS:
            value: Any = member[0]
            if not isinstance(value, bytes):
                raise _malformed(field)
            yield _Digest(field, key, value, new_hash(ALGORITHMS[key]))


def _dictionary(request: Request, field: str) -> dict[str, Any]:
    """The header *field* as a dictionary, in one piece where it is repeated (RFC 9651, 4.2)."""
    value = ", ".join(request.headers.getlist(field))
    try:
        parsed = http_sf.parse(value.encode("latin-1", "replace"), tltype="dictionary")
    except ValueError as error:
        raise _malformed(field) from error
    return cast("dict[str, Any]", parsed)


def _malformed(field: str) -> DigestError:
    return DigestError(f"{field} can't be read: it looks like sha-256=:base64 of the digest:")
