"""Decorators that protect views: login, fresh login, and roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, overload
from weakref import WeakKeyDictionary

from quart import abort, current_app, has_request_context
from quart.ctx import RequestContext
from quart.globals import app_ctx, request_ctx
from quart.typing import ResponseTypes

from quartpatterns._shared.calling import call
from quartpatterns._shared.protected_views import wrapped_views
from quartpatterns.viewdecorators.cookies import connection, settings
from quartpatterns.viewdecorators.loading import load_user, login_manager, note_use
from quartpatterns.viewdecorators.login import login_fresh
from quartpatterns.viewdecorators.order import protect

__all__ = [
    "EXEMPT_METHODS",
    "ProtectingDecorator",
    "find_refusal",
    "fresh_login_required",
    "login_required",
    "roles_required",
]

P = ParamSpec("P")
T = TypeVar("T")
EXEMPT_METHODS = frozenset({"OPTIONS"})
"""The methods that need no login."""

_requirements: WeakKeyDictionary[Callable[..., Any], Callable[[], Awaitable[Any]]] = (
    WeakKeyDictionary()
)

ProtectedView = Callable[P, Awaitable[T | ResponseTypes]]


class ProtectingDecorator(Protocol):
    """What :func:`roles_required` returns: it keeps the arguments of the view."""

    @overload
    def __call__(self, view: Callable[P, Awaitable[T]], /) -> ProtectedView[P, T]: ...
    @overload
    def __call__(self, view: Callable[P, T], /) -> ProtectedView[P, T]: ...


@overload
def login_required(view: Callable[P, Awaitable[T]]) -> ProtectedView[P, T]: ...
@overload
def login_required(view: Callable[P, T]) -> ProtectedView[P, T]: ...
def login_required(view: Callable[..., Any]) -> Any:
    """Call the view only if the user is logged in.

    Otherwise the response is that of :meth:`LoginManager.unauthorized`: a redirect to the login
    page, with the current URL in ``next``. A client that prefers JSON gets 401 as JSON. A websocket
    is refused before it is accepted. ``OPTIONS`` needs no login, and with ``LOGIN_DISABLED`` no
    method does.

    Arguments:
        view: A synchronous or asynchronous view or websocket handler. A class view names the
            decorator in ``View.decorators``.

    A view that is registered without this decorator is a :exc:`DecoratorOrderError`, at the latest
    when the server starts: write the route above the decorator, or
    ``app.view_functions["name"] = login_required(app.view_functions["name"])``.

    See Flask's page "View Decorators", section "Login Required Decorator".

    .. versionadded:: 0.1
    """
    return _protected(view, _require_login)


@overload
def fresh_login_required(view: Callable[P, Awaitable[T]]) -> ProtectedView[P, T]: ...
@overload
def fresh_login_required(view: Callable[P, T]) -> ProtectedView[P, T]: ...
def fresh_login_required(view: Callable[..., Any]) -> Any:
    """Call the view only if the user has given the password in this session.

    Use it for views that must be safe even if a session is stolen, such as to change the password.
    Otherwise the response is a redirect to the ``refresh_view``, which asks for the password and
    calls :func:`~quartpatterns.viewdecorators.confirm_login`. With ``LOGIN_FRESH_LIFETIME``, a
    login is fresh for that time.

    Arguments:
        view: As for :func:`login_required`.

    .. versionadded:: 0.1
    """
    return _protected(view, _require_fresh_login)


def roles_required(*roles: str) -> ProtectingDecorator:
    """Call the view only if the user has all of the roles; other users get 403.

    The roles of a user are the strings in ``user.roles``. If no user is logged in, the
    response is that of :func:`login_required`.

    Raises:
        TypeError: There is no role, or one is not a string: ``@roles_required`` was written
            without parentheses.

    .. versionadded:: 0.1
    """
    if not roles or not all(isinstance(role, str) for role in roles):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError('roles_required takes the names of roles: @roles_required("admin")')

    async def require_roles() -> Any:
        response = await _require_login()
        if response is None and not _is_exempt():
            if not _roles_of(await load_user(login_manager())).issuperset(roles):
                abort(403)
        return response

    def decorator(view: Callable[..., Any]) -> Any:
        return _protected(view, require_roles)

    return decorator


def _protected(view: Callable[..., Any], require: Callable[[], Awaitable[Any]]) -> Any:
    """Return the decorated view; *require* returns a response in place of that of the view."""
    if isinstance(view, type) or not callable(view):
        raise TypeError(
            f"{view!r} is not a view function; in a class view write decorators = [...]"
        )

    @wraps(view)
    async def decorated(*args: Any, **kwargs: Any) -> Any:
        if (response := await require()) is not None:
            return response
        return await call(view, *args, **kwargs)

    protect(decorated, view)
    _requirements[decorated] = require
    return decorated


async def find_refusal() -> Any:
    """Return the response for a user who may not call the view of this request, or ``None``.

    The decorators of the view require a login, or those of a ``before_request`` function.
    """
    app: Any = current_app
    current = connection()
    functions = [
        function
        for scope in [None, *current.blueprints]
        for function in app.before_request_funcs.get(scope, ())
    ]
    if current.endpoint in app.view_functions:
        functions.append(app.view_functions[current.endpoint])
    for function in functions:
        for inner in wrapped_views(function):
            try:
                require = _requirements.get(inner)
            except TypeError:  # It has no hash or no weak references.
                continue
            if require is not None and (response := await require()) is not None:
                return response
    return None


async def _require_login() -> Any:
    manager = login_manager()
    if _is_exempt():
        return None
    user = await load_user(manager)
    note_use()
    authenticated = getattr(user, "is_authenticated", True)
    return None if authenticated else await manager.unauthorized()


async def _require_fresh_login() -> Any:
    if (response := await _require_login()) is not None:
        return response
    return None if _is_exempt() or login_fresh() else await login_manager().needs_refresh()


def _is_exempt() -> bool:
    """Return whether everybody may see the view.

    Browsers send ``OPTIONS`` without cookies to ask whether another site may send a request.
    """
    context: Any = request_ctx if has_request_context() else app_ctx
    context = context._get_current_object()
    if isinstance(context, RequestContext) and context.request.method in EXEMPT_METHODS:
        return True
    config: Any = context.app.config
    return config.get("LOGIN_DISABLED", False) is not False and settings().boolean("LOGIN_DISABLED")


def _roles_of(user: Any) -> set[str]:
    roles: Collection[str] | None = getattr(user, "roles", None)
    if roles is None or isinstance(roles, str):
        raise TypeError(
            f"roles_required needs a collection of strings in the attribute roles of"
            f" {type(user).__name__}"
        )
    return set(roles)
