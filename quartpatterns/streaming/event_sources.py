"""Where the events of a stream come from, as something that can be asked without waiting.

An event stream waits for several things at once: the next event, the time for a heartbeat, the end
of the server. A task for each would cost more memory than everything else of an idle stream. So
the stream asks its source for an item, and the source calls a function when it has one. An
asynchronous iterator becomes such a source by taking its steps by hand, in the task of the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

from quartpatterns._shared.untasked import take_step

__all__ = ["WAIT", "EventSource", "SteppedSource"]

WAIT: Any = object()
"""What :meth:`EventSource.poll` returns if there is nothing yet."""

_END: Any = object()


class EventSource(Protocol):
    """A source of events."""

    def poll(self, wake: Callable[[], object]) -> Any:
        """Return the next item, or :data:`WAIT` if there is none yet.

        Arguments:
            wake: Called once it is worth asking again, always the same function.

        Raises:
            StopAsyncIteration: There are no more items.
        """
        ...

    def cancel(self) -> bool:
        """Pass a cancellation of the waiting task on, and return whether :meth:`poll` raises it."""
        ...

    async def aclose(self) -> None:
        """Close the source."""
        ...


class SteppedSource:
    """The items of an asynchronous iterator.

    Each step is a coroutine. It runs until it waits for a future, and goes on when the future is
    done, as in a task. Meanwhile the task of the stream can send something else.

    Arguments:
        iterator: The iterator.
    """

    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator
        self._step: Coroutine[Any, Any, Any] | None = None
        self._awaited: asyncio.Future[Any] | None = None
        self._cancelled = False

    def poll(self, wake: Callable[[], object]) -> Any:
        """Return the next item, or :data:`WAIT`."""
        if (done := self._awaited) is not None:
            if not done.done():
                return WAIT
            self._awaited = None
        if self._step is None:
            self._step = self._next()
        cancelled, self._cancelled = self._cancelled, False
        try:
            awaited = take_step(self._step, done, cancelled=cancelled)
        except StopIteration as end:
            self._step = None
            if end.value is _END:
                raise StopAsyncIteration from None
            return end.value
        except BaseException:
            self._step = None
            raise
        if awaited is None:  # such as asyncio.sleep(0): one turn of the loop
            loop = asyncio.get_running_loop()
            awaited = loop.create_future()
            loop.call_soon(_set, awaited)
        self._awaited = awaited
        waits: asyncio.Future[Any] = awaited
        waits.add_done_callback(lambda _: wake())
        return WAIT

    async def _next(self) -> Any:
        try:
            return await anext(self._iterator)
        except StopAsyncIteration:
            return _END

    def cancel(self) -> bool:
        """Cancel the step, as ``Task.cancel()`` does: what it awaits is cancelled first."""
        if self._step is None:
            return False
        if self._awaited is None or not self._awaited.cancel():
            self._cancelled = True
        return True

    async def aclose(self) -> None:
        """Cancel a step that waits, and close the iterator."""
        if self._step is not None:
            self.cancel()
            await self._end_step()
        if (close := getattr(self._iterator, "aclose", None)) is not None:
            await close()

    async def _end_step(self) -> None:
        changed = asyncio.Event()
        cancelled: asyncio.CancelledError | None = None
        if self._awaited is not None:
            self._awaited.add_done_callback(lambda _: changed.set())
        try:
            while self.poll(changed.set) is WAIT:
                try:
                    await changed.wait()
                except asyncio.CancelledError as error:
                    cancelled = error
                    self.cancel()
                changed.clear()
        except (StopAsyncIteration, asyncio.CancelledError):
            pass  # Both end the step.
        if cancelled is not None:
            raise cancelled


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
