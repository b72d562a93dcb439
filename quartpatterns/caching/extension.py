"""The extension: values by key, and decorators for views and functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

from quart import Quart

from quartpatterns._shared.loop_bound import current_context
from quartpatterns.caching.backend import CacheBackend
from quartpatterns.caching.cached_callable import CachedCallable, CachedOptions
from quartpatterns.caching.class_store import ClassStore, make_backend
from quartpatterns.caching.decorators import CachedDecorator, CachedFunction, MemoizeDecorator
from quartpatterns.caching.fragments import install
from quartpatterns.caching.keys import ALL_QUERIES, QueryArgs, Tags
from quartpatterns.caching.lookup import AppCache
from quartpatterns.caching.memoized import (
    MemoizedCallable,
    MemoizeOptions,
    function_version,
    with_instance,
)
from quartpatterns.caching.records import (
    RecordSerializer,
)
from quartpatterns.caching.settings import HashMethod, Timeout, read_settings
from quartpatterns.caching.stores import Store, open_store
from quartpatterns.caching.values import Values
from quartpatterns.caching.watched_apps import watch_requests

__all__ = ["Cache"]

# The decorators use the store directly, so that one round trip fetches a result and its versions.
_NOT_OVERRIDABLE = frozenset(
    ("add", "delete", "delete_many", "get", "get_many", "has", "set", "set_many")
)

T = TypeVar("T")


class Cache(Values):
    """A cache for Quart applications, with the names of Flask-Caching.

    .. code-block:: python

        cache = Cache(app)


        @app.get("/news")
        @cache.cached(timeout=60)
        async def news():
            return await render_template("news.html", news=await query())


        @cache.memoize(timeout=600)
        async def rate(currency: str) -> Decimal:
            return await fetch_rate(currency)

    One object serves several applications, each with a store of its own. It uses the store of the
    current application or, without an application context, that of the application that was
    initialized last.

    If the store is unavailable, ``get`` returns None and the other methods return false values.
    With ``CACHE_IGNORE_ERRORS = False`` they raise
    :exc:`~quartpatterns.caching.CacheUnavailableError`. Decorated functions are called in either
    case.

    Arguments:
        app: The application; a factory calls :meth:`init_app` instead.
        with_jinja2_ext: Whether templates get the tag ``{% cache %}``.
        config: Settings that override those of the application.

    Attributes:
        app: The application that was initialized last, or None.
        config: The settings that were given.
        with_jinja2_ext: Whether templates get the tag.
        hash_method: A hash function that overrides ``CACHE_HASH_METHOD``, or None.
        source_check: A bool that overrides ``CACHE_SOURCE_CHECK``, or None.
        enable_signals: A bool that overrides ``CACHE_ENABLE_SIGNALS``, or None.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart | None = None,
        with_jinja2_ext: bool = True,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        _refuse_overrides(type(self))
        if type(with_jinja2_ext) is not bool:
            raise TypeError("with_jinja2_ext must be a bool; pass settings as config={...}")
        self.config = _checked_config(config)
        self.with_jinja2_ext = with_jinja2_ext
        self.app: Quart | None = None
        self._has_several_apps = False
        self.hash_method: HashMethod | None = None
        self.source_check: bool | None = None
        self.enable_signals: bool | None = None
        if app is not None:
            self.init_app(app)

    @property
    def serializer(self) -> Any:
        """The object in ``CACHE_SERIALIZER``, or None for JSON and pickles."""
        return self.app_cache().value_format.serializer

    @serializer.setter
    def serializer(self, serializer: Any) -> None:
        self.cache.serializer = serializer

    @property
    def cache(self) -> Any:
        """The store of the current application, with the methods of cachelib.

        For a class in ``CACHE_TYPE`` it is the object itself, whose methods are as it has them.
        Otherwise it is a :class:`~quartpatterns.caching.backend.CacheBackend`, whose methods are
        awaited.
        """
        store = self.app_cache().store
        return store.backend if isinstance(store, ClassStore) else CacheBackend(self)

    def init_app(self, app: Quart, config: Mapping[str, Any] | None = None) -> None:
        """Initialize the cache of an application. It connects to the store when it is first used.

        Arguments:
            app: The application.
            config: Settings that override those of the application.

        Raises:
            SettingError: A setting is invalid; the message names it.
            RuntimeError: This object is initialized for the application already.
            MissingExtraError: A library is not installed; the message names the extra.
        """
        app_caches: dict[Cache, AppCache] = app.extensions.setdefault("cache", {})
        if self in app_caches:
            raise RuntimeError(f"this Cache is already initialized for the application {app.name}")
        all_settings: dict[str, Any] = {
            **app.config,
            **(self.config or {}),
            **(_checked_config(config) or {}),
        }
        settings = read_settings(all_settings, app.name)
        serializer = RecordSerializer(lambda: app.secret_key, pickles=settings.value_format.pickled)
        store: Store
        if settings.backend == "custom":
            store = ClassStore(make_backend(app, all_settings, settings), settings, serializer)
        else:
            store = open_store(settings, serializer)
        app_caches[self] = AppCache(app, settings, store)
        app.after_serving(store.close)
        watch_requests(app, settings.context_variables)
        if self.with_jinja2_ext:
            install(app.jinja_env, self)
        self._has_several_apps = self.app is not None
        self.app = app

    def app_cache(self) -> AppCache:
        """Return the cache of the current application; outside of a context, of the only one.

        Raises:
            RuntimeError: The application is not initialized; or there is no context, and several
                applications are initialized.
        """
        context = current_context()
        app: Any = self.app if context is None else context.app
        if context is None and self._has_several_apps:
            raise RuntimeError(
                "this Cache has several applications: use it in the context of one of them, `async"
                " with app.app_context():`"
            )
        try:
            app_cache: AppCache = app.extensions["cache"][self]
        except (AttributeError, KeyError):
            raise RuntimeError(
                "this application is not initialized for this Cache: call cache.init_app(app)"
            ) from None
        return app_cache

    def cached(
        self,
        timeout: Timeout = None,
        key_prefix: str | Callable[[], Any] = "view/%s",
        unless: Callable[..., Any] | None = None,
        forced_update: Callable[..., Any] | None = None,
        is_stale: Callable[..., Any] | None = None,
        response_filter: Callable[..., Any] | None = None,
        query_string: bool = False,
        hash_method: HashMethod | None = None,
        cache_none: bool = False,
        make_cache_key: Callable[..., Any] | None = None,
        source_check: bool | None = None,
        response_hit_indication: bool = False,
        *,
        tags: Tags = (),
        stale_while_revalidate: Timeout = 0,
        vary: Collection[str] = (),
        etag: bool = False,
        methods: Collection[str] = ("GET",),
    ) -> CachedDecorator:
        """Cache the responses of a view, or the value of a function without arguments.

        Of a view it caches responses to GET. HEAD gets the stored response to GET, and is never
        stored. Each scheme, host, mount point and path has its own response.

        Responses for one visitor are not stored. Those are responses that set a cookie, that are
        ``private`` or ``no-store``, or whose ``Vary`` names a header that is not in *vary*. A
        response is not stored either if the view or something before it reads what tells visitors
        apart: a value in the session, a cookie, the client's address, the ASGI scope, or a header
        such as ``X-Api-Key`` or ``X-Forwarded-Host``, unless *vary* names it, or *key_prefix* or
        *make_cache_key* is a function that reads it as well. What was looked for and missing does
        no harm: only requests that lack it get the response. A request with an ``Authorization``
        header calls the view. A log message names, once, what keeps the responses of a view from
        being stored; in debug mode the header ``Cache-Status`` does. In templates,
        ``per_visitor()`` renders what is for one visitor.

        Errors and streams are passed on and not stored.

        If the response is missing, one request calls the view and the others wait for it, also in
        other workers that share the store.

        A synchronous view or function runs in a thread; the decorated one is always awaited. It
        has the attributes ``uncached``, ``cache_timeout`` and ``make_cache_key``. A view that is
        called directly returns a response object, whatever type checkers infer.

        Arguments:
            timeout: Seconds to store the result; 0 for no limit, ``None`` for
                ``CACHE_DEFAULT_TIMEOUT``.
            key_prefix: The key, in which ``%s`` stands for the path of the request, or a function
                that returns the key. Without ``%s``, a function that is not a view has its value
                cached.
            unless: Gets the function and its arguments, if it takes arguments. A true result
                calls the function without the cache.
            forced_update: Gets the arguments, if it takes any. A true result calls the function
                and stores the result.
            is_stale: Gets the stored value, or of a view the stored response, and the arguments if
                it takes more. A true result calls the function and stores the result.
            response_filter: Gets the result. A false value means not to store it.
            query_string: Whether each query has its own response, whatever the order of the names
                of its arguments. Otherwise all queries share one, and a response that depends on
                the query is not stored.
            hash_method: The hash function of the key; ``CACHE_HASH_METHOD`` by default.
            cache_none: Whether the value ``None`` is stored.
            make_cache_key: Gets the arguments and returns the key, instead of *key_prefix*.
            source_check: Whether the key contains a hash of the function's code;
                ``CACHE_SOURCE_CHECK`` by default.
            response_hit_indication: Whether a cached response has the header ``hit_cache: True``.
            tags: Names for :meth:`delete_tags`, or a function of the arguments that returns them.
            stale_while_revalidate: Seconds after *timeout* in which the stale response is served
                while a new one is computed in the background (RFC 5861).
            vary: Names of request headers that are part of the key, such as ``Accept-Language``.
                With ``Cookie`` each visitor has own responses.
            etag: Whether a response gets an ``ETag`` if it has none, and a client that has the
                response already gets 304.
            methods: The methods of requests whose responses are stored. With ``POST``,
                *make_cache_key* must return a key that contains what the view reads of the body.

        Raises:
            ValueError: A timeout is invalid.
            TypeError: *vary* or *tags* is a string.
        """
        if callable(timeout):
            raise TypeError("cached takes arguments: @cache.cached() or @cache.cached(timeout=60)")
        if isinstance(vary, str):
            raise TypeError('vary must be a list of names: vary=["Accept-Language"]')
        if isinstance(methods, str):
            raise TypeError('methods must be a list of names: methods=["GET", "POST"]')
        if "POST" in {method.upper() for method in methods} and make_cache_key is None:
            raise TypeError('methods=["POST"] needs make_cache_key, which reads the body')
        options = CachedOptions(
            timeout=timeout,
            key_prefix=key_prefix,
            unless=unless,
            forced_update=forced_update,
            is_stale=is_stale,
            hash_method=hash_method,
            response_filter=response_filter,
            query_string=query_string,
            cache_none=cache_none,
            make_cache_key=make_cache_key,
            source_check=source_check,
            response_hit_indication=response_hit_indication,
            tags=tags,
            stale_while_revalidate=stale_while_revalidate,
            vary=vary,
            etag=etag,
            methods=methods,
        )

        def decorator(function: Callable[..., Any]) -> Any:
            return CachedCallable(self, function, options).wrapper

        return decorator

    def memoize(
        self,
        timeout: Timeout = None,
        make_name: Callable[[str], str] | None = None,
        unless: Callable[..., Any] | None = None,
        forced_update: Callable[..., Any] | None = None,
        is_stale: Callable[..., Any] | None = None,
        response_filter: Callable[..., Any] | None = None,
        hash_method: HashMethod | None = None,
        cache_none: bool = False,
        source_check: bool | None = None,
        args_to_ignore: Collection[str] | None = None,
        *,
        tags: Tags = (),
        stale_while_revalidate: Timeout = 0,
    ) -> MemoizeDecorator:
        """Cache the results of a function for each set of arguments.

        Equal arguments are the same call, whether they are passed by position or by name. An
        instance is identified by its ``__caching_id__()``, by its ``__repr__``, or as itself.

        What a generator yields is joined, if these are texts or bytes; otherwise it is a list.

        A result is not shared if the function reads what tells visitors apart, such as a cookie,
        the session or ``g.user``, and that is no argument.

        A synchronous function runs in a thread; the decorated one is always awaited. It has the
        attributes ``uncached``, ``cache_timeout``, ``make_cache_key`` and ``delete_memoized``.

        Arguments:
            timeout: As for :meth:`cached`.
            make_name: Gets the name of the function and returns the name for the key.
            unless: As for :meth:`cached`.
            forced_update: As for :meth:`cached`.
            is_stale: As for :meth:`cached`.
            response_filter: As for :meth:`cached`.
            hash_method: As for :meth:`cached`.
            cache_none: Whether the value ``None`` is stored.
            source_check: As for :meth:`cached`.
            args_to_ignore: Names of arguments that are not part of the key.
            tags: As for :meth:`cached`.
            stale_while_revalidate: As for :meth:`cached`.

        Raises:
            ValueError: A timeout is invalid.
            TypeError: *tags* is a string.
        """
        if callable(timeout):
            raise TypeError(
                "memoize takes arguments: @cache.memoize() or @cache.memoize(timeout=60)"
            )
        options = MemoizeOptions(
            timeout=timeout,
            make_name=make_name,
            unless=unless,
            forced_update=forced_update,
            is_stale=is_stale,
            hash_method=hash_method,
            response_filter=response_filter,
            cache_none=cache_none,
            source_check=source_check,
            args_to_ignore=frozenset(args_to_ignore or ()),
            tags=tags,
            stale_while_revalidate=stale_while_revalidate,
        )

        def decorator(function: Callable[..., Any]) -> Any:
            return MemoizedCallable(self, function, options).wrapper

        return decorator

    async def delete_cached(
        self,
        function: CachedFunction[..., Any],
        path: str | None = None,
        query_args: QueryArgs | None = None,
        **values: Any,
    ) -> bool:
        """Delete the responses of a cached view, or a value; return whether there was one.

        Arguments:
            function: The decorated function.
            path: The path of the request.
            query_args: A query, if ``query_string`` is true; by default all queries of the path.
            values: Arguments of the view, to build the path if it is not given.
        """
        if query_args is None:
            query_args = ALL_QUERIES
        return await self.delete(
            function.make_cache_key(path=path, query_args=query_args, **values)
        )

    async def delete_memoized(self, function: Any, *args: Any, **kwargs: Any) -> None:
        """Delete the results of a memoized function: all, or that for the given arguments.

        For a bound method it deletes those of its instance.

        Raises:
            TypeError: The function is not memoized.
        """
        if not hasattr(function, "delete_memoized"):
            raise TypeError(
                f"{function!r} is not memoized: pass a function that is decorated with"
                " @cache.memoize()"
            )
        if args or kwargs:
            all_args = with_instance(function, args)
            await self.delete(function.make_cache_key(function.uncached, *all_args, **kwargs))
        else:
            await self.delete(function_version(function))

    async def delete_memoized_verhash(self, function: Any) -> None:
        """Delete all results of a memoized function; the name is one of Flask-Caching."""
        await self.delete_memoized(function)


def _refuse_overrides(cls: type[Cache]) -> None:
    for base in cls.__mro__[: cls.__mro__.index(Cache)]:
        if overridden := sorted(_NOT_OVERRIDABLE & set(vars(base))):
            raise TypeError(
                f"{base.__name__} overrides {', '.join(overridden)}, which the decorators do not"
                " call. To observe them, connect to cache_view_hit, cache_view_miss,"
                " cache_memoize_hit and cache_memoize_miss (CACHE_ENABLE_SIGNALS = True); to store"
                " values elsewhere, set CACHE_TYPE to a class."
            )


def _checked_config(config: Any) -> Mapping[str, Any] | None:
    if config is None or isinstance(config, Mapping):
        return cast("Mapping[str, Any] | None", config)
    raise ValueError(f"`config` must be a mapping or None, not {config!r}")
