"""JSON web signatures with the API that itsdangerous had until version 2.0.

itsdangerous 2.1 has no ``JSONWebSignatureSerializer`` and ``TimedJSONWebSignatureSerializer``.
The classes here create the same tokens, so that those which users have stay valid.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from itsdangerous import (
    BadData,
    BadHeader,
    BadPayload,
    BadSignature,
    HMACAlgorithm,
    NoneAlgorithm,
    SignatureExpired,
    Signer,
    base64_decode,
    base64_encode,
)

__all__ = ["JSONWebSignatureSerializer", "TimedJSONWebSignatureSerializer"]


class JSONWebSignatureSerializer:
    """Serializes values as JSON web signatures: header, payload and signature (RFC 7515).

    .. versionadded:: 0.1

    Arguments:
        secret_key: The key, or several, of which the last one signs.
        salt: A name for this kind of token. Tokens of other kinds are not accepted.
        algorithm_name: ``HS256``, ``HS384``, ``HS512`` or ``none``. The default is ``HS512``.

    Raises:
        NotImplementedError: There is no algorithm with this name.
    """

    jws_algorithms: ClassVar[dict[str, Any]] = {
        "HS256": HMACAlgorithm(hashlib.sha256),
        "HS384": HMACAlgorithm(hashlib.sha384),
        "HS512": HMACAlgorithm(hashlib.sha512),
        "none": NoneAlgorithm(),
    }
    default_algorithm = "HS512"

    def __init__(
        self,
        secret_key: str | bytes | Iterable[str] | Iterable[bytes],
        salt: str | bytes | None = None,
        *,
        algorithm_name: str | None = None,
    ) -> None:
        self.secret_key = secret_key
        self.salt = salt
        self.algorithm_name = algorithm_name or self.default_algorithm
        if self.algorithm_name not in self.jws_algorithms:
            raise NotImplementedError(f"Algorithm not supported: {self.algorithm_name}")

    def make_header(self, header_fields: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the header of a new token."""
        return {**(header_fields or {}), "alg": self.algorithm_name}

    def dumps(
        self,
        obj: Any,
        salt: str | bytes | None = None,
        header_fields: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return a token for *obj*.

        Arguments:
            obj: What :func:`json.dumps` can serialize.
            salt: A salt instead of the one of this serializer.
            header_fields: More fields for the header.
        """
        parts = (_encode(self.make_header(header_fields)), _encode(obj))
        return _Token(self._signer(salt).sign(b".".join(parts)))

    def loads(
        self, s: str | bytes, salt: str | bytes | None = None, return_header: bool = False
    ) -> Any:
        """Return the value of a token, or with *return_header* a tuple of value and header.

        Raises:
            itsdangerous.BadSignature: The token was not signed with this key and algorithm.
            itsdangerous.BadData: It is no JSON web signature.
        """
        header, separator, payload = self._signer(salt).unsign(s).partition(b".")
        if not separator:
            raise BadPayload('No "." found in value')
        decoded = _decode(header, BadHeader)
        if not isinstance(decoded, dict):
            raise BadHeader("Header payload is not a JSON object", header=decoded)
        fields = cast("dict[str, Any]", decoded)
        value = _decode(payload, BadPayload)
        if fields.get("alg") != self.algorithm_name:
            raise BadHeader("Algorithm mismatch", header=fields, payload=value)
        return (value, fields) if return_header else value

    def _signer(self, salt: str | bytes | None) -> Signer:
        salt = self.salt if salt is None else salt
        return Signer(
            self.secret_key,
            salt=salt,
            key_derivation="none" if salt is None else None,
            algorithm=self.jws_algorithms[self.algorithm_name],
        )


class TimedJSONWebSignatureSerializer(JSONWebSignatureSerializer):
    """JSON web signatures that expire: their headers have ``iat`` and ``exp``.

    .. versionadded:: 0.1

    Arguments:
        secret_key: The key, or several, of which the last one signs.
        expires_in: How long a token is valid, in seconds. The default is an hour.
        salt: A name for this kind of token. Tokens of other kinds are not accepted.
        algorithm_name: ``HS256``, ``HS384``, ``HS512`` or ``none``. The default is ``HS512``.
    """

    DEFAULT_EXPIRES_IN = 3600

    def __init__(
        self,
        secret_key: str | bytes | Iterable[str] | Iterable[bytes],
        expires_in: int | None = None,
        *,
        salt: str | bytes | None = None,
        algorithm_name: str | None = None,
    ) -> None:
        super().__init__(secret_key, salt, algorithm_name=algorithm_name)
        self.expires_in = self.DEFAULT_EXPIRES_IN if expires_in is None else expires_in

    def now(self) -> int:
        """Return the time in seconds since 1970."""
        return int(time.time())

    def make_header(self, header_fields: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the header of a new token."""
        now = self.now()
        return {**super().make_header(header_fields), "iat": now, "exp": now + self.expires_in}

    def loads(
        self, s: str | bytes, salt: str | bytes | None = None, return_header: bool = False
    ) -> Any:
        """Return the value of a token, or with *return_header* a tuple of value and header.

        Raises:
            itsdangerous.SignatureExpired: The token is too old.
            itsdangerous.BadSignature: The token was not signed with this key and algorithm.
            itsdangerous.BadData: It is no JSON web signature.
        """
        value, header = super().loads(s, salt, return_header=True)
        if "exp" not in header:
            raise BadSignature("Missing expiry date", payload=value)
        try:
            expires = int(header["exp"])
        except (TypeError, ValueError) as error:
            raise BadHeader("Expiry date is not an IntDate", header=header) from error
        if expires < self.now():
            raise SignatureExpired(
                "Signature expired", payload=value, date_signed=self.get_issue_date(header)
            )
        return (value, header) if return_header else value

    def get_issue_date(self, header: Mapping[str, Any]) -> datetime | None:
        """Return when a token was created; None if the header does not say it."""
        issued = header.get("iat")
        return datetime.fromtimestamp(issued, UTC) if isinstance(issued, int) else None


class _Token(bytes):
    """Bytes that are text in a URL, as bytes were until Werkzeug 2."""

    def __str__(self) -> str:
        return self.decode("ascii")


def _encode(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64_encode(text)


def _decode(data: bytes, error: type[BadHeader | BadPayload]) -> Any:
    try:
        return json.loads(base64_decode(data))
    except (ValueError, BadData) as cause:
        raise error("It is not JSON in Base64", original_error=cause) from cause
