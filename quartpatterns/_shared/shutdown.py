"""Noticing that the server begins to stop, while its requests can still finish.

Servers stop in three steps: they stop accepting, they give the requests that run some seconds, and
then they shut the application down. Only the last step reaches the application (the lifespan
protocol has no other), too late for a feed that never ends by itself. So the first step is observed
where it happens: at the signal, and at Hypercorn's own tasks, which also end for other reasons.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial
from types import FrameType
from typing import Any

from hypercorn.asyncio.run import worker_serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.utils import raise_shutdown  # pyright: ignore[reportUnknownVariableType]
from quart import has_app_context
from quart.globals import app_ctx

from quartpatterns._shared.loop_bound import LoopBound

__all__ = ["Shutdown", "current_shutdown", "outlive_sibling_workers"]

_SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)
]


class Shutdown:
    """Whether the server of this event loop has begun to stop.

    Attributes:
        started: An event that is set then.
    """

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._callbacks: set[Callable[[], object]] = set()
        self._replaced: dict[int, Any] = {}
        for task in _tasks_of(raise_shutdown):
            task.add_done_callback(self._start)
        self._watch_signals()

    def _watch_signals(self) -> None:
        """Put a handler before those of the server. Where there is none, a signal ends all."""
        outlive_sibling_workers()
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler) and not isinstance(handler, signal.Handlers):
                self._replaced[number] = handler
                signal.signal(number, self._on_signal)
                # As event loops do it, so that system calls are not interrupted.
                if hasattr(signal, "siginterrupt"):
                    signal.siginterrupt(number, False)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._start)
        self._replaced[number](number, frame)

    def _start(self, *_: object) -> None:
        self.started.set()
        # Each is called once: after a signal, the end of Hypercorn's task comes here again.
        while self._callbacks:
            self._callbacks.pop()()

    def add_callback(self, callback: Callable[[], object]) -> None:
        """Call *callback* once when the server begins to stop; at once if it has."""
        if self.started.is_set():
            callback()
        else:
            self._callbacks.add(callback)

    def remove_callback(self, callback: Callable[[], object]) -> None:
        """Do not call *callback* any more."""
        self._callbacks.discard(callback)

    @contextlib.contextmanager
    def calling(self, callback: Callable[[], object]) -> Generator[None]:
        """Call *callback* if the server begins to stop inside of this context."""
        self._callbacks.add(callback)
        try:
            yield
        finally:
            self._callbacks.discard(callback)

    async def close(self) -> None:
        """Put the handlers of the server back."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._replaced.items():
                if signal.getsignal(number) == self._on_signal:
                    signal.signal(number, handler)


_shutdowns = LoopBound(Shutdown, Shutdown.close)


def current_shutdown() -> Shutdown:
    """Return whether the server of the running event loop has begun to stop.

    Raises:
        RuntimeError: No event loop is running.
    """
    shutdown = _shutdowns.get()
    if has_app_context() and not shutdown.started.is_set():
        event: asyncio.Event | None = getattr(app_ctx.app, "shutdown_event", None)
        if event is not None and event.is_set():
            shutdown.started.set()
    return shutdown


def outlive_sibling_workers() -> None:
    """Ignore SIGTERM in a worker of Hypercorn, whose main process sends it too early.

    With several workers, Hypercorn 0.18 tells all of them to finish their requests within
    ``graceful_timeout``. As soon as the first has ended, it sends SIGTERM to the others, which
    ends them at once, in the middle of their requests. They have no handler for it, and they stop
    by themselves. The same happens if a service manager sends SIGTERM to all processes.
    """
    if (
        multiprocessing.parent_process() is not None
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        and any(_tasks_of(worker_serve))
    ):
        signal.signal(signal.SIGTERM, partial(_end_if_orphaned, os.getppid()))


def _end_if_orphaned(parent: int, number: int, _: FrameType | None) -> None:
    # A handler can interrupt an import, and itself: it imports nothing, and takes no lock.
    if os.getppid() != parent:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _tasks_of(function: Any) -> Iterator[asyncio.Task[Any]]:
    """Yield the tasks of the running loop that run a coroutine function of Hypercorn."""
    for task in asyncio.all_tasks():
        if getattr(task.get_coro(), "cr_code", None) is function.__code__:
            yield task
