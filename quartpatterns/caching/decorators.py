"""What ``Cache.cached`` and ``Cache.memoize`` have in common, and the types of what they return."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from blinker import NamedSignal

from quartpatterns._shared.calling import call, maybe_await, signal_wrapper
from quartpatterns.caching.generators import joined
from quartpatterns.caching.keys import Tags, code_digest, qualified_name, tag_versions
from quartpatterns.caching.lookup import AppCache, CacheRequest, ResultPolicy, cached_result
from quartpatterns.caching.request_names import CALLBACK, STREAM, VARY
from quartpatterns.caching.settings import (
    HashMethod,
    Timeout,
    check_hash_method,
    timeout_seconds,
)

if TYPE_CHECKING:
    from quartpatterns.caching.extension import Cache

__all__ = ["CachedDecorator", "CachedFunction", "Decorated", "MemoizeDecorator"]
__all__ += ["DecoratorOptions", "MemoizedFunction"]

log = logging.getLogger("quartpatterns.caching")
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class CachedFunction(Protocol[P, R_co]):
    """A function that :meth:`Cache.cached` has decorated.

    Attributes:
        uncached: The function itself.
        cache_timeout: The timeout; it may be assigned.
        make_cache_key: Returns the cache key for a path, or for the current request. That of a
            memoized function gets ``uncached`` and the arguments of a call.
    """

    __name__: str
    uncached: Callable[..., Any]
    cache_timeout: Timeout
    make_cache_key: Callable[..., str]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...

    # For type checkers: as a method it gets its instance, as every function does. Type checkers
    # don't tell a class method from a method here.
    @overload
    def __get__(self, instance: None, owner: type, /) -> Any: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[Any, Q], R], instance: object, owner: type, /
    ) -> CachedFunction[Q, R]: ...


class MemoizedFunction(CachedFunction[P, R_co], Protocol[P, R_co]):
    """A function that :meth:`Cache.memoize` has decorated.

    Attributes:
        delete_memoized: Deletes all results.
    """

    delete_memoized: Callable[[], Awaitable[None]]

    @overload
    def __get__(self, instance: None, owner: type, /) -> Any: ...
    @overload
    def __get__(
        self: MemoizedFunction[Concatenate[Any, Q], R], instance: object, owner: type, /
    ) -> MemoizedFunction[Q, R]: ...


class CachedDecorator(Protocol):
    """What ``Cache.cached()`` returns: it keeps the signature of the function."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> CachedFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...


class MemoizeDecorator(Protocol):
    """What ``Cache.memoize()`` returns: it keeps the signature of the function."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> MemoizedFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> MemoizedFunction[P, R]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoratorOptions:
    """The options that ``cached`` and ``memoize`` share; see :meth:`Cache.cached`."""

    timeout: Timeout
    unless: Callable[..., Any] | None
    forced_update: Callable[..., Any] | None
    is_stale: Callable[..., Any] | None
    hash_method: HashMethod | None
    response_filter: Callable[..., Any] | None
    cache_none: bool
    source_check: bool | None
    tags: Tags
    stale_while_revalidate: Timeout

    def __post_init__(self) -> None:
        timeout_seconds(self.timeout, default=0)
        timeout_seconds(self.stale_while_revalidate, default=0)
        if self.hash_method is not None:
            check_hash_method("hash_method", self.hash_method)
        if isinstance(self.tags, str):
            raise TypeError(f"tags must be a list of names: tags=[{self.tags!r}]")
        if not callable(self.tags):
            object.__setattr__(self, "tags", tuple(self.tags))


@dataclass(slots=True)
class Call:
    """A call of a decorated function."""

    app_cache: AppCache
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Decorated:
    """Implements for one function what ``cached`` and ``memoize`` have in common.

    :attr:`wrapper` is the decorated function.
    """

    hit_signal: NamedSignal
    miss_signal: NamedSignal
    make_cache_key: Callable[..., str]

    def __init__(
        self, cache: Cache, function: Callable[..., Any], options: DecoratorOptions
    ) -> None:
        self.cache = cache
        self.function = function
        self.options = options
        self.stale_seconds = 0.0
        if options.stale_while_revalidate:
            self.stale_seconds = timeout_seconds(options.stale_while_revalidate, default=0)
        self.accepts = options.response_filter and partial(_is_true, options.response_filter)
        self._code = code_digest(function)
        self._reported: set[str] = set()
        self.wrapper = self._wrap()
        self.own_key = self.wrapper.make_cache_key

    def _wrap(self) -> Any:
        @wraps(self.function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            call_ = Call(self.cache.app_cache(), args, kwargs)
            if not call_.app_cache.store.enabled or (
                self.options.unless is not None
                and await _is_true(self.options.unless, self.function, *args, **kwargs)
            ):
                return await self.result_without_cache(call_)
            return await self.result(call_)

        decorated: Any = wrapper
        decorated.uncached = self.function
        decorated.cache_timeout = self.options.timeout
        decorated.make_cache_key = self.make_cache_key
        return decorated

    async def result(self, call_: Call) -> Any:
        """Return the result from the cache, or call the function."""
        raise NotImplementedError

    async def result_without_cache(self, call_: Call) -> Any:
        """Call the function; its generators are joined, as they are with a cache."""
        return await joined(await call(self.function, *call_.args, **call_.kwargs))

    async def is_forced(self, call_: Call) -> bool:
        """Return whether to call the function, whatever is stored."""
        return self.options.forced_update is not None and await _is_true(
            self.options.forced_update, *call_.args, **call_.kwargs
        )

    def is_stale(self, call_: Call) -> Callable[[Any], Awaitable[bool]] | None:
        """Return a function that gets a stored result and returns whether it is stale."""
        if (condition := self.options.is_stale) is None:
            return None

        async def is_stale(result: Any) -> bool:
            args, kwargs = call_.args, call_.kwargs
            more = _takes_arguments(condition, besides=1)
            answer = condition(result, *args, **kwargs) if more else condition(result)
            return bool(await maybe_await(answer))

        return is_stale

    def hash_method(self, app_cache: AppCache) -> HashMethod:
        """Return the hash function of the keys."""
        return self.options.hash_method or self.cache.hash_method or app_cache.settings.hash_method

    def sends(self, signal: NamedSignal, app_cache: AppCache) -> bool:
        """Return whether to send a signal."""
        return bool(signal.receivers) and (
            self.cache.enable_signals
            if self.cache.enable_signals is not None
            else app_cache.settings.enable_signals
        )

    def report_private(self, names: Iterable[str]) -> None:
        """Log, once for each name, that results are not shared because something was read."""
        if new := sorted(set(names) - self._reported):
            self._reported.update(new)
            log.warning(
                "Results of %s are not shared, because its request has: %s. It was read while the"
                " result was made, or before, and may tell visitors apart. Name the header in vary"
                ' (vary=["Cookie"] for cookies and the session), or read it in a function that is'
                " key_prefix or make_cache_key. Name a context variable that does not tell visitors"
                " apart in CACHE_CONTEXT_VARIABLES. If a template reads it, move that part into a"
                ' template of its own, and write {{ per_visitor("_part.html") }} in its place.'
                " Pass the language as an argument.",
                qualified_name(self.function),
                ", ".join(new),
            )

    def report_not_stored(self, reason: str) -> None:
        """Log, once for each reason, that responses are not stored because of what they are."""
        if reason not in self._reported:
            self._reported.add(reason)
            because, remedy = _why_not_stored(reason)
            log.warning(
                "Responses of %s are not stored, because they %s: %s. %s",
                qualified_name(self.function),
                because,
                reason,
                remedy,
            )

    def source_suffix(self, app_cache: AppCache) -> str:
        """Return a hash of the function's code, or an empty string without source check."""
        check = self.options.source_check
        if check is None:
            check = self.cache.source_check
        if not (app_cache.settings.source_check if check is None else check):
            return ""
        return str(self.hash_method(app_cache)(self._code.encode()).hexdigest())

    def cache_request(self, call_: Call, key: str, *versions: str) -> CacheRequest:
        """Return what to look up, with the timeout and tags of the options."""
        default = call_.app_cache.settings.default_timeout
        seconds = timeout_seconds(self.wrapper.cache_timeout, default)
        ttl = seconds + self.stale_seconds
        tags = tag_versions(self.options.tags, ttl, call_.args, call_.kwargs)
        return CacheRequest(key, seconds, self.stale_seconds, dict.fromkeys(versions, ttl) | tags)

    async def function_result(
        self,
        call_: Call,
        cache_request: CacheRequest,
        covered: Callable[[], Collection[str]],
        args: Collection[Any] = (),
    ) -> Any:
        """Return the value of the function, from the cache or by calling it.

        Arguments:
            call_: The call.
            cache_request: What to look up.
            covered: Returns what of the request and of ``g`` is part of the key.
            args: The arguments that are part of the key.
        """
        policy = ResultPolicy(
            self.options.cache_none,
            self.accepts,
            self.is_stale(call_),
            self.report_private,
            covered,
            args,
        )
        result, hit = await cached_result(
            call_.app_cache,
            cache_request,
            partial(self.call_function, call_, cache_request.key),
            policy,
            forced=await self.is_forced(call_),
        )
        if hit and self.sends(self.hit_signal, call_.app_cache):
            await self.send(self.hit_signal, call_, cache_request.key)
        return result

    async def call_function(self, call_: Call, key: str) -> Any:
        """Call the function after a cache miss."""
        if self.sends(self.miss_signal, call_.app_cache):
            await self.send(self.miss_signal, call_, key)
        return await call(self.function, *call_.args, **call_.kwargs)

    async def send(self, signal: NamedSignal, call_: Call, key: str, **more: Any) -> None:
        """Send a signal to its synchronous and asynchronous receivers."""
        app: Any = call_.app_cache.app
        values = {"cache": self.cache, "cache_key": key, **more}
        values |= {"args": call_.args, "kwargs": call_.kwargs}
        await signal.send_async(app, _sync_wrapper=signal_wrapper(app), **values)


def _why_not_stored(reason: str) -> tuple[str, str]:
    """Return what the reason means, and what to write instead."""
    if reason == STREAM:
        return (
            "can be read only once",
            "Cache the values that they are made of with memoize or get and set.",
        )
    if reason.startswith(CALLBACK):
        return (
            "would be sent without it when they are stored",
            "Call that function in a before_request function, which runs for each request, or in a"
            " decorator above the cache.",
        )
    if reason.startswith(VARY) and "*" not in reason:
        names = ", ".join(
            f'"{name.strip().title()}"' for name in reason.removeprefix(VARY).split(",")
        )
        return "differ by a header", f"Name it in the decorator: vary=[{names}]."
    return (
        "are for one visitor",
        "Render flashed messages, CSRF tokens and whatever else is for one visitor in a template"
        ' of their own: {{ per_visitor("_messages.html") }}.',
    )


async def _is_true(condition: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    """Return whether *condition* returns a true value; it gets the arguments if it takes any.

    A synchronous condition does not run in a thread, because it is called for every request.
    """
    result = condition(*args, **kwargs) if _takes_arguments(condition) else condition()
    return bool(await maybe_await(result))


@lru_cache(maxsize=1024)
def _takes_arguments(function: Callable[..., Any], besides: int = 0) -> bool:
    parameters = inspect.signature(function).parameters.values()
    kinds = [one.kind for one in parameters if one.kind is not one.KEYWORD_ONLY]
    return len(kinds) > besides or inspect.Parameter.VAR_POSITIONAL in kinds
