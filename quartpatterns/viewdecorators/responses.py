"""The responses to users who are not logged in, or whose login is not fresh."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from quart import redirect, session
from quart.typing import ResponseTypes
from werkzeug.exceptions import Unauthorized

from quartpatterns._shared.calling import call
from quartpatterns._shared.flash import FlashTooLargeError, flash
from quartpatterns.viewdecorators.cookies import CLIENT_KEY, connection, settings
from quartpatterns.viewdecorators.redirects import (
    current_url,
    expand_login_view,
    login_url,
    make_next_param,
    refuse_other_clients,
)
from quartpatterns.viewdecorators.signals import (
    flush_signals,
    send,
    user_needs_refresh,
    user_unauthorized,
)

if TYPE_CHECKING:
    from quartpatterns.viewdecorators.manager import LoginManager

__all__ = ["needs_refresh", "unauthorized"]


async def unauthorized(manager: LoginManager) -> Any:
    """Return the response of :meth:`LoginManager.unauthorized`."""
    send(user_unauthorized)
    await flush_signals()
    if manager.unauthorized_callback is not None:
        return await call(manager.unauthorized_callback)
    blueprint = connection().blueprint
    if blueprint in manager.blueprint_login_views:
        view = manager.blueprint_login_views[blueprint]
    else:
        view = manager.login_view
    return await _redirect(
        manager, view, manager.login_message, manager.login_message_category, "log in first"
    )


async def needs_refresh(manager: LoginManager) -> Any:
    """Return the response of :meth:`LoginManager.needs_refresh`."""
    send(user_needs_refresh)
    await flush_signals()
    if manager.needs_refresh_callback is not None:
        return await call(manager.needs_refresh_callback)
    return await _redirect(
        manager,
        manager.refresh_view,
        manager.needs_refresh_message,
        manager.needs_refresh_message_category,
        "log in again",
    )


async def _redirect(
    manager: LoginManager, view: str | None, message: Any, category: str, json_message: str
) -> ResponseTypes:
    refuse_other_clients(json_message)
    if not view:
        raise Unauthorized
    if message:
        if manager.localize_callback is not None:
            message = await call(manager.localize_callback, message)
        # A client that never shows the messages, such as a script, collects many of them.
        with contextlib.suppress(FlashTooLargeError):
            await flash(message, category)
    if settings().boolean("USE_SESSION_FOR_NEXT"):
        session[CLIENT_KEY] = manager.identifier()
        session["next"] = make_next_param(expand_login_view(view), current_url())
        return redirect(login_url(view))
    return redirect(login_url(view, current_url()))
