"""The extension: a cache for applications, each with a store of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Quart, current_app, has_app_context

from quartpatterns.caching.decorators import Decorators
from quartpatterns.caching.fragments import install
from quartpatterns.caching.lookup import Shelf
from quartpatterns.caching.records import Packer
from quartpatterns.caching.settings import read_settings
from quartpatterns.caching.stores import open_store

__all__ = ["Cache"]


class Cache(Decorators):
    """A cache in a Quart application, with the names of Flask-Caching.

    .. code-block:: python

        cache = Cache(app)


        @app.get("/news")
        @cache.cached(timeout=60)
        async def news():
            return await render_template("news.html", news=await query())


        @cache.memoize(timeout=600)
        async def rate(currency: str) -> Decimal:
            return await ask_the_bank(currency)

    One object serves any number of applications, each with a store of its own. Without an
    application context it is that of the one it was given last.

    Arguments:
        app: The application; a factory calls :meth:`init_app` instead.
        config: Settings that go before the application's.
        with_jinja2_ext: Whether templates get ``{% cache %}``.
    """

    def __init__(
        self,
        app: Quart | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        with_jinja2_ext: bool = True,
    ) -> None:
        self._config = dict(config or {})
        self._with_jinja2_ext = with_jinja2_ext
        self._app: Quart | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart, config: Mapping[str, Any] | None = None) -> None:
        """Give *app* a cache. Its configuration is read now, nothing is opened or asked yet.

        Arguments:
            app: The application.
            config: Settings that go before the application's.

        Raises:
            ValueError: A setting can't be used; the message names it.
            RuntimeError: The application has this cache already.
            ModuleNotFoundError: A library is missing; the message names the extra.
        """
        shelves: dict[Cache, Shelf] = app.extensions.setdefault("cache", {})
        if self in shelves:
            raise RuntimeError(f"the application {app.name!r} has this cache already")
        given: dict[str, Any] = {**app.config, **self._config, **(config or {})}
        settings = read_settings(given, app.name)
        packer = Packer(lambda: app.secret_key, pickles=settings.pickled)
        store = open_store(settings, packer)
        shelves[self] = Shelf(app, settings, store)
        app.after_serving(store.close)
        if self._with_jinja2_ext:
            install(app.jinja_env, self)
        self._app = app

    def shelf(self) -> Shelf:
        """The cache of the current application.

        Raises:
            RuntimeError: It has none.
        """
        app: Any = current_app if has_app_context() else self._app
        try:
            shelf: Shelf = app.extensions["cache"][self]
        except (AttributeError, KeyError):
            raise RuntimeError(
                "this application is not initialised with this Cache: call cache.init_app(app)"
            ) from None
        return shelf
