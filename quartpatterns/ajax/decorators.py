"""A decorator for views that take JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from quart import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from quartpatterns._shared.calling import call

__all__ = ["require_json"]

P = ParamSpec("P")
T = TypeVar("T")

_BODYLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@overload
def require_json(view: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]: ...


@overload
def require_json(view: Callable[P, T]) -> Callable[P, Awaitable[T]]: ...


def require_json(view: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
    """Answer 415 if the ``Content-Type`` is not JSON, and 400 if the body is not valid JSON.

    Flask's ``request.json`` does this itself. Quart's ``await request.get_json()`` returns ``None``
    for other types, which a view can't distinguish from a missing body. That is also a security
    problem: pages of other sites may send forms and text with the user's cookies, but JSON only
    after a CORS preflight request.

    Put it below the route and above decorators that read the body:

    .. code-block:: python

        @app.post("/user/<int:id>")
        @require_json
        @validate_request(User)
        async def user_update(id, data): ...

    JSON types are ``application/json`` and those that end in ``+json``. Requests with ``GET``,
    ``HEAD``, ``OPTIONS`` and ``TRACE`` are not checked.

    Arguments:
        view: A synchronous or asynchronous view.

    .. versionadded:: 0.1
    """

    @wraps(view)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
        if request.method not in _BODYLESS_METHODS:
            await _parse_json()
        return await call(view, *args, **kwargs)

    return wrapper


async def _parse_json() -> None:
    if not request.is_json:
        raise UnsupportedMediaType(
            "Did not attempt to load JSON data because the request Content-Type was not"
            " 'application/json'."
        )
    try:
        await request.get_json()  # Quart caches the result
    except (UnicodeDecodeError, RecursionError) as error:
        # Invalid UTF-8, or nested too deep: without this, Quart answers 500.
        raise BadRequest from error
