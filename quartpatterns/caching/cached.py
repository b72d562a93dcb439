"""``Cache.cached``: the responses of a view, or the value of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from blinker import NamedSignal
from quart import Quart, Request, has_request_context, request

from quartpatterns._shared.calling import call, maybe_await
from quartpatterns.caching.decorators import Call, Decorated, DecoratorOptions
from quartpatterns.caching.keys import (
    ALL_QUERIES,
    QueryArgs,
    call_version,
    qualified_name,
    query_digest,
    valid_key,
)
from quartpatterns.caching.lookup import AppCache
from quartpatterns.caching.responses import (
    ResponsePolicy,
    cached_response,
    is_shareable_request,
    is_view,
    request_digest,
    wraps_function,
)

if TYPE_CHECKING:
    from quartpatterns.caching.extension import Cache

__all__ = ["CachedCallable", "CachedOptions", "cache_view_hit", "cache_view_miss"]

# Signals of Flask-Caching. The sender is the application; receivers get "cache", "cache_key",
# "args" and "kwargs".
cache_view_hit = NamedSignal("cache-view-hit")
cache_view_miss = NamedSignal("cache-view-miss")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedOptions(DecoratorOptions):
    """The options of :meth:`Cache.cached`."""

    key_prefix: str | Callable[[], Any]
    query_string: bool
    make_cache_key: Callable[..., Any] | None
    response_hit_indication: bool
    vary: Collection[str]


class CachedCallable(Decorated):
    """Implements :meth:`Cache.cached` for one function; :attr:`wrapper` is the decorated function.

    Arguments:
        cache: The cache.
        function: The view or function.
        options: The options of the decorator.
    """

    options: CachedOptions
    hit_signal, miss_signal = cache_view_hit, cache_view_miss

    def __init__(self, cache: Cache, function: Callable[..., Any], options: CachedOptions) -> None:
        super().__init__(cache, function, options)
        self._vary: list[str] = sorted({header.lower() for header in options.vary})
        self._policy = ResponsePolicy(self._vary, self.accepts)
        prefix = options.key_prefix
        self._has_path_in_key = isinstance(prefix, str) and "%s" in prefix

    async def result(self, call_: Call) -> Any:
        if self._has_path_in_key or is_view(self.wrapper):
            if not has_request_context():
                self._prefix(None)  # raises an error
            return await self._response(call_)
        current: Request | None = cast(Any, request) if has_request_context() else None
        key = await self._base_key(call_, current)
        return await self.function_result(call_, self.cache_request(call_, key, call_version(key)))

    async def _response(self, call_: Call) -> Any:
        current: Request = cast(Any, request)._get_current_object()
        if current.method not in ("GET", "HEAD") or not is_shareable_request(current, self._vary):
            return await call(self.function, *call_.args, **call_.kwargs)
        # The base key is a version, too: deleting it deletes the responses to all hosts.
        base_key = await self._base_key(call_, current)
        versions = [base_key]
        if self.options.query_string:
            versions.append(self._key(call_.app_cache, current.path, None))
        key = f"{base_key}#{request_digest(current, self._vary)}"
        cache_request = self.cache_request(call_, key, *versions)
        if current.method == "HEAD":
            # A view may omit the body, so that its response must not be stored.
            record = await call_.app_cache.find(cache_request)
            if record is None or record.payload is None:
                return await call(self.function, *call_.args, **call_.kwargs)
        response, hit = await cached_response(
            current,
            call_.app_cache,
            cache_request,
            partial(self.call_function, call_, base_key),
            self._policy,
            forced=await self.is_forced(call_),
        )
        if hit and self.hit_signal.receivers:
            await self.send(self.hit_signal, call_, base_key)
        if hit and self.options.response_hit_indication:
            response.headers["hit_cache"] = "True"
        if self._vary:
            response.vary.update(self.options.vary)
        return response

    async def _base_key(self, call_: Call, current: Request | None) -> str:
        """Return the key of this call, without what tells requests for one path apart."""
        if (make := self.options.make_cache_key) is not None:
            return valid_key(await maybe_await(make(*call_.args, **call_.kwargs)))
        if current is None:
            return self._key(call_.app_cache, None, None)
        query = current.args if self.options.query_string else None
        return self._key(call_.app_cache, current.path, query)

    def make_cache_key(
        self,
        *args: Any,
        path: str | None = None,
        query_args: QueryArgs | None = None,
        **kwargs: Any,
    ) -> str:
        """Return the key of a response or value, for example to delete it.

        Arguments:
            args: Arguments of the view, to build the path if it is not given.
            path: The path of the request.
            query_args: The query, if ``query_string`` is true; by default that of the current
                request.
            kwargs: Keyword arguments of the view.
        """
        app_cache = self.cache.app_cache()
        if path is None and self._has_path_in_key:
            names = inspect.signature(self.function).parameters
            values = {**kwargs, **dict(zip(names, args, strict=False))}
            path = _build_path(app_cache.app, self.wrapper, values)
        if query_args is None:
            query_args = request.args if has_request_context() else ""
        return self._key(app_cache, path, query_args)

    def _key(self, app_cache: AppCache, path: str | None, query: QueryArgs | None) -> str:
        key = self._prefix(path)
        if self.options.query_string and query is not None and query is not ALL_QUERIES:
            key += query_digest(query)
        return key + self.source_suffix(app_cache)

    def _prefix(self, path: str | None) -> str:
        prefix = self.options.key_prefix
        if callable(prefix):
            return valid_key(prefix())
        if "%s" not in prefix:
            return prefix
        if path is None:
            raise RuntimeError(
                f"the cache key of {qualified_name(self.function)} contains the path of a request,"
                " and there is no request: use a key_prefix without %s, or memoize"
            )
        return prefix.replace("%s", path)


def _build_path(app: Quart, wrapper: Any, values: Mapping[str, Any]) -> str:
    """Return the path that leads to the view that *wrapper* is, with *values* in it."""
    for endpoint, view in app.view_functions.items():
        if wraps_function(view, wrapper):
            path: str = app.url_map.bind("localhost").build(endpoint, values, force_external=False)
            return path
    raise RuntimeError("the function is not a view of this application: pass its path")
