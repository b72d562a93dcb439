"""Call an ASGI application in this process: its lifespan, and one connection at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from quartpatterns.compare.applications import Application
from quartpatterns.compare.processes import StartError

STARTUP_TIMEOUT = 60.0  # seconds for the start of an application, and for its shutdown
GRACE = 10.0  # seconds that an application has to end after its client has gone

Message = MutableMapping[str, Any]


class ApplicationStartError(StartError):
    """An application failed at its start; the message has its error."""


class ASGICall:
    """One call of an ASGI application, with the messages in both directions.

    Arguments:
        app: The application.
        scope: The scope of the call.

    Attributes:
        error: The exception that the application raised.
    """

    def __init__(self, app: Application, scope: Message) -> None:
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message | None] = asyncio.Queue()
        self.error: Exception | None = None
        self.received = False  # whether the application has asked for a message
        self._task = asyncio.create_task(self._run(app, scope))

    def send(self, message: Message) -> None:
        """Send *message* to the application."""
        self._inbox.put_nowait(message)

    async def receive(self) -> Message | None:
        """Return the next message of the application, or ``None`` if it has ended."""
        message = await self._outbox.get()
        if message is None:
            self._outbox.put_nowait(None)
        return message

    async def end(self, grace: float = GRACE) -> None:
        """Wait until the application has ended; cancel it after *grace* seconds."""
        await asyncio.wait([self._task], timeout=grace)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, app: Application, scope: Message) -> None:
        async def receive() -> Message:
            self.received = True
            return await self._inbox.get()

        try:
            await app(scope, receive, self._outbox.put)
        except Exception as raised:  # as a server does, whatever the application raises
            self.error = raised
        finally:
            self._outbox.put_nowait(None)


@contextlib.asynccontextmanager
async def lifespan(app: Application) -> AsyncIterator[dict[str, Any]]:
    """Start *app*, yield its state for the scopes of requests, and shut it down.

    An application that raises an exception before it asks for a message has no lifespan.

    Raises:
        ApplicationStartError: It failed, or it did not answer in time.
    """
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    connection = ASGICall(app, scope)
    grace = 0.0  # An application that failed waits for another message.
    try:
        supported = await _ask(connection, "startup")
        yield state
        if supported:
            await _ask(connection, "shutdown")
            grace = GRACE
    finally:
        await connection.end(grace)


async def _ask(connection: ASGICall, event: str) -> bool:
    """Start or shut down, and return whether the application supports it."""
    connection.send({"type": f"lifespan.{event}"})
    try:
        async with asyncio.timeout(STARTUP_TIMEOUT):
            message = await connection.receive()
    except TimeoutError:
        raise ApplicationStartError(
            f"did not answer lifespan.{event} in {STARTUP_TIMEOUT:g} s"
        ) from None
    if message is None:
        if connection.error is None or not connection.received:
            return False
        cause = f"{type(connection.error).__name__}: {connection.error}"
        raise ApplicationStartError(f"failed at its {event}: {cause}") from connection.error
    if message["type"] == f"lifespan.{event}.failed":
        raise ApplicationStartError(f"failed at its {event}: {message.get('message', '')}")
    return True
