"""Contexts of Quart that also set Flask's context variables."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Token
from types import TracebackType
from typing import Any

import flask.globals
import quart.globals
from quart import Quart
from quart.ctx import AppContext

from quartpatterns.subclassing.bridge.request import SynchronousRequest
from quartpatterns.subclassing.bridge.waiting import on_event_loop, wait_in_thread
from quartpatterns.subclassing.context import UNSET, FaithfulRequestContext

__all__ = [
    "BridgedAppContext",
    "BridgedRequestContext",
    "FlaskRequestContext",
    "current_loop",
    "result_or_awaitable",
]

# Flask's proxies read its two variables. Only private API can set them to contexts of Quart.
FLASK_APP: Any = flask.globals._cv_app
FLASK_REQUEST: Any = flask.globals._cv_request
QUART_APP: Any = quart.globals._cv_app
QUART_REQUEST: Any = quart.globals._cv_request


def current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that handles the current request or task."""
    return getattr(QUART_APP.get(None), "loop", None)


class BridgedAppContext(AppContext):
    """The context of an application, for Quart and for Flask.

    ``with`` and ``push()`` work as in Flask where no event loop runs: in threads and scripts.
    On an event loop they need ``async`` and ``await``, as in Quart.

    Attributes:
        loop: The event loop that the context was pushed on.
    """

    loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, app: Quart) -> None:
        super().__init__(app)
        self._flask_tokens: list[Token[Any]] = []
        self._thread_tokens: list[Token[Any]] = []

    def push(self) -> Any:
        """Make the application current."""
        if on_event_loop():
            return self._push_on_loop()
        self.loop = self.loop or current_loop()
        self._thread_tokens.append(QUART_APP.set(self))
        self._flask_tokens.append(FLASK_APP.set(self))
        return None

    async def _push_on_loop(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._flask_tokens.append(FLASK_APP.set(self))
        await super().push()

    def pop(self, exc: BaseException | None = UNSET) -> Any:
        """Run the teardown functions and make the previous application current."""
        if on_event_loop():
            return self._pop_on_loop(exc)
        try:
            if len(self._flask_tokens) == 1:
                error = None if exc is UNSET else exc
                wait_in_thread(self.app.do_teardown_appcontext(error), self.loop)
        finally:
            FLASK_APP.reset(self._flask_tokens.pop())
            QUART_APP.reset(self._thread_tokens.pop())
        return None

    async def _pop_on_loop(self, exc: BaseException | None) -> None:
        try:
            await super().pop(*(() if exc is UNSET else (exc,)))
        finally:
            FLASK_APP.reset(self._flask_tokens.pop())

    def __enter__(self) -> BridgedAppContext:
        _refuse_on_loop("app.app_context()")
        self.push()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.pop(exc_value)


class BridgedRequestContext(FaithfulRequestContext):
    """The context of a request, for Quart and for Flask."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request_tokens: list[Token[Any]] = []

    async def push(self) -> None:
        """Make the request and its application current."""
        context = FlaskRequestContext(self, asyncio.get_running_loop())
        self._request_tokens.append(FLASK_REQUEST.set(context))
        await super().push()

    async def pop(self, exc: BaseException | None = UNSET) -> None:
        """Run the teardown functions and make the previous context current."""
        try:
            await super().pop(exc)
        finally:
            FLASK_REQUEST.reset(self._request_tokens.pop())

    def set_flask_variables(self) -> list[Token[Any]]:
        """Make this context current for Flask, without its hooks. The tokens returned undo it."""
        loop = getattr(self.app_context, "loop", None)
        return [
            FLASK_APP.set(self.app_context),
            FLASK_REQUEST.set(FlaskRequestContext(self, loop)),
        ]

    def make_current(self) -> list[Token[Any]]:
        """Make this context current, without its hooks. The tokens returned undo it."""
        tokens = [QUART_APP.set(self.app_context), QUART_REQUEST.set(self)]
        return tokens + self.set_flask_variables()


class FlaskRequestContext:
    """What Flask's functions and proxies find in the context of a request.

    Arguments:
        context: Quart's context.
        loop: The event loop that handles the request.
        copied: Whether it is a copy, for which the teardown functions run at the end.

    Attributes:
        request: The request, whose body is read without ``await``.
    """

    def __init__(
        self,
        context: BridgedRequestContext,
        loop: asyncio.AbstractEventLoop | None,
        *,
        copied: bool = False,
    ) -> None:
        self.context = context
        self.loop = loop
        self.copied = copied
        self.request = SynchronousRequest(context.request, loop)
        self._tokens: list[list[Token[Any]]] = []

    @property
    def session(self) -> Any:
        """The session. Reading this attribute counts as access."""
        return self.context.session

    @property
    def flashes(self) -> Any:
        """The flashed messages that were taken out of the session."""
        return self.context.flashes

    @flashes.setter
    def flashes(self, flashes: Any) -> None:
        self.context.flashes = flashes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.context, name)

    def copy(self) -> FlaskRequestContext:
        """Return a context with the same request, session and ``g``."""
        return FlaskRequestContext(self.context.copy(), self.loop, copied=True)  # type: ignore[arg-type]

    def __enter__(self) -> FlaskRequestContext:
        _refuse_on_loop("a request context")
        self._tokens.append(self.context.make_current())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            if self.copied and len(self._tokens) == 1:
                wait_in_thread(self._tear_down(exc_value), self.loop)
        finally:
            for token in reversed(self._tokens.pop()):
                token.var.reset(token)

    async def _tear_down(self, error: BaseException | None) -> None:
        await self.context.app.do_teardown_request(error, self.context)


def _refuse_on_loop(what: str) -> None:
    if on_event_loop():
        raise RuntimeError(
            f"'with {what}' can't run its hooks on the event loop: write 'async with', or call"
            " the function in a thread with run_sync()"
        )


def result_or_awaitable(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """On the event loop, return *coroutine*. In a thread, wait for it and return its result."""
    return coroutine if on_event_loop() else wait_in_thread(coroutine, current_loop())
