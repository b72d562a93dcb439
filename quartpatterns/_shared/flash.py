"""Flashed messages in the session, where Flask and Quart keep them.

``quart.get_flashed_messages`` and the extensions that call it read the same place.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from quart import Quart, session
from quart.signals import message_flashed

from quartpatterns._shared.calling import signal_wrapper
from quartpatterns._shared.languages import resolved

__all__ = ["FlashedMessage", "pop_session_messages", "store_in_session"]

KEY = "_flashes"
"""The key of the session that Flask and Quart use."""


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


def store_in_session(message: str, category: str) -> None:
    """Append a message to those in the session."""
    messages: list[tuple[str, str]] = session.get(KEY, [])
    messages.append((category, resolved(message)))
    # Assigned, because the session does not notice that a list in it changes.
    session[KEY] = messages


def pop_session_messages() -> list[tuple[str, str]]:
    """Remove the messages from the session and return them as pairs of category and message."""
    if KEY not in session:
        return []
    # The session may hold lists: JSON has no tuples.
    return [(category, message) for category, message in session.pop(KEY)]
