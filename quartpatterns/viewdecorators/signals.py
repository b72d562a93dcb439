"""The signals of Flask-Login. The sender is the application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from blinker import NamedSignal, Namespace
from quart import current_app, g

from quartpatterns._shared.calling import call

__all__ = [
    "LOOP",
    "flush_signals",
    "on_event_loop",
    "send",
    "session_protected",
    "user_accessed",
    "user_loaded_from_cookie",
    "user_loaded_from_request",
    "user_logged_in",
    "user_logged_out",
    "user_login_confirmed",
    "user_needs_refresh",
    "user_unauthorized",
]

_signals = Namespace()

user_logged_in = _signals.signal("logged-in")
"""Sent when a user is logged in, with ``user``.

.. versionadded:: 0.1
"""
user_logged_out = _signals.signal("logged-out")
"""Sent when a user is logged out, with ``user``.

.. versionadded:: 0.1
"""
user_loaded_from_cookie = _signals.signal("loaded-from-cookie")
"""Sent when a user is loaded from the cookie of ``remember=True``, with ``user``.

.. versionadded:: 0.1
"""
user_loaded_from_request = _signals.signal("loaded-from-request")
"""Sent when the request loader has returned a user, with ``user``.

.. versionadded:: 0.1
"""
user_login_confirmed = _signals.signal("login-confirmed")
"""Sent when ``confirm_login`` makes a login fresh.

.. versionadded:: 0.1
"""
user_unauthorized = _signals.signal("unauthorized")
"""Sent when a view needs a login and nobody is logged in.

.. versionadded:: 0.1
"""
user_needs_refresh = _signals.signal("needs-refresh")
"""Sent when a view needs a fresh login and the login is not fresh.

.. versionadded:: 0.1
"""
user_accessed = _signals.signal("accessed")
"""Sent when a request uses the current user for the first time.

.. versionadded:: 0.1
"""
session_protected = _signals.signal("session-protected")
"""Sent when a session comes from another address or browser than the login.

.. versionadded:: 0.1
"""

PENDING = "_login_receivers"
LOOP = "_login_loop"


def send(signal: NamedSignal, **kwargs: Any) -> None:
    """Send *signal* to its receivers.

    An asynchronous receiver is called at once if this runs in a thread. On the event loop it is
    called by :func:`flush_signals`, because this function is not awaited.
    """
    if signal.receivers:
        app: Any = current_app
        signal.send(app._get_current_object(), _async_wrapper=_deferred, **kwargs)


async def flush_signals() -> None:
    """Call the asynchronous receivers that :func:`send` could not await."""
    proxy: Any = g
    globals_ = proxy._get_current_object()
    while PENDING in globals_:
        for receiver in globals_.pop(PENDING):
            await call(receiver)


def _deferred(receiver: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    def deferred(*args: Any, **kwargs: Any) -> Any:
        called: Any = partial(receiver, *args, **kwargs)
        loop: asyncio.AbstractEventLoop | None = g.get(LOOP)
        if loop is None or on_event_loop():
            g.setdefault(PENDING, []).append(called)
            return None
        return asyncio.run_coroutine_threadsafe(call(called), loop).result()

    return deferred


def on_event_loop() -> bool:
    """Return whether this runs on the event loop, and not in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
