"""Cleanup that runs to its end when the task that waits for it is cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, overload

__all__ = ["finish"]

log = logging.getLogger(__name__)

T = TypeVar("T")


@overload
async def finish(work: Callable[[], Awaitable[T]]) -> T: ...
@overload
async def finish(work: Callable[[], Awaitable[T] | None]) -> T | None: ...
async def finish(work: Callable[[], Awaitable[T] | None]) -> T | None:
    """Run a cleanup to its end, even if the calling task is cancelled meanwhile.

    The function waits until the cleanup has ended, however often the caller is cancelled, and
    then raises the cancellation.

    At its end :func:`asyncio.run` cancels every task, and so the task of the cleanup as well.
    A cleanup that was cancelled itself is therefore started a second time.

    Arguments:
        work: Starts the cleanup and returns what to await: a coroutine, which runs in a task of
            its own, or a future, which is not cancelled. ``None`` means that nothing is left to
            wait for. A second call must do no harm.

    Returns:
        The result of the cleanup.

    Raises:
        CancelledError: The caller was cancelled. An error of the cleanup is logged, and is the
            cause of the cancellation.
        Exception: The error of the cleanup, if the caller was not cancelled.
    """
    if (awaitable := work()) is None:
        return None
    future = asyncio.ensure_future(awaitable)
    cancelled = await _wait(future)
    if future.cancelled() and (awaitable := work()) is not None:
        future = asyncio.ensure_future(awaitable)
        cancelled = await _wait(future) or cancelled
    if cancelled is None:
        return future.result()
    error = None if future.cancelled() else future.exception()
    if error is not None:
        log.error("A cleanup failed while its caller was cancelled", exc_info=error)
    raise cancelled from error


async def _wait(future: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until the future is done, and return the last cancellation that came meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    loop = asyncio.get_running_loop()
    while not future.done():
        # asyncio.wait() does the same, and takes as long as a row from a database.
        done = loop.create_future()
        future.add_done_callback(partial(_set, done))
        try:
            await done
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


def _set(done: asyncio.Future[None], future: object) -> None:
    if not done.done():
        done.set_result(None)
