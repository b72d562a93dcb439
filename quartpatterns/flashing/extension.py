"""Flashing for an application: its settings, and the step that every answer takes."""

from __future__ import annotations

from typing import Any, cast
from weakref import WeakKeyDictionary, WeakSet

from quart import Quart, current_app, request
from quart.typing import ResponseTypes
from quart.wrappers import Request

from quartpatterns.flashing.exchange import Exchange
from quartpatterns.flashing.messages import KEY, get_flashed_messages

__all__ = ["DEFAULTS", "Flashing"]

DEFAULTS: dict[str, Any] = {
    "FLASHING_COOKIE_NAME": "flash",
    # Half of what Hypercorn and nginx take as the head of a request, for other cookies need room.
    "FLASHING_MAX_SIZE": 8 * 1024,
}


class Flashing:
    """Message flashing with a cookie for each message.

    .. code-block:: python

        Flashing(app)

    The cookies are signed with the application's ``SECRET_KEY`` (and read with its
    ``SECRET_KEY_FALLBACKS``), have the attributes of the session's cookie (``SESSION_COOKIE_...``)
    and last until the browser is closed, ``PERMANENT_SESSION_LIFETIME`` at most. The settings are:

    * ``FLASHING_COOKIE_NAME``: what the names of the cookies begin with; ``flash``.
    * ``FLASHING_MAX_SIZE``: bytes that all messages that wait may take in a request; 8192.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._exchanges: WeakKeyDictionary[Request, Exchange] = WeakKeyDictionary()
        self._answered: WeakSet[Request] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Register with *app*.

        Raises:
            RuntimeError: It has a :class:`Flashing` already.
        """
        if KEY in app.extensions:
            raise RuntimeError("this application has Flashing already: register it once")
        app.config.from_mapping({**DEFAULTS, **app.config})
        app.extensions[KEY] = self
        app.add_template_global(get_flashed_messages)
        # The first to be registered runs last, so that what other functions flash is there.
        app.after_request_funcs[None].insert(0, self._answer)

    def exchange(self, one: Request) -> Exchange:
        """What is known of the messages of request *one*."""
        if (found := self._exchanges.get(one)) is None:
            app: Quart = cast(Any, current_app)._get_current_object()
            found = self._exchanges[one] = Exchange(app, one, answered=one in self._answered)
        return found

    async def _answer(self, response: ResponseTypes) -> ResponseTypes:
        one: Request = cast(Any, request)._get_current_object()
        self._answered.add(one)
        if (exchange := self._exchanges.get(one)) is not None:
            await _signal(exchange)
            exchange.answer(response)
        return response


async def _signal(exchange: Exchange) -> None:
    """Send the signals that nobody has awaited.

    Raises:
        RuntimeError: Under ``TESTING``, where somebody should have.
    """
    forgotten = [flashed for flashed in exchange.to_await if not flashed.signalled]
    for flashed in exchange.to_signal + forgotten:
        await flashed.signal()
    if forgotten and exchange.app.testing:
        raise RuntimeError(f"flash({forgotten[0].message!r}) was not awaited: await flash(...)")
