"""The test client: rows 21, 34 and 35."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Any

from quart import Response
from quart.globals import (
    _cv_app,  # pyright: ignore[reportPrivateUsage]
    _cv_request,  # pyright: ignore[reportPrivateUsage]
)
from quart.testing import QuartClient, connections
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from quartpatterns.subclassing.context import FaithfulRequestContext

__all__ = ["FaithfulClient", "FaithfulExchange", "Kept", "form_data"]

# Answers that say where to go; with these two the method and the body go along.
REDIRECTS = frozenset({301, 302, 303, 305, 307, 308})
REPEATED = frozenset({307, 308})
BODIES = ("data", "form", "files", "json")


def form_data(data: Mapping[str, Any]) -> tuple[bytes, str]:
    """The body and the content type of a form, as Flask's test client makes them (row 34).

    Arguments:
        data: Values by field name: strings, numbers, lists of them, and files, which are binary
            files, ``FileStorage`` objects, or tuples of a file, its name and its media type.
    """
    builder = EnvironBuilder(method="POST", data=dict(data))
    try:
        environ = builder.get_environ()
        return environ["wsgi.input"].read(), environ["CONTENT_TYPE"]
    finally:
        builder.close()


class Kept(list[FaithfulRequestContext]):
    """The contexts that a client keeps after their requests (row 35)."""

    def __bool__(self) -> bool:
        """True also while it is empty: it is the sign that contexts are to be kept."""
        return True

    async def tear_down(self) -> None:
        """Do what the ends of the requests left undone."""
        while len(self):
            await self.pop().finish()


class FaithfulExchange(connections.TestHTTPConnection):
    """An exchange whose response has the headers that were sent, and no others.

    Quart's sets the ``Content-Length`` to what it received: 0 for ``HEAD``.
    """

    async def as_response(self) -> Response:
        """The response so far."""
        sent = Headers(self.headers or ())
        response = await super().as_response()
        response.headers = sent
        return response


class FaithfulClient(QuartClient):
    """A test client that takes forms as ``data=``, and keeps ``g`` inside ``async with``.

    ``data`` of a request may be a mapping, with files as in Flask; Quart drops it in silence.
    A redirect is followed as Werkzeug's client does: to where it leads and with its own query,
    without a body unless its status is 307 or 308.
    """

    http_connection_class = FaithfulExchange

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tokens: list[Token[Any]] = []

    async def open(self, path: str, *, follow_redirects: bool = False, **options: Any) -> Response:
        """Send a request and receive the whole response.

        Arguments:
            path: The path, with its query where *query_string* is not given.
            follow_redirects: Go on until the response is no redirect.
            options: What :meth:`quart.testing.QuartClient.open` takes, and *content_type*.
        """
        _place_form(options)
        response = await self._exchange(path, **options)
        while follow_redirects and response.status_code in REDIRECTS:
            options.pop("query_string", None)
            if response.status_code not in REPEATED:
                _drop_body(options)
            response = await self._exchange(response.location or "/", **options)
        return response

    async def _exchange(self, path: str, **options: Any) -> Response:
        kept: Any = self.preserve_context
        if not isinstance(kept, Kept):
            return await super().open(path, **options)
        await self._release(kept)
        self._tokens = [_cv_app.set(_cv_app.get(None)), _cv_request.set(_cv_request.get(None))]  # type: ignore[arg-type]
        response = await super().open(path, **options)
        for context in kept:
            context.adopt()
        return response

    async def _release(self, kept: Kept) -> None:
        await kept.tear_down()
        while self._tokens:
            # A fixture may end in another task than the test that made the request.
            with contextlib.suppress(ValueError):
                token = self._tokens.pop()
                token.var.reset(token)

    async def __aenter__(self) -> FaithfulClient:
        await super().__aenter__()
        self.preserve_context = Kept()  # type: ignore[assignment]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        kept: Any = self.preserve_context
        self.preserve_context = False
        await self._release(kept)


def _place_form(options: dict[str, Any]) -> None:
    """Encode a mapping in ``data``, and set the content type."""
    content_type = options.pop("content_type", None)
    if isinstance(data := options.get("data"), Mapping):
        options["data"], made = form_data(data)
        content_type = content_type or made
    if content_type is not None:
        headers = Headers(options.get("headers") or ())
        headers.setdefault("Content-Type", content_type)
        options["headers"] = headers


def _drop_body(options: dict[str, Any]) -> None:
    if options.get("method") != "HEAD":
        options["method"] = "GET"
    for name in BODIES:
        options.pop(name, None)
    if "headers" in options:
        headers = Headers(options["headers"])
        for name in ("Content-Type", "Content-Length", "Transfer-Encoding"):
            headers.remove(name)
        options["headers"] = headers
