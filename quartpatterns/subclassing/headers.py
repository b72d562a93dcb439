"""Header names, decoded and encoded once for the life of the process.

Quart title-cases and lowers every header of every request and response. A site meets a few dozen
names, so that both directions are looked up. The tables are bounded: a client may invent names.
"""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import Headers

__all__ = ["RequestHeaders", "decode_name", "encode_headers", "encode_name", "request_headers"]

# Names that a client invents push others out, they do not grow the table.
NAMES = 1024


@lru_cache(NAMES)
def decode_name(name: bytes) -> str:
    """The name of a request's header as WSGI gives it: ``b"x-id"`` is ``X-Id``."""
    return name.decode("latin1").title()


@lru_cache(NAMES)
def encode_name(name: str) -> bytes:
    """The name of a response's header as ASGI wants it: ``X-Id`` is ``b"x-id"``."""
    return name.lower().encode()


class RequestHeaders(Headers):
    """Headers that know at once which names they lack.

    Werkzeug makes an exception with a page for every name that it does not find, and most of
    what is asked of a request's headers is not there.
    """

    _size = -1

    def lacks(self, key: str) -> bool:
        """Whether there is no header of that name; a look-up where nothing was added since."""
        if len(self._list) != self._size:
            self._size = len(self._list)
            self._names = {name.lower() for name, _ in self._list}
        return key.lower() not in self._names

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and not self.lacks(key) and super().__contains__(key)

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]
        """The first value of that name, or *default*."""
        return default if self.lacks(key) else super().get(key, default, type)

    def getlist(self, key: str, type: Any = None) -> Any:
        """All values of that name."""
        return [] if self.lacks(key) else super().getlist(key, type)


def request_headers(raw: Iterable[tuple[bytes, bytes]]) -> RequestHeaders:
    """What the client sent, and nothing else: Quart adds a ``Remote-Addr`` (row 19).

    The list is put in place at once. ``Headers.add`` would search each value for line breaks,
    which a server has already refused.
    """
    headers = RequestHeaders()
    headers._list = [(decode_name(name), value.decode("latin1")) for name, value in raw]
    return headers


def encode_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers of a response in ASGI's form."""
    return [(encode_name(name), value.encode()) for name, value in headers]
