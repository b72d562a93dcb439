"""A cache for values, function results, responses of views and template fragments.

.. code-block:: python

    cache = Cache(app)  # CACHE_TYPE: SimpleCache, RedisCache, MemcachedCache, ...


    @app.get("/news")
    @cache.cached(timeout=60)
    async def news():
        return await render_template("news.html", news=await query())


    async def get_my_item():
        item = await cache.get("my-item")
        if item is None:
            item = await calculate()
            await cache.set("my-item", item, timeout=300)
        return item
"""

from typing import Any

from quartpatterns.caching.cached_callable import cache_view_hit, cache_view_miss
from quartpatterns.caching.default_cache import cached
from quartpatterns.caching.errors import CacheUnavailableError, UncacheableError
from quartpatterns.caching.extension import Cache
from quartpatterns.caching.keys import make_template_fragment_key
from quartpatterns.caching.memoized import cache_memoize_hit, cache_memoize_miss
from quartpatterns.caching.refused_names import REFUSED, refused
from quartpatterns.caching.responses import CachedResponse
from quartpatterns.caching.settings import SETTINGS

__all__ = [
    "SETTINGS",
    "Cache",
    "CacheUnavailableError",
    "CachedResponse",
    "UncacheableError",
    "cache_memoize_hit",
    "cache_memoize_miss",
    "cache_view_hit",
    "cache_view_miss",
    "cached",
    "make_template_fragment_key",
]


def __getattr__(name: str) -> Any:
    """Return what stands for a name of Flask-Caching that is not supported."""
    if name in REFUSED:
        return refused(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
