"""A circuit breaker: a store that has failed is not called for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from quartpatterns._shared.unavailable import redis_message
from quartpatterns.caching.errors import CacheUnavailableError
from quartpatterns.caching.settings import Settings

__all__ = ["CircuitBreaker", "timeout_of_a_busy_loop"]

T = TypeVar("T")
log = logging.getLogger("quartpatterns.caching")
# Seconds between two log messages about a store that refuses commands.
LOG_INTERVAL = 60.0
# A timeout is divided into this many steps.
STEPS = 10
_FULL = "used memory > 'maxmemory'"
_REMEDY = "Free memory, raise maxmemory, or set maxmemory-policy to allkeys-lru."
_FULL_TEXT = f"The cache is full. {_REMEDY}"


@asynccontextmanager
async def timeout_of_a_busy_loop(seconds: float) -> AsyncGenerator[None]:
    """Raise :exc:`TimeoutError` after *seconds* in which the event loop could read an answer.

    :func:`asyncio.timeout` alone would also raise it if other code has blocked the event loop all
    the time while the answer was there, unread. Here the time passes in steps: one step can end
    late, but the loop reads what has arrived before the next one ends.
    """
    loop = asyncio.get_running_loop()
    timer: list[asyncio.TimerHandle] = []

    def next_step(remaining: int) -> None:
        if remaining:
            timer[:] = [loop.call_later(seconds / STEPS, next_step, remaining - 1)]
        else:
            limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        next_step(STEPS)
        try:
            yield
        finally:
            timer[0].cancel()


class CircuitBreaker:
    """Calls a store, and after a failure raises an error without calling it for some seconds.

    After these seconds a single call finds out whether the store works again; the other calls go
    on failing at once. A store that never answers so costs its timeout once in a while, and not
    in each request.

    Arguments:
        name: The name of the store in log messages.
        settings: Contain the timeout and the seconds to wait.
        errors: Errors of a store that is unavailable.
        refusals: Those among *errors* that an available store raises when it refuses a command,
            for example because it is full. They do not open the circuit.
        remedy: Returns what to do about an error, for the log.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        errors: tuple[type[Exception], ...],
        refusals: tuple[type[Exception], ...] = (),
        remedy: Callable[[Exception], str] = lambda error: "",
    ) -> None:
        self._name = name
        self._timeout = settings.store_timeout
        self._retry_after = settings.retry_after
        self._errors = errors
        self._refusals = refusals
        self._remedy = remedy
        self._is_open = False
        self._retry_at = 0.0
        self._failed_at = 0.0
        self._log_again_at = 0.0

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Return the result of *function*.

        Raises:
            CacheUnavailableError: The call has failed, or an earlier one failed a moment ago.
        """
        now = time.monotonic()
        if self._is_open:
            if now < self._retry_at:
                raise CacheUnavailableError
            self._retry_at = now + self._retry_after
        try:
            async with timeout_of_a_busy_loop(self._timeout):
                result = await function()
        except self._errors as error:
            self._failed(error)
            is_full = _FULL in str(error)
            raise CacheUnavailableError(_FULL_TEXT if is_full else None) from error
        # The result of a call that began before the failure does not say that the store works.
        if self._is_open and now > self._failed_at:
            self._is_open = False
            log.warning("The cache %s is available again.", self._name)
        return result

    def _failed(self, error: Exception) -> None:
        now = time.monotonic()
        if isinstance(error, self._refusals):
            if now > self._log_again_at:
                self._log_again_at = now + LOG_INTERVAL
                log.warning("The cache %s refuses commands: %s", self._name, self._reason(error))
            return
        self._retry_at = now + self._retry_after
        self._failed_at = now
        if not self._is_open:
            self._is_open = True
            log.warning(
                "The cache %s is unavailable, so that everything is a cache miss: %s",
                self._name,
                self._reason(error),
            )

    def _reason(self, error: Exception) -> str:
        late = isinstance(error, TimeoutError)
        reason = f"no answer in {self._timeout:g} s" if late else redis_message(error)
        remedy = _REMEDY if _FULL in reason else self._remedy(error)
        return f"{reason.rstrip('.')}. {remedy}" if remedy else reason
