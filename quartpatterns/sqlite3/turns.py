"""Whose turn it is on a connection: tasks that share one keep out of each other's transactions."""

from __future__ import annotations

import asyncio
import sqlite3
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Frame", "Turns"]


@dataclass(eq=False, slots=True)
class Frame:
    """A transaction, or a savepoint in one, that is under way.

    Arguments:
        turns: Those of its connection.
        parent: The one that it is in, on the same connection.
        outer: The one around it in the code, on whatever connection.
        ended: Whether it is over.
    """

    turns: Turns
    parent: Frame | None
    outer: Frame | None
    ended: bool = False


# Copied into tasks that are started in a transaction, so that they are part of it.
_innermost: ContextVar[Frame | None] = ContextVar("quartpatterns.sqlite3", default=None)


class Turns:
    """The transactions of one connection, innermost last, and who waits for their end.

    Arguments:
        patience: Seconds to wait for another task's transaction.
    """

    def __init__(self, patience: float) -> None:
        self.top: Frame | None = None
        self._patience = patience
        self._waiting: list[asyncio.Future[None]] = []

    def mine(self) -> Frame | None:
        """The transaction that the running code is in; ``None`` where it is in none.

        Raises:
            sqlite3.ProgrammingError: It has ended meanwhile.
        """
        frame = _innermost.get()
        while frame is not None and frame.turns is not self:
            frame = frame.outer
        if frame is not None and frame.ended:
            raise sqlite3.ProgrammingError(
                "the transaction in which this task was started has ended: await the task inside"
                " of it, or start it outside"
            )
        return frame

    async def wait(self) -> Frame | None:
        """Wait until no other task is in a transaction; return that of the running code.

        Raises:
            sqlite3.OperationalError: That takes too long. Its code is ``SQLITE_BUSY``.
            sqlite3.ProgrammingError: The code's own has ended meanwhile.
        """
        try:
            async with asyncio.timeout(self._patience):
                while (frame := self.mine()) is not self.top:
                    await self._change()
        except TimeoutError as error:
            raise _busy(self._patience) from error
        return frame

    def enter(self, parent: Frame | None) -> Frame:
        """Begin a transaction; it has the turn from now on."""
        self.top = Frame(self, parent, _innermost.get())
        _innermost.set(self.top)
        return self.top

    def leave(self, frame: Frame) -> None:
        """End *frame* for the code that is in it."""
        _innermost.set(frame.outer)

    def end(self, frame: Frame) -> None:
        """End *frame*, and all in it; others have their turn."""
        while self.top is not frame.parent and self.top is not None:
            self.top.ended = True
            self.top = self.top.parent
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def _change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter


def _busy(patience: float) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(
        f"another task of this context has been in a transaction for {patience:g} s: keep"
        " transactions short, or give the task a context of its own"
        " (`async with app.app_context():`)"
    )
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    error.sqlite_errorname = "SQLITE_BUSY"
    return error
