"""The original: caching with Flask, as its pages and the documentation of Flask-Caching have it."""

from cachelib import MemcachedCache, SimpleCache
from flask import Flask, abort, render_template, request
from flask_caching import Cache
from markupsafe import escape

MOST_NAMES = 1000

cache = Cache()


def create_cache(servers=()):
    """Set up the cache of Flask 0.10: in the memory of this process, or on memcached servers."""
    if servers:
        return MemcachedCache(list(servers))
    return SimpleCache()


def check_size(number):
    """Answer 404 for a large number: Python writes no more than 4,300 digits."""
    if abs(number) > 10**6:
        abort(404)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="dev", CACHE_TYPE="SimpleCache")
    app.config.from_mapping(config or {})
    item_cache = create_cache(app.config.get("CACHE_MEMCACHED_SERVERS", ()))
    cache.init_app(app)
    calls = {}

    def count(name):
        """Return how often it was called for a name; it forgets the oldest of many names."""
        calls[name] = calls.pop(name, 0) + 1
        if len(calls) > MOST_NAMES:
            del calls[next(iter(calls))]
        return calls[name]

    def calculate_value():
        return {"number": count("item"), "parts": [1, 2, 3]}

    def get_my_item():
        rv = item_cache.get("my-item")
        if rv is None:
            rv = calculate_value()
            item_cache.set("my-item", rv, timeout=5 * 60)
        return rv

    @cache.cached(timeout=60, key_prefix="headlines")
    def get_headlines():
        first = count("headlines")
        return [f"headline {number}" for number in range(first, first + 3)]

    @cache.memoize(timeout=60)
    def power(number, exponent=2):
        return {"result": number**exponent, "calls": count(f"{number} to the {exponent}")}

    @app.get("/item")
    def item():
        return get_my_item()

    @app.get("/headlines")
    def headlines():
        return get_headlines()

    @app.get("/page/<string(maxlength=100):name>")
    @cache.cached(timeout=60)
    def page(name):
        return f"<p>{escape(name)}, made {count(f'page {name}')} times</p>"

    @app.get("/search")
    @cache.cached(timeout=60, query_string=True)
    def search():
        return f"<p>search {count('search')} for {escape(request.args.get('q', 'nothing'))}</p>"

    @app.get("/short")
    @cache.cached(timeout=1)
    def short():
        return f"<p>made {count('short')} times</p>"

    @app.get("/fragment/<string(maxlength=100):name>")
    def fragment(name):
        return render_template("fragment.html", name=name, count=count)

    @app.get("/square/<int(signed=True):number>")
    def show_square(number):
        check_size(number)
        return power(number)

    @app.get("/cube/<int(signed=True):number>")
    def show_cube(number):
        check_size(number)
        return power(exponent=3, number=number)

    @app.get("/values")
    def values():
        stored = cache.set_many({"a": 1, "b": None, "c": ["ä", 2.5]})
        return {
            "add": [cache.add("a", 2), cache.add("d", 3)],
            "get_many": cache.get_many("a", "b", "c", "none"),
            "get_dict": cache.get_dict("a", "d"),
            "has": [cache.has("b"), cache.has("none")],
            "set_many": stored,
            "delete": [cache.delete("a"), cache.delete("a")],
            "delete_many": cache.delete_many("b", "c", "d"),
            "get": cache.get("c"),
        }

    return app
