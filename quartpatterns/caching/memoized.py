"""``Cache.memoize``: the results of a function, by its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from blinker import NamedSignal

from quartpatterns.caching.decorators import Call, Decorated, DecoratorOptions
from quartpatterns.caching.keys import (
    VERSION_TTL,
    call_version,
    closure_name,
    digest,
    fingerprint,
    qualified_name,
)
from quartpatterns.caching.sharing import watch_function

if TYPE_CHECKING:
    from quartpatterns.caching.extension import Cache

__all__ = ["MemoizeOptions", "MemoizedCallable", "cache_memoize_hit", "cache_memoize_miss"]
__all__ += ["function_version", "with_instance"]

# Signals of Flask-Caching. The sender is the application; receivers get "cache", "cache_key",
# "args", "kwargs" and "f", the function.
cache_memoize_hit = NamedSignal("cache-memoize-hit")
cache_memoize_miss = NamedSignal("cache-memoize-miss")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoizeOptions(DecoratorOptions):
    """The options of :meth:`Cache.memoize`."""

    make_name: Callable[[str], str] | None
    args_to_ignore: Collection[str]


def function_version(function: Any) -> str:
    """Return the version of all results of a function, or of those of a bound method's instance."""
    name = f"memoize:{getattr(function, 'memoized_name', None) or qualified_name(function)}"
    instance = getattr(function, "__self__", None)
    if instance is None or isinstance(instance, type):
        return name
    if not getattr(function, "memoized_by_instance", True):
        return name  # Its results have no version of their own, so all are deleted.
    return f"{name}:{digest(fingerprint(instance))}"


def with_instance(function: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of a call, with the instance first if *function* is a bound method."""
    instance = getattr(function, "__self__", None)
    return args if instance is None or (args and args[0] is instance) else (instance, *args)


def _covered(make_key: Callable[[], object]) -> frozenset[str]:
    """Return what is read to make a key, for example by ``__caching_id__``."""
    with watch_function() as reads:
        make_key()
    return reads.covers()


class MemoizedCallable(Decorated):
    """Implements :meth:`Cache.memoize` for one function; :attr:`wrapper` is the decorated function.

    Arguments:
        cache: The cache.
        function: The function.
        options: The options of the decorator.
    """

    options: MemoizeOptions
    hit_signal, miss_signal = cache_memoize_hit, cache_memoize_miss

    def __init__(self, cache: Cache, function: Callable[..., Any], options: MemoizeOptions) -> None:
        super().__init__(cache, function, options)
        self.wrapper.delete_memoized = lambda: cache.delete_memoized(self.wrapper)
        closure = closure_name(function)
        self.wrapper.memoized_name = qualified_name(function) + (closure and f"#{closure}")
        self._signature = inspect.signature(function)
        first = next(iter(self._signature.parameters), "")
        # As in Flask-Caching, the name decides: a function in a class body is not a method yet.
        self._is_method = first == "self" and "self" not in options.args_to_ignore
        self.wrapper.memoized_by_instance = self._is_method
        self._version = function_version(self.wrapper)

    async def result(self, call_: Call) -> Any:
        key = self.wrapper.make_cache_key(self.function, *call_.args, **call_.kwargs)
        versions = [call_version(key)]
        if self._is_method and call_.args:
            versions.append(f"{self._version}:{digest(fingerprint(call_.args[0]))}")
        cache_request = self.cache_request(call_, key, *versions)
        cache_request.versions[self._version] = max(cache_request.ttl, VERSION_TTL)
        make_key = partial(self.wrapper.make_cache_key, self.function, *call_.args, **call_.kwargs)
        bound = self._signature.bind(*call_.args, **call_.kwargs).arguments.items()
        args = [value for name, value in bound if name not in self.options.args_to_ignore]
        return await self.function_result(call_, cache_request, partial(_covered, make_key), args)

    async def send(self, signal: NamedSignal, call_: Call, key: str, **more: Any) -> None:
        await super().send(signal, call_, key, f=self.function, **more)

    def make_cache_key(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> str:
        """Return the key of the result for these arguments.

        Arguments:
            function: The function itself, as in ``add.make_cache_key(add.uncached, 1, 2)``.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Raises:
            TypeError: The function does not take these arguments, or one of them can't be part
                of a key.
        """
        app_cache = self.cache.app_cache()
        name = self.wrapper.memoized_name
        if self.options.make_name is not None:
            name = self.options.make_name(name)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        parts = [
            f"{argument}={fingerprint(value)}"
            for argument, value in bound.arguments.items()
            if argument not in self.options.args_to_ignore
        ]
        parts.append(self.source_suffix(app_cache))
        return f"memoize/{name}/{digest(*parts, hash_method=self.hash_method(app_cache))}"
