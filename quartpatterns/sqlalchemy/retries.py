"""Retrying a transaction that the database has rolled back for no fault of the program."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from quartpatterns._shared.calling import is_async
from quartpatterns.sqlalchemy.errors import describe, is_transient

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["RetryDecorator"]

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__.rpartition(".")[0])


@dataclass(frozen=True, slots=True)
class RetryDecorator:
    """The decorator that ``db.retrying()`` returns; *session* returns the session to roll back."""

    session: Callable[[], AsyncSession]
    attempts: int
    first_wait: float
    longest_wait: float

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {self.attempts}")

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return *function*, which is called again after an error that may not happen again.

        Raises:
            TypeError: It is not an ``async def`` function.
        """
        if not is_async(function):
            raise TypeError(
                f"db.retrying() needs a coroutine function: write {function!r} with `async def`"
            )

        @wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            if self.session().in_transaction():
                raise RuntimeError(
                    "A transaction has already begun before the function, and a retry would not"
                    " repeat its first statements: commit first, or move the whole transaction into"
                    " the function. If the user loader of a login or a before_request function has"
                    " begun it, write @db.preloading() above that function."
                )
            for attempt in range(1, self.attempts):
                try:
                    return await function(*args, **kwargs)
                except DBAPIError as error:
                    if not is_transient(error):
                        raise
                    _log.warning(
                        "attempt %d of %d failed (%s)", attempt, self.attempts, describe(error)
                    )
                await self.session().rollback()
                await asyncio.sleep(self._wait(attempt))
            return await function(*args, **kwargs)

        return wrapper

    def _wait(self, attempt: int) -> float:
        # Random, because the other transaction of a conflict is retried, too.
        return random.uniform(0, min(self.longest_wait, self.first_wait * 2 ** (attempt - 1)))
