from itertools import count

from quart import request
from quartpatterns.caching import Cache
from quartpatterns.subclassing import FaithfulQuart

cache = Cache(config={"CACHE_TYPE": "SimpleCache"})


def create_app():
    app = FaithfulQuart(__name__)
    cache.init_app(app)
    calls = count(1)

    @app.get("/news")
    @cache.cached(timeout=60, query_string=True)
    async def news():
        return f"news {request.args.get('page', 1)}, call {next(calls)}"

    @cache.memoize(timeout=60)
    async def square(number):
        return {"square": number**2, "call": next(calls)}

    @app.get("/squares/<int:number>")
    async def show_square(number):
        return await square(number)

    @app.post("/clear")
    async def clear():
        await cache.clear()
        return "", 204

    return app
