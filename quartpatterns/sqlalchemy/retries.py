"""Do a piece of work again that the database has undone through no fault of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from quartpatterns.sqlalchemy.errors import is_transient

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Retry"]

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__.rpartition(".")[0])


@dataclass(frozen=True, slots=True)
class Retry:
    """What ``db.retrying()`` returns, to be written above a function.

    Arguments:
        session: Finds the session to roll back.
        attempts: How often the work is done at most.
        first_wait: Seconds to wait before the second time, at most; twice as long each time.
        longest_wait: The most seconds to wait between two.
    """

    session: Callable[[], AsyncSession]
    attempts: int = 3
    first_wait: float = 0.05
    longest_wait: float = 1.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts is at least 1")

    def __call__(self, work: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """*work*, done again where the database says that it may succeed then.

        Raises:
            TypeError: It is no ``async def`` function.
        """
        if not iscoroutinefunction(work):
            raise TypeError(f"db.retrying() is for coroutines: write {work!r} with `async def`")

        @wraps(work)
        async def retried(*args: P.args, **kwargs: P.kwargs) -> T:
            self._ensure_all()
            for attempt in range(1, self.attempts):
                try:
                    return await work(*args, **kwargs)
                except DBAPIError as error:
                    if not is_transient(error):
                        raise
                    await self._recover(error, attempt)
            return await work(*args, **kwargs)

        return retried

    def _ensure_all(self) -> None:
        if self.session().in_transaction():
            raise RuntimeError(
                "a transaction is under way, of which a retry would do a part again and lose the"
                " other: commit first, or put all of it into the function"
            )

    async def _recover(self, error: DBAPIError, attempt: int) -> None:
        """Leave nothing of the failed attempt, and wait a random while, as others fail, too."""
        await self.session().rollback()
        most = min(self.longest_wait, self.first_wait * 2 ** (attempt - 1))
        wait = random.uniform(0, most)
        cause = " ".join(str(error.orig).split())
        _log.warning("attempt %d of %d failed (%s)", attempt, self.attempts, cause)
        await asyncio.sleep(wait)
