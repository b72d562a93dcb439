"""Callbacks before the response is sent, after it was sent, and after a websocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from quart import Response, has_request_context, has_websocket_context
from quart import after_this_request as quart_after_this_request
from quart.ctx import after_this_websocket as quart_after_this_websocket
from quart.globals import request_ctx
from quart.typing import ResponseTypes

from quartpatterns._shared.after_request import (
    after_this_request,
    no_request,
    with_optional_result,
)
from quartpatterns._shared.visitors import mark_callback

__all__ = ["after_response", "after_this_request", "after_this_websocket"]

P = ParamSpec("P")
T = TypeVar("T")
Callback = TypeVar("Callback", bound=Callable[[Any], Any])


def after_this_websocket(func: Callback) -> Callback:
    """Call *func* when the current websocket ends; it may return nothing.

    Arguments:
        func: A function or coroutine function that takes the response to the handshake, which is
            ``None`` if the handler returns none.

    Returns:
        *func*, so that this can be used as a decorator.

    Raises:
        RuntimeError: There is no active websocket.

    .. versionadded:: 0.1
    """
    if not has_websocket_context():
        raise RuntimeError(
            "Call after_this_websocket in a websocket handler; in a view, use after_this_request."
        )
    quart_after_this_websocket(with_optional_result(func))
    return func


def after_response(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Callable[P, T]:
    """Call *func* when the last byte of the response has been sent, or the client has disconnected.

    It runs as a background task, so the client does not wait for it, and an error is only logged.
    It has an application context of its own with an empty ``g``, so pass what it needs as
    arguments. Shutdown waits for it up to ``BACKGROUND_TASK_SHUTDOWN_TIMEOUT`` seconds. If the
    process ends, it is lost: put work that must be done into a task queue.

    Arguments:
        func: A coroutine function, or a function, which runs in a thread.
        args: The positional arguments of *func*.
        kwargs: The keyword arguments of *func*.

    Returns:
        *func*, so that this can be used as a decorator.

    Raises:
        RuntimeError: There is no active request, or it is a websocket.

    .. versionadded:: 0.1
    """
    if not has_request_context():
        raise no_request("after_response")
    mark_callback("after_response")
    app: Any = request_ctx.app
    start: Callable[[], None] = partial(app.add_background_task, func, *args, **kwargs)

    async def register(response: ResponseTypes) -> ResponseTypes:
        # A subclass of Quart's response may have call_on_close. Quart's own has not, and nobody
        # closes Werkzeug's (a redirect, an error page). Then the end of the request's task is the
        # end of the response: each request has a task of its own.
        is_quart_response = isinstance(response, Response)
        if is_quart_response and (call_on_close := getattr(response, "call_on_close", None)):
            call_on_close(start)
        elif task := asyncio.current_task():
            task.add_done_callback(lambda _: start())
        return response

    quart_after_this_request(register)
    return func
