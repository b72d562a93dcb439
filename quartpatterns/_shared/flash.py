"""``flash`` and ``get_flashed_messages``, which :mod:`flashing` and :mod:`subclassing` export.

If the application has :class:`quartpatterns.flashing.Flashing`, each message has a cookie of its
own. Otherwise the messages are in the session, where Flask and Quart keep them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from typing import Any, Literal, Protocol, overload

import quart
from quart import Quart, current_app, has_app_context, session
from quart.globals import request_ctx
from quart.signals import message_flashed

from quartpatterns._shared.calling import signal_wrapper
from quartpatterns._shared.languages import resolved

__all__ = [
    "EXTENSION",
    "FlashTooLargeError",
    "FlashedMessage",
    "MessageStorage",
    "flash",
    "get_flashed_messages",
    "pop_session_messages",
    "store_in_session",
]

EXTENSION = "quartpatterns.flashing"
"""The key in ``app.extensions`` of the :class:`MessageStorage` of an application, if it has one."""

KEY = "_flashes"
"""The key of the session that Flask and Quart use."""


class FlashTooLargeError(ValueError):
    """A message doesn't fit in a cookie, or all messages together don't fit in a request.

    :func:`~quartpatterns.flashing.flash` raises it. The messages that were flashed before are not
    lost.

    .. versionadded:: 0.1
    """


class FlashedMessage:
    """A message that is stored. Awaiting it sends the signal ``message_flashed``, once.

    Arguments:
        app: The application, which is the sender of the signal.
        message: The text.
        category: The kind of message.

    Attributes:
        awaited: Whether it was awaited.
    """

    def __init__(self, app: Quart, message: str, category: str) -> None:
        self.app = app
        self.message = message
        self.category = category
        self.awaited = False

    def __await__(self) -> Generator[Any, None, None]:
        return self.send_signal().__await__()

    async def send_signal(self) -> None:
        """Send the signal, unless that was done before."""
        if self.awaited:
            return
        self.awaited = True
        await message_flashed.send_async(
            self.app,
            _sync_wrapper=signal_wrapper(self.app),
            message=self.message,
            category=self.category,
        )


class MessageStorage(Protocol):
    """A place for messages that is not the session."""

    def add(self, message: str, category: str) -> FlashedMessage:
        """Store a message."""
        ...

    def read(self) -> list[tuple[str, str]]:
        """Return the messages as pairs of category and text, and mark them as shown."""
        ...


def flash(message: str, category: str = "message") -> FlashedMessage:
    """Store *message*, to be shown on the next page that this user opens.

    The message is stored by the call. Awaiting the result sends the signal ``message_flashed``.
    Quart's function loses the message if ``await`` is forgotten. With
    :class:`~quartpatterns.flashing.Flashing` and in a
    :class:`~quartpatterns.subclassing.FaithfulQuart`, a forgotten ``await`` is an error under
    ``TESTING``. A synchronous view calls it as in Flask.

    With :class:`~quartpatterns.flashing.Flashing` the message gets a cookie of its own. Without it,
    it is stored in the session.

    Arguments:
        message: The text, or :class:`~markupsafe.Markup`.
        category: The category of the message.

    Returns:
        An object to await.

    Raises:
        FlashTooLargeError: With ``Flashing``: The message doesn't fit in a cookie, or in the
            request together with the pending ones.
        RuntimeError: There is no active request, the application has no secret key, or, with
            ``Flashing``, the response headers are complete.

    .. versionadded:: 0.1
    """
    message = resolved(message)
    if (storage := _storage()) is not None:
        return storage.add(message, category)
    store_in_session(message, category)
    app: Any = current_app
    flashed = FlashedMessage(app._get_current_object(), message, category)
    if app.testing:
        with contextlib.suppress(RuntimeError, AttributeError):
            # Outside of a request, or with Quart's own context, nothing is checked.
            context: Any = request_ctx
            context.flashed.append(flashed)
    return flashed


@overload
def get_flashed_messages(
    with_categories: Literal[False] = False, category_filter: Iterable[str] = ()
) -> list[str]: ...


@overload
def get_flashed_messages(
    with_categories: Literal[True], category_filter: Iterable[str] = ()
) -> list[tuple[str, str]]: ...


def get_flashed_messages(
    with_categories: bool = False, category_filter: Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]:
    """Return the messages that were flashed and not shown yet, oldest first.

    The call marks all of them as shown, whatever the filter; later calls in the same request
    return them again. With :class:`~quartpatterns.flashing.Flashing` a ``HEAD`` request marks none,
    and messages of ``quart.flash`` are included, because extensions may use it. Without it, this is
    Quart's function.

    With ``Flashing``, call it before the view returns. In a streamed template the first call
    returns nothing, because a stream can't remove cookies; the next page shows the messages.

    Arguments:
        with_categories: Return pairs of category and text.
        category_filter: Return only messages of these categories.

    Raises:
        RuntimeError: There is no active request. With ``Flashing`` and under ``TESTING`` also if a
            stream calls it too late and there are pending messages.

    .. versionadded:: 0.1
    """
    categories = frozenset(category_filter)
    if (storage := _storage()) is None:
        found: Any = quart.get_flashed_messages(with_categories, categories)
        return list(found)
    messages = [
        (category, message)
        for category, message in storage.read()
        if not categories or category in categories
    ]
    return messages if with_categories else [message for _, message in messages]


def _storage() -> MessageStorage | None:
    return current_app.extensions.get(EXTENSION) if has_app_context() else None


def store_in_session(message: str, category: str) -> None:
    """Append a message to those in the session."""
    messages: list[tuple[str, str]] = session.get(KEY, [])
    messages.append((category, message))
    # Assigned, because the session does not notice that a list in it changes.
    session[KEY] = messages


def pop_session_messages() -> list[tuple[str, str]]:
    """Remove the messages from the session and return them as pairs of category and message."""
    if KEY not in session:
        return []
    # The session may hold lists: JSON has no tuples.
    return [(category, message) for category, message in session.pop(KEY)]
