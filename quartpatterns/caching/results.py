"""The results of functions: given from what is kept, or made and kept."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from quartpatterns.caching.errors import UncacheableError
from quartpatterns.caching.lookup import Kept, Made, Shelf, Wanted, look_up, make_and_keep, renew
from quartpatterns.caching.values import Value, decode, encode

__all__ = ["Keep", "refuse_generators", "resulted"]


@dataclass(frozen=True, slots=True)
class Keep:
    """Which results are kept.

    Arguments:
        none: Whether ``None`` is.
        accepts: Told what was returned; false means not to keep it.
    """

    none: bool = False
    accepts: Callable[[Any], Awaitable[bool]] | None = None


async def resulted(
    shelf: Shelf,
    wanted: Wanted,
    make: Callable[[], Awaitable[Any]],
    keep: Keep,
    *,
    forced: bool = False,
) -> tuple[Any, bool]:
    """The result that is wanted, and whether it was there already.

    Raises:
        UncacheableError: It can't be kept.
    """
    making = partial(_made, shelf, make, keep)
    again = partial(make_and_keep, shelf, wanted, making)
    if forced:
        return await again(), False

    def start_renewing() -> None:
        app: Any = shelf.app
        app.add_background_task(renew, shelf, wanted, again)

    on_stale = start_renewing if wanted.stale else None
    found = await look_up(shelf, wanted, making, on_stale=on_stale)
    if not isinstance(found, Kept):
        return found, False
    try:
        if isinstance(found.payload, Value):
            return decode(found.payload), True
    except ValueError:
        pass
    # What is kept can't be read by this version of the program.
    return await again(), False


async def _made(shelf: Shelf, make: Callable[[], Awaitable[Any]], keep: Keep) -> Made[Any]:
    result = await make()
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise UncacheableError("a generator is read but once, and can't be kept: return a list")
    wanted = (result is not None or keep.none) and (
        keep.accepts is None or await keep.accepts(result)
    )
    # Those who wait get it in any case: they have asked before it was known.
    return Made(result, encode(result, pickled=shelf.settings.pickled), keep=wanted)


def refuse_generators(function: Callable[..., Any]) -> None:
    """Refuse a function whose result can be read but once.

    Raises:
        UncacheableError: It is a generator.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UncacheableError(
            f"{function.__qualname__} is a generator, which is read but once: let it return a list"
        )
