"""Logging in and out, and confirming a login."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from quart import Blueprint, current_app, has_request_context, request, session
from werkzeug.local import LocalProxy

from quartpatterns.viewdecorators.cookies import (
    CLIENT_KEY,
    FRESH_KEY,
    FRESH_SINCE_KEY,
    REMEMBER_KEY,
    REMEMBER_SECONDS_KEY,
    USER_KEY,
    is_answered,
    remembered_id,
    settings,
)
from quartpatterns.viewdecorators.loading import login_manager, set_user, used_user
from quartpatterns.viewdecorators.signals import (
    send,
    user_logged_in,
    user_logged_out,
    user_login_confirmed,
)

__all__ = [
    "confirm_login",
    "login_fresh",
    "login_remembered",
    "login_user",
    "logout_user",
    "set_login_view",
]


def login_user(
    user: Any,
    remember: bool = False,
    duration: timedelta | None = None,
    force: bool = False,
    fresh: bool = True,
) -> bool:
    """Log a user in; return False if the user is not active.

    If the session interface has a method ``regenerate(session)``, it is called to give a session on
    the server a new id, so that the old id is not logged in.

    Arguments:
        user: An object with ``get_id()``, which returns a string, an int or a ``UUID``.
        remember: Whether the user stays logged in after the browser was closed, by another cookie.
            The login is not fresh then.
        duration: How long that cookie is valid; by default ``REMEMBER_COOKIE_DURATION``.
        force: Whether to log in a user whose ``is_active`` is false.
        fresh: Whether the user has just given the password.

    Raises:
        RuntimeError: There is no request, or it is a websocket, which can't set a cookie; or the
            response headers are complete, as in a stream.
        TypeError: ``get_id()`` is missing or returns something else, or *duration* is not a
            ``timedelta``.

    .. versionadded:: 0.1
    """
    manager = _require_request()
    if type(user) is LocalProxy:  # current_user itself would end in a recursion.
        user = cast("Any", user)._get_current_object()
    if duration is not None and not isinstance(duration, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"duration must be a datetime.timedelta, not {duration!r}")
    if not force and not getattr(user, "is_active", True):
        return False
    user_id = _get_id(user, manager.id_attribute)
    regenerate = getattr(current_app.session_interface, "regenerate", None)
    if regenerate is not None:
        regenerate(session)
    session.update({USER_KEY: user_id, FRESH_KEY: fresh, CLIENT_KEY: manager.identifier()})
    _store_fresh_since(fresh)
    if remember:
        session[REMEMBER_KEY] = "set"
        if duration is not None:
            session[REMEMBER_SECONDS_KEY] = duration.total_seconds()
    elif remembered_id() not in (None, str(user_id)):
        session[REMEMBER_KEY] = "clear"  # It would log another user in when this session ends.
    set_user(user)
    send(user_logged_in, user=user)
    return True


def logout_user() -> bool:
    """Log the user out, and delete the remember cookie. Return True.

    The other values in the session stay. A copy of a session cookie stays valid until it expires,
    or until ``get_id()`` of the user returns another value.

    Raises:
        RuntimeError: There is no request, or it is a websocket; or the response headers are
            complete, as in a stream.

    .. versionadded:: 0.1
    """
    manager = _require_request()
    # Only receivers need the user, so that no other logout loads it.
    user = used_user() if user_logged_out.receivers else None
    for key in (USER_KEY, FRESH_KEY, CLIENT_KEY, FRESH_SINCE_KEY):
        session.pop(key, None)
    if settings().text("REMEMBER_COOKIE_NAME") in request.cookies:
        session[REMEMBER_KEY] = "clear"
        session.pop(REMEMBER_SECONDS_KEY, None)
    send(user_logged_out, user=user)
    set_user(manager.anonymous_user())
    return True


def login_fresh() -> bool:
    """Return whether the user has given the password in this session.

    With ``LOGIN_FRESH_LIFETIME``, it must be within that time.

    .. versionadded:: 0.1
    """
    if session.get(FRESH_KEY) is not True:
        return False
    manager = login_manager()
    if manager.protection() is not None and not manager.is_same_client():
        return False
    reader = settings()
    lifetime = reader.optional(reader.seconds, "LOGIN_FRESH_LIFETIME")
    if lifetime is None:
        return True
    since: Any = session.get(FRESH_SINCE_KEY)
    return isinstance(since, int) and 0 <= _now() - since <= lifetime


def login_remembered() -> bool:
    """Return whether the browser has a valid remember cookie.

    .. versionadded:: 0.1
    """
    return remembered_id() is not None


def confirm_login() -> None:
    """Make the login fresh, because the user has given the password again.

    Raises:
        RuntimeError: There is no request, or it is a websocket; or the response headers are
            complete, as in a stream.

    .. versionadded:: 0.1
    """
    manager = _require_request()
    session.update({FRESH_KEY: True, CLIENT_KEY: manager.identifier()})
    _store_fresh_since(True)
    send(user_login_confirmed)


def set_login_view(login_view: str, blueprint: Blueprint | None = None) -> None:
    """Set the login page of the current application, or of one of its blueprints.

    Arguments:
        login_view: An endpoint or URL.
        blueprint: The blueprint.

    .. versionadded:: 0.1
    """
    manager = login_manager()
    if blueprint is None:
        manager.login_view = login_view
    else:
        manager.blueprint_login_views[blueprint.name] = login_view


def _now() -> int:
    return int(time.time())


def _store_fresh_since(fresh: bool) -> None:
    if settings().value("LOGIN_FRESH_LIFETIME") is not None and fresh:
        session[FRESH_SINCE_KEY] = _now()
    else:
        session.pop(FRESH_SINCE_KEY, None)


def _require_request() -> Any:
    if not has_request_context():
        raise RuntimeError(
            "logins can only be changed in an HTTP request, because they are stored in a cookie"
        )
    if is_answered():
        raise RuntimeError(
            "The response headers, in which the session cookie is sent, are already complete: log"
            " users in and out before the view returns its stream."
        )
    return login_manager()


def _get_id(user: Any, attribute: str) -> str | int | UUID:
    get_id: Any = getattr(user, attribute, None)
    user_id: Any = get_id() if callable(get_id) else None
    if isinstance(user_id, bool) or not isinstance(user_id, str | int | UUID):
        raise TypeError(
            f"{type(user).__name__} needs a method {attribute}() that returns a string, an int or"
            " a UUID; UserMixin has one"
        )
    return user_id
