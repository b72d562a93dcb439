"""The port: caching with Quart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from markupsafe import escape
from quart import abort, redirect, render_template, request, session, url_for
from quart.typing import ResponseReturnValue

from quartpatterns.caching import Cache
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.viewdecorators import same_origin_required

MOST_NAMES = 1000

cache = Cache()


def check_size(number: int) -> None:
    """Answer 404 for a large number: Python writes no more than 4,300 digits."""
    if abs(number) > 10**6:
        abort(404)


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create the application, with a cache in memory."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(SECRET_KEY="dev", CACHE_TYPE="SimpleCache")
    app.config.from_mapping(config or {})
    cache.init_app(app)
    calls: dict[str, int] = {}

    def count(name: str) -> int:
        """Return how often it was called for a name; it forgets the oldest of many names."""
        calls[name] = calls.pop(name, 0) + 1
        if len(calls) > MOST_NAMES:
            del calls[next(iter(calls))]
        return calls[name]

    async def calculate_value() -> dict[str, Any]:
        return {"number": count("item"), "parts": [1, 2, 3]}

    async def get_my_item() -> dict[str, Any]:
        rv: dict[str, Any] | None = await cache.get("my-item")
        if rv is None:
            rv = await calculate_value()
            await cache.set("my-item", rv, timeout=5 * 60)
        return rv

    @cache.cached(timeout=60, key_prefix="headlines")
    async def get_headlines() -> list[str]:
        first = count("headlines")
        return [f"headline {number}" for number in range(first, first + 3)]

    @cache.memoize(timeout=60)
    async def power(number: int, exponent: int = 2) -> dict[str, int]:
        return {"result": number**exponent, "calls": count(f"{number} to the {exponent}")}

    @app.get("/item")
    async def item() -> dict[str, Any]:
        return await get_my_item()

    @app.get("/headlines")
    async def headlines() -> list[str]:
        found: list[str] = await get_headlines()
        return found

    @app.get("/page/<string(maxlength=100):name>")
    @cache.cached(timeout=60)
    async def page(name: str) -> str:
        return f"<p>{escape(name)}, made {count(f'page {name}')} times</p>"

    @app.get("/search")
    @cache.cached(timeout=60, query_string=True)
    async def search() -> str:
        return f"<p>search {count('search')} for {escape(request.args.get('q', 'nothing'))}</p>"

    @app.get("/short")
    @cache.cached(timeout=1)
    async def short() -> str:
        return f"<p>made {count('short')} times</p>"

    @app.get("/fragment/<string(maxlength=100):name>")
    async def fragment(name: str) -> str:
        return await render_template("fragment.html", name=name, count=count)

    @app.get("/square/<int(signed=True):number>")
    async def show_square(number: int) -> dict[str, int]:
        check_size(number)
        result: dict[str, int] = await power(number)
        return result

    @app.get("/cube/<int(signed=True):number>")
    async def show_cube(number: int) -> dict[str, int]:
        check_size(number)
        result: dict[str, int] = await power(exponent=3, number=number)
        return result

    @app.get("/values")
    async def values() -> dict[str, Any]:
        stored = await cache.set_many({"a": 1, "b": None, "c": ["ä", 2.5]})
        return {
            "add": [await cache.add("a", 2), await cache.add("d", 3)],
            "get_many": await cache.get_many("a", "b", "c", "none"),
            "get_dict": await cache.get_dict("a", "d"),
            "has": [await cache.has("b"), await cache.has("none")],
            "set_many": stored,
            "delete": [await cache.delete("a"), await cache.delete("a")],
            "delete_many": await cache.delete_many("b", "c", "d"),
            "get": await cache.get("c"),
        }

    # What follows is not on Flask's pages: how results are deleted, and what is not stored.

    @app.get("/")
    async def index() -> str:
        return await render_template(
            "index.html", item=await get_my_item(), headlines=await get_headlines()
        )

    @app.post("/item/delete")
    @same_origin_required
    async def delete_item() -> ResponseReturnValue:
        await cache.delete("my-item")
        return redirect(url_for("index"))

    @app.post("/page/<string(maxlength=100):name>/delete")
    @same_origin_required
    async def delete_page(name: str) -> dict[str, bool]:
        return {"deleted": await cache.delete_cached(page, name=name)}

    @app.post("/square/delete")
    @same_origin_required
    async def delete_squares() -> str:
        number = request.args.get("number", type=int)
        if number is None:
            await cache.delete_memoized(power)
        else:
            await cache.delete_memoized(power, number)
        return "deleted"

    @app.get("/document")
    @cache.cached()
    async def document() -> str:
        return await render_template("document.html", rows=range(200))

    @app.get("/unless")
    @cache.cached(unless=lambda: "fresh" in request.args)
    async def unless() -> str:
        return f"made {count('unless')} times"

    @app.get("/hit")
    @cache.cached(response_hit_indication=True)
    async def hit() -> str:
        return "look at the headers"

    @app.get("/visits")
    @cache.cached()
    async def visits() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']}"

    @app.get("/cookie")
    @cache.cached()
    async def cookie() -> ResponseReturnValue:
        visitor = str(count("cookie"))
        response = await app.make_response(f"visitor {visitor}")
        response.set_cookie("visitor", visitor)
        return response

    @app.get("/language")
    @cache.cached(vary=["Accept-Language"])
    async def language() -> str:
        return request.accept_languages.best_match(["en", "de"], "en")

    @app.get("/gone")
    @cache.cached()
    async def gone() -> ResponseReturnValue:
        return f"gone {count('gone')}", 410

    @app.get("/stream")
    @cache.cached()
    async def stream() -> AsyncIterator[str]:
        number = count("stream")

        async def parts() -> AsyncIterator[str]:
            for part in range(3):
                yield f"part {part} of {number}\n"

        return parts()

    @app.get("/moved")
    @cache.cached()
    async def moved() -> ResponseReturnValue:
        return redirect(url_for("index"))

    return app
