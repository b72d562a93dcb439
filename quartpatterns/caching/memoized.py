"""``memoize``: what a function returns, by its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from blinker import NamedSignal

from quartpatterns.caching.calling import ask, call
from quartpatterns.caching.keys import code_digest, digest, fingerprint, name_of
from quartpatterns.caching.lookup import Shelf, Wanted
from quartpatterns.caching.protocols import MemoizedFunction
from quartpatterns.caching.results import Keep, resulted
from quartpatterns.caching.settings import Timeout, seconds_of
from quartpatterns.caching.signals import cache_memoize_hit, cache_memoize_miss, send
from quartpatterns.caching.versions import MONTH, Tags, call_version, versions_of

if TYPE_CHECKING:
    from quartpatterns.caching.decorators import Decorators

__all__ = ["MemoizedOptions", "make_memoized", "whole_call", "version_of"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class MemoizedOptions:
    """The options of ``memoize``, which :meth:`Cache.memoize` explains."""

    timeout: Timeout
    make_name: Callable[[str], str] | None
    unless: Callable[..., Any] | None
    forced_update: Callable[..., Any] | None
    response_filter: Callable[..., Any] | None
    cache_none: bool
    source_check: bool | None
    args_to_ignore: Collection[str]
    tags: Tags
    stale_while_revalidate: float


def make_memoized(cache: Decorators, function: Callable[P, Any], options: MemoizedOptions) -> Any:
    """*function*, with its results kept by *cache*."""
    memoized = _Memoized(cache, function, options)

    @wraps(function)
    async def decorated(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await memoized.result(args, kwargs)

    wrapper = cast("MemoizedFunction[P, Any]", decorated)
    wrapper.uncached = function
    wrapper.cache_timeout = options.timeout
    wrapper.make_cache_key = memoized.make_cache_key
    wrapper.delete_memoized = lambda: cache.delete_memoized(wrapper)
    memoized.wrapper = wrapper
    return wrapper


def version_of(function: Any) -> str:
    """The version on which the results of *function* depend; of a bound method, its instance's."""
    name = f"memoize:{name_of(function)}"
    instance = getattr(function, "__self__", None)
    if instance is None or isinstance(instance, type):
        return name
    return f"{name}:{digest(fingerprint(instance))}"


def whole_call(function: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """*args* with the instance before them, where *function* is a bound method."""
    instance = getattr(function, "__self__", None)
    return args if instance is None or (args and args[0] is instance) else (instance, *args)


class _Memoized:
    """A decorated function, and how its results are found."""

    wrapper: MemoizedFunction[..., Any]

    def __init__(
        self, cache: Decorators, function: Callable[..., Any], options: MemoizedOptions
    ) -> None:
        self.cache = cache
        self.function = function
        self.options = options
        self._signature = inspect.signature(function)
        first = next(iter(self._signature.parameters), "")
        # A name, as for Flask-Caching: the function can't know yet that it is a method.
        self._of_instance = first == "self" and "self" not in options.args_to_ignore
        self._code = code_digest(function)
        accepts = options.response_filter and partial(ask, options.response_filter)
        self.keep = Keep(none=options.cache_none, accepts=accepts)

    async def result(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the function returns, kept or called."""
        shelf = self.cache.shelf()
        options = self.options
        if not shelf.store.keeps or (
            options.unless is not None and await ask(options.unless, self.function, *args, **kwargs)
        ):
            return await call(self.function, *args, **kwargs)
        forced = await ask(options.forced_update, *args, **kwargs)
        wanted = self._wanted(shelf, args, kwargs)

        async def make() -> Any:
            await self._tell(shelf, cache_memoize_miss, wanted.key, args, kwargs)
            return await call(self.function, *args, **kwargs)

        result, hit = await resulted(shelf, wanted, make, self.keep, forced=forced)
        if hit:
            await self._tell(shelf, cache_memoize_hit, wanted.key, args, kwargs)
        return result

    def make_cache_key(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> str:
        """The key of the result for these arguments.

        Arguments:
            function: The function itself, as in ``add.make_cache_key(add.uncached, 1, 2)``.
            args: Its arguments.
            kwargs: Its named arguments.

        Raises:
            TypeError: The function does not take them, or one can't be part of a key.
        """
        name = name_of(self.function)
        if self.options.make_name is not None:
            name = self.options.make_name(name)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        parts = [
            f"{key}={fingerprint(value)}"
            for key, value in bound.arguments.items()
            if key not in self.options.args_to_ignore
        ]
        check = self.options.source_check
        if self.cache.shelf().settings.source_check if check is None else check:
            parts.append(self._code)
        return f"memoize/{name}/{digest(*parts)}"

    def _wanted(self, shelf: Shelf, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Wanted:
        key = self.wrapper.make_cache_key(self.function, *args, **kwargs)
        stale = self.options.stale_while_revalidate
        seconds = seconds_of(self.wrapper.cache_timeout, shelf.settings.default_timeout)
        lifetime = seconds + stale
        versions = {version_of(self.function): max(lifetime, MONTH), call_version(key): lifetime}
        if self._of_instance and args:
            name = f"{version_of(self.function)}:{digest(fingerprint(args[0]))}"
            versions[name] = lifetime
        versions |= versions_of(self.options.tags, lifetime, args, kwargs)
        return Wanted(key, seconds, stale, versions)

    async def _tell(
        self,
        shelf: Shelf,
        signal: NamedSignal,
        key: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        if signal.receivers:
            told: dict[str, Any] = {"cache": self.cache, "cache_key": key, "f": self.function}
            await send(signal, shelf.app, **told, args=args, kwargs=kwargs)
