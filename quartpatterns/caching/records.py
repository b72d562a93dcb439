"""What a store holds under a key, and its signed serialization."""

from __future__ import annotations

import hashlib
import hmac
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from quartpatterns._shared import tagged_json
from quartpatterns.caching.errors import UncacheableError

__all__ = [
    "Payload",
    "Record",
    "RecordSerializer",
    "StoredResponse",
    "StoredValue",
    "ValueFormat",
    "decode_value",
    "encode_value",
]

_SIGNATURE_SIZE = 16  # bytes
_REMEDY = (
    "use strings, numbers, lists and dictionaries of these, or set CACHE_SERIALIZER = 'pickle' and"
    " a SECRET_KEY"
)


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A serialized value.

    Arguments:
        data: The value as tagged JSON or as a pickle.
        pickled: Whether *data* is a pickle. A pickle is only loaded if its signature is valid.
    """

    data: bytes
    pickled: bool = False


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response without the request that it was made for.

    Arguments:
        status: The status.
        headers: The headers.
        body: The body.
        absent: What the view looked for in the request and did not find, as names of
            :class:`~quartpatterns.caching.request_reads.RequestReads`. Only requests that lack it
            as well get the response.
        marker: The random text in the marks of parts for each visitor.
        parts: The templates of these parts, and their variables as JSON.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    absent: tuple[str, ...] = ()
    marker: str = ""
    parts: tuple[tuple[str, str], ...] = ()


Payload = StoredResponse | StoredValue | None
"""A response, a value, or ``None`` as a marker: the result under this key is not shareable."""


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of a store.

    Arguments:
        payload: The result.
        tokens: The tokens of the versions that the result depends on. The record is valid as long
            as the store has the same tokens for these versions.
        fresh_until: When the result becomes stale, on the clock of the store.
    """

    payload: Payload
    tokens: tuple[str, ...] = ()
    fresh_until: float = 0.0


@dataclass(frozen=True, slots=True)
class ValueFormat:
    """How values are serialized.

    Arguments:
        pickled: Whether as a pickle; otherwise as
            :mod:`tagged JSON <quartpatterns._shared.tagged_json>`.
        serializer: An object with ``dumps`` and ``loads`` that serializes instead.
        cache_none: Whether ``None`` is stored.
    """

    pickled: bool = False
    serializer: Any = None
    cache_none: bool = False

    def encode(self, value: Any) -> StoredValue:
        """Return the serialized value; see :func:`encode_value`."""
        return encode_value(value, pickled=self.pickled, serializer=self.serializer)


def encode_value(value: Any, *, pickled: bool = False, serializer: Any = None) -> StoredValue:
    """Serialize a value, as :mod:`tagged JSON <quartpatterns._shared.tagged_json>` or as a pickle.

    Arguments:
        value: The value.
        pickled: Whether to make a pickle.
        serializer: An object whose ``dumps(value)`` returns bytes, to use instead. Its bytes are
            treated like a pickle, because the serializers of cachelib make one.

    Raises:
        UncacheableError: The serialization does not support the value.
    """
    if serializer is not None:
        try:
            data = serializer.dumps(value)
        except Exception as error:
            raise UncacheableError(f"CACHE_SERIALIZER can't store the value: {error}") from error
        if not isinstance(data, bytes):
            raise UncacheableError(f"CACHE_SERIALIZER must return bytes, not {data!r:.100}")
        return StoredValue(data, pickled=True)
    try:
        if pickled:
            return StoredValue(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), pickled=True)
        return StoredValue(tagged_json.dumps(value).encode())
    except RecursionError as error:
        raise UncacheableError(f"the value is nested too deeply: {_REMEDY}") from error
    except (TypeError, ValueError, AttributeError, pickle.PicklingError) as error:
        raise UncacheableError(f"the value can't be stored ({error}): {_REMEDY}") from error


def decode_value(value: StoredValue, serializer: Any = None) -> Any:
    """Return the value that :func:`encode_value` has serialized.

    Raises:
        ValueError: The data is invalid. The caller treats that as a cache miss.
    """
    try:
        if value.pickled:
            return (pickle if serializer is None else serializer).loads(value.data)
        return tagged_json.loads(value.data)
    except Exception as error:
        # Loading a pickle can raise any error, for example if its class no longer exists.
        raise ValueError(f"a stored value can't be read: {error}") from error


class RecordSerializer:
    """Serializes records, and signs them if the application has a secret key.

    The signature covers the key, so that nobody can move a record to another key. Data with an
    invalid signature or format is treated as missing.

    Arguments:
        secret_key: Returns the secret key, or a false value if there is none. It is called each
            time, because an application may set its key late.
        pickles: Whether pickles are loaded. Without a secret key they never are.
    """

    def __init__(
        self, secret_key: Callable[[], str | bytes | None], *, pickles: bool = False
    ) -> None:
        self._secret_key = secret_key
        self._pickles = pickles

    def dumps(self, key: str, record: Record) -> bytes:
        """Return *record* as bytes, signed for *key*.

        Raises:
            RuntimeError: The value is a pickle, and there is no secret key to sign it with.
        """
        body = _serialize(record)
        signing_key = self._signing_key()
        if signing_key is None:
            if isinstance(record.payload, StoredValue) and record.payload.pickled:
                raise RuntimeError("CACHE_SERIALIZER = 'pickle' needs a SECRET_KEY to sign with")
            return bytes(_SIGNATURE_SIZE) + body
        return _signature(signing_key, key, body) + body

    def loads(self, key: str, data: Any) -> Record | None:
        """Return the record in *data*, or ``None`` if the data is invalid."""
        if not isinstance(data, bytes) or len(data) < _SIGNATURE_SIZE:
            return None
        signature, body = data[:_SIGNATURE_SIZE], data[_SIGNATURE_SIZE:]
        signing_key = self._signing_key()
        expected = bytes(_SIGNATURE_SIZE)
        if signing_key is not None:
            expected = _signature(signing_key, key, body)
        if not hmac.compare_digest(signature, expected):
            return None
        record = _deserialize(body)
        if record and isinstance(record.payload, StoredValue) and record.payload.pickled:
            return record if self._pickles and signing_key is not None else None
        return record

    def _signing_key(self) -> bytes | None:
        secret = self._secret_key()
        if not secret:
            return None
        data = secret.encode() if isinstance(secret, str) else secret
        return hashlib.blake2b(data, person=b"quart cache", digest_size=64).digest()


def _signature(signing_key: bytes, key: str, body: bytes) -> bytes:
    name = key.encode(errors="surrogatepass")
    signature = hashlib.blake2b(key=signing_key, digest_size=_SIGNATURE_SIZE)
    signature.update(len(name).to_bytes(8, "big") + name)
    signature.update(body)
    return signature.digest()


def _serialize(record: Record) -> bytes:
    """Return one line of JSON, and the bytes of the body or value after it."""
    head: list[Any] = [record.fresh_until, record.tokens]
    payload = record.payload
    if isinstance(payload, StoredResponse):
        head += ["response", payload.status, payload.headers, payload.absent]
        head += [payload.marker, payload.parts]
        data = payload.body
    elif payload is None:
        head.append("not shareable")
        data = b""
    else:
        head.append("pickle" if payload.pickled else "json")
        data = payload.data
    return json.dumps(head).encode() + b"\n" + data


def _deserialize(body: bytes) -> Record | None:
    head, _, data = body.partition(b"\n")
    try:
        fresh_until, tokens, kind, *rest = json.loads(head)
        payload: Payload = None
        if kind == "response":
            payload = _response(*rest, body=data)
        elif kind != "not shareable":
            payload = StoredValue(data, pickled=kind == "pickle")
        return Record(payload, tuple(map(str, tokens)), float(fresh_until))
    except (TypeError, ValueError, RecursionError):
        return None


def _response(
    status: object, headers: object, absent: object, marker: object, parts: object, *, body: bytes
) -> StoredResponse:
    pairs = cast("list[tuple[object, object]]", headers)
    if not isinstance(status, int):
        raise TypeError("a status must be an integer")
    fields = tuple((str(name), str(value)) for name, value in pairs)
    names = tuple(map(str, cast("list[object]", absent)))
    templates = cast("list[tuple[object, object]]", parts)
    stored = tuple((str(name), str(variables)) for name, variables in templates)
    return StoredResponse(status, fields, body, names, str(marker), stored)
