"""Resources that belong to an event loop or to an application context, and are closed with it.

Connections work on the event loop they were made on, and on no other. :class:`LoopBound` keeps
one resource for each loop, such as a connection pool. :class:`ContextBound` keeps one resource
for each application context, such as the connection that a request has taken from the pool.

How a resource notices the end of its loop: the loop knows each asynchronous generator that has
begun, and closes it in :meth:`asyncio.loop.shutdown_asyncgens`, which :func:`asyncio.run` and
every server call before they close the loop. So each resource has a generator that waits at its
``yield`` and closes the resource in its ``finally``. A script, a test or a mounted application
without lifespan leaves no connection and no thread behind.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any, Generic, TypeVar, cast

from quart.ctx import AppContext
from quart.globals import app_ctx

from quartpatterns._shared.cleanup import finish

__all__ = ["ContextBound", "LoopBound", "current_context"]

log = logging.getLogger(__name__)

T = TypeVar("T")

# The event loop itself keeps only weak references to tasks.
_tasks: set[asyncio.Task[None]] = set()


class LoopBound(Generic[T]):
    """One resource for each event loop, made when it is first asked for.

    The resource of a loop is closed by :meth:`close`, by
    :meth:`asyncio.loop.shutdown_asyncgens`, or when this object is garbage collected while the
    loop runs on, whichever comes first. It is closed once, and to its end even if the closing
    task is cancelled. One object may serve several loops in several threads.

    Arguments:
        make: Makes the resource, without waiting. It runs in an empty :class:`contextvars.Context`:
            a task that it starts would otherwise keep the current request alive.
        close: Closes the resource. Neither this function nor the resource may hold the object
            that holds this one, or garbage collection never finds that object. It is called again
            if it is cancelled.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._bindings: dict[asyncio.AbstractEventLoop, _Binding[T]] = {}

    def get(self) -> T:
        """Return the resource of the running event loop; make it if there is none.

        Raises:
            RuntimeError: No event loop is running.
        """
        return self.binding().resource

    def binding(self) -> _Binding[T]:
        loop = asyncio.get_running_loop()
        return self._bindings.get(loop) or self._bind(loop)

    def using(self) -> _Use[T]:
        """Return an asynchronous context in which the resource of the running loop stays open.

        If :meth:`close` is called meanwhile, the last context closes the resource. Clients need
        this that open a connection again if it was closed during a command.
        """
        return _Use(self)

    def find(self) -> T | None:
        """Return the resource of the running event loop, or ``None`` if there is none.

        Raises:
            RuntimeError: No event loop is running.
        """
        binding = self._bindings.get(asyncio.get_running_loop())
        return None if binding is None else binding.resource

    def others(self) -> list[tuple[asyncio.AbstractEventLoop, T]]:
        """Return the other event loops that have a resource, with it.

        Raises:
            RuntimeError: No event loop is running.
        """
        running = asyncio.get_running_loop()
        bindings = list(self._bindings.items())
        return [(loop, binding.resource) for loop, binding in bindings if loop is not running]

    async def close(self) -> None:
        """Close the resource of the running event loop, if there is one.

        Afterwards :meth:`get` makes a new one. To close twice does no harm.
        """
        if (binding := self._bindings.get(asyncio.get_running_loop())) is not None:
            await binding.close()

    def _bind(self, loop: asyncio.AbstractEventLoop) -> _Binding[T]:
        # A loop that was closed by force has closed nothing; nothing can be awaited on it now.
        for closed in [known for known in list(self._bindings) if known.is_closed()]:
            if (binding := self._bindings.get(closed)) is not None:
                binding.forget()
        resource = Context().run(self._make)
        self._bindings[loop] = binding = _Binding(loop, resource, self._close, self._bindings)
        binding.close_with(self)
        return binding


class _Use(Generic[T]):
    """The context of :meth:`LoopBound.using`."""

    def __init__(self, owner: LoopBound[T]) -> None:
        self._owner = owner

    async def __aenter__(self) -> T:
        self._binding = self._owner.binding()
        self._binding.users += 1
        return self._binding.resource

    async def __aexit__(self, *_: object) -> None:
        self._binding.users -= 1
        if self._binding.is_left_to_users:
            await self._binding.close()


class _Binding(Generic[T]):
    """The resource of one event loop, and what closes it.

    It knows the dictionary of its :class:`LoopBound` and not the object, which would otherwise
    live as long as the finalizer, and so for ever.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resource: T,
        close: Callable[[T], Awaitable[object]],
        bindings: dict[asyncio.AbstractEventLoop, _Binding[T]],
    ) -> None:
        self.resource = resource
        self.users = 0
        self.is_left_to_users = False
        self._loop = loop
        self._close = close
        self._bindings = bindings
        self._closed = False
        self._lock = asyncio.Lock()
        self._finalizer: weakref.finalize[..., object] | None = None
        self._generator = self._closed_with_loop()
        # The first step awaits nothing, so that it can be taken in synchronous code.
        with suppress(StopIteration):
            self._generator.__anext__().send(None)

    def close_with(self, owner: object) -> None:
        """Close the resource when *owner* is garbage collected."""
        self._finalizer = weakref.finalize(owner, _call_soon, self._loop, self._start_closing)
        self._finalizer.atexit = False

    def forget(self) -> None:
        """Remove this from its dictionary and from the finalizers."""
        if self._bindings.get(self._loop) is self:
            del self._bindings[self._loop]
        if self._finalizer is not None:
            self._finalizer.detach()

    async def close(self) -> None:
        """Close the resource, or leave that to the last of its users."""
        self.is_left_to_users = self.users > 0
        if self.is_left_to_users:
            self.forget()
            return
        try:
            await self._close_resource()
        finally:
            # It is at work already if shutdown_asyncgens() came meanwhile.
            with suppress(RuntimeError):
                await self._generator.aclose()

    async def _closed_with_loop(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self._close_resource()

    async def _close_resource(self) -> None:
        self.forget()
        await finish(self._close_once)

    async def _close_once(self) -> None:
        async with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                await self._close(self.resource)
            except asyncio.CancelledError:
                self._closed = False  # finish() calls this function again.
                raise

    def _start_closing(self) -> None:
        task = self._loop.create_task(self.close())
        _tasks.add(task)
        task.add_done_callback(_log_error)


class ContextBound(Generic[T]):
    """One resource for each application context, on the event loop that made this object.

    A resource is released by :meth:`release`, which an extension calls at the teardown of the
    context, by :meth:`close`, which closes all at the end of the loop, or when its context is
    garbage collected without a teardown. That happens to contexts that Quart's test client
    preserves, after another teardown function has failed, and to what a task asks for after the
    end of its context.

    Arguments:
        release: Starts the release of a resource and returns what to await, or ``None`` if nothing
            is left to wait for. A second call with the same resource must do no harm.
    """

    def __init__(self, release: Callable[[T], Awaitable[object] | None]) -> None:
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._resources: dict[weakref.ref[AppContext], T] = {}
        self._locks: dict[weakref.ref[AppContext], asyncio.Lock] = {}
        self._releasing: set[asyncio.Future[Any]] = set()
        # asyncio.run() cancels tasks before it lets close() run.
        self._interrupted: list[T] = []

    def __len__(self) -> int:
        """Return how many contexts have a resource."""
        return len(self._resources)

    def get(self, context: AppContext) -> T | None:
        """Return the resource of *context*, or ``None`` if it has none."""
        return self._resources.get(weakref.ref(context))

    def set(self, context: AppContext, resource: T) -> None:
        """Make *resource* that of *context*; one that it replaces is not released."""
        self._resources[weakref.ref(context, self._collected)] = resource

    def is_acquiring(self, context: AppContext) -> bool:
        """Return whether a task awaits *make* in :meth:`acquire` for *context*."""
        if not self._locks:
            return False
        lock = self._locks.get(weakref.ref(context))
        return lock is not None and lock.locked()

    async def acquire(self, context: AppContext, make: Callable[[], Awaitable[T]]) -> T:
        """Return the resource of *context*; await ``make()`` for it if there is none.

        Of several tasks that ask at the same time only one calls *make*, unless that fails.
        """
        key = weakref.ref(context, self._collected)
        # The lock stays until the end of the context: somebody may wait for it.
        async with self._locks.setdefault(key, asyncio.Lock()):
            if (found := self._resources.get(key)) is None:
                self._resources[key] = found = await make()
            return found

    async def release(self, context: AppContext) -> None:
        """Release the resource of *context*, if it has one, even if the caller is cancelled.

        Raises:
            Exception: The release has failed. The context has no resource all the same.
        """
        key = weakref.ref(context)
        if self._locks:
            self._locks.pop(key, None)
        resource = self._resources.pop(key, None)
        if resource is not None:
            await finish(partial(self._start, resource))

    async def close(self) -> None:
        """Release all resources, and wait until every release has ended. Errors are logged."""
        # First let the releases begin that the garbage collector has scheduled.
        await asyncio.sleep(0)
        while self._resources or self._releasing:
            while self._resources:
                # Meanwhile the garbage collector may take some away, or the last.
                with suppress(KeyError):
                    self._start_and_log(self._resources.popitem()[1])
            if self._releasing:
                await asyncio.wait(self._releasing)
        while self._interrupted:
            await self._try_again(self._interrupted.pop())

    async def _try_again(self, resource: T) -> None:
        try:
            if (awaitable := self._release(resource)) is not None:
                await awaitable
        except Exception:
            log.exception("A resource could not be released")

    def _start(self, resource: T) -> asyncio.Future[Any] | None:
        if (awaitable := self._release(resource)) is None:
            return None
        future: asyncio.Future[Any] = asyncio.ensure_future(awaitable)
        self._releasing.add(future)
        future.add_done_callback(partial(self._ended, resource))
        return future

    def _start_and_log(self, resource: T) -> None:
        """Start a release that nobody waits for."""
        try:
            future = self._start(resource)
        except Exception:
            log.exception("A resource could not be released")
        else:
            if future is not None:
                future.add_done_callback(_log_error)

    def _ended(self, resource: T, future: asyncio.Future[Any]) -> None:
        self._releasing.discard(future)
        if future.cancelled():
            self._interrupted.append(resource)

    def _collected(self, key: weakref.ref[AppContext]) -> None:
        self._locks.pop(key, None)
        resource = self._resources.pop(key, None)
        if resource is not None:
            _call_soon(self._loop, partial(self._start_and_log, resource))


def current_context() -> AppContext | None:
    """Return the current application context, or ``None`` if there is none."""
    proxy: Any = app_ctx
    try:
        context: AppContext = proxy._get_current_object()
    except RuntimeError:
        return None
    return context


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    """Call a function on the loop; the garbage collector, which calls this, runs in any thread."""
    # The loop may be closed, also between a question whether it is and the call.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, context=Context())


def _log_error(future: asyncio.Future[Any]) -> None:
    _tasks.discard(cast("asyncio.Task[None]", future))
    if not future.cancelled() and (error := future.exception()) is not None:
        log.error("A resource could not be released", exc_info=error)
