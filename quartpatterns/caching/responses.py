"""Storing the responses of views: which ones, and how requests are told apart."""

# Werkzeug has no public way to fill Headers without checking each value again.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from quart import Request, Response, current_app, has_request_context, request
from quart.globals import request_ctx
from quart.typing import ResponseTypes
from quart.wrappers.response import DataBody
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy

from quartpatterns.caching.lookup import AppCache, CacheRequest, FreshResult, Hit
from quartpatterns.caching.records import StoredResponse

__all__ = [
    "ResponsePolicy",
    "cached_response",
    "is_shareable_request",
    "is_view",
    "request_digest",
    "wraps_function",
]

# Headers of one connection (RFC 9110, 7.6.1) or of one moment, which are not stored.
_NOT_STORED = frozenset({"age", "connection", "date", "keep-alive", "transfer-encoding"})
# The key of the response that the current request computes anew in the background.
_revalidated: ContextVar[str | None] = ContextVar("revalidated", default=None)


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """Which responses of a view are stored.

    Arguments:
        vary: Lower-case names of the request headers that are part of the key.
        accepts: Gets what the view has returned and returns whether to store it.
    """

    vary: Collection[str] = ()
    accepts: Callable[[Any], Awaitable[bool]] | None = None


def request_digest(current: Request, vary: Collection[str]) -> str:
    """Return a hash of everything but the path that tells requests apart.

    That is the scheme, host, mount point and the headers in *vary*. A hash keeps the values of
    cookies out of the keys.
    """
    headers = current.headers
    parts = (
        current.scheme,
        headers.get("Host"),
        current.root_path,
        [headers.getlist(name) for name in vary],
    )
    text = repr(parts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def is_shareable_request(current: Request, vary: Collection[str]) -> bool:
    """Return whether the response to the request may be one that other visitors get.

    It may not if the request has a session or credentials, unless *vary* names the header.
    """
    headers = current.headers
    if "authorization" not in vary and "Authorization" in headers:
        return False
    if "cookie" in vary or "Cookie" not in headers:
        return True
    return current_app.session_interface.get_cookie_name(current_app) not in current.cookies


def wraps_function(view: Any, function: Any) -> bool:
    """Return whether *view* is *function*, or wraps it."""
    while view is not None:
        if view is function:
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def is_view(function: Any) -> bool:
    """Return whether *function* is the view of the current request, or a method of its class."""
    if not has_request_context() or not request.endpoint:
        return False
    view: Any = current_app.view_functions.get(request.endpoint)
    if wraps_function(view, function):
        return True
    methods = (request.method.lower(), "get", "dispatch_request")
    view_class = getattr(view, "view_class", None)
    return any(wraps_function(getattr(view_class, name, None), function) for name in methods)


async def cached_response(
    current: Request,
    app_cache: AppCache,
    cache_request: CacheRequest,
    view: Callable[[], Awaitable[Any]],
    policy: ResponsePolicy,
    *,
    forced: bool = False,
) -> tuple[ResponseTypes, bool]:
    """Return the response of a view, and whether it comes from the cache.

    Arguments:
        current: The current request.
        app_cache: The cache.
        cache_request: What to look up.
        view: Calls the view.
        policy: Which responses to store.
        forced: Whether to call the view in any case.
    """
    compute = partial(_fresh_response, view, policy)
    found: ResponseTypes | Hit
    if forced or _revalidated.get() == cache_request.key:
        found = await app_cache.compute_and_store(cache_request, compute)
    else:
        on_stale = None
        if cache_request.stale_seconds:
            on_stale = partial(_revalidate, current, app_cache, cache_request)
        found = await app_cache.get_or_compute(cache_request, compute, on_stale=on_stale)
    hit = isinstance(found, Hit)
    response: ResponseTypes
    if isinstance(found, Hit):
        assert isinstance(found.payload, StoredResponse)
        response = _to_response(found.payload)
    else:
        response = found
    if response.status_code == 200 and _is_conditional(current):
        conditional: Any = response.make_conditional(current)  # type: ignore[arg-type]
        if asyncio.iscoroutine(conditional):
            await conditional
    return response, hit


async def _fresh_response(
    view: Callable[[], Awaitable[Any]], policy: ResponsePolicy
) -> FreshResult[ResponseTypes]:
    with _watch_session() as session:
        returned = await view()
        response = await current_app.make_response(returned)
    body = await _body(response)
    if body is None:  # a stream or a file
        return FreshResult(response, None, store=True)
    if _is_error(response):
        return FreshResult(response, None, store=False)
    if session.is_private(policy.vary) or not _is_shareable(response, policy.vary):
        return FreshResult(response, None, store=True)
    if policy.accepts is not None and not await policy.accepts(returned):
        return FreshResult(response, None, store=False)
    if response.status_code == 200 and "ETag" not in response.headers:
        response.set_etag(hashlib.blake2b(body, digest_size=16).hexdigest())
    return FreshResult(response, _to_stored(response, body), store=True)


def _to_stored(response: ResponseTypes, body: bytes) -> StoredResponse:
    headers = tuple(
        (name, value) for name, value in response.headers.items() if name.lower() not in _NOT_STORED
    )
    return StoredResponse(response.status_code, headers, body)


def _to_response(stored: StoredResponse) -> Response:
    """Return a new response.

    A response that several requests share would also share what is added to it later, such as
    the session cookie of the first visitor.
    """
    make: Any = current_app.response_class
    response: Response = make("", stored.status)
    response.response = response.data_body_class(stored.body)
    # The values were checked when they were set on the first response.
    response.headers = Headers()
    response.headers._list = list(stored.headers)
    return response


async def _body(response: ResponseTypes) -> bytes | None:
    """Return the body, or ``None`` if it is a stream or a file, which can be read only once."""
    if not isinstance(response, Response):
        return response.get_data() if response.is_sequence else None
    if isinstance(response.response, DataBody):
        return response.response.data
    if response.status_code == 204 or 300 <= response.status_code < 400:
        return b""  # Quart makes a stream of an empty body as well.
    return None


def _is_error(response: ResponseTypes) -> bool:
    """Return whether the response is an error, a part (206) or "not modified" (304)."""
    status = response.status_code
    return not 200 <= status < 400 or status in (206, 304)


def _is_shareable(response: ResponseTypes, vary: Collection[str]) -> bool:
    """Return whether all visitors who send the same headers *vary* may get the response."""
    cache_control = response.cache_control
    return (
        "Set-Cookie" not in response.headers
        and {header.lower() for header in response.vary} <= set(vary)
        and not cache_control.no_store
        and not cache_control.private
    )


@dataclass(slots=True)
class _WatchedSession:
    """A session, and whether the view has accessed it."""

    session: Any
    accessed: bool = False

    def access(self) -> Any:
        """Return the session."""
        self.accessed = True
        return self.session

    def is_private(self, vary: Collection[str]) -> bool:
        """Return whether the response depends on the session.

        A session that was modified before the view adds a cookie to the response.
        """
        return bool(self.session.modified) or (self.accessed and "cookie" not in vary)


@contextmanager
def _watch_session() -> Generator[_WatchedSession]:
    """Watch the session of the current request.

    ``session.accessed`` would not do: other code may have accessed the session before the view,
    and session interfaces other than Quart's need not set it.
    """
    context: Any = cast(Any, request_ctx)._get_current_object()
    attributes = cast("dict[str, Any]", vars(context))
    # FaithfulQuart has a property, which stores the session in "_session".
    name = "_session" if "_session" in attributes else "session"
    watched = _WatchedSession(attributes[name])
    setattr(context, name, LocalProxy(watched.access))
    try:
        yield watched
    finally:
        setattr(context, name, watched.session)


def _is_conditional(current: Request) -> bool:
    return "If-None-Match" in current.headers or "If-Modified-Since" in current.headers


def _revalidate(current: Request, app_cache: AppCache, cache_request: CacheRequest) -> None:
    """Handle a copy of the request in the background, as a GET without a body."""
    app: Any = app_cache.app
    # Quart's test client marks the scope of a request whose context it preserves.
    scope: Any = {
        key: value for key, value in current.scope.items() if not key.startswith("_quart")
    }
    copied: Any = app.request_class(
        "GET",
        current.scheme,
        current.path,
        current.query_string,
        current.headers,
        current.root_path,
        current.http_version,
        scope,
        send_push_promise=_ignore_push_promise,
    )
    copied.body.set_complete()

    async def compute() -> None:
        token = _revalidated.set(cache_request.key)
        try:
            await app.handle_request(copied)
        finally:
            _revalidated.reset(token)

    app.add_background_task(app_cache.revalidate, cache_request, compute)


async def _ignore_push_promise(path: str, headers: Headers) -> None:
    """There is no client to push to."""
