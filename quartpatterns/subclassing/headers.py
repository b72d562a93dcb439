"""Headers as ASGI has them: pairs of bytes in Latin-1, as WSGI prescribes (PEP 3333)."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import Headers

__all__ = ["RequestHeaders", "encode_headers", "parse_headers"]

# A request that repeats one of these headers is ambiguous: a proxy may use another value than the
# application. gunicorn refuses the same three.
SINGLE = frozenset({"Content-Length", "Content-Type", "Host"})
SEPARATORS = {"Cookie": "; "}


@lru_cache(1024)
def _decode_header_name(name: bytes) -> str:
    """Return ``X-Id`` for ``b"x-id"``, as WSGI spells it.

    A site receives a few dozen names. The cache has a limit, because a client can invent names.
    """
    return name.decode("latin1").title()


class _List:
    """The attribute ``_list`` of :class:`RequestHeaders`, which is made when it is first read."""

    def __get__(self, headers: RequestHeaders, owner: type) -> list[tuple[str, str]]:
        if (values := headers.values_by_name) is not None:
            headers._list = list(values.items())
            # Werkzeug's methods can change the list, so the dictionary is no longer used.
            headers.values_by_name = None
        pairs: list[tuple[str, str]] = headers.__dict__["_list"]
        return pairs


class RequestHeaders(Headers):
    """The headers of a request, with one value for each name, as in a WSGI environment.

    The usual look-ups read a dictionary. Most names that are looked up are absent, and for each of
    them Werkzeug searches its list and creates an exception. The first use of any other method
    creates Werkzeug's list, which replaces the dictionary.

    Arguments:
        defaults: Headers in a form that :class:`werkzeug.datastructures.Headers` accepts.

    Attributes:
        values_by_name: The values, or ``None`` when the list has replaced them.
        repeated: The names of the repeated headers that must not be repeated.
    """

    _list: Any = _List()
    values_by_name: dict[str, str] | None = None
    repeated: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values_by_name: dict[str, str]) -> RequestHeaders:
        """Return headers with these values. Names are spelt as in ``X-Id``."""
        headers = cls.__new__(cls)
        headers.values_by_name = values_by_name
        return headers

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str) and (value := self.get(key)) is not None:
            return value
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        if (values := self.values_by_name) is not None and isinstance(key, str):
            return key in values or key.title() in values
        return super().__contains__(key)  # type: ignore[operator]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        if (values := self.values_by_name) is not None:
            return iter(values.items())
        return super().__iter__()

    def __len__(self) -> int:
        return super().__len__() if (values := self.values_by_name) is None else len(values)

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]
        """Return the value of that name, or *default*."""
        if type is None and (values := self.values_by_name) is not None:
            return values[key] if key in values else values.get(key.title(), default)
        inherited: Any = super().get
        return inherited(key, default, type)

    def getlist(self, key: str, type: Any = None) -> Any:
        """Return the values of that name. A received header has one value."""
        if type is None and self.values_by_name is not None:
            value = self.get(key)
            return [] if value is None else [value]
        inherited: Any = super().getlist
        return inherited(key, type)


def parse_headers(raw: Iterable[tuple[bytes, bytes]]) -> RequestHeaders:
    """Return the headers that the client sent. Quart would add a ``Remote-Addr``.

    The values of a repeated header are joined with a comma, as in WSGI (RFC 9110, section 5.2),
    and those of ``Cookie`` with a semicolon (RFC 9113, section 8.2.3).
    """
    # The server has checked the values for line breaks. Headers.add() would check them again.
    pairs = raw if isinstance(raw, list) else list(raw)
    values = {_decode_header_name(name): value.decode("latin1") for name, value in pairs}
    return RequestHeaders.from_dict(values) if len(values) == len(pairs) else _join_headers(pairs)


def _join_headers(raw: list[tuple[bytes, bytes]]) -> RequestHeaders:
    found: dict[str, list[str]] = {}
    for raw_name, raw_value in raw:
        # The values are joined once: joining one by one copies the growing value each time.
        found.setdefault(_decode_header_name(raw_name), []).append(raw_value.decode("latin1"))
    headers = RequestHeaders.from_dict(
        {
            name: values[0] if name in SINGLE else SEPARATORS.get(name, ", ").join(values)
            for name, values in found.items()
        }
    )
    headers.repeated = tuple(name for name in found if name in SINGLE and len(found[name]) > 1)
    return headers


@lru_cache(1024)
def _encode_header_name(name: str) -> bytes:
    """Return ``b"x-id"`` for ``X-Id``. A site sends a few dozen names."""
    return name.lower().encode("latin1")


def encode_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI needs them, in Latin-1, without spaces around the values.

    Latin-1 is what WSGI prescribes (PEP 3333), and what a request's headers are decoded with.

    Raises:
        ValueError: A name or value is not Latin-1. The error names it.
    """
    try:
        return [
            (_encode_header_name(name), value.encode("latin1").strip(b" \t"))
            for name, value in headers._list
        ]
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the response header {_not_latin1(headers)} has characters that are not Latin-1:"
            " percent-encode them with urllib.parse.quote(), and decode them in the client"
        ) from error


def _not_latin1(headers: Headers) -> str:
    for name, value in headers:
        try:
            f"{name}{value}".encode("latin1")
        except UnicodeEncodeError:
            return repr(name)
    return ""
