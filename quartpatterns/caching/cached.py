"""``cached``: what a view answers, or a function without arguments returns."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from blinker import NamedSignal
from quart import Quart, Request, has_request_context, request

from quartpatterns.caching.calling import ask, call
from quartpatterns.caching.entries import is_shared
from quartpatterns.caching.keys import (
    EVERY_QUERY,
    QueryArgs,
    checked,
    code_digest,
    name_of,
    query_digest,
)
from quartpatterns.caching.lookup import Shelf, Wanted
from quartpatterns.caching.protocols import CachedFunction
from quartpatterns.caching.results import Keep, resulted
from quartpatterns.caching.settings import Timeout, seconds_of
from quartpatterns.caching.signals import cache_view_hit, cache_view_miss, send
from quartpatterns.caching.versions import Tags, call_version, versions_of
from quartpatterns.caching.views import Rules, answered, is_around, is_dispatched, request_digest

if TYPE_CHECKING:
    from quartpatterns.caching.decorators import Decorators

__all__ = ["CachedOptions", "make_cached"]

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class CachedOptions:
    """The options of ``cached``, which :meth:`Cache.cached` explains."""

    timeout: Timeout
    key_prefix: str | Callable[[], Any]
    unless: Callable[..., Any] | None
    forced_update: Callable[..., Any] | None
    response_filter: Callable[..., Any] | None
    query_string: bool
    cache_none: bool
    make_cache_key: Callable[..., Any] | None
    source_check: bool | None
    response_hit_indication: bool
    tags: Tags
    stale_while_revalidate: float
    vary: Collection[str]


def make_cached(cache: Decorators, function: Callable[P, Any], options: CachedOptions) -> Any:
    """*function*, with its results kept by *cache*."""
    cached = _Cached(cache, function, options)

    @wraps(function)
    async def decorated(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await cached.result(args, kwargs)

    wrapper = cast("CachedFunction[P]", decorated)
    wrapper.uncached = function
    wrapper.cache_timeout = options.timeout
    wrapper.make_cache_key = cached.key
    cached.wrapper = wrapper
    return wrapper


class _Cached:
    """A decorated function, and how its results are found."""

    wrapper: CachedFunction[...]

    def __init__(
        self, cache: Decorators, function: Callable[..., Any], options: CachedOptions
    ) -> None:
        self.cache = cache
        self.function = function
        self.options = options
        self.vary = sorted({header.lower() for header in options.vary})
        accepts = options.response_filter and partial(ask, options.response_filter)
        self.rules = Rules(self.vary, tagged=True, accepts=accepts)
        self.keep = Keep(none=options.cache_none, accepts=accepts)
        self._code = code_digest(function)

    async def result(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the function returns, kept or called."""
        shelf = self.cache.shelf()
        options = self.options
        if not shelf.store.keeps or (
            options.unless is not None and await ask(options.unless, self.function, *args, **kwargs)
        ):
            return await call(self.function, *args, **kwargs)
        prefix = options.key_prefix
        if (isinstance(prefix, str) and "%s" in prefix) or is_dispatched(self.wrapper):
            if not has_request_context():
                self._prefixed(None)  # says what is missing
            return await self._answer(shelf, args, kwargs)
        forced = await ask(options.forced_update, *args, **kwargs)
        asked: Request | None = cast(Any, request) if has_request_context() else None
        key = await self._own_key(shelf, asked, args, kwargs)
        wanted = self._wanted(shelf, key, None, args, kwargs)
        make = self._make(shelf, key, args, kwargs)
        result, hit = await resulted(shelf, wanted, make, self.keep, forced=forced)
        if hit:
            await self._tell(shelf, cache_view_hit, key, args, kwargs)
        return result

    async def _answer(self, shelf: Shelf, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        asked: Request = cast(Any, request)._get_current_object()
        if asked.method not in ("GET", "HEAD") or not is_shared(asked, self.vary):
            return await call(self.function, *args, **kwargs)
        base = await self._own_key(shelf, asked, args, kwargs)
        key = f"{base}#{request_digest(asked, self.vary)}"
        wanted = self._wanted(shelf, key, base, args, kwargs)
        if self.options.query_string:
            wanted.versions[self._key(shelf, asked.path, None)] = wanted.lifetime
        if asked.method == "HEAD" and not await _is_answer(shelf, wanted):
            # A view may leave the body out, which others would miss.
            return await call(self.function, *args, **kwargs)
        forced = await ask(self.options.forced_update, *args, **kwargs)
        make = self._make(shelf, base, args, kwargs)
        response, hit = await answered(asked, shelf, wanted, make, self.rules, forced=forced)
        if hit:
            await self._tell(shelf, cache_view_hit, base, args, kwargs)
            if self.options.response_hit_indication:
                response.headers["hit_cache"] = "True"
        if self.vary:
            response.vary.update(self.options.vary)
        return response

    def _wanted(
        self,
        shelf: Shelf,
        key: str,
        base: str | None,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Wanted:
        seconds = seconds_of(self.wrapper.cache_timeout, shelf.settings.default_timeout)
        stale = self.options.stale_while_revalidate
        versions = {call_version(key) if base is None else base: seconds + stale}
        versions |= versions_of(self.options.tags, seconds + stale, args, kwargs)
        return Wanted(key, seconds, stale, versions)

    def _make(
        self, shelf: Shelf, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[], Awaitable[Any]]:
        async def make() -> Any:
            await self._tell(shelf, cache_view_miss, key, args, kwargs)
            return await call(self.function, *args, **kwargs)

        return make

    async def _tell(
        self,
        shelf: Shelf,
        signal: NamedSignal,
        key: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        if signal.receivers:
            told: dict[str, Any] = {"cache": self.cache, "cache_key": key}
            await send(signal, shelf.app, **told, args=args, kwargs=kwargs)

    async def _own_key(
        self, shelf: Shelf, asked: Request | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> str:
        """The key of this call, or of the path that is asked for."""
        if (make := self.options.make_cache_key) is not None:
            made: Any = make(*args, **kwargs)
            return checked(await made if isawaitable(made) else made)
        if asked is None:
            return self._key(shelf, None, None)
        query = asked.args if self.options.query_string else None
        return self._key(shelf, asked.path, query)

    def key(
        self,
        *args: Any,
        path: str | None = None,
        query_args: QueryArgs | None = None,
        **kwargs: Any,
    ) -> str:
        """The key of an answer, or of a function's result, to be deleted for instance.

        Arguments:
            args: Arguments of the view, of which its path is built where that is not given.
            path: The path that was asked for.
            query_args: The query, with ``query_string=True``; by default that of the request.
            kwargs: As *args*.
        """
        if path is None and "%s" in str(self.options.key_prefix):
            names = inspect.signature(self.function).parameters
            values = {**kwargs, **dict(zip(names, args, strict=False))}
            path = _built_path(self.cache.shelf().app, self.wrapper, values)
        if query_args is None and has_request_context():
            query_args = request.args
        return self._key(self.cache.shelf(), path, "" if query_args is None else query_args)

    def _key(self, shelf: Shelf, path: str | None, query: QueryArgs | None) -> str:
        key = self._prefixed(path)
        if self.options.query_string and query is not None and query is not EVERY_QUERY:
            key += query_digest(query)
        check = self.options.source_check
        if shelf.settings.source_check if check is None else check:
            key += self._code
        return key

    def _prefixed(self, path: str | None) -> str:
        prefix = self.options.key_prefix
        if callable(prefix):
            return checked(prefix())
        if "%s" not in prefix:
            return prefix
        if path is None:
            raise RuntimeError(
                f"{name_of(self.function)} is cached by the path of a request, and there is none:"
                " give it a key_prefix without %s, or use memoize"
            )
        return prefix.replace("%s", path)


async def _is_answer(shelf: Shelf, wanted: Wanted) -> bool:
    record = await shelf.found(wanted)
    return record is not None and record.payload is not None


def _built_path(app: Quart, wrapper: Any, values: Mapping[str, Any]) -> str:
    """The path that leads to the view that *wrapper* is, with *values* in it."""
    for endpoint, view in app.view_functions.items():
        if is_around(view, wrapper):
            path: str = app.url_map.bind("localhost").build(endpoint, values, force_external=False)
            return path
    raise RuntimeError("the function is no view of this application: give the path=")
