"""A whole request body for a WSGI application, received on the event loop.

A WSGI application reads its body in a thread, and waits there for the client. So the body is
received first: small ones in memory, larger ones in a temporary file.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, RequestTimeout
from werkzeug.wrappers import Response

from quartpatterns._shared.threads import run_sync
from quartpatterns.appdispatch.asgi import (
    Receive,
    Scope,
    Send,
    discard_body,
    encode_headers,
    header,
)

__all__ = ["BodyLimits", "ClientLeftError", "receive_body", "refuse"]


class ClientLeftError(Exception):
    """The client has disconnected before it had sent its whole body."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits for request bodies.

    Arguments:
        size: The most bytes of a body, or ``None``.
        timeout: The seconds in which the client must send the next part, or ``None``.
        memory: The most bytes that are kept in memory.
    """

    size: int | None
    timeout: float | None
    memory: int


async def receive_body(
    scope: Scope, receive: Receive, limits: BodyLimits
) -> SpooledTemporaryFile[bytes]:
    """Receive the whole body of a request; the caller closes it.

    Arguments:
        scope: The scope of the request.
        receive: The callable of the server.
        limits: The limits for the body.

    Raises:
        ClientLeftError: The client has disconnected.
        RequestEntityTooLarge: The body is too large. Nothing is received if its declared length is.
        RequestTimeout: The client did not send the next part in time.
    """
    declared = header(scope, b"content-length") or ""
    if limits.size is not None and declared.isdecimal() and int(declared) > limits.size:
        raise RequestEntityTooLarge
    body: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(limits.memory)
    try:
        await _receive_into(body, receive, limits)
    except BaseException:
        body.close()
        raise
    return body


async def _receive_into(
    body: SpooledTemporaryFile[bytes], receive: Receive, limits: BodyLimits
) -> None:
    size, more = 0, True
    while more:
        try:
            async with asyncio.timeout(limits.timeout):
                message = await receive()
        except TimeoutError as error:
            raise RequestTimeout from error
        if message["type"] != "http.request":
            raise ClientLeftError
        more = message.get("more_body", False)
        if not (data := message.get("body", b"")):
            continue
        size += len(data)
        if limits.size is not None and size > limits.size:
            raise RequestEntityTooLarge
        if size <= limits.memory:
            body.write(data)
        else:
            await run_sync(body.write)(data)
    if size <= limits.memory:
        body.seek(0)
    else:
        await run_sync(body.seek)(0)


async def refuse(error: HTTPException, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the page of *error*, and end the connection once the client has sent its body."""
    response = Response.force_type(error.get_response())
    if scope["http_version"] < "2":
        response.headers["Connection"] = "close"
    headers = encode_headers(response.headers)
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    page = {"type": "http.response.body", "body": response.get_data(), "more_body": True}
    await send(page)
    await discard_body(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
