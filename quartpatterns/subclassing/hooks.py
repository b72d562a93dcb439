"""Functions that an application registers, and when they may be: rows 27, 32, 36 and 37."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable, iscoroutinefunction
from typing import Any, TypeVar

from flask.sansio.blueprints import Blueprint
from flask.typing import URLDefaultCallable
from quart import Quart
from quart.ctx import RequestContext, WebsocketContext
from quart.globals import request_ctx, websocket_ctx
from quart.signals import appcontext_tearing_down
from quart.typing import ResponseReturnValue, ResponseTypes
from quart.wrappers.base import BaseRequestWebsocket

__all__ = ["FirstRequest", "TeardownOrder", "UrlProcessors", "refuse_async"]

F = TypeVar("F", bound=Callable[..., Any])
T_url_defaults = TypeVar("T_url_defaults", bound=URLDefaultCallable)


class FirstRequest(Quart):
    """Set-up after the first request is an error (row 36).

    What is registered late would hold for some requests only.
    """

    async def full_dispatch_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseTypes:
        """Dispatch, and note that requests have come."""
        self._got_first_request = True
        return await super().full_dispatch_request(request_context)

    async def full_dispatch_websocket(
        self, websocket_context: WebsocketContext | None = None
    ) -> ResponseTypes | None:
        """Dispatch, and note that websockets have come."""
        self._got_first_request = True
        return await super().full_dispatch_websocket(websocket_context)


class TeardownOrder(Quart):
    """``teardown_appcontext`` functions run last registered first (row 27).

    What is built on something else is then torn down before it.
    """

    async def do_teardown_appcontext(self, exc: BaseException | None) -> None:
        """Call the teardown functions of the application context."""
        for function in reversed(self.teardown_appcontext_funcs):
            await self.ensure_async(function)(exc)
        if appcontext_tearing_down.receivers:
            await appcontext_tearing_down.send_async(
                self,
                _sync_wrapper=self.ensure_async,  # type: ignore[arg-type]
                exc=exc,
            )


class UrlProcessors(Quart):
    """URL value preprocessors that are awaited, and that serve websockets too (rows 32, 37).

    Quart asks for ``request`` while it handles a websocket, and drops the coroutine of an
    ``async def`` preprocessor. ``url_defaults`` are asked by ``url_for``, which can't await.
    """

    async def preprocess_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseReturnValue | None:
        """Call the URL value preprocessors, then the ``before_request`` functions."""
        if not self.before_request_funcs and not self.url_value_preprocessors:
            return None
        request = (request_context or request_ctx).request
        return await self._preprocess(request, self.before_request_funcs)

    async def preprocess_websocket(
        self, websocket_context: WebsocketContext | None = None
    ) -> ResponseReturnValue | None:
        """Call the URL value preprocessors, then the ``before_websocket`` functions."""
        websocket = (websocket_context or websocket_ctx).websocket
        return await self._preprocess(websocket, self.before_websocket_funcs)

    async def _preprocess(
        self, request: BaseRequestWebsocket, functions: Any
    ) -> ResponseReturnValue | None:
        names = (None, *reversed(request.blueprints))
        for name in names:
            for processor in self.url_value_preprocessors.get(name, ()):
                given: Any = processor(request.endpoint, request.view_args)
                if isawaitable(given):
                    await given
        for name in names:
            for function in functions.get(name, ()):
                result: ResponseReturnValue | None = await self.ensure_async(function)()
                if result is not None:
                    return result
        return None

    def url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Register a function that fills in values of URLs.

        Raises:
            TypeError: It is a coroutine function.
        """
        return super().url_defaults(refuse_async(f))

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register *blueprint*, whose URL defaults are held to the same.

        Raises:
            TypeError: One of them is a coroutine function.
        """
        super().register_blueprint(blueprint, **options)
        for functions in self.url_default_functions.values():
            for function in functions:
                refuse_async(function)


def refuse_async(function: F) -> F:
    """*function*, if it can be called where nothing can be awaited.

    Raises:
        TypeError: It is a coroutine function.
    """
    if iscoroutinefunction(function):
        raise TypeError(
            f"url_for() can't await the URL defaults of {function.__qualname__}(): write it with a"
            " plain def, and await what it needs in an async url_value_preprocessor"
        )
    return function
