"""The extension, and the messages of the current request."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any, cast
from weakref import WeakKeyDictionary

from quart import Quart, current_app, has_request_context, request
from quart.typing import ResponseTypes
from quart.wrappers import Request

from quartpatterns._shared.flash import (
    EXTENSION,
    FlashedMessage,
    flash,
    get_flashed_messages,
    pop_session_messages,
)
from quartpatterns._shared.settings import SettingsReader, apply_defaults, refuse_unknown
from quartpatterns._shared.settings_of.flashing import SETTINGS
from quartpatterns._shared.visitors import mark_private
from quartpatterns.flashing.cookies import FlashCookie, FlashCookies

__all__ = ["SETTINGS", "Flashing", "flash", "get_flashed_messages"]

DEFAULTS = SETTINGS.defaults


class RequestMessages:
    """The messages of one request and its response."""

    def __init__(self, cookies: FlashCookies, request: Request) -> None:
        self.cookies = cookies
        self.used = False
        self.response_started = False
        self.awaitable: list[FlashedMessage] = []  # flashed in the event loop
        self.not_awaitable: list[FlashedMessage] = []  # flashed in a thread
        self._keep = request.method == "HEAD"
        self._request_cookies = request.cookies
        self._flashed: list[FlashCookie] = []
        self._shown: list[FlashCookie] = []
        self._read: list[tuple[str, str]] | None = None

    @cached_property
    def received(self) -> tuple[list[FlashCookie], list[str]]:
        """The messages that the request has sent, and the names of its expired cookies."""
        return self.cookies.decode(self._request_cookies)

    @property
    def pending(self) -> list[FlashCookie]:
        """The messages that were not shown yet, oldest first."""
        return [one for one in self.received[0] + self._flashed if one not in self._shown]

    def add(self, category: str, message: str) -> FlashedMessage:
        """Store a message.

        Raises:
            FlashTooLargeError: It doesn't fit.
            RuntimeError: The response headers are complete.
        """
        if self.response_started:
            raise RuntimeError(
                "The response headers, in which messages are sent, are already complete: call flash"
                " before the view returns its stream."
            )
        mark_private("flashed messages")
        last = (self.received[0] + self._flashed)[-1:]
        cookie = self.cookies.encode(category, message, after=last[0].name if last else "")
        self.cookies.check_total_size([*self.pending, cookie])
        self._flashed.append(cookie)
        flashed = FlashedMessage(self.cookies.app, message, category)
        (self.awaitable if _in_event_loop() else self.not_awaitable).append(flashed)
        return flashed

    def read(self) -> list[tuple[str, str]]:
        """Return the pending messages as pairs of category and text, and mark them as shown."""
        if self._read is None:
            if self.response_started:
                self._warn_too_late()
                return []
            # Extensions flash with quart.flash, which stores messages in the session.
            self._read = [(str(category), text) for category, text in pop_session_messages()]
            self._read += [(cookie.category, cookie.message) for cookie in self.pending]
            if not self._keep:
                self._shown = self.pending
        if self._read:
            mark_private("flashed messages")
        return self._read

    def _warn_too_late(self) -> None:
        if pending := self.pending:
            reason = (
                f"{len(pending)} flashed messages are left for the next page, because a stream"
                " can't remove their cookies: call get_flashed_messages() in the view, before it"
                " returns the stream."
            )
            if self.cookies.app.testing:
                raise RuntimeError(reason)
            self.cookies.app.logger.warning(reason)

    def save(self, response: ResponseTypes) -> None:
        """Set the cookies of pending messages, and delete those of shown and expired ones."""
        response.vary.add("Cookie")
        attributes = self.cookies.attributes()
        received, expired = self.received
        for name in expired + [cookie.name for cookie in self._shown if cookie in received]:
            response.delete_cookie(name, **attributes)
        for cookie in self._flashed:
            if cookie not in self._shown:
                response.set_cookie(cookie.name, cookie.value, **attributes)


class FlashStorage:
    """The messages of all current requests of an application."""

    def __init__(self, cookies: FlashCookies) -> None:
        self._cookies = cookies
        self._requests: WeakKeyDictionary[Request, RequestMessages] = WeakKeyDictionary()

    def add(self, message: str, category: str) -> FlashedMessage:
        """Store a message of the current request.

        Raises:
            FlashTooLargeError: It doesn't fit.
            RuntimeError: There is no request, or its response headers are complete.
        """
        return self._used("flash").add(category, message)

    def read(self) -> list[tuple[str, str]]:
        """Return the messages for the current request, and mark them as shown.

        Raises:
            RuntimeError: There is no request.
        """
        return self._used("get_flashed_messages").read()

    def _used(self, caller: str) -> RequestMessages:
        if not has_request_context():
            raise RuntimeError(
                f"{caller} needs an active request: messages are sent in the cookies of a response,"
                " which websockets and background tasks don't have."
            )
        messages = self.of_request()
        messages.used = True
        return messages

    def of_request(self) -> RequestMessages:
        """Return the messages of the current request."""
        current: Request = cast(Any, request)._get_current_object()
        if (messages := self._requests.get(current)) is None:
            messages = self._requests[current] = RequestMessages(self._cookies, current)
        return messages

    async def save(self, response: ResponseTypes) -> ResponseTypes:
        """Save the messages of the current request in the cookies of *response*.

        Raises:
            RuntimeError: Under ``TESTING``, a call of ``flash`` was not awaited.
        """
        messages = self.of_request()
        messages.response_started = True
        if messages.used:
            not_awaited = [one for one in messages.awaitable if not one.awaited]
            for flashed in messages.not_awaitable + not_awaited:
                await flashed.send_signal()
            if not_awaited and current_app.testing:
                call = f"flash({not_awaited[0].message!r})"
                raise RuntimeError(f"{call} was not awaited: write await flash(...).")
            messages.save(response)
        return response


class Flashing:
    """Message flashing with one signed cookie for each message.

    The cookies are signed with ``SECRET_KEY`` and read with ``SECRET_KEY_FALLBACKS`` too. They
    have the attributes of the session cookie (``SESSION_COOKIE_...``). They last until the browser
    is closed, at most ``PERMANENT_SESSION_LIFETIME``. Settings, read by :meth:`init_app`:

    * ``FLASHING_COOKIE_NAME``: the prefix of the cookies' names, by default ``flash``.
    * ``FLASHING_MAX_SIZE``: the bytes that all pending messages may take in a request, by default
      8192.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.

    Raises:
        RuntimeError: As :meth:`init_app`.
        SettingError: As :meth:`init_app`.

    .. versionadded:: 0.1
    """

    def __init__(self, app: Quart | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Register the extension and the template function ``get_flashed_messages``.

        Raises:
            RuntimeError: *app* has a :class:`Flashing` already.
            SettingError: A setting is invalid or unknown.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError("This application has Flashing already: register it once.")
        refuse_unknown(app.config, SETTINGS.prefixes, SETTINGS)
        apply_defaults(app, DEFAULTS)
        reader = SettingsReader(app.config)
        prefix, max_size = reader.text("FLASHING_COOKIE_NAME"), reader.size("FLASHING_MAX_SIZE")
        storage = FlashStorage(FlashCookies(app, prefix, max_size))
        app.extensions[EXTENSION] = storage
        app.add_template_global(get_flashed_messages)
        # The first function in the list runs last, so it saves what the others flash.
        app.after_request_funcs[None].insert(0, storage.save)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
