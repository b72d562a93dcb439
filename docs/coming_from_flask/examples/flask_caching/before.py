from itertools import count

from flask import Flask, request
from flask_caching import Cache

cache = Cache(config={"CACHE_TYPE": "SimpleCache"})


def create_app():
    app = Flask(__name__)
    cache.init_app(app)
    calls = count(1)

    @app.get("/news")
    @cache.cached(timeout=60, query_string=True)
    def news():
        return f"news {request.args.get('page', 1)}, call {next(calls)}"

    @cache.memoize(timeout=60)
    def square(number):
        return {"square": number**2, "call": next(calls)}

    @app.get("/squares/<int:number>")
    def show_square(number):
        return square(number)

    @app.post("/clear")
    def clear():
        cache.clear()
        return "", 204

    return app
