"""A time limit for clients that stop taking a stream.

A server passes on what a client takes. If the client takes nothing, the server's ``send()`` waits,
and with it the generator and all that it holds, such as a database connection. The limit is for one
``send()``, as with the ``send_timeout`` of nginx: a stream can last for any time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from datetime import timedelta
from types import EllipsisType
from typing import Any, TypeVar

from quart.wrappers.base import BaseRequestWebsocket

from quartpatterns._shared.settings import SettingsReader
from quartpatterns._shared.settings_of.streaming import SETTINGS
from quartpatterns._shared.shared_timers import SharedTimer, shared_timers

__all__ = ["SendTimeout", "configured_send_timeout", "limit_sending", "log_cut_stream"]

log = logging.getLogger("quartpatterns.streaming")

T = TypeVar("T")

SETTING = "STREAM_SEND_TIMEOUT"

Seconds = float | timedelta | EllipsisType | None
"""A limit in seconds, ``None`` for no limit, or ``...`` for the setting."""


def configured_send_timeout(config: Mapping[str, Any], own: Seconds = ...) -> float | None:
    """Return the seconds after which a client that takes nothing is cut, or ``None``.

    Arguments:
        config: The configuration of the application, with ``STREAM_SEND_TIMEOUT``.
        own: The limit of the stream itself. With ``...`` the setting is its limit.

    Raises:
        SettingError: The limit is invalid.
    """
    if own is not ...:
        config = {SETTING: own}
    reader = SettingsReader(config, SETTINGS.defaults)
    return reader.optional(reader.seconds, SETTING)


class SendTimeout:
    """Cancels the task that sends a stream if its client takes nothing for some time.

    Call :meth:`sending` before each ``send()``, or before the ``yield`` of a generator whose items
    are sent, and :meth:`sent` after it. Both are cheap, and there is a timer only while something
    is sent: a stream that waits for events has none.

    Arguments:
        seconds: The limit for one ``send()``.
        request: The request or websocket, for the message in the log.

    Attributes:
        expired: Whether the client was cut.
    """

    __slots__ = ("_loop", "_request", "_seconds", "_started", "_task", "_timer", "expired")

    def __init__(self, seconds: float, request: BaseRequestWebsocket) -> None:
        self.expired = False
        self._seconds = seconds
        self._request: BaseRequestWebsocket | None = request
        self._loop = asyncio.get_running_loop()
        self._started: float | None = None
        self._task: asyncio.Task[Any] | None = None
        self._timer: SharedTimer | None = None

    def sending(self) -> None:
        """Note that the current task begins to send."""
        self._started = self._loop.time()
        if self._timer is None:
            self._task = asyncio.current_task()
            self._timer = shared_timers().add(self, self._started + self._seconds)

    def sent(self) -> None:
        """Note that the client has taken what was sent, or that there is room in the buffers."""
        self._started = None

    def close(self) -> None:
        """End the limit with the stream."""
        self._started = self._task = self._request = None
        if self._timer is not None:
            self._timer.discard(self)
            self._timer = None

    def time_reached(self) -> None:
        """Cancel the task if the client has taken nothing for too long."""
        self._timer = None
        if self._started is None or self._task is None:
            return
        due = self._started + self._seconds
        if due > self._loop.time():
            self._timer = shared_timers().add(self, due)
            return
        self.expired = True
        if self._request is not None:
            request = self._request
            log_cut_stream(request.method, request.path, request.remote_addr, self._seconds)
        self._task.cancel()


def log_cut_stream(method: str, path: str, address: str | None, seconds: float) -> None:
    """Log that a client was cut.

    Arguments:
        method: The method of its request.
        path: The path of its request.
        address: Its address.
        seconds: The limit.
    """
    log.warning(
        "%s %s: the client at %s took nothing for %g s, so its response was cut (%s)",
        method,
        path,
        address,
        seconds,
        SETTING,
    )


async def limit_sending(items: AsyncIterable[T], limit: SendTimeout) -> AsyncGenerator[T, None]:
    """Yield *items*, which are sent, and cancel the sending task if a client takes none."""
    try:
        async for item in items:
            limit.sending()
            yield item
            limit.sent()
    finally:
        limit.close()
