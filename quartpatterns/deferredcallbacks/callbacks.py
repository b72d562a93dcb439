"""Three moments for a callback: before the answer goes out, after it has, and after a websocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from quart import Response, current_app, has_request_context, has_websocket_context
from quart import after_this_request as quart_after_this_request
from quart.ctx import after_this_websocket as quart_after_this_websocket
from quart.globals import request_ctx
from quart.typing import ResponseTypes

__all__ = ["after_response", "after_this_request", "after_this_websocket"]

P = ParamSpec("P")
T = TypeVar("T")
Callback = TypeVar("Callback", bound=Callable[[Any], Any])


def after_this_request(func: Callback) -> Callback:
    """Call *func* with the response of the current request, before that is sent.

    Unlike Quart's and Flask's function of this name it takes a callback that returns nothing,
    which then has changed the response it was given; one that returns another replaces it. The
    callbacks of a request run in the order of their registration, for error pages too, before
    the ``after_request`` functions, and before the session is saved.

    Arguments:
        func: A function or coroutine function of the response.

    Raises:
        RuntimeError: There is no request, or it is that of a websocket.

    See Flask's page "Deferred Request Callbacks", in both of its forms.
    """
    if not has_request_context():
        raise _misplaced("after_this_request")
    quart_after_this_request(_lenient(func))
    return func


def after_this_websocket(func: Callback) -> Callback:
    """Call *func* when the current websocket ends; it may return nothing.

    Arguments:
        func: A function or coroutine function of the response to the handshake, which is
            ``None`` where the handler returned none.

    Raises:
        RuntimeError: There is no websocket.
    """
    if not has_websocket_context():
        raise RuntimeError(
            "after_this_websocket is called in a websocket handler; in a view it is"
            " after_this_request"
        )
    quart_after_this_websocket(_lenient(func))
    return func


def after_response(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Callable[P, T]:
    """Call *func* when the last byte of the answer has been sent.

    The client waits for nothing that happens here. *func* also runs when the client left before
    the end. It runs in an application context of its own, so that ``g`` is empty and what it
    needs of the request is given as arguments. An error is logged; shutdown waits for it as for
    any background task (``BACKGROUND_TASK_SHUTDOWN_TIMEOUT``). It is lost with the process: work
    that must be done goes to a queue.

    Without arguments it serves as a decorator.

    Arguments:
        func: A coroutine function, or a function, which runs in a thread.
        args: For *func*, as are *kwargs*.

    Raises:
        RuntimeError: There is no request, or it is that of a websocket.
    """
    if not has_request_context():
        raise _misplaced("after_response")
    app: Any = request_ctx.app
    start: Callable[[], None] = partial(app.add_background_task, func, *args, **kwargs)

    async def registered(response: ResponseTypes) -> ResponseTypes:
        # A subclass of Quart's response may know when it ends. Quart's own does not, and nobody
        # closes Werkzeug's (a redirect, a page of an error): there a request has a task of its
        # own, which is done when the answer is out or the client is gone.
        own = isinstance(response, Response)
        if own and (call_on_close := getattr(response, "call_on_close", None)):
            call_on_close(start)
        elif task := asyncio.current_task():
            task.add_done_callback(lambda _: start())
        return response

    quart_after_this_request(registered)
    return func


def _misplaced(name: str) -> RuntimeError:
    return RuntimeError(
        f"{name} is called while a request is handled: in a view, or in a before_request"
        " function. In a websocket handler it is after_this_websocket."
    )


def _lenient(func: Callable[[T], Any]) -> Callable[[T], Any]:
    """*func*, whose result counts only where there is one."""

    @wraps(func)
    async def called(response: T) -> Any:
        result = await current_app.ensure_async(func)(response)
        return response if result is None else result

    return called
