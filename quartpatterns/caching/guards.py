"""What is done while a store is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from quartpatterns.caching.errors import CacheUnavailableError
from quartpatterns.caching.settings import Settings

__all__ = ["Guard", "patience"]

T = TypeVar("T")
log = logging.getLogger("quartpatterns.caching")
# Seconds between two lines in the log about a store that is full.
COMPLAINTS = 60.0
# Looks at the clock until a time limit is over.
LOOKS = 10


@asynccontextmanager
async def patience(seconds: float) -> AsyncGenerator[None]:
    """Raise :exc:`TimeoutError` after *seconds* in which the event loop had time to look.

    While it has not, an answer may have come: a store is not away because this process is busy.
    """
    loop = asyncio.get_running_loop()
    next_look: list[asyncio.TimerHandle] = []

    def look(left: int) -> None:
        if left:
            next_look[:] = [loop.call_later(seconds / LOOKS, look, left - 1)]
        else:
            limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        look(LOOKS)
        try:
            yield
        finally:
            next_look[0].cancel()


class Guard:
    """Asks a store that may be away, and leaves it alone for a while when it is.

    So a store that does not answer at all costs one request a second its time, not each.

    Arguments:
        name: What the log calls it.
        settings: For the times.
        errors: What is raised by a store that is away.
        refusals: What is raised by one that is there, and can't do as it is told: it is full.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        errors: tuple[type[Exception], ...],
        refusals: tuple[type[Exception], ...] = (),
    ) -> None:
        self._name = name
        self._timeout = settings.store_timeout
        self._pause = settings.retry_after
        self._errors = errors
        self._refusals = refusals
        self._asked_again = 0.0
        self._away = False
        self._lost_at = 0.0
        self._complain_after = 0.0

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to *question*.

        Raises:
            CacheUnavailableError: There was none in time, or a moment ago.
        """
        now = time.monotonic()
        if self._away:
            if now < self._asked_again:
                raise CacheUnavailableError
            self._asked_again = now + self._pause  # the others wait for what this one finds
        try:
            async with patience(self._timeout):
                answer = await question()
        except self._errors as error:
            self._failed(error)
            raise CacheUnavailableError from error
        # What was asked before the store went away, and is answered now, says nothing.
        if self._away and now > self._lost_at:
            self._away = False
            log.warning("the cache (%s) is back", self._name)
        return answer

    def _failed(self, error: Exception) -> None:
        reason = error.__cause__ or error
        now = time.monotonic()
        if isinstance(reason, self._refusals):
            if now > self._complain_after:
                self._complain_after = now + COMPLAINTS
                log.warning("the cache (%s) refuses: %s", self._name, reason)
            return
        self._asked_again = now + self._pause
        self._lost_at = now
        if not self._away:
            self._away = True
            late = isinstance(error, TimeoutError)
            text = f"no answer in {self._timeout:g} s" if late else reason
            log.warning("the cache (%s) is away, and everything a miss: %s", self._name, text)
