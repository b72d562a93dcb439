"""A SQLite connection in a worker thread, with one round trip for each query.

:class:`SQLiteThread` owns the thread and the connection of :mod:`sqlite3` that lives in it.
:class:`SQLiteConnection` is aiosqlite's interface to such a thread.

aiosqlite has a thread of its own, but no public way to call a function in it, to make it a daemon
or to stop a statement that nobody waits for. So the thread is written here, on the standard
library, and aiosqlite's methods and cursors run on it. The three names of aiosqlite that this
needs (``_conn``, ``_execute`` and ``_iter_chunk_size``) occur in this module only.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

import aiosqlite

from quartpatterns._shared.sqlite_short_reads import TURNS, RepeatInThreadError, ShortReads
from quartpatterns._shared.threads import error_for_future

__all__ = ["SQLiteConnection", "SQLiteThread"]

P = ParamSpec("P")
T = TypeVar("T")

PROGRESS_STEPS = 100_000
"""Instructions of SQLite's virtual machine between two checks for cancellation, a few ms."""

# Reads on the event loop would replace the progress handler, and show their pragmas to the others.
_HANDLERS = {"set_authorizer", "set_progress_handler", "set_trace_callback"}

_Future = asyncio.Future[Any]
# A call and the future of its result. The worker ends at None.
_Jobs = SimpleQueue[tuple[_Future | None, Callable[[], Any]] | None]


@dataclass(slots=True)
class _Progress:
    """What a thread does. The thread writes it, and the event loop reads it."""

    current: _Future | None = None
    finished: int = 0

    def is_abandoned(self) -> bool:
        """Whether nobody waits for the running call any more; SQLite then stops its statement."""
        return self.current is not None and self.current.done()


class SQLiteThread:
    """A worker thread that owns one SQLite connection.

    Calls run in the thread, one after the other. Cancelling the future of a call that has not
    begun skips the call. Cancelling the future of a running call stops its SQL statement, which
    would otherwise hold the connection, and perhaps a lock on the database, for nobody.

    The object belongs to the running event loop. The thread is a daemon: it does not keep the
    process from ending. When the object is forgotten without :meth:`stop`, the connection is
    closed and the thread ends.

    Arguments:
        connect: Opens the database. It is called in the thread. With *short_reads* it opens it
            with ``check_same_thread=False``.
        short_reads: Executes short reads on the event loop; by default all are in the thread.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], *, short_reads: ShortReads | None = None
    ) -> None:
        self._connect = connect
        self._short_reads = short_reads
        self._turns = 0
        self._raw: sqlite3.Connection | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._jobs: _Jobs = SimpleQueue()
        self._submitted = 0
        self._progress = _Progress()
        # The thread has no reference to this object, so that the object can be forgotten.
        work = partial(_work, self._jobs, self._progress)
        self.worker = Thread(target=work, name="sqlite", daemon=True)
        self._loop = asyncio.get_running_loop()

    def __del__(self) -> None:
        if self._raw is not None and self._stopped is None:
            self._jobs.put((None, self._raw.close))
            self._jobs.put(None)

    def open(self) -> asyncio.Future[None]:
        """Start the thread and open the database in it.

        When that fails or is cancelled, call :meth:`stop`, as after a success.
        """
        self.worker.start()
        return self.submit(self._open)

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection of :mod:`sqlite3`. Outside of the thread, use its attributes only.

        Raises:
            sqlite3.OperationalError: The connection is not open.
        """
        if self._raw is None or self._stopped is not None:
            raise _inactive()
        return self._raw

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Call *function* in the thread, after all calls that were submitted before.

        Returns:
            The future of its result. Cancelling it stops the call.

        Raises:
            sqlite3.OperationalError: The thread has been stopped.
        """
        if self._stopped is not None:
            raise _inactive()
        future: asyncio.Future[T] = self._loop.create_future()
        self._submitted += 1
        self._jobs.put((future, function))
        return future

    def submit_read(self, statement: str, function: Callable[[], T]) -> asyncio.Future[T]:
        """Call *function*, which executes *statement* and fetches its rows.

        It is called in the thread, or on the event loop at once: see :class:`ShortReads`.

        Returns:
            The future of its result, which is done if *function* was called on the event loop.

        Raises:
            sqlite3.OperationalError: The thread has been stopped.
        """
        reads = self._short_reads
        if reads is None:
            return self.submit(function)
        if self._may_read_here(reads, statement):
            raw, future = self.raw, self._loop.create_future()
            progress = (self._progress.is_abandoned, PROGRESS_STEPS)
            try:
                future.set_result(reads.execute(statement, function, raw, progress))
                return future
            except RepeatInThreadError:
                pass
            except Exception as error:
                future.set_exception(error_for_future(error))
                return future
        return self.submit(partial(reads.measure, statement, function))

    def read_in_thread(self) -> None:
        """Call all functions of :meth:`submit_read` in the thread from now on."""
        self._short_reads = None

    def _may_read_here(self, reads: ShortReads, statement: str) -> bool:
        is_idle = self._submitted == self._progress.finished
        if not is_idle or not reads.is_short(statement) or self.raw.in_transaction:
            return False
        if asyncio.get_running_loop() is not self._loop:
            return False  # Awaiting the future of another event loop raises an error.
        self._turns = (self._turns + 1) % TURNS
        return self._turns != 0

    def stop(self) -> asyncio.Future[None]:
        """Close the connection after all calls that were submitted before, and end the thread.

        Returns:
            A future that is done when the connection is closed; the same one for each call.
            The connection is closed even when the future is cancelled.
        """
        if self._stopped is None:
            self._stopped = self._loop.create_future()
            if self.worker.ident is None:
                self._stopped.set_result(None)
            else:
                self._jobs.put((None, partial(self._close, self._stopped)))
                self._jobs.put(None)
        return self._stopped

    # In the thread.

    def _open(self) -> None:
        self._raw = raw = self._connect()
        # The handler has no reference to this object, which holds the connection.
        raw.set_progress_handler(self._progress.is_abandoned, PROGRESS_STEPS)

    def _close(self, stopped: asyncio.Future[None]) -> None:
        # Not by _run(), which skips what was cancelled.
        try:
            if self._raw is not None:
                self._raw.close()
        except sqlite3.Error as error:
            _hand_over(stopped, stopped.set_exception, error)
        else:
            _hand_over(stopped, stopped.set_result, None)


class SQLiteConnection(aiosqlite.Connection):
    """An :class:`aiosqlite.Connection` whose calls run in a :class:`SQLiteThread`.

    All methods and cursors of aiosqlite go through :attr:`raw` and :meth:`call`, which a subclass
    may override.

    Arguments:
        thread: A thread whose connection is open.
    """

    _iter_chunk_size = 64  # read by aiosqlite.Cursor

    def __init__(self, thread: SQLiteThread) -> None:
        # aiosqlite's own __init__ would make a second thread, which takes longer than a query.
        self.thread = thread

    def __del__(self) -> None:
        """Do nothing: the thread closes the connection."""

    def __await__(self) -> Generator[Any, None, Self]:
        """Return the connection, which is open."""
        return self
        yield

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection of :mod:`sqlite3`. Outside of its thread, use its attributes only.

        Raises:
            sqlite3.OperationalError: The connection is closed.
        """
        return self.thread.raw

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call *function* in the thread and return its result, in one round trip."""
        return await self.thread.submit(partial(function, *args, **kwargs))

    async def run(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call *function* with the connection of :mod:`sqlite3`, in one round trip to its thread.

        This is for several statements that need no event loop between them.

        Arguments:
            function: A synchronous function. It leaves nothing behind on the connection, which is
                used by others afterwards.
            args: Its arguments after the connection.
            kwargs: Its keyword arguments.

        Returns:
            What *function* returns.
        """
        return cast("T", await self.call(self._call, function, args, kwargs))

    async def close(self) -> None:
        """Close the connection and end its thread, even when the waiting task is cancelled."""
        await asyncio.shield(self.thread.stop())

    def stop(self) -> asyncio.Future[None] | None:
        """Close the connection without waiting for it."""
        return self.thread.stop()

    def _call(self, function: Any, args: Any, kwargs: Any) -> Any:
        return function(self.raw, *args, **kwargs)

    # What aiosqlite's methods and cursors use.

    @property
    def _conn(self) -> sqlite3.Connection:
        return self.raw

    def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if getattr(fn, "__name__", "") in _HANDLERS:
            self.thread.read_in_thread()
        return self.call(fn, *args, **kwargs)


def _work(jobs: _Jobs, progress: _Progress) -> None:
    """Run *jobs* until one is None; the target of the thread."""
    while (job := jobs.get()) is not None:
        future, function = job
        progress.current = future
        hand_over = _run(future, function)
        progress.current = None
        progress.finished += 1
        # The event loop may use the connection as soon as it has the result.
        hand_over()
        # Keep no row and no value while waiting for the next job.
        del job, future, function, hand_over


def _run(future: _Future | None, function: Callable[[], Any]) -> Callable[[], None]:
    """Call *function*, unless it was cancelled; return what has the event loop set *future*."""
    if future is None:
        with suppress(sqlite3.Error):  # Nobody waits.
            function()
    elif not future.done():
        try:
            return partial(_hand_over, future, future.set_result, function())
        except BaseException as error:  # It belongs to whoever waits.
            return partial(_hand_over, future, future.set_exception, error_for_future(error))
    return _nothing


def _nothing() -> None:
    pass


def _hand_over(future: _Future, hand: Callable[[Any], None], what: Any) -> None:
    with suppress(RuntimeError):  # The event loop is closed: nobody waits.
        future.get_loop().call_soon_threadsafe(_set, future, hand, what)


def _set(future: _Future, hand: Callable[[Any], None], what: Any) -> None:
    if not future.done():
        hand(what)


def _inactive() -> sqlite3.OperationalError:
    # SQLAlchemy's dialect recognises a lost connection by these words.
    return sqlite3.OperationalError("no active connection: it is closed, or was not opened")
