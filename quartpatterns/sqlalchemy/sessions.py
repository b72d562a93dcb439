"""A session that one task at a time may use, and that is surely closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, wraps
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns.sqlalchemy.binds import RoutedSession

__all__ = ["ConcurrentUseError", "Session", "completed"]

T = TypeVar("T")


class ConcurrentUseError(RuntimeError):
    """Two tasks used one session at the same time; the message says how to give each its own."""


async def completed(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do *work* to its end, also when the waiting task is cancelled meanwhile.

    A cancellation is raised once the work is done, so that what cleans up is never left half
    done behind the back of its caller.

    Arguments:
        work: What to await. It is done again where it is cancelled itself: at its end
            :func:`asyncio.run` cancels every task that there is, also one that has not begun.
    """
    task = asyncio.create_task(work())
    cancelled = await _ended(task)
    if task.cancelled():
        task = asyncio.create_task(work())
        cancelled = await _ended(task) or cancelled
    if cancelled is not None and not task.cancelled():
        raise cancelled from task.exception()
    return task.result()


async def _ended(task: asyncio.Task[Any]) -> asyncio.CancelledError | None:
    """Wait until *task* has ended; the cancellation that came meanwhile, if one has."""
    cancelled: asyncio.CancelledError | None = None
    loop = asyncio.get_running_loop()
    while not task.done():
        # asyncio.wait() does the same, and takes as long as a row from a database.
        over = loop.create_future()
        task.add_done_callback(partial(_set, over))
        try:
            await over
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


def _set(future: asyncio.Future[None], task: object) -> None:
    if not future.done():
        future.set_result(None)


class Session(AsyncSession):
    """SQLAlchemy's asynchronous session, which says so when two tasks use it at once.

    A session is one conversation with the database: SQLAlchemy's own is not safe to share
    between tasks, and only sometimes notices. Here an operation that starts while another task's
    is under way raises :exc:`ConcurrentUseError`; one after another, from whatever task, is
    allowed (:func:`asyncio.wait_for` runs its argument in another task, for one).
    """

    sync_session_class = RoutedSession

    sync_session: RoutedSession  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loop = asyncio.get_running_loop()
        self._user: asyncio.Task[Any] | None = None
        self._under_way = ""
        self._waiting: list[asyncio.Future[None]] = []
        self._discarded = False

    async def close(self) -> None:
        """Roll back what is not committed, and give the connection back to the pool.

        What another task has under way is waited for. The session can be used again.
        """
        while self._user is not None:
            self._waiting.append(over := self._loop.create_future())
            await over
        await self._use("close", AsyncSession.close)

    async def discard(self) -> None:
        """Close the session for good: its context has ended. To do so twice does no harm."""
        self._discarded = True
        await self.close()

    async def discarded(self) -> None:
        """Discard the session to the end, also when the waiting task is cancelled meanwhile."""
        if self._user is None and self.sync_session.at_rest:
            # Nothing is waited for, so that nothing can be cancelled: a task, and a greenlet in
            # it, would cost as much as a row.
            self._discarded = True
            self.sync_session.close()
        else:
            await completed(self.discard)

    async def exclusively(self, name: str, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await *work*, the operation called *name*, unless another task's is under way.

        Raises:
            ConcurrentUseError: One is.
            RuntimeError: The context of this session has ended, or its event loop is another.
        """
        if self._user is not None:
            if self._user is asyncio.current_task():
                return await work(self, *args)
            raise ConcurrentUseError(
                f"session.{name}() was called while another task is in {self._under_way}() of the"
                " same session, which is one conversation with the database: await one after"
                " the other, or give each task its own, `async with db.new_session() as session:`"
            )
        if self._discarded:
            raise RuntimeError(
                f"session.{name}() came after the end of the context that the session belongs to:"
                " ask for db.session when it is used; a task that outlives its request is started"
                " with app.add_background_task()"
            )
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(
                f"session.{name}(): this session belongs to another event loop; in `quart shell`"
                " write run(lambda: db.session...), so that it is asked for where it is used"
            )
        return await self._use(name, work, *args)

    async def _use(self, name: str, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        self._user, self._under_way = asyncio.current_task(), name
        try:
            return await work(self, *args)
        finally:
            self._user = None
            while self._waiting:
                _set(self._waiting.pop(), self)


def _exclusive(method: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    name = method.__name__

    @wraps(method)
    async def guarded(self: Session, *args: Any, **kwargs: Any) -> T:
        work = partial(method, **kwargs) if kwargs else method
        return await self.exclusively(name, work, *args)

    return guarded


# Each coroutine of AsyncSession that may talk to the database.
for _name in (
    "commit connection delete delete_all execute flush get get_one invalidate merge merge_all"
    " refresh reset rollback run_sync scalar scalars stream stream_scalars"
).split():
    if hasattr(AsyncSession, _name):
        setattr(Session, _name, _exclusive(getattr(AsyncSession, _name)))
