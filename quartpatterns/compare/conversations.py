"""Websockets, and bodies that are read in time: what arrives before what.

A conversation becomes a text that is compared like a body. A line that begins with ``>`` is what
the client has done, and ``<`` begins what has arrived. How a body is cut into chunks depends on the
server and the network, so that it is no part of the text.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

import httpx

from quartpatterns.compare.case import Close, Receive, Send, Step
from quartpatterns.compare.request import fill
from quartpatterns.compare.responses import Response, StepResult
from quartpatterns.compare.transports import (
    DELIVERY,
    STREAMED,
    ComparisonClient,
    Delivery,
)
from quartpatterns.compare.websockets import Closed, WebSocket, connect

Perform = Callable[[Step], Awaitable[StepResult]]
"""Sends a step, and returns its result."""


@dataclass(slots=True)
class Transcript:
    """What has been sent and received, and what was awaited in vain."""

    lines: list[str] = field(default_factory=list[str])
    errors: dict[str, str] = field(default_factory=dict[str, str])

    def body(self) -> bytes:
        """Return the text as the body of a response."""
        return "".join(f"{line}\n" for line in self.lines).encode(errors="backslashreplace")


async def open_stream(
    step: Step, client: ComparisonClient, request: httpx.Request, perform: Perform
) -> tuple[httpx.Response, bytes, Delivery, dict[str, str]]:
    """Send *request*, and read the body of its response as *step* says.

    Returns:
        The response, the transcript, whether the body is complete, and what was awaited in vain.

    Raises:
        httpx.TransportError: There is no response.
        TimeoutError: The response does not begin in time.
    """
    request.extensions[STREAMED] = True
    async with asyncio.timeout(step.timeout):
        response = await client.exchange(request)
    transcript = Transcript()
    delivery: Delivery = response.extensions.get(DELIVERY, Delivery())
    stream = _Stream(response.aiter_raw())
    closed = False
    try:
        for index, part in enumerate([*(step.stream or ()), Receive()]):
            if isinstance(part, Close):
                transcript.lines.append("> close")
                closed = True
                break
            if isinstance(part, Step):
                transcript.lines.append(f"> {part.method} {part.path}")
                result = await perform(part)
                transcript.lines += [f"{name}: {value}" for name, value in result.aspects.items()]
                transcript.errors |= result.errors
                continue
            try:
                async with asyncio.timeout(step.timeout):
                    text, found = await stream.read(part.until)
            except TimeoutError:
                text, found = stream.buffer, False
            transcript.lines += [f"< {text}"] if text else []
            if not found:
                when = "before the end" if stream.ended else f"in {step.timeout:g} s"
                transcript.errors[f"receive:{index}"] = _missing(part, when)
                break
    except httpx.TransportError as error:
        delivery = Delivery(complete=False, error=str(error))
    finally:
        await response.aclose()
    if closed:
        delivery = replace(delivery, complete=True)
    return response, transcript.body(), delivery, transcript.errors


class _Stream:
    """Reads a body up to a text."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self.buffer = ""
        self.ended = False

    async def read(self, until: str | None) -> tuple[str, bool]:
        """Return the text up to and with *until*, and whether it has arrived.

        Without *until* it is the text up to the end.
        """
        while True:
            if until is not None and (match := re.search(until, self.buffer)):
                text, self.buffer = self.buffer[: match.end()], self.buffer[match.end() :]
                return text, True
            if self.ended:
                text, self.buffer = self.buffer, ""
                return text, until is None
            try:
                self.buffer += self._decoder.decode(await anext(self._chunks))
            except StopAsyncIteration:
                self.ended = True
                self.buffer += self._decoder.decode(b"", final=True)


async def open_websocket(
    step: Step, client: ComparisonClient, request: httpx.Request, captured: Mapping[str, str]
) -> tuple[Response, dict[str, str]]:
    """Open a websocket, and send and receive as *step* says.

    Arguments:
        step: The step.
        client: The client of an ASGI application or of a server.
        request: The request of the handshake.
        captured: Captured values, which are filled into messages.

    Returns:
        The response to the handshake, with the transcript as its body if the websocket was opened,
        and what was awaited in vain.

    Raises:
        TimeoutError: There is no response to the handshake in time.
        OSError: There is no server.
    """
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(step.timeout):
            websocket, response = await stack.enter_async_context(connect(client, request))
        client.store_cookies(response.status, httpx.Headers(response.headers), request)
        if websocket is None:
            return response, {}
        conversation = _Conversation(websocket, step, captured)
        await conversation.run()
    body, error = conversation.transcript.body(), conversation.error
    return replace(response, body=body, error=error), conversation.transcript.errors


class _Conversation:
    """The parts of a step that opens a websocket.

    Attributes:
        transcript: What has been sent and received.
        error: The exception of the application, if it is known.
    """

    def __init__(self, websocket: WebSocket, step: Step, captured: Mapping[str, str]) -> None:
        self.transcript = Transcript()
        self.error: str | None = None
        self._websocket = websocket
        self._parts = step.websocket or ()
        self._timeout = step.timeout
        self._captured = captured

    async def run(self) -> None:
        """Send and receive, and close the websocket."""
        for index, part in enumerate(self._parts):
            if isinstance(part, Send):
                self.transcript.lines.append(f"> {part.data!r}")
                data = part.data
                await self._websocket.send(
                    fill(data, self._captured) if isinstance(data, str) else data
                )
            elif isinstance(part, Close):
                self.transcript.lines.append(f"> close {part.code}")
                await self._close(part.code)
                return
            elif missing := await self._receive(part):
                self.transcript.errors[f"receive:{index}"] = missing
                await self._close()
                return
        await self._await_close()
        await self._close()

    async def _next(self) -> str | bytes | Closed:
        async with asyncio.timeout(self._timeout):
            message = await self._websocket.receive()
        if isinstance(message, Closed):
            self.transcript.lines.append(f"< close {message.code} {message.reason}".rstrip())
        else:
            self.transcript.lines.append(f"< {message!r}")
        return message

    async def _receive(self, part: Receive) -> str | None:
        """Receive what *part* awaits; return why it is missing."""
        while True:
            try:
                message = await self._next()
            except TimeoutError:
                return _missing(part, f"in {self._timeout:g} s")
            if isinstance(message, Closed):
                return _missing(part, "before the application closed the websocket")
            text = message if isinstance(message, str) else message.decode(errors="replace")
            if part.until is None or re.search(part.until, text):
                return None

    async def _await_close(self) -> None:
        try:
            while not isinstance(await self._next(), Closed):
                pass
        except TimeoutError:
            missing = f"the application did not close the websocket in {self._timeout:g} s"
            self.transcript.errors[f"receive:{len(self._parts)}"] = missing

    async def _close(self, code: int = 1000) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                self.error = await self._websocket.close(code)


def _missing(part: Receive, when: str) -> str:
    awaited = "a message" if part.until is None else f"/{part.until}/"
    return f"{awaited} did not arrive {when}"
