"""A decorator that refuses the forms of other sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from quart import abort, has_websocket_context

from quartpatterns._shared.calling import call
from quartpatterns._shared.origins import from_another_site
from quartpatterns.viewdecorators.cookies import connection

__all__ = ["same_origin_required"]

P = ParamSpec("P")
T = TypeVar("T")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""The methods that change nothing (RFC 9110, section 9.2.1), which other sites may send."""


@overload
def same_origin_required(view: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]: ...
@overload
def same_origin_required(view: Callable[P, T]) -> Callable[P, Awaitable[T]]: ...
def same_origin_required(view: Callable[..., Any]) -> Any:
    """Call the view only if the request does not come from a page of another site; else 403.

    A page of another site can make a browser send a form with the cookies of this site: it could
    log a visitor out, or in as another user. Browsers name the sender in the headers
    ``Sec-Fetch-Site`` and ``Origin``. The methods GET, HEAD, OPTIONS and TRACE are not checked, but
    the handshakes of websockets are: their messages can change something. A request with neither
    header is no request of a browser of today, and is allowed.

    It needs no token, which :class:`quartpatterns.wtforms.CSRFProtect` adds for old browsers.

    Arguments:
        view: A synchronous or asynchronous view. A class view names the decorator in
            ``View.decorators``.

    .. versionadded:: 0.1
    """

    @wraps(view)
    async def decorated(*args: Any, **kwargs: Any) -> Any:
        current = connection()
        is_checked = has_websocket_context() or current.method not in SAFE_METHODS
        if is_checked and from_another_site(current.headers, current.host):
            abort(403)
        return await call(view, *args, **kwargs)

    return decorated
