"""Whether the view of a request may be called, for helpers that refuse a request before the view.

A check such as that of a CSRF token runs before the view, and a login is required by the view. If
both refuse a request, the client has to log in first, and so has to know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quart import Quart, current_app

__all__ = ["access_refusal", "register_access_check"]

_EXTENSION = "quartpatterns.access"


def register_access_check(app: Quart, check: Callable[[], Awaitable[Any]]) -> None:
    """Use *check* for the requests of *app*.

    Arguments:
        app: The application.
        check: Returns the response for a user who may not call the view of the current request, or
            ``None``. It may raise an HTTP exception.
    """
    app.extensions[_EXTENSION] = check


async def access_refusal() -> Any:
    """Return the response for a user who may not call the view of the current request, or ``None``.

    Raises:
        HTTPException: It is the response.
    """
    check: Callable[[], Awaitable[Any]] | None = current_app.extensions.get(_EXTENSION)
    return None if check is None else await check()
