"""Insist on JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast, overload

from quart import current_app, request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

__all__ = ["require_json"]

P = ParamSpec("P")
T = TypeVar("T")

BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@overload
def require_json(view: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]: ...


@overload
def require_json(view: Callable[P, T]) -> Callable[P, Awaitable[T]]: ...


def require_json(view: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
    """Answer 415 to a request that is not JSON by its ``Content-Type``, 400 to what is none.

    Flask's ``request.json`` does so itself. Quart's ``await request.get_json()`` is ``None`` then,
    and a view takes a form, or a request of another site's page, which may send text but no JSON
    without being asked, for a client that has sent nothing.

    It goes below the route and above what reads the body:

    .. code-block:: python

        @app.post("/user/<int:id>")
        @require_json
        @validate_request(User)
        async def user_update(id, data): ...

    ``application/json`` and what ends in ``+json`` are JSON. ``GET``, ``HEAD``, ``OPTIONS`` and
    ``TRACE`` have no body and pass. The body is parsed once, however often it is read.

    Arguments:
        view: The view, asynchronous or synchronous.
    """

    @wraps(view)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
        if request.method not in BODILESS:
            await _parse()
        ensure_async = cast(Any, current_app.ensure_async)
        return await ensure_async(view)(*args, **kwargs)

    return wrapper


async def _parse() -> None:
    if not request.is_json:
        raise UnsupportedMediaType(
            "Did not attempt to load JSON data because the request Content-Type was not"
            " 'application/json'."
        )
    try:
        await request.get_json()
    except (UnicodeDecodeError, RecursionError) as error:
        # What is not UTF-8, and what is nested too deep: of those Quart makes a server error.
        raise BadRequest from error
