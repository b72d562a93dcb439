"""The test client."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Any

from quart import Response
from quart.globals import _cv_app, _cv_request
from quart.testing import QuartClient, connections
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from quartpatterns.subclassing.context import FaithfulRequestContext

__all__ = ["FaithfulClient", "FaithfulTestConnection", "FaithfulTestWebsocket", "PreservedContexts"]

REDIRECTS = frozenset({301, 302, 303, 305, 307, 308})
# Redirects that repeat the method and the body.
REPEATING = frozenset({307, 308})
BODY_ARGUMENTS = ("data", "form", "files", "json")


class PreservedContexts(list[FaithfulRequestContext]):
    """The contexts that a client preserves after their requests."""

    def __bool__(self) -> bool:
        """Return True even if it is empty: it tells Quart that contexts are to be preserved."""
        return True


class Latin1Headers:
    """Encodes and decodes headers as Latin-1, as HTTP clients do. Quart's client uses UTF-8."""

    def __init__(self, app: Any, scope: Any, *args: Any, **kwargs: Any) -> None:
        headers = [(name, _as_latin1(value)) for name, value in scope["headers"]]
        super().__init__(app, scope | {"headers": headers}, *args, **kwargs)  # type: ignore[call-arg]

    async def _asgi_send(self, message: Any) -> None:
        if headers := message.get("headers"):
            headers = [(name, value.decode("latin1").encode()) for name, value in headers]
            message = message | {"headers": headers}
        await super()._asgi_send(message)  # type: ignore[misc]


def _as_latin1(value: bytes) -> bytes:
    try:
        return value.decode().encode("latin1")
    except UnicodeError:
        return value  # UTF-8 is what a client sends that is not given Latin-1.


class FaithfulTestWebsocket(Latin1Headers, connections.TestWebsocketConnection):
    """A websocket of the test client."""


class FaithfulTestConnection(Latin1Headers, connections.TestHTTPConnection):
    """A connection whose response has exactly the headers that were sent.

    Quart sets ``Content-Length`` to the length of what was received, which is 0 for ``HEAD``.
    """

    async def as_response(self) -> Response:
        """Return the response so far."""
        sent = Headers(self.headers or ())
        response = await super().as_response()
        response.headers = sent
        return response


class FaithfulClient(QuartClient):
    """A test client that encodes forms in ``data=``, and keeps ``g`` inside ``async with``.

    Quart ignores a mapping in ``data``. Redirects are followed as by Werkzeug's client: with
    their own query string, and without a body unless the status is 307 or 308.

    .. versionadded:: 0.1
    """

    http_connection_class = FaithfulTestConnection
    websocket_connection_class = FaithfulTestWebsocket

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tokens: list[Token[Any]] = []

    async def open(self, path: str, *, follow_redirects: bool = False, **options: Any) -> Response:
        """Send a request and return the response.

        Arguments:
            path: The path, with a query string if *query_string* is not given.
            follow_redirects: Whether to follow redirects.
            options: Arguments of :meth:`quart.testing.QuartClient.open`, and *content_type*.
                *data* can be a mapping with the values of :class:`werkzeug.test.EnvironBuilder`:
                strings, numbers, lists, binary files, ``FileStorage`` objects, and tuples of a
                file, its name and its media type.
        """
        await _encode_form(options)
        response = await self._request(path, **options)
        while follow_redirects and response.status_code in REDIRECTS:
            options.pop("query_string", None)
            if response.status_code not in REPEATING:
                _drop_body(options)
            response = await self._request(response.location or "/", **options)
        return response

    async def _request(self, path: str, **options: Any) -> Response:
        preserved: Any = self.preserve_context
        if not isinstance(preserved, PreservedContexts):
            return await super().open(path, **options)
        await self._tear_down(preserved)
        self._tokens = [_cv_app.set(_cv_app.get(None)), _cv_request.set(_cv_request.get(None))]  # type: ignore[arg-type]
        response = await super().open(path, **options)
        for context in preserved:
            # The request ran in another task. Its contexts are made current in this one.
            assert context.app_context is not None
            _cv_app.set(context.app_context)
            _cv_request.set(context)
        return response

    async def _tear_down(self, preserved: PreservedContexts) -> None:
        """Run the teardown functions of the preserved contexts, and make none current."""
        while preserved[:]:
            context = preserved.pop()
            await self.app.do_teardown_request(None, context)
            await context.request.close()
            await self.app.do_teardown_appcontext(None)
        while self._tokens:
            # A fixture can end in another task than the test that sent the request.
            with contextlib.suppress(ValueError):
                token = self._tokens.pop()
                token.var.reset(token)

    async def __aenter__(self) -> FaithfulClient:
        await super().__aenter__()
        self.preserve_context = PreservedContexts()  # type: ignore[assignment]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        preserved: Any = self.preserve_context
        self.preserve_context = False
        await self._tear_down(preserved)


async def _encode_form(options: dict[str, Any]) -> None:
    """Encode a mapping in ``data``, and set the content type."""
    content_type = options.pop("content_type", None)
    if isinstance(data := options.get("data"), Mapping):
        # In a thread, because it reads the files, and the system's table of media types.
        options["data"], encoded_type = await asyncio.to_thread(_form_data, data)
        content_type = content_type or encoded_type
    if content_type is not None:
        headers = Headers(options.get("headers") or ())
        headers.setdefault("Content-Type", content_type)
        options["headers"] = headers


def _form_data(data: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the body and the content type of a form, as Flask's test client encodes it."""
    builder = EnvironBuilder(method="POST", data=dict(data))
    try:
        environ = builder.get_environ()
        return environ["wsgi.input"].read(), environ["CONTENT_TYPE"]
    finally:
        builder.close()


def _drop_body(options: dict[str, Any]) -> None:
    if options.get("method") != "HEAD":
        options["method"] = "GET"
    for name in BODY_ARGUMENTS:
        options.pop(name, None)
    if "headers" in options:
        headers = Headers(options["headers"])
        for name in ("Content-Type", "Content-Length", "Transfer-Encoding"):
            headers.remove(name)
        options["headers"] = headers
