"""The extension: settings and registration."""

from __future__ import annotations

from typing import Any

from quart import Quart

from quartpatterns._shared.settings import SettingsReader, apply_defaults, refuse_unknown
from quartpatterns.flashing.cookies import FlashCookies
from quartpatterns.flashing.messages import EXTENSION, FlashStorage, get_flashed_messages

__all__ = ["DEFAULTS", "Flashing"]

DEFAULTS: dict[str, Any] = {
    "FLASHING_COOKIE_NAME": "flash",
    # Half of what Hypercorn and nginx accept as the head of a request: other cookies need space.
    "FLASHING_MAX_SIZE": 8 * 1024,
}


class Flashing:
    """Message flashing with one signed cookie for each message.

    .. code-block:: python

        Flashing(app)

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
        refuse_unknown(app.config, "FLASHING_", DEFAULTS)
        apply_defaults(app, DEFAULTS)
        reader = SettingsReader(app.config)
        prefix, max_size = reader.text("FLASHING_COOKIE_NAME"), reader.size("FLASHING_MAX_SIZE")
        storage = FlashStorage(FlashCookies(app, prefix, max_size))
        app.extensions[EXTENSION] = storage
        app.add_template_global(get_flashed_messages)
        # The first function in the list runs last, so it saves what the others flash.
        app.after_request_funcs[None].insert(0, storage.save)
