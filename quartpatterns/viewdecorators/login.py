"""Logging in and out, and confirming a login."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from quart import current_app, g, has_request_context, session

from quartpatterns._shared.settings import SettingsReader
from quartpatterns.viewdecorators.manager import (
    CLIENT_KEY,
    FRESH_KEY,
    USER_KEY,
    client_digest,
    is_same_client,
    login_manager,
)

__all__ = ["confirm_login", "login_fresh", "login_user", "logout_user"]


def login_user(
    user: Any, *, remember: bool = False, fresh: bool = True, force: bool = False
) -> bool:
    """Log a user in; return False if the user is not active.

    If another user was logged in, the session is cleared first. If the session interface has a
    method ``regenerate(session)``, it is called to give a session on the server a new id, so that
    the old id is not logged in.

    Arguments:
        user: An object with ``get_id()``.
        remember: Whether the login lasts for ``PERMANENT_SESSION_LIFETIME``, also after the browser
            was closed.
        fresh: Whether the user has just given the password.
        force: Whether to log in a user whose ``is_active`` is false.

    Raises:
        RuntimeError: There is no request, or it is a websocket, which can't set a cookie.
        TypeError: ``get_id()`` is missing or does not return a string.

    .. versionadded:: 0.1
    """
    _require_request()
    if not force and not getattr(user, "is_active", True):
        return False
    user_id = _get_id(user)
    if session.get(USER_KEY) not in (None, user_id):
        session.clear()
    regenerate = getattr(current_app.session_interface, "regenerate", None)
    if regenerate is not None:
        regenerate(session)
    fresh_since = _now() if fresh else False
    session.update({USER_KEY: user_id, FRESH_KEY: fresh_since, CLIENT_KEY: client_digest()})
    if remember or session.permanent:
        session.permanent = remember
    g.user = user
    return True


def logout_user() -> None:
    """Log the user out and remove everything from the session.

    A copy of a session cookie stays valid until it expires, or until ``get_id()`` of the user
    returns another value.

    Raises:
        RuntimeError: There is no request, or it is a websocket.

    .. versionadded:: 0.1
    """
    _require_request()
    session.clear()
    g.user = None


def login_fresh() -> bool:
    """Return whether the user has given the password within ``LOGIN_FRESH_LIFETIME``.

    .. versionadded:: 0.1
    """
    since: Any = session.get(FRESH_KEY)
    if not isinstance(since, int):  # Flask-Login stores True, which is a time in 1970.
        return False
    if current_app.config["SESSION_PROTECTION"] is not None and not is_same_client():
        return False
    lifetime = SettingsReader(current_app.config).seconds("LOGIN_FRESH_LIFETIME")
    return 0 <= _now() - since <= lifetime


def confirm_login() -> None:
    """Make the login fresh, because the user has given the password again.

    Raises:
        RuntimeError: Nobody is logged in, there is no request, or it is a websocket.

    .. versionadded:: 0.1
    """
    _require_request()
    if g.user is None:
        raise RuntimeError("confirm_login needs a user who is logged in: call login_user first")
    session.update({FRESH_KEY: _now(), CLIENT_KEY: client_digest()})


def _now() -> int:
    return int(time.time())


def _require_request() -> None:
    login_manager()
    if not has_request_context():
        raise RuntimeError(
            "logins can only be changed in an HTTP request, because they are stored in a cookie"
        )


def _get_id(user: Any) -> str:
    get_id: Callable[[], Any] | None = getattr(user, "get_id", None)
    user_id = get_id() if get_id is not None else None
    if not isinstance(user_id, str):
        raise TypeError(
            f"{type(user).__name__} needs a method get_id() that returns a string; UserMixin has"
            " one"
        )
    return user_id
