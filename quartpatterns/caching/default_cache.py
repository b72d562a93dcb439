"""``cached``: a decorator for an application with or without a cache of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, cast
from weakref import WeakKeyDictionary, WeakSet

from quart import Quart, current_app, request_started

from quartpatterns._shared.protected_views import (
    CACHED_ABOVE,
    DecoratorOrderError,
    contains,
    is_protected,
    wrapped_views,
)
from quartpatterns.caching.decorators import CachedDecorator
from quartpatterns.caching.extension import Cache
from quartpatterns.caching.keys import Tags
from quartpatterns.caching.lookup import AppCache
from quartpatterns.caching.settings import Timeout, read_settings
from quartpatterns.caching.stores import MemoryStore
from quartpatterns.caching.watched_apps import is_watched, start_recording, watch_requests

__all__ = ["cached"]


class _CacheOfTheApplication(Cache):
    """The first :class:`~quartpatterns.caching.Cache` of the application.

    An application without one gets a memory cache with default settings.
    """

    def app_cache(self) -> AppCache:
        proxy: Any = current_app
        app = proxy._get_current_object()
        app_caches: dict[Cache, AppCache] = app.extensions.setdefault("cache", {})
        if not app_caches:
            signals = {"CACHE_ENABLE_SIGNALS": app.config.get("CACHE_ENABLE_SIGNALS", False)}
            settings = read_settings(signals, app.name)
            store = MemoryStore(settings.threshold)
            app_caches[self] = AppCache(app, settings, store)
            watch_requests(app, only=_is_cached)
        return next(iter(app_caches.values()))


_cache_of_the_application = _CacheOfTheApplication()
# The views that use it.
_views: WeakSet[Any] = WeakSet()
# The applications whose views were searched for these.
_searched: WeakSet[Quart] = WeakSet()


# The endpoints of the views that use it, for each application and number of views.
_endpoints: WeakKeyDictionary[Quart, tuple[tuple[int, int], frozenset[str] | None]] = (
    WeakKeyDictionary()
)


async def _first_request(app: Quart, **_: Any) -> None:
    """Start to record before the hooks of the first request, if a view needs it."""
    if app in _searched:
        return
    _searched.add(app)
    if any(_cached(view) for view in app.view_functions.values()):
        if not is_watched(app):
            _cache_of_the_application.app_cache()
            await start_recording(app)


def _cached(view: Any) -> list[Any]:
    """Return what :func:`cached` has decorated of a view or of the methods of a class of views."""
    functions = [view]
    if (view_class := getattr(view, "view_class", None)) is not None:
        for method in getattr(view_class, "methods", None) or ():
            functions.append(getattr(view_class, method.lower(), None))
    decorated = (inner for function in functions for inner in wrapped_views(function))
    return [inner for inner in decorated if contains(_views, inner)]


def _is_cached(app: Any, current: Any) -> bool:
    """Return whether to record a request: others than those for cached views take less time.

    If a decorated function is no view of this application, any view may call it.
    """
    numbers = len(app.view_functions), len(_views)
    known = _endpoints.get(app)
    if known is None or known[0] != numbers:
        found = {endpoint: _cached(view) for endpoint, view in app.view_functions.items()}
        views = {view for decorated in found.values() for view in decorated}
        endpoints = frozenset(endpoint for endpoint, decorated in found.items() if decorated)
        known = _endpoints[app] = (numbers, endpoints if len(views) == len(_views) else None)
    return known[1] is None or current.endpoint in known[1]


def cached(
    timeout: Timeout = 300,
    *,
    cache: Cache | None = None,
    query_string: bool = True,
    unless: Callable[..., Any] | None = None,
    response_filter: Callable[..., Any] | None = None,
    tags: Tags = (),
    stale_while_revalidate: Timeout = 0,
    vary: Collection[str] = (),
    etag: bool = False,
) -> CachedDecorator:
    """Cache the responses of a view to GET.

    It calls :meth:`quartpatterns.caching.Cache.cached` and follows the same rules. Two defaults
    differ: *timeout* is that of Flask's page, and each query has its own response.

    Arguments:
        timeout: Seconds; 0 for no limit.
        cache: The cache. By default it is the first one of the application, or a memory cache with
            default settings if the application has none.
        query_string: Whether each query has its own response.
        unless: As for :meth:`~quartpatterns.caching.Cache.cached`, like the following arguments.
        response_filter: Gets the result of the view. A false value means not to store it.
        tags: Names for :meth:`~quartpatterns.caching.Cache.delete_tags`.
        stale_while_revalidate: Seconds after *timeout* in which a stale response is served.
        vary: Names of request headers that are part of the key, such as ``Accept-Language``.
        etag: Whether a response gets an ``ETag``, and a client that has it already gets 304.

    Raises:
        DecoratorOrderError: It stands above ``login_required``, so that visitors who are not logged
            in would get cached responses. It is raised when the view is decorated.
        TypeError: *vary* or *tags* is a string.
        ValueError: A timeout is invalid.

    See Flask's page "View Decorators", section "Caching Decorator".

    .. versionadded:: 0.1
    """
    if callable(timeout):
        raise TypeError("cached takes arguments: @cached() or @cached(timeout=300)")
    decorator = (cache or _cache_of_the_application).cached(
        timeout,
        query_string=query_string,
        unless=unless,
        response_filter=response_filter,
        tags=tags,
        stale_while_revalidate=stale_while_revalidate,
        vary=vary,
        etag=etag,
    )

    def decorate(view: Callable[..., Any]) -> Any:
        if is_protected(view):
            raise DecoratorOrderError(CACHED_ABOVE)
        decorated = decorator(view)
        if cache is None:
            # The application is known when it handles its first request.
            _views.add(decorated)
            _searched.clear()
            request_started.connect(_first_request)
        return decorated

    return cast("CachedDecorator", decorate)
