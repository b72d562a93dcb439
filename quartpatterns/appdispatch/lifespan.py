"""Sub-applications: their start-up, shutdown, and requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Response

from quartpatterns._shared.calling import call

from .asgi import ASGIApp, Receive, Scope, Send, child_scope, redirect_to_slash, respond

__all__ = [
    "LifespanError",
    "OnStartupFailure",
    "StartupError",
    "SubApp",
    "serve_lifespan",
    "start_all",
    "stop_all",
    "unavailable",
]

logger = logging.getLogger(__name__)


class LifespanError(Exception):
    """The start-up or shutdown of an application failed.

    Arguments:
        name: The name of the application: its prefix, path segment or subdomain.
        message: The error message that the application reported.

    .. versionadded:: 0.1
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}" if name else message)
        self.name = name
        self.message = message


class StartupError(LifespanError):
    """The start-up of an application failed.

    .. versionadded:: 0.1
    """


def unavailable(error: StartupError) -> ASGIApp:
    """Return an application that answers 503, for ``on_startup_failure``.

    The page does not contain the message of *error*, which may contain secrets. The message is
    logged.

    .. versionadded:: 0.1
    """
    page = ServiceUnavailable().get_response()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await respond(Response.force_type(page), scope, receive, send)

    return answer


OnStartupFailure = Callable[[StartupError], ASGIApp] | Callable[[StartupError], Awaitable[ASGIApp]]
"""A function that returns the application to use instead of one whose start-up failed."""


class SubApp:
    """An application that a dispatcher starts, stops, and passes requests to.

    Its lifespan runs in a task. An application without lifespan support returns or raises in its
    lifespan; as the ASGI specification says, it gets requests nevertheless.

    Arguments:
        app: The ASGI application.
        name: The name for errors.
    """

    __slots__ = ("_events", "_result", "_task", "app", "name", "responder", "state")

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app = app
        self.name = name
        self.responder = app  # another application if the start-up of app has failed
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the start-up of the application.

        Raises:
            StartupError: The start-up failed.
        """
        self.responder = self.app
        self.state.clear()
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(), name=f"lifespan of {self.name or 'app'}")
        try:
            failure = await self._send_event("lifespan.startup")
        except asyncio.CancelledError:
            await self._cancel()
            raise
        if failure is not None:
            await self._cancel()
            raise StartupError(self.name, failure)

    async def start_or_replace(self, on_failure: OnStartupFailure | None) -> None:
        """Run the start-up. If it fails, the application that *on_failure* returns answers.

        Raises:
            StartupError: The start-up failed, and *on_failure* is None.
        """
        try:
            await self.start()
        except StartupError as error:
            if on_failure is None:
                raise
            self.responder = await call(
                cast("Callable[[StartupError], ASGIApp]", on_failure), error
            )
            logger.error("application %s did not start: %s", self.name, error.message)

    async def stop(self) -> None:
        """Run the shutdown of the application, if it runs.

        Raises:
            LifespanError: The shutdown failed.
        """
        if self._task is None or self._task.done():
            return
        try:
            failure = await self._send_event("lifespan.shutdown")
        finally:
            await self._cancel()
        if failure is not None:
            raise LifespanError(self.name, failure)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its path unchanged."""
        if self.state:
            scope = child_scope(scope, scope.get("root_path", ""), scope["path"], self.state)
        await self.responder(scope, receive, send)

    async def answer_below(
        self, prefix: str, rest: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass a request on, with *prefix* moved to ``root_path``.

        A request for the prefix without a slash is redirected: Quart would see the path ``" "``,
        and relative links of its page would lead out of the mount. An application with the
        attribute ``answers_root``, such as a FaithfulQuart, answers it itself. Websocket clients
        do not follow redirects, so they get the path ``/``.
        """
        root_path = scope.get("root_path", "") + prefix
        if not rest and scope["type"] == "http":
            if getattr(self.responder, "answers_root", False):
                await self.responder(
                    child_scope(scope, root_path, root_path, self.state), receive, send
                )
            else:
                await redirect_to_slash(scope, root_path, receive, send)
            return
        child = child_scope(scope, root_path, root_path + (rest or "/"), self.state)
        await self.responder(child, receive, send)

    async def _send_event(self, event: str) -> str | None:
        """Send a lifespan event, and return the message of the application if it failed."""
        self._result: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": event})
        return await self._result

    def _set_result(self, failure: str | None) -> None:
        if not self._result.done():
            self._result.set_result(failure)

    async def _send(self, message: dict[str, str]) -> None:
        failed = message["type"].endswith(".failed")
        self._set_result(message.get("message") or "no reason was given" if failed else None)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self.app(scope, self._events.get, self._send)
        except Exception:
            # The application has lifespan support if it has received the event. Quart raises after
            # it has reported a failure.
            received = self._events.empty()
            reported = self._result.done() and self._result.result() is not None
            if received and not reported:
                name = self.name or "app"
                logger.warning("the lifespan of %s ended with an error", name, exc_info=True)
        finally:
            self._set_result(None)

    async def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


async def start_all(apps: Sequence[SubApp], on_failure: OnStartupFailure | None = None) -> None:
    """Start *apps* concurrently. If one fails, stop the others.

    Raises:
        StartupError: At least one start-up failed; the message contains those of all.
    """
    starts = (app.start_or_replace(on_failure) for app in apps)
    try:
        _raise_errors(await asyncio.gather(*starts, return_exceptions=True), StartupError)
    except BaseException:
        await asyncio.gather(*(app.stop() for app in apps), return_exceptions=True)
        raise


async def stop_all(apps: Sequence[SubApp]) -> None:
    """Stop *apps* concurrently, all of them even if some fail.

    Raises:
        LifespanError: At least one shutdown failed; the message contains those of all.
    """
    stops = (app.stop() for app in apps)
    _raise_errors(await asyncio.gather(*stops, return_exceptions=True), LifespanError)


def _raise_errors(results: Sequence[BaseException | None], kind: type[LifespanError]) -> None:
    errors = [result for result in results if result is not None]
    if len(errors) > 1 and all(isinstance(error, LifespanError) for error in errors):
        raise kind("", "; ".join(map(str, errors)))
    for error in errors:
        raise error


async def serve_lifespan(
    receive: Receive,
    send: Send,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> None:
    """Answer the lifespan events of a server by *start* and *stop*, and report their errors."""
    await receive()
    try:
        await start()
    except Exception as error:
        # A server that gets an exception assumes that there is no lifespan support, and serves.
        await send({"type": "lifespan.startup.failed", "message": str(error) or repr(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    reply = {"type": "lifespan.shutdown.complete"}
    try:
        await receive()
    finally:
        # This runs also if the server cancels the lifespan instead.
        try:
            await stop()
        except LifespanError as error:
            reply = {"type": "lifespan.shutdown.failed", "message": str(error)}
    await send(reply)
