"""``after_this_request``, which :mod:`deferredcallbacks` and the names of Flask export."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from quart import after_this_request as quart_after_this_request
from quart import has_request_context

from quartpatterns._shared.calling import call
from quartpatterns._shared.visitors import mark_callback

__all__ = ["after_this_request", "no_request", "with_optional_result"]

T = TypeVar("T")
Callback = TypeVar("Callback", bound=Callable[[Any], Any])


def after_this_request(func: Callback) -> Callback:
    """Call *func* with the response of the current request before the response is sent.

    The callback may change the response and return nothing, or return another response. Quart's
    own function of this name requires that it returns one. The callbacks of a request are called
    in the order of registration, also for error pages. They are called before ``after_request``
    functions, and before the session is saved. See Flask's page "Deferred Request Callbacks".

    Arguments:
        func: A function or coroutine function that takes the response.

    Returns:
        *func*, so that this can be used as a decorator.

    Raises:
        RuntimeError: There is no active request, or it is a websocket.

    .. versionadded:: 0.1
    """
    if not has_request_context():
        raise no_request("after_this_request")
    mark_callback("after_this_request")
    quart_after_this_request(with_optional_result(func))
    return func


def no_request(name: str) -> RuntimeError:
    """Return the error for a call of *name* outside of a request."""
    return RuntimeError(
        f"Call {name} while a request is handled: in a view or in a before_request function. In a"
        " websocket handler, use after_this_websocket."
    )


def with_optional_result(func: Callable[[T], Any]) -> Callable[[T], Any]:
    """Return a function that returns its argument if *func* returns ``None``."""

    @wraps(func)
    async def wrapper(response: T) -> Any:
        result: Any = await call(func, response)
        return response if result is None else result

    return wrapper
