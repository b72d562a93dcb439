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
        self._timer: asyncio.TimerHandle | None = None

    def sending(self) -> None:
        """Note that the current task begins to send."""
        self._started = self._loop.time()
        if self._timer is None:
            self._task = asyncio.current_task()
            self._timer = self._loop.call_later(self._seconds, self._check)

    def sent(self) -> None:
        """Note that the client has taken what was sent, or that there is room in the buffers."""
        self._started = None

    def close(self) -> None:
        """End the limit with the stream."""
        self._started = self._task = self._request = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._started is None or self._task is None:
            return
        due = self._started + self._seconds
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._check)
            return
        self.expired = True
        if self._request is not None:
            log_cut_stream(self._request, self._seconds)
        self._task.cancel()


def log_cut_stream(request: BaseRequestWebsocket, seconds: float) -> None:
    """Log that the client of *request* was cut."""
    log.warning(
        "%s %s: the client at %s took nothing for %g s, so its response was cut (%s)",
        request.method,
        request.path,
        request.remote_addr,
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
