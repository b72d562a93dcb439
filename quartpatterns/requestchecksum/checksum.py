"""The checksum of a request's body, whoever reads it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from quart import Request

from quartpatterns.requestchecksum.observed import observe

if TYPE_CHECKING:
    from _hashlib import HASH

__all__ = ["Checksum", "generate_checksum", "new_hash"]


class Checksum:
    """A hash of everything that a client sends, with the names of :mod:`hashlib`'s, awaited.

    Arguments:
        request: The request; its body is read where nobody else does.
        algorithm: As for :func:`generate_checksum`.
    """

    def __init__(self, request: Request, algorithm: str) -> None:
        self._hash = new_hash(algorithm)
        self._request = observe(request, self._hash.update)

    @property
    def name(self) -> str:
        """The algorithm."""
        return self._hash.name

    async def digest(self) -> bytes:
        """The digest of the whole body.

        What nobody has read so far is read now, and kept for who reads it later, within the limit
        and the time that the application has for bodies.

        Raises:
            RequestEntityTooLarge: The body is longer than ``MAX_CONTENT_LENGTH``.
            RequestTimeout: It did not arrive within ``BODY_TIMEOUT`` seconds.
        """
        await self._request.get_data(cache=True, as_text=False, parse_form_data=False)
        return self._hash.digest()

    async def hexdigest(self) -> str:
        """The same as :meth:`digest`, in hexadecimal."""
        return (await self.digest()).hex()


def generate_checksum(request: Request, algorithm: str = "sha1") -> Checksum:
    """Compute the checksum of *request*'s body while it is read.

    Call it before anything reads the body. From then on every byte is counted once, however often
    it is read and in whatever way: as a form, files, data, JSON, chunk by chunk, or not at all.

    Arguments:
        request: Quart's request, or its proxy.
        algorithm: A name that :func:`hashlib.new` knows, and whose digests have one length.

    Raises:
        RuntimeError: A multipart form has been read, and its bytes are gone.
        ValueError: There is no such algorithm.

    See Flask's page "Request Content Checksums".
    """
    return Checksum(request, algorithm)


def new_hash(algorithm: str) -> HASH:
    """A new hash; SHA-1 and MD5 too where the machine keeps them from what needs security.

    Raises:
        ValueError: There is no such algorithm, or its digests have no length of their own.
    """
    try:
        made = hashlib.new(algorithm, usedforsecurity=False)
    except ValueError as error:
        raise ValueError(
            f"{algorithm!r} is no algorithm that hashlib knows here: use one of"
            f" {', '.join(sorted(hashlib.algorithms_guaranteed))}"
        ) from error
    if not made.digest_size:
        raise ValueError(
            f"{algorithm!r} makes digests of any length: use one with a length, sha256"
        )
    return made
