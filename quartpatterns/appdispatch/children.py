"""An application inside another one: how it is asked, started and stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from quart.utils import run_sync
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Response

from .asgi import ASGIApp, Receive, Scope, Send, moved, redirect_to_slash, respond

__all__ = ["Child", "LifespanError", "OnStartupFailure", "StartupError", "unavailable"]

logger = logging.getLogger(__name__)


class LifespanError(Exception):
    """An application said that its start-up or shutdown failed.

    Arguments:
        name: The application's name: the prefix, path segment or subdomain it answers for.
        message: What the application said.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}" if name else message)
        self.name = name
        self.message = message


class StartupError(LifespanError):
    """An application said that it can't start."""


def unavailable(error: StartupError) -> ASGIApp:
    """An application that answers 503, for ``on_startup_failure``.

    It keeps to itself what the failed one said, which may name hosts and passwords: that is in
    the log.
    """
    page = ServiceUnavailable().get_response()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await respond(Response.force_type(page), scope, receive, send)

    return answer


OnStartupFailure = Callable[[StartupError], ASGIApp]
"""Makes the application that answers in place of one that didn't start, or raises.

It runs in a thread, as making an application reads files.
"""


class Child:
    """An application, and its lifespan in a task of its own.

    An application without lifespan support, one that returns or raises where it is asked to
    start up, is as good as any other: so ASGI wants it.

    Arguments:
        app: The ASGI application.
        name: The name to report failures under.
    """

    __slots__ = ("_inbox", "_settled", "_task", "answering", "app", "name", "state")

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app = app
        self.name = name
        self.answering = app  # not app where it failed to start and another stands in for it
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Drive the application's start-up.

        Raises:
            StartupError: The application said that it failed.
        """
        self.answering = self.app
        self.state.clear()
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(), name=f"lifespan of {self.name or 'app'}")
        try:
            failure = await self._tell("lifespan.startup")
        except asyncio.CancelledError:
            await self._cancel()
            raise
        if failure is not None:
            await self._cancel()
            raise StartupError(self.name, failure)

    async def start_or_replace(self, on_failure: OnStartupFailure | None) -> None:
        """Drive the start-up; let what *on_failure* makes answer where it fails.

        Raises:
            StartupError: The application failed and *on_failure* is ``None``, or raised it.
        """
        try:
            await self.start()
        except StartupError as error:
            if on_failure is None:
                raise
            self.answering = await run_sync(on_failure)(error)
            logger.error("application %s is kept out: %s", self.name, error.message)

    async def stop(self) -> None:
        """Drive the application's shutdown, if it was started and still lives.

        Raises:
            LifespanError: The application said that it failed.
        """
        if self._task is None or self._task.done():
            return
        try:
            failure = await self._tell("lifespan.shutdown")
        finally:
            await self._cancel()
        if failure is not None:
            raise LifespanError(self.name, failure)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer a request where it stands."""
        if self.state:
            scope = moved(scope, scope.get("root_path", ""), scope["path"], self.state)
        await self.answering(scope, receive, send)

    async def answer_below(
        self, prefix: str, rest: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the application answer for *rest* as if *prefix* were the root of all.

        Quart can't be asked for its root without the slash (it sees the path ``" "``), and
        the links of a page without it would lead out of the mount: so there is a redirect.
        Websocket clients don't follow one: they are let in.
        """
        root_path = scope.get("root_path", "") + prefix
        if not rest and scope["type"] == "http":
            await redirect_to_slash(scope, root_path, receive, send)
            return
        child = moved(scope, root_path, root_path + (rest or "/"), self.state)
        await self.answering(child, receive, send)

    async def _tell(self, event: str) -> str | None:
        """Send the application *event*, and wait for its answer: a message if it failed."""
        self._settled = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": event})
        failure: str | None = await self._settled
        return failure

    def _settle(self, failure: str | None) -> None:
        if not self._settled.done():
            self._settled.set_result(failure)

    async def _send(self, message: dict[str, str]) -> None:
        failed = message["type"].endswith(".failed")
        self._settle(message.get("message") or "no reason was given" if failed else None)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self.app(scope, self._inbox.get, self._send)
        except Exception:
            # ASGI: whatever is raised, the application lives on without a lifespan.
            took_event = self._inbox.empty()
            told = self._settled.done() and self._settled.result() is not None
            if took_event and not told:
                logger.warning(
                    "lifespan of %s ended in an error", self.name or "app", exc_info=True
                )
        finally:
            self._settle(None)

    async def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
