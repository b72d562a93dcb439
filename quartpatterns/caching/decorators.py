"""The decorators of a cache, and how what they have kept is deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ParamSpec

from quartpatterns.caching.cached import CachedOptions, make_cached
from quartpatterns.caching.keys import EVERY_QUERY, QueryArgs
from quartpatterns.caching.memoized import MemoizedOptions, make_memoized, version_of, whole_call
from quartpatterns.caching.operations import Operations
from quartpatterns.caching.protocols import CachedFunction, MemoizedFunction
from quartpatterns.caching.results import refuse_generators
from quartpatterns.caching.settings import Timeout, seconds_of
from quartpatterns.caching.versions import Tags

__all__ = ["Decorators"]

P = ParamSpec("P")


class Decorators(Operations):
    """The methods of a cache that decorate views and functions."""

    def cached(
        self,
        timeout: Timeout = None,
        key_prefix: str | Callable[[], Any] = "view/%s",
        unless: Callable[..., Any] | None = None,
        forced_update: Callable[..., Any] | None = None,
        response_filter: Callable[..., Any] | None = None,
        query_string: bool = False,
        *,
        cache_none: bool = False,
        make_cache_key: Callable[..., Any] | None = None,
        source_check: bool | None = None,
        response_hit_indication: bool = False,
        tags: Tags = (),
        stale_while_revalidate: float = 0,
        vary: Collection[str] = (),
    ) -> Callable[[Callable[P, Any]], CachedFunction[P]]:
        """Keep what a view answers; with another *key_prefix* also what a function returns.

        Of a view it is the answers to GET, and to HEAD where there is one to GET, apart for each
        scheme, host and mount point. What is one visitor's is not kept: an answer that sets a
        cookie, whose view has read or changed the session, or that is ``private`` or varies by
        another header than those in *vary*. Requests with a session cookie or ``Authorization``
        call the view. Errors and streams pass, and are not kept. An answer without an ``ETag``
        gets one, and clients that have it are told so (304).

        Where many ask at once for what is not there, one makes it; also among several workers,
        where they share a store.

        Arguments:
            timeout: Seconds; 0 for no end, ``None`` for ``CACHE_DEFAULT_TIMEOUT``.
            key_prefix: The key, in which ``%s`` is the path of the request; or a function that
                makes it. Without ``%s``, and not on a view, it is the return value that is kept.
            unless: Called with the function and its arguments, or without any; true means to
                call the function and to keep nothing.
            forced_update: Called with the arguments, or without any; true means to call the
                function, and to keep what it returns.
            response_filter: Called with what the function returned; false means not to keep it.
            query_string: Whether each query is kept apart, whatever its order. Otherwise the
                query makes no difference.
            cache_none: Whether ``None`` is kept.
            make_cache_key: Called with the arguments; makes the key in place of *key_prefix*.
            source_check: Whether other code means another key (``CACHE_SOURCE_CHECK``).
            response_hit_indication: Whether an answer that was kept says so: ``hit_cache: True``.
            tags: Names by which :meth:`delete_tags` finds it; or a function of the arguments.
            stale_while_revalidate: Seconds beyond *timeout* in which what is kept is still given,
                and made anew meanwhile.
            vary: Names of request headers that make another answer, such as ``Accept-Language``.
                With ``Cookie`` each visitor has answers of his own.

        The decorated function has the attributes ``uncached``, ``cache_timeout`` and
        ``make_cache_key``. Also where the function is synchronous it is awaited.
        """
        if callable(timeout):
            raise TypeError("cached is called: @cache.cached(), or @cache.cached(timeout=60)")
        if isinstance(vary, str):
            raise TypeError('vary is a collection of names: vary=["Accept-Language"]')
        options = CachedOptions(
            timeout=_checked(timeout),
            key_prefix=key_prefix,
            unless=unless,
            forced_update=forced_update,
            response_filter=response_filter,
            query_string=query_string,
            cache_none=cache_none,
            make_cache_key=make_cache_key,
            source_check=source_check,
            response_hit_indication=response_hit_indication,
            tags=_tags(tags),
            stale_while_revalidate=_stale(stale_while_revalidate),
            vary=vary,
        )
        return lambda function: make_cached(self, function, options)

    def memoize(
        self,
        timeout: Timeout = None,
        make_name: Callable[[str], str] | None = None,
        unless: Callable[..., Any] | None = None,
        forced_update: Callable[..., Any] | None = None,
        response_filter: Callable[..., Any] | None = None,
        *,
        cache_none: bool = False,
        source_check: bool | None = None,
        args_to_ignore: Collection[str] = (),
        tags: Tags = (),
        stale_while_revalidate: float = 0,
    ) -> Callable[[Callable[P, Any]], MemoizedFunction[P, Any]]:
        """Keep what a function returns, for each set of arguments.

        Equal arguments are the same call, however they are passed; an instance counts by what
        its ``__caching_id__()`` returns, by its ``__repr__``, or as itself.

        Arguments:
            timeout: Seconds; 0 for no end, ``None`` for ``CACHE_DEFAULT_TIMEOUT``.
            make_name: Given the name of the function, makes the one for the key.
            unless: As for :meth:`cached`.
            forced_update: As for :meth:`cached`.
            response_filter: As for :meth:`cached`.
            cache_none: Whether ``None`` is kept.
            source_check: As for :meth:`cached`.
            args_to_ignore: Names of arguments that make no difference.
            tags: As for :meth:`cached`.
            stale_while_revalidate: As for :meth:`cached`.

        The decorated function has the attributes ``uncached``, ``cache_timeout``,
        ``make_cache_key`` and ``delete_memoized``. Also where the function is synchronous it is
        awaited.

        Raises:
            UncacheableError: When decorating: the function is a generator.
        """
        if callable(timeout):
            raise TypeError("memoize is called: @cache.memoize(), or @cache.memoize(timeout=60)")
        options = MemoizedOptions(
            timeout=_checked(timeout),
            make_name=make_name,
            unless=unless,
            forced_update=forced_update,
            response_filter=response_filter,
            cache_none=cache_none,
            source_check=source_check,
            args_to_ignore=frozenset(args_to_ignore),
            tags=_tags(tags),
            stale_while_revalidate=_stale(stale_while_revalidate),
        )

        def decorator(function: Callable[P, Any]) -> MemoizedFunction[P, Any]:
            refuse_generators(function)
            made: MemoizedFunction[P, Any] = make_memoized(self, function, options)
            return made

        return decorator

    async def delete_cached(
        self,
        function: CachedFunction[...],
        path: str | None = None,
        query_args: QueryArgs | None = None,
        **values: Any,
    ) -> bool:
        """Delete what is kept of a view or function; whether there was something.

        Arguments:
            function: The decorated one.
            path: The path that was asked for.
            query_args: One query, with ``query_string=True``; without it all of this path.
            values: Arguments of the view, of which its path is built where that is not given.
        """
        if query_args is None:
            query_args = EVERY_QUERY
        return await self.delete(
            function.make_cache_key(path=path, query_args=query_args, **values)
        )

    async def delete_memoized(self, function: Any, *args: Any, **kwargs: Any) -> None:
        """Forget the results of a memoized function: all, or that for the arguments given.

        Of a method that is got from an instance, it is those of this instance.

        Raises:
            TypeError: It is not memoized.
        """
        if not hasattr(function, "delete_memoized"):
            raise TypeError(f"{function!r} is not memoized: give the decorated function itself")
        if args or kwargs:
            whole = whole_call(function, args)
            await self.delete(function.make_cache_key(function.uncached, *whole, **kwargs))
        else:
            await self.delete(version_of(function))

    async def delete_memoized_verhash(self, function: Any) -> None:
        """As :meth:`delete_memoized` of all results: there is a new version when it is needed."""
        await self.delete_memoized(function)


def _checked(timeout: Timeout) -> Timeout:
    seconds_of(timeout, default=0)
    return timeout


def _stale(seconds: float) -> float:
    if seconds and not seconds_of(seconds, default=0) > 0:
        raise ValueError("stale_while_revalidate takes seconds")
    return float(seconds)


def _tags(tags: Tags) -> Tags:
    if isinstance(tags, str):
        raise TypeError(f"tags is a collection of names: tags=[{tags!r}]")
    return tags if callable(tags) else tuple(tags)
