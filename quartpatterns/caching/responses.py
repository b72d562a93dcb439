"""Storing the responses of views: which ones, and how requests are told apart."""

# Werkzeug has no public way to fill Headers without checking each value again.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from quart import Quart, Request, Response, current_app, has_request_context, request
from quart.typing import ResponseTypes
from quart.wrappers.response import DataBody
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.languages import negotiated_headers, url_language
from quartpatterns._shared.vary import add_to_vary
from quartpatterns.caching.generators import joined
from quartpatterns.caching.lookup import AppCache, CacheRequest, FreshResult, Hit
from quartpatterns.caching.records import (
    Payload,
    StoredResponse,
    StoredValue,
    ValueFormat,
    decode_value,
)
from quartpatterns.caching.request_names import CALLBACK, STREAM, VARY, of_cookies
from quartpatterns.caching.request_reads import RequestReads
from quartpatterns.caching.settings import Timeout, timeout_seconds
from quartpatterns.caching.sharing import KeyReads, ViewReads, credentials, watch_view
from quartpatterns.caching.visitor_parts import Parts, collecting_parts

__all__ = [
    "CachedResponse",
    "ViewCall",
    "cached_response",
    "is_view",
    "request_digest",
    "unwrapped",
    "wraps_function",
]

# Headers of one connection (RFC 9110, 7.6.1) or of one moment, which are not stored.
_NOT_STORED = frozenset({"age", "connection", "date", "keep-alive", "transfer-encoding"})
# The key of the response that the current request computes anew in the background.
_revalidated: ContextVar[str | None] = ContextVar("revalidated", default=None)


class CachedResponse(Response):
    """A response of a cached view with a timeout of its own.

    .. code-block:: python

        @app.get("/prices")
        @cache.cached(timeout=60)
        async def prices():
            return CachedResponse(await make_response(await query()), timeout=5)

    Arguments:
        response: The response.
        timeout: Seconds to store it, or ``None`` for the timeout of the decorator.

    Attributes:
        timeout: The timeout.
        adopted: The response that was given.

    .. versionadded:: 0.1
    """

    def __init__(self, response: Response, timeout: Timeout = None) -> None:
        given: Any = response
        if not isinstance(given, Response | WerkzeugResponse):
            raise TypeError(
                "CachedResponse takes a response: CachedResponse(await make_response(...), 60)"
            )
        timeout_seconds(timeout, default=0)
        # As in Flask-Caching both objects have the same state, so that a change of one is seen.
        vars(self).update(vars(response))
        # In Quart it is the limit for sending the response; the decorator sends the adopted one.
        self.timeout: Any = timeout
        self.adopted = response


def unwrapped(returned: Any) -> Any:
    """Return what a view has returned, without the timeout of a :class:`CachedResponse`."""
    return returned.adopted if isinstance(returned, CachedResponse) else returned


@dataclass(slots=True)
class ViewCall:
    """A request for a cached view, and which of its responses are stored.

    Arguments:
        current: The request.
        reads: What was read of it.
        vary: Lower-case names of the request headers that are part of the key.
        key: What else of the request is part of the key.
        accepts: Gets what the view has returned and returns whether to store it.
        is_stale: Gets a stored response and returns whether to call the view nevertheless.
        etag: Whether a response gets an ``ETag``, and 304 answers a client that has it.
        value: Encodes a result that is not a response, of a function that is not a view.
        on_private: Gets what keeps a response from being stored.
        on_not_stored: Gets the reason why a response is not stored.
        reasons: Why the response is not stored.
    """

    current: Request
    reads: RequestReads
    vary: Collection[str]
    key: KeyReads
    accepts: Callable[[Any], Awaitable[bool]] | None = None
    is_stale: Callable[[Any], Awaitable[bool]] | None = None
    etag: bool = False
    value: ValueFormat | None = None
    on_private: Callable[[Iterable[str]], None] | None = None
    on_not_stored: Callable[[str], None] | None = None
    reasons: list[str] = field(default_factory=list[str])

    def private_names(self, names: Iterable[str]) -> list[str]:
        """Return those of *names* that the request has, and that are not part of the key."""
        return self.reads.present(names, self.vary, self.key.names)

    def absent_names(self, seen: ViewReads) -> tuple[str, ...]:
        """Return what the view has found missing, and may find in other requests."""
        names = seen.names | self.key.before if seen.missed_globals else seen.names
        return self.reads.absent(names, self.vary, self.key.names)

    def private_globals(self, seen: ViewReads) -> list[str]:
        """Return the attributes of ``g`` that may name the visitor and are not part of the key.

        They may, if the hooks before the view have read something that does.
        """
        if not seen.globals:
            return []
        covered = self.key.names
        found = self.private_names(self.key.before) or credentials(self.reads, self.vary, covered)
        return [*found, *(f"g.{name}" for name in seen.globals)] if found else []

    def report(self, names: Iterable[str]) -> None:
        """Report that a response is not stored, because *names* were read."""
        names = list(names)
        self.reasons += names
        if self.on_private is not None:
            self.on_private(names)

    def report_not_stored(self, reason: str) -> None:
        """Report why a response is not stored."""
        self.reasons.append(reason)
        if self.on_not_stored is not None:
            self.on_not_stored(reason)

    def may_get(self, payload: Payload) -> bool:
        """Return whether the request lacks what the view has found missing."""
        if not isinstance(payload, StoredResponse) or not payload.absent:
            return True
        return not self.private_names(payload.absent)


def request_digest(current: Request, headers: Headers, vary: Collection[str]) -> str:
    """Return a hash of everything but the path that tells requests apart.

    That is the scheme, host, mount point, the language of the URL and the headers in *vary*. With
    the language, a page whose key is one text is still stored for each language. A hash keeps the
    values of cookies out of the keys.
    """
    parts: tuple[object, ...] = (
        current.scheme,
        headers.get("Host"),
        current.root_path,
        [headers.getlist(name) for name in vary],
    )
    if current.method not in ("GET", "HEAD"):
        parts = (*parts, current.method)
    if (language := url_language()) is not None:
        parts = (*parts, language)
    text = repr(parts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def wraps_function(view: Any, function: Any) -> bool:
    """Return whether *view* is *function*, or wraps it."""
    while view is not None:
        if view is function:
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def is_view(function: Any) -> bool:
    """Return whether *function* is the view of the current request, or a method of its class."""
    if not has_request_context():
        return False
    # Each access to a proxy takes as long as the rest, and this runs for each cached view.
    proxy: Any = request
    current = proxy._get_current_object()
    if not (endpoint := current.endpoint):
        return False
    view: Any = current_app.view_functions.get(endpoint)
    if view is function or wraps_function(view, function):
        return True
    methods = (current.method.lower(), "get", "dispatch_request")
    view_class = getattr(view, "view_class", None)
    return any(wraps_function(getattr(view_class, name, None), function) for name in methods)


async def cached_response(
    view_call: ViewCall,
    app_cache: AppCache,
    cache_request: CacheRequest,
    view: Callable[[], Awaitable[Any]],
    *,
    forced: bool = False,
) -> tuple[Any, bool]:
    """Return the response of a view, and whether it comes from the cache.

    Arguments:
        view_call: The request, and what to store.
        app_cache: The cache.
        cache_request: What to look up.
        view: Calls the view.
        forced: Whether to call the view in any case.
    """
    compute = partial(_fresh_response, view, view_call, cache_request)
    current = view_call.current
    if forced or _revalidated.get() == cache_request.key:
        return await app_cache.compute_and_store(cache_request, compute), False
    on_stale = None
    if cache_request.stale_seconds:
        on_stale = partial(_revalidate, view_call, app_cache, cache_request)
    found: Any = await app_cache.get_or_compute(cache_request, compute, on_stale=on_stale)
    if not isinstance(found, Hit):
        return found, False
    if not view_call.may_get(found.payload):
        # The stored response is for those who lack what this request has.
        assert isinstance(found.payload, StoredResponse)
        view_call.report(view_call.private_names(found.payload.absent))
        return unwrapped(await view()), False
    response: Any
    if isinstance(found.payload, StoredResponse):
        response = _to_response(found.payload, app_cache.app)
        if found.payload.parts:
            parts = Parts(found.payload.marker, list(found.payload.parts))
            await _fill(response, parts, found.payload.body, view_call)
        if found.payload.absent:
            _add_vary(response, found.payload.absent)
    else:
        assert isinstance(found.payload, StoredValue) and view_call.value is not None
        try:
            response = decode_value(found.payload, view_call.value.serializer)
        except ValueError:
            # Another version of the program has stored something that this one can't read.
            return await app_cache.compute_and_store(cache_request, compute), False
    if view_call.is_stale is not None and await view_call.is_stale(response):
        return await app_cache.compute_and_store(cache_request, compute), False
    if view_call.etag and isinstance(response, Response):
        await make_conditional(response, current)
    return response, True


async def make_conditional(response: Any, current: Request) -> None:
    """Turn a response into 304 if the client has it already."""
    if response.status_code == 200 and _is_conditional(current):
        conditional: Any = response.make_conditional(current)
        if asyncio.iscoroutine(conditional):
            await conditional


async def _fresh_response(
    view: Callable[[], Awaitable[Any]], view_call: ViewCall, cache_request: CacheRequest
) -> FreshResult[Any]:
    with watch_view(view_call.reads, view_call.key) as seen, collecting_parts() as parts:
        returned = await view()
        if isinstance(returned, CachedResponse):
            _set_timeout(cache_request, returned.timeout)
            returned = returned.adopted
        is_value = view_call.value is not None
        if is_value and isinstance(returned, Response | WerkzeugResponse):
            is_value = False  # A view behind a decorator that does not use functools.wraps.
        if is_value:
            returned = await joined(returned)
        response: Any = returned if is_value else await current_app.make_response(returned)
    if is_value:
        return await _fresh_value(returned, view_call, seen)
    fresh = await _judged(response, returned, view_call, seen)
    if parts.templates and (body := await _body(response)) is not None:
        if isinstance(fresh.payload, StoredResponse):
            stored = replace(fresh.payload, marker=parts.marker, parts=tuple(parts.templates))
            fresh = replace(fresh, payload=_without_validators(stored))
        if _revalidated.get() != cache_request.key:  # Nobody sees that response.
            await _fill(response, parts, body, view_call)
    if isinstance(fresh.payload, StoredResponse):
        _add_vary(response, fresh.payload.absent)
    if view_call.etag:
        whole = None if parts.templates else fresh.payload
        if isinstance(whole, StoredResponse) and whole.status == 200:
            if "ETag" not in response.headers:
                response.set_etag(_etag(whole.body))
                fresh = replace(fresh, payload=_to_stored(response, whole))
        await make_conditional(response, view_call.current)
    return fresh


async def _judged(
    response: ResponseTypes, returned: Any, view_call: ViewCall, seen: ViewReads
) -> FreshResult[ResponseTypes]:
    """Return the response with what to store of it."""
    body = await _body(response)
    if body is None:
        view_call.report_not_stored(STREAM)
        return FreshResult(response, None, store=True)
    if _is_error(response):
        view_call.reasons.append(f"status {response.status_code}")
        return FreshResult(response, None, store=False)
    if seen.callbacks:
        view_call.report_not_stored(f"{CALLBACK} {', '.join(sorted(seen.callbacks))}")
        return FreshResult(response, None, store=True)
    if private := view_call.private_names(seen.names) + view_call.private_globals(seen):
        view_call.report(private)
        return FreshResult(response, None, store=True)
    vary = view_call.vary
    if any(map(of_cookies, view_call.key.covered)):
        vary = [*vary, "cookie"]
    negotiated = negotiated_headers(view_call.current)
    if seen.modified:
        view_call.report_not_stored("the session was modified")
    elif (reason := _for_one_visitor(response, vary, negotiated)) is not None:
        if reason in ("private", "no-store"):
            view_call.reasons.append(reason)  # The view has said so itself.
        else:
            view_call.report_not_stored(reason)
    if view_call.reasons:
        return FreshResult(response, None, store=True)
    if view_call.accepts is not None and not await view_call.accepts(returned):
        view_call.reasons.append("response_filter")
        return FreshResult(response, None, store=False)
    absent = view_call.absent_names(seen)
    stored = StoredResponse(response.status_code, (), body, absent)
    return FreshResult(response, _to_stored(response, stored), store=True)


async def _fresh_value(returned: Any, view_call: ViewCall, seen: ViewReads) -> FreshResult[Any]:
    """Return the value of a function that is not a view, with what to store of it."""
    assert view_call.value is not None
    read = [*seen.names] if seen.names else ()
    private = [
        *view_call.private_names(read),
        *view_call.private_globals(seen),
        *view_call.absent_names(seen),
        *(f"{CALLBACK} {name}" for name in sorted(seen.callbacks)),
        *(set(negotiated_headers(view_call.current)) - set(view_call.vary)),
    ]
    if private:
        view_call.report(private)
        return FreshResult(returned, None, store=True)
    if returned is None and not view_call.value.cache_none:
        return FreshResult(returned, None, store=False)
    if view_call.accepts is not None and not await view_call.accepts(returned):
        return FreshResult(returned, None, store=False)
    return FreshResult(returned, view_call.value.encode(returned), store=True)


def _set_timeout(cache_request: CacheRequest, timeout: Timeout) -> None:
    if timeout:
        cache_request.fresh_seconds = timeout_seconds(timeout, default=0)
        ttl = cache_request.ttl
        cache_request.versions = {
            name: max(seconds, ttl) for name, seconds in cache_request.versions.items()
        }


def _to_stored(response: ResponseTypes, stored: StoredResponse) -> StoredResponse:
    """Return *stored* with the headers of the response."""
    headers = tuple(
        (name, value) for name, value in response.headers.items() if name.lower() not in _NOT_STORED
    )
    return replace(stored, headers=headers)


def _to_response(stored: StoredResponse, app: Quart) -> Response:
    """Return a new response.

    A response that several requests share would also share what is added to it later, such as
    the session cookie of the first visitor.
    """
    make: Any = app.response_class
    response: Response = make(stored.body, stored.status)
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


def _for_one_visitor(
    response: ResponseTypes, vary: Collection[str], negotiated: Collection[str]
) -> str | None:
    """Return how the response shows that not all who send the same headers *vary* may get it.

    Arguments:
        response: The response of the view.
        vary: The headers that are part of the key.
        negotiated: The headers that ``Vary`` will have, which is set after the view.
    """
    if "Set-Cookie" in response.headers:
        return "Set-Cookie"
    named = {header.lower() for header in response.vary} | set(negotiated)
    if others := sorted(named - set(vary)):
        return f"{VARY} {', '.join(others)}"
    if response.cache_control.no_store:
        return "no-store"
    return "private" if response.cache_control.private else None


def _add_vary(response: ResponseTypes, absent: Iterable[str]) -> None:
    """Tell other caches that the response is for those who lack what was looked for."""
    for name in absent:
        kind, _, key = name.partition(" ")
        if of_cookies(name):
            add_to_vary(response, "Cookie")
        elif kind == "header":
            add_to_vary(response, key.title())


async def _fill(response: Any, parts: Parts, body: bytes, view_call: ViewCall) -> None:
    """Put the parts for this visitor into the response, which no other cache may share then."""
    # Nobody sees the body for HEAD, so that it must not take a message away.
    is_head = view_call.current.method == "HEAD"
    filled = await parts.fill(body, render=not is_head)
    response.set_data(filled)
    if is_head:
        response.headers.pop("Content-Length", None)
    elif view_call.etag and response.status_code == 200:
        response.set_etag(_etag(filled))
    response.cache_control.public = False
    response.cache_control.private = True


def _without_validators(stored: StoredResponse) -> StoredResponse:
    """Return the response without the headers that identify one body."""
    validators = ("etag", "last-modified", "content-length", "content-md5")
    headers = tuple(pair for pair in stored.headers if pair[0].lower() not in validators)
    return replace(stored, headers=headers)


def _etag(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _is_conditional(current: Request) -> bool:
    return "If-None-Match" in current.headers or "If-Modified-Since" in current.headers


def _revalidate(view_call: ViewCall, app_cache: AppCache, cache_request: CacheRequest) -> None:
    """Handle a copy of the request in the background, as a GET without a body."""
    app: Any = app_cache.app
    current = view_call.current
    # Quart's test client marks the scope of a request whose context it preserves.
    scope: Any = {
        key: value for key, value in current.scope.items() if not key.startswith("_quart")
    }
    copied: Any = app.request_class(
        "GET",
        current.scheme,
        current.path,
        current.query_string,
        view_call.reads.headers,
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
