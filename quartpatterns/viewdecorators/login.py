"""Log in, out, and in again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from quart import current_app, g, has_request_context, session

from quartpatterns.viewdecorators.manager import login_manager
from quartpatterns.viewdecorators.sessions import CLIENT, FRESH, USER, client, now, same_client

__all__ = ["confirm_login", "login_fresh", "login_user", "logout_user"]


def login_user(
    user: Any, *, remember: bool = False, fresh: bool = True, force: bool = False
) -> bool:
    """Log *user* in; whether that was done.

    What the session holds of another user is dropped. A session that is stored on the server
    gets a new id where its interface has ``regenerate(session)``, so that nobody who planted the
    old id shares the login.

    Arguments:
        user: An object with ``get_id()``.
        remember: Keep the login for ``PERMANENT_SESSION_LIFETIME``, not only until the browser
            is closed.
        fresh: The password was given just now.
        force: Log in also somebody whose ``is_active`` is false.

    Raises:
        RuntimeError: In a websocket, which can't set a cookie, or outside of a request.
        TypeError: ``get_id()`` is missing or returns no string.
    """
    _check_request()
    if not force and not getattr(user, "is_active", True):
        return False
    user_id = _id_of(user)
    if session.get(USER) not in (None, user_id):
        session.clear()
    regenerate = getattr(current_app.session_interface, "regenerate", None)
    if regenerate is not None:
        regenerate(session)
    session.update({USER: user_id, FRESH: now() if fresh else False, CLIENT: client()})
    if remember or session.permanent:
        session.permanent = remember
    g.user = user
    return True


def logout_user() -> None:
    """Log out, and drop all that the session holds: the next person here is somebody else.

    The cookie is taken from this browser. A copy of it stays valid, as with every session that
    lives in a cookie, until it expires or ``get_id()`` returns another id.

    Raises:
        RuntimeError: In a websocket, or outside of a request.
    """
    _check_request()
    session.clear()
    g.user = None


def login_fresh() -> bool:
    """Whether somebody has logged in within ``LOGIN_FRESH_LIFETIME``, with this browser."""
    since: Any = session.get(FRESH)
    if not isinstance(since, int):  # True of Flask-Login's counts as the second after 1970.
        return False
    if current_app.config["SESSION_PROTECTION"] is not None and not same_client():
        return False
    return 0 <= now() - since <= cast(float, current_app.config["LOGIN_FRESH_LIFETIME"])


def confirm_login() -> None:
    """Make the login fresh: the user has given the password again.

    Raises:
        RuntimeError: Nobody is logged in; in a websocket, or outside of a request.
    """
    _check_request()
    if g.user is None:
        raise RuntimeError("nobody is logged in whose login could be confirmed: use login_user")
    session.update({FRESH: now(), CLIENT: client()})


def _check_request() -> None:
    login_manager()
    if not has_request_context():
        raise RuntimeError("a login is kept in a cookie, which only a request can set")


def _id_of(user: Any) -> str:
    get_id: Callable[[], Any] | None = getattr(user, "get_id", None)
    user_id = get_id() if get_id is not None else None
    if not isinstance(user_id, str):
        raise TypeError(
            f"{type(user).__name__} needs a method get_id() that returns a string, such as"
            " UserMixin has"
        )
    return user_id
