"""What is kept of an answer, under which key, and which answers are nobody's but one's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from typing import Protocol
from typing import Self
from typing import cast

from quart import Response
from quart import current_app
from quart import request
from quart.globals import request_ctx
from quart.typing import ResponseTypes
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy

__all__ = ["Entry", "Store", "is_shared", "keepable", "request_key", "session_watch"]

# No part of what is sent again: of the connection (RFC 9110 7.6.1), or of one moment.
_OF_ONE_ANSWER = frozenset({"age", "connection", "date", "keep-alive", "transfer-encoding"})


class Store(Protocol):
    """What keeps entries: ``cashews.Cache``, or anything with these two methods."""

    async def get(self, key: str, default: Any = None) -> Any:
        """The value under *key*."""

    async def set(self, key: str, value: Any, expire: Any = None) -> Any:
        """Keep *value* for *expire* seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer, apart from the request it was made for.

    A response object would be shared by all who get it, with what is added to it later: the
    session cookie of the first.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def pack(self) -> bytes:
        """As bytes, which every back end keeps without pickling them."""
        return json.dumps([self.status, self.headers]).encode() + b"\n" + self.body

    @classmethod
    def unpack(cls, packed: Any) -> Self | None:
        """What :meth:`pack` made of an entry, or ``None`` for anything else."""
        if not isinstance(packed, bytes):
            return None
        head, found, body = packed.partition(b"\n")
        try:
            status, headers = json.loads(head) if found else (None, ())
            pairs = tuple((str(name), str(value)) for name, value in headers)
        except (TypeError, ValueError):
            return None
        return cls(status, pairs, body) if isinstance(status, int) else None

    @classmethod
    def of(cls, response: ResponseTypes, body: bytes) -> Self:
        """The entry for *response*, whose body is *body*."""
        pairs = tuple(
            (name, value)
            for name, value in response.headers.items()
            if name.lower() not in _OF_ONE_ANSWER
        )
        return cls(response.status_code, pairs, body)

    def response(self) -> Response:
        """A response of its own for everybody who asks."""
        make: Any = current_app.response_class
        made: Response = make(self.body, self.status)
        made.headers = Headers(list(self.headers))
        return made


def request_key(prefix: str, name: str, vary: Collection[str]) -> str:
    """The key of the answer to the current request.

    It begins with *prefix*, in which ``{}`` is the path, so that the answers of a path can be
    deleted by a pattern. The rest is a digest of all that tells two answers apart: the
    view, scheme, host, method, mount point, path, query, and the headers in *vary*. As a digest
    it keeps cookies out of the keys.
    """
    told_apart = [
        name,
        request.scheme,
        request.host,
        request.method,
        request.root_path,
        request.path,
        request.query_string.decode("latin-1"),
        [request.headers.getlist(header) for header in vary],
    ]
    digest = hashlib.sha256(json.dumps(told_apart).encode()).hexdigest()
    return f"{prefix.format(request.path)}:{digest}"


def is_shared(vary: Collection[str]) -> bool:
    """Whether the answer to the current request can be one that others get, too.

    It can't where the request brings a session or credentials, unless *vary* names their header.
    """
    if "authorization" not in vary and "Authorization" in request.headers:
        return False
    cookie = current_app.session_interface.get_cookie_name(current_app)
    return "cookie" in vary or cookie not in request.cookies


def keepable(response: ResponseTypes, vary: Collection[str]) -> bool:
    """Whether *response* is for all who send the same headers *vary*, and no error."""
    told = response.cache_control
    return (
        200 <= response.status_code < 400
        and response.status_code not in (206, 304)
        and "Set-Cookie" not in response.headers
        and {header.lower() for header in response.vary} <= set(vary)
        and not told.no_store
        and not told.private
    )


@dataclass(slots=True)
class Watch:
    """What has happened to the session."""

    session: Any
    touched: bool = False

    def touch(self) -> Any:
        """The session, for whoever asks."""
        self.touched = True
        return self.session

    @property
    def changed(self) -> bool:
        """Whether it was changed in this request, also before the watch: a cookie will follow."""
        return bool(self.session.modified)


@contextmanager
def session_watch() -> Generator[Watch]:
    """Watch the session of the current request."""
    context: Any = cast(Any, request_ctx)._get_current_object()
    # Where it is a property that counts (FaithfulQuart), what it holds is put aside.
    held = cast("dict[str, Any]", vars(context))
    place = "_session" if "_session" in held else "session"
    watch = Watch(held[place])
    setattr(context, place, LocalProxy(watch.touch))
    try:
        yield watch
    finally:
        setattr(context, place, watch.session)
