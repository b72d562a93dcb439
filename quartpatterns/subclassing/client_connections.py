"""The connections of the test client, and the responses that they return."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false
# The signatures are Flask's, and what is returned can do more than Quart's.
# pyright: reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar

from quart import Quart, Request, Response
from quart.testing import connections
from werkzeug.datastructures import Headers

from quartpatterns._shared.calling import maybe_await
from quartpatterns.subclassing.request_builder import BuiltRequest, make_request

__all__ = [
    "FaithfulTestConnection",
    "FaithfulTestResponse",
    "FaithfulTestWebsocket",
    "PendingResponse",
]

T = TypeVar("T")


class FaithfulTestResponse(Response):
    """What the test client adds to the response class of the application.

    .. versionadded:: 0.1

    Attributes:
        history: The responses that were redirects to this one.
    """

    __test__ = False  # It is no test for pytest.

    history: tuple[FaithfulTestResponse, ...] = ()
    sent: tuple[Quart, Any, bytes]
    received: bytes

    @cached_property
    def request(self) -> Request:
        """The request that was answered."""
        return make_request(*self.sent)

    @property
    def text(self) -> str:
        """The body as text. Unlike ``data`` it is not awaited: the test client has all of it."""
        return self.received.decode(errors="replace")

    def close(self) -> Awaitable[None]:
        """Call the functions of :meth:`call_on_close` when the result is awaited."""
        if getattr(self, "on_close", None):
            closing: Any = getattr(super(), "close", _NothingToAwait)
            return closing()  # type: ignore[no-any-return]
        return _NothingToAwait()

    def __enter__(self) -> FaithfulTestResponse:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: the test client has closed what the application opened."""

    async def __aenter__(self) -> FaithfulTestResponse:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


class _NothingToAwait(Awaitable[None]):
    """The result of a call that has nothing to do. It does not have to be awaited."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


@lru_cache(32)
def _test_response_class(response_class: type[Response]) -> Any:
    return type("TestResponse", (FaithfulTestResponse, response_class), {"__test__": False})


class PendingResponse(Coroutine[Any, Any, T], Generic[T]):
    """The coroutine of a request: ``await client.get()``, ``async with client.get() as response``.

    Arguments:
        coroutine: The coroutine.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        """Resume the coroutine."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error in the coroutine."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """End the coroutine."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, None, T]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> T:
        self._response = await self._coroutine
        return self._response

    async def __aexit__(self, *error: object) -> None:
        close: Any = getattr(self._response, "close", _NothingToAwait)
        await maybe_await(close())


class FaithfulTestConnection(connections.TestHTTPConnection):
    """A connection whose response has exactly the headers that were sent.

    Quart sets ``Content-Length`` to the length of what was received, which is 0 for ``HEAD``.
    """

    body: AsyncIterator[bytes] | None = None
    """The body. Its parts are taken when the application receives them."""

    prepared: BuiltRequest | None = None

    async def as_response(self) -> Response:
        """Return the response so far."""
        sent = Headers(self.headers or ())
        await super().as_response()
        self.headers = sent
        cls = _test_response_class(self.app.response_class)
        received = bytes(self.response_data)
        response: Any = cls(received, self.status_code, Headers(sent))
        response.headers = Headers(sent)
        response.json_module = self.app.json
        response.received = received
        data = b"" if self.prepared is None else self.prepared.text_of_body()
        response.sent = (self.app, self.scope, data)
        return response  # type: ignore[no-any-return]

    async def _asgi_receive(self) -> Any:
        if self.body is not None:
            await asyncio.sleep(0)  # The iterator may never wait, and the application must.
            async for data in self.body:
                return {"type": "http.request", "body": data, "more_body": True}
            self.body = None
            return {"type": "http.request", "body": b"", "more_body": False}
        return await super()._asgi_receive()

    async def _asgi_send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = _decode_headers(message["headers"])
            self.status_code = message["status"]
        else:
            await super()._asgi_send(message)


class FaithfulTestWebsocket(connections.TestWebsocketConnection):
    """A websocket whose refusal has exactly the headers that were sent."""

    async def _asgi_send(self, message: Any) -> None:
        if message["type"] == "websocket.http.response.start":
            self.headers = _decode_headers(message["headers"])
            self.status_code = message["status"]
        else:
            await super()._asgi_send(message)


def _decode_headers(raw: Any) -> Headers:
    return Headers([(name.decode("latin1").title(), _decode_value(value)) for name, value in raw])


def _decode_value(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin1")
