"""What is kept of an answer, and which answers are nobody's but one's."""

# Werkzeug's headers have no public way in that does not check each of them again.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

from quart import Request, Response, current_app
from quart.globals import request_ctx
from quart.typing import ResponseTypes
from quart.wrappers.response import DataBody
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy

__all__ = [
    "Entry",
    "Watch",
    "body_of",
    "entity_tag",
    "is_error",
    "is_shared",
    "keepable",
    "session_watch",
]

# No part of what is sent again: of the connection (RFC 9110 7.6.1), or of one moment.
_OF_ONE_ANSWER = frozenset({"age", "connection", "date", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer, apart from the request it was made for.

    A response object would be shared by all who get it, with what is added to it later: the
    session cookie of the first.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

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
        made: Response = make("", self.status)
        made.response = made.data_body_class(self.body)
        # They were checked when they were given to the first response.
        made.headers = Headers()
        made.headers._list = list(self.headers)
        return made


def entity_tag(body: bytes) -> str:
    """An ``ETag`` for *body*, without its quotes."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


async def body_of(response: ResponseTypes) -> bytes | None:
    """The body of *response*; ``None`` where it is a stream or a file, which is read but once."""
    if not isinstance(response, Response):
        return response.get_data() if response.is_sequence else None
    if isinstance(response.response, DataBody):
        return response.response.data
    if response.status_code == 204 or 300 <= response.status_code < 400:
        return b""  # Quart makes a stream of no body, too.
    return None


def is_shared(asked: Request, vary: Collection[str]) -> bool:
    """Whether the answer to the request *asked* can be one that others get, too.

    It can't where the request brings a session or credentials, unless *vary* names their header.
    """
    headers = asked.headers
    if "authorization" not in vary and "Authorization" in headers:
        return False
    if "cookie" in vary or "Cookie" not in headers:
        return True
    return current_app.session_interface.get_cookie_name(current_app) not in asked.cookies


def is_error(response: ResponseTypes) -> bool:
    """Whether *response* is an error, a part, or says that nothing has changed."""
    status = response.status_code
    return not 200 <= status < 400 or status in (206, 304)


def keepable(response: ResponseTypes, vary: Collection[str]) -> bool:
    """Whether *response* is for all who send the same headers *vary*."""
    told = response.cache_control
    return (
        "Set-Cookie" not in response.headers
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

    def is_private(self, vary: Collection[str]) -> bool:
        """Whether the session is in the answer, or was changed in this request.

        Also before the watch: a cookie will follow.
        """
        return bool(self.session.modified) or (self.touched and "cookie" not in vary)


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
