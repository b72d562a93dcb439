"""Running a coroutine without a task, which costs less where there are thousands."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["UntaskedCoroutine", "take_step"]


def take_step(
    coroutine: Coroutine[Any, Any, Any], awaited: asyncio.Future[Any] | None, *, cancelled: bool
) -> Any:
    """Take a step of *coroutine* as a task does, and return what it awaits then.

    A task passes the error of a future on. The futures of some servers would not raise it
    themselves.

    Arguments:
        coroutine: The coroutine.
        awaited: The future that it has awaited, which is done; ``None`` if there is none.
        cancelled: Whether the coroutine is cancelled.
    """
    if cancelled:
        return coroutine.throw(asyncio.CancelledError())
    if awaited is not None:
        try:
            awaited.result()
        except BaseException as error:
            return coroutine.throw(error)
    return coroutine.send(None)


class UntaskedCoroutine:
    """Runs a coroutine in callbacks of the event loop.

    An idle task costs 1 to 2 KiB more. The coroutine must handle its own errors, and it must not
    need a current task: it can't use ``asyncio.timeout()``, for example.

    Arguments:
        coroutine: The coroutine; its first step is taken at once.
    """

    __slots__ = ("_awaited", "_cancelled", "_coroutine", "_ended")

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine: Coroutine[Any, Any, None] | None = coroutine
        self._awaited: asyncio.Future[Any] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._cancelled = False
        self._step()

    def _step(self, awaited: asyncio.Future[Any] | None = None) -> None:
        assert self._coroutine is not None
        cancelled, self._cancelled = self._cancelled, False
        try:
            self._awaited = take_step(self._coroutine, awaited, cancelled=cancelled)
        except (StopIteration, asyncio.CancelledError):
            self._coroutine = self._awaited = None
            if self._ended is not None and not self._ended.done():
                self._ended.set_result(None)
            return
        if self._awaited is None:  # such as asyncio.sleep(0): one turn of the loop
            asyncio.get_running_loop().call_soon(self._step)
        else:
            self._awaited.add_done_callback(self._step)

    async def stop(self) -> None:
        """Cancel what the coroutine awaits, and wait until it has ended."""
        if self._coroutine is not None:
            # What is done can't be cancelled any more: then the next step is.
            if self._awaited is None or not self._awaited.cancel():
                self._cancelled = True
            self._ended = asyncio.get_running_loop().create_future()
            await self._ended
