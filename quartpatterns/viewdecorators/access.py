"""Who may see a view: anybody who is logged in, with certain roles, or since a short while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from typing import Any, ParamSpec

from quart import abort, g

from quartpatterns.viewdecorators.calling import call
from quartpatterns.viewdecorators.login import login_fresh
from quartpatterns.viewdecorators.manager import login_manager
from quartpatterns.viewdecorators.order import protects

__all__ = ["fresh_login_required", "login_required", "roles_required"]

P = ParamSpec("P")
View = Callable[P, Any]
Decorated = Callable[P, Awaitable[Any]]


def login_required(view: View[P]) -> Decorated[P]:
    """Call *view* only for somebody who is logged in.

    Anybody else is sent to the login page with ``next``, the URL that was asked for. A client
    that prefers JSON gets 401 as JSON, a websocket is refused before it is accepted.

    Arguments:
        view: A view or websocket handler, synchronous or not; for class views name the
            decorator in ``View.decorators``.

    Raises:
        DecoratorOrderError: *view* is registered already: the route belongs above.

    See Flask's page "View Decorators", section "Login Required Decorator".
    """
    return _protected(view, _not_logged_in)


def fresh_login_required(view: View[P]) -> Decorated[P]:
    """Call *view* only for somebody who has given the password within ``LOGIN_FRESH_LIFETIME``.

    For what a stolen or forgotten session should not allow: a change of the password, a payment.
    Anybody else is sent to the ``refresh_view``, which asks again and calls
    :func:`~quartpatterns.viewdecorators.confirm_login`.

    Arguments:
        view: As for :func:`login_required`.

    Raises:
        DecoratorOrderError: As for :func:`login_required`.
    """
    return _protected(view, _not_fresh)


def roles_required(*roles: str) -> Callable[[View[P]], Decorated[P]]:
    """Call the view only for somebody who has all of *roles*; others get 403.

    The roles of a user are ``user.roles``, a collection of strings. Who is not logged in is
    treated as by :func:`login_required`.

    Raises:
        TypeError: There is no role, or it is no string: ``@roles_required`` without parentheses.
        DecoratorOrderError: As for :func:`login_required`.
    """
    if not roles or not all(isinstance(role, str) for role in roles):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError('roles_required takes the names of roles: @roles_required("admin")')

    def lacking() -> Any:
        if (answer := _not_logged_in()) is None and not _roles_of(g.user).issuperset(roles):
            abort(403)
        return answer

    def decorator(view: View[P]) -> Decorated[P]:
        return _protected(view, lacking)

    return decorator


def _protected(view: View[P], refusal: Callable[[], Any]) -> Decorated[P]:
    """*view*, called where *refusal* returns ``None``; its answer stands otherwise."""
    if isinstance(view, type) or not callable(view):
        raise TypeError(
            f"{view!r} is no view function; for a class view write decorators = [...] in the class"
        )

    @wraps(view)
    async def decorated(*args: P.args, **kwargs: P.kwargs) -> Any:
        if (answer := refusal()) is not None:
            return answer
        return await call(view, *args, **kwargs)

    protects(decorated, view)
    return decorated


def _not_logged_in() -> Any:
    manager = login_manager()
    return manager.unauthorized() if g.user is None else None


def _not_fresh() -> Any:
    if (answer := _not_logged_in()) is not None:
        return answer
    return None if login_fresh() else login_manager().needs_refresh()


def _roles_of(user: Any) -> set[str]:
    roles: Collection[str] | None = getattr(user, "roles", None)
    if roles is None or isinstance(roles, str):
        raise TypeError(
            f"roles_required looks for a collection of strings in the attribute roles of"
            f" {type(user).__name__}"
        )
    return set(roles)
