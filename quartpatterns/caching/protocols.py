"""The types of decorated views and functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from quartpatterns.caching.settings import Timeout

__all__ = ["CachedFunction", "MemoizedFunction"]

P = ParamSpec("P")


class CachedFunction(Protocol[P]):
    """A view or function whose results are kept.

    Attributes:
        uncached: The function itself.
        cache_timeout: Seconds; may be assigned.
        make_cache_key: The key for a path, or for the current request.
    """

    uncached: Callable[P, Any]
    cache_timeout: Timeout
    make_cache_key: Callable[..., str]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[Any]: ...

    # A method gets its instance, which type checkers only believe when they see this.
    def __get__(self, instance: Any, owner: type | None = None, /) -> Any: ...


R_co = TypeVar("R_co", covariant=True)


class MemoizedFunction(Protocol[P, R_co]):
    """A function whose results are kept, by its arguments.

    Attributes:
        uncached: The function itself.
        cache_timeout: Seconds; may be assigned.
        make_cache_key: The key for a call: it is given ``uncached`` and the arguments.
        delete_memoized: Forgets all results.
    """

    uncached: Callable[P, Any]
    cache_timeout: Timeout
    make_cache_key: Callable[..., str]
    delete_memoized: Callable[[], Awaitable[None]]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R_co]: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any: ...
