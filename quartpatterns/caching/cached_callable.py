"""``Cache.cached``: the responses of a view, or the value of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from blinker import NamedSignal
from quart import (
    Quart,
    Request,
    Response,
    after_this_request,
    has_request_context,
    request,
)
from werkzeug.wrappers import Response as WerkzeugResponse

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
from quartpatterns.caching.recorded_requests import reads_of
from quartpatterns.caching.request_names import QUERY
from quartpatterns.caching.request_reads import RequestReads
from quartpatterns.caching.responses import (
    ViewCall,
    cached_response,
    is_view,
    request_digest,
    unwrapped,
    wraps_function,
)
from quartpatterns.caching.sharing import KeyReads, credentials, watch_function, watch_key

if TYPE_CHECKING:
    from quart.typing import ResponseTypes

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
    etag: bool
    methods: Collection[str]


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
        self._methods = {method.upper() for method in options.methods} | {"HEAD"}
        prefix = options.key_prefix
        self._has_path_in_key = isinstance(prefix, str) and "%s" in prefix
        self._has_key_function = options.make_cache_key is not None or callable(prefix)

    async def result(self, call_: Call) -> Any:
        is_a_view = is_view(self.wrapper)
        if is_a_view or self._has_path_in_key:
            if not has_request_context():
                self._prefix(None)  # raises an error
            return await self._response(call_, is_a_view=is_a_view)
        current = cast(Any, request) if has_request_context() else None
        if not self._makes_key:
            key = await self._base_key(call_, current)
            covered = frozenset[str]()
        else:
            with watch_function() as reads:
                key = await self._base_key(call_, current)
            covered = reads.covers()
        cache_request = self.cache_request(call_, key, call_version(key))
        return await self.function_result(call_, cache_request, lambda: covered)

    async def _response(self, call_: Call, *, is_a_view: bool) -> Any:
        proxy: Any = request
        current: Request = proxy._get_current_object()
        if current.method not in self._methods:
            return await self.result_without_cache(call_)
        reads = reads_of(current)
        key_reads = KeyReads()
        if self._makes_key:
            with watch_key(reads) as key_reads:
                # The base key is a version, too: deleting it deletes the responses to all hosts.
                base_key = await self._base_key(call_, current)
        else:
            base_key = await self._base_key(call_, current)
        if self.options.query_string:
            key_reads.names |= {QUERY}
        covered = key_reads.covered
        private = credentials(reads, self._vary, covered)
        if not private and reads.names:
            private = reads.present(reads.names, self._vary, covered)
            if private:
                self.report_private(private)
        if private:
            if is_a_view and self._vary:
                # Another cache, such as that of a proxy, may store the response.
                after_this_request(self._add_vary)
            returned = await self.result_without_cache(call_)
            return await self._with_status(
                call_, returned, is_a_view, f'fwd=bypass; detail="{private[0]}"'
            )
        versions = [base_key]
        if self.options.query_string:
            versions.append(self._key(call_.app_cache, current.path, None))
        key = f"{base_key}#{request_digest(current, reads.headers, self._vary)}"
        cache_request = self.cache_request(call_, key, *versions)
        if current.method == "HEAD":
            # A view may omit the body, so that its response must not be stored.
            record = await call_.app_cache.find(cache_request)
            if record is None or record.payload is None:
                return await self.result_without_cache(call_)
        view_call = self._view_call(call_, current, reads, key_reads, is_a_view=is_a_view)
        response, hit = await cached_response(
            view_call,
            call_.app_cache,
            cache_request,
            partial(self.call_function, call_, base_key),
            forced=await self.is_forced(call_),
        )
        if hit and self.sends(self.hit_signal, call_.app_cache):
            await self.send(self.hit_signal, call_, base_key)
        if isinstance(response, Response | WerkzeugResponse):
            if hit and self.options.response_hit_indication:
                response.headers["hit_cache"] = "True"
            if self._vary:
                response.vary.update(self.options.vary)
        status = "hit"
        if not hit:
            why = ", ".join(view_call.reasons).replace('"', "'")
            status = "fwd=miss; " + (f'detail="{why}"' if why else "stored")
        return await self._with_status(call_, response, is_a_view, status)

    async def _with_status(self, call_: Call, returned: Any, is_a_view: bool, status: str) -> Any:
        """Return the response of a view; in debug mode with a ``Cache-Status`` (RFC 9211)."""
        app = call_.app_cache.app
        if not is_a_view or not app.debug:
            return returned
        response: Any = await app.make_response(returned)
        response.headers["Cache-Status"] = f"quartpatterns; {status}"
        return response

    def _view_call(
        self,
        call_: Call,
        current: Request,
        reads: RequestReads,
        key: KeyReads,
        *,
        is_a_view: bool,
    ) -> ViewCall:
        value = None
        if not is_a_view:
            value = replace(call_.app_cache.value_format, cache_none=self.options.cache_none)
        return ViewCall(
            current,
            reads,
            self._vary,
            key,
            self.accepts,
            self.is_stale(call_),
            self.options.etag,
            value,
            self.report_private,
            self.report_not_stored,
        )

    async def _add_vary(self, response: ResponseTypes) -> ResponseTypes:
        response.vary.update(self.options.vary)
        return response

    async def result_without_cache(self, call_: Call) -> Any:
        if is_view(self.wrapper):
            return await self._uncached(call_)
        return await super().result_without_cache(call_)

    async def _uncached(self, call_: Call) -> Any:
        return unwrapped(await call(self.function, *call_.args, **call_.kwargs))

    @property
    def _makes_key(self) -> bool:
        """Whether a function of the user makes the key."""
        return self._has_key_function or self.wrapper.make_cache_key is not self.own_key

    async def _base_key(self, call_: Call, current: Request | None) -> str:
        """Return the key of this call, without what tells requests for one path apart."""
        if (make := self.options.make_cache_key) is not None:
            return valid_key(await maybe_await(make(*call_.args, **call_.kwargs)))
        if (assigned := self.wrapper.make_cache_key) is not self.own_key:
            # As in Flask-Caching the function also gets "use_request".
            more = {"use_request": True} if _takes_use_request(assigned) else {}
            return valid_key(await maybe_await(assigned(*call_.args, **call_.kwargs, **more)))
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
            if path is None and has_request_context():
                path = request.path  # A function that views call.
            if path is None:
                raise RuntimeError("the function is not a view of this application: pass its path")
        if query_args is None:
            query_args = request.args if has_request_context() else ""
        return self._key(app_cache, path, query_args)

    def _key(self, app_cache: AppCache, path: str | None, query: QueryArgs | None) -> str:
        key = self._prefix(path)
        if self.options.query_string and query is not None and query is not ALL_QUERIES:
            key += query_digest(query, self.hash_method(app_cache))
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


def _takes_use_request(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters
    return "use_request" in parameters or any(
        one.kind is one.VAR_KEYWORD for one in parameters.values()
    )


def _build_path(app: Quart, wrapper: Any, values: Mapping[str, Any]) -> str | None:
    """Return the path that leads to the view that *wrapper* is, or None if it is no view."""
    for endpoint, view in app.view_functions.items():
        if wraps_function(view, wrapper):
            path: str = app.url_map.bind("localhost").build(endpoint, values, force_external=False)
            return path
    return None
