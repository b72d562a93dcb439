"""What a store keeps under a key, and how it is written where others could write, too."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from quartpatterns.caching.entries import Entry
from quartpatterns.caching.values import Value

__all__ = ["Packer", "Payload", "Record", "pack_entry", "unpack_entry"]

Payload = Entry | Value | None
"""An answer, a value, or ``None``: what is made under this key is not for others."""

_SIGNATURE = 16  # bytes


@dataclass(frozen=True, slots=True)
class Record:
    """Something that is kept.

    Arguments:
        payload: What it is.
        tokens: What the versions it depends on were when it was made; it counts for as long as
            they are still the same.
        fresh_until: When it should be made anew, by the clock of its store.
    """

    payload: Payload
    tokens: tuple[str, ...] = ()
    fresh_until: float = 0.0


class Packer:
    """Records as bytes, signed where there is a secret.

    The signature covers the key, so that an entry can't be moved to another one. What can't be
    read, or was not signed by this application, is no record.

    Arguments:
        secret: Gives the secret, or nothing; asked when something is packed, as the
            configuration may come late.
        pickles: Whether values may be pickles; never without a secret.
    """

    def __init__(self, secret: Callable[[], str | bytes | None], *, pickles: bool = False) -> None:
        self._secret = secret
        self._pickles = pickles

    def pack(self, key: str, record: Record) -> bytes:
        """*record* as bytes, to be kept under *key*.

        Raises:
            RuntimeError: It is a pickle, and there is no secret to sign it with.
        """
        body = _written(record)
        signing = self._key()
        if signing is None:
            if isinstance(record.payload, Value) and record.payload.pickled:
                raise RuntimeError("CACHE_SERIALIZER = 'pickle' needs a SECRET_KEY to sign with")
            return bytes(_SIGNATURE) + body
        return _signature(signing, key, body) + body

    def unpack(self, key: str, data: Any) -> Record | None:
        """What :meth:`pack` made of a record, or ``None`` for anything else."""
        if not isinstance(data, bytes) or len(data) < _SIGNATURE:
            return None
        given, body = data[:_SIGNATURE], data[_SIGNATURE:]
        signing = self._key()
        signed = bytes(_SIGNATURE) if signing is None else _signature(signing, key, body)
        if not hmac.compare_digest(given, signed):
            return None
        record = _read(body)
        if record and isinstance(record.payload, Value) and record.payload.pickled:
            return record if self._pickles and signing is not None else None
        return record

    def _key(self) -> bytes | None:
        secret = self._secret()
        if not secret:
            return None
        data = secret.encode() if isinstance(secret, str) else secret
        return hashlib.blake2b(data, person=b"quart cache", digest_size=64).digest()


def pack_entry(payload: Payload) -> bytes:
    """An answer as bytes, or the mark of one that could not be shared."""
    if not isinstance(payload, Entry):
        return b"own"
    return json.dumps([payload.status, payload.headers]).encode() + b"\n" + payload.body


def unpack_entry(packed: Any) -> Record | None:
    """A record of what :func:`pack_entry` made, or ``None`` for anything else."""
    if packed == b"own":
        return Record(None)
    if not isinstance(packed, bytes):
        return None
    head, found, body = packed.partition(b"\n")
    try:
        entry = _entry(*json.loads(head), body=body) if found else None
    except (TypeError, ValueError):
        return None
    return None if entry is None else Record(entry)


def _signature(signing: bytes, key: str, body: bytes) -> bytes:
    name = key.encode(errors="surrogatepass")
    digest = hashlib.blake2b(key=signing, digest_size=_SIGNATURE)
    digest.update(len(name).to_bytes(8, "big") + name)
    digest.update(body)
    return digest.digest()


def _written(record: Record) -> bytes:
    head: list[Any] = [record.fresh_until, record.tokens]
    payload = record.payload
    if isinstance(payload, Entry):
        head += ["entry", payload.status, payload.headers]
        data = payload.body
    elif payload is None:
        head.append("own")
        data = b""
    else:
        head.append("pickle" if payload.pickled else "json")
        data = payload.data
    return json.dumps(head).encode() + b"\n" + data


def _read(body: bytes) -> Record | None:
    head, _, data = body.partition(b"\n")
    try:
        fresh_until, tokens, kind, *rest = json.loads(head)
        payload: Payload = None
        if kind == "entry":
            payload = _entry(*rest, body=data)
        elif kind != "own":
            payload = Value(data, pickled=kind == "pickle")
        return Record(payload, tuple(map(str, tokens)), float(fresh_until))
    except (TypeError, ValueError, RecursionError):
        return None


def _entry(status: object, headers: object, *, body: bytes) -> Entry:
    pairs = cast("list[tuple[object, object]]", headers)
    if not isinstance(status, int):
        raise TypeError("a status is a number")
    return Entry(status, tuple((str(name), str(value)) for name, value in pairs), body)
