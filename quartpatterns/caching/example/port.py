"""The port: caching with Quart."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

from quart import abort, redirect, render_template, request, session, url_for
from quart.typing import ResponseReturnValue

from quartpatterns.caching import Cache
from quartpatterns.subclassing import FaithfulQuart

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
    calls = Counter[str]()

    async def calculate_value() -> dict[str, Any]:
        calls["item"] += 1
        return {"number": calls["item"], "parts": [1, 2, 3]}

    async def get_my_item() -> dict[str, Any]:
        rv: dict[str, Any] | None = await cache.get("my-item")
        if rv is None:
            rv = await calculate_value()
            await cache.set("my-item", rv, timeout=5 * 60)
        return rv

    @cache.memoize(timeout=60)
    async def square(number: int, power: int = 2) -> dict[str, int]:
        calls["square"] += 1
        return {"result": number**power, "calls": calls["square"]}

    @cache.cached(timeout=60, key_prefix="headlines")
    async def headlines() -> list[str]:
        calls["headlines"] += 1
        return [f"headline {number}" for number in range(calls["headlines"], 4)]

    @app.get("/")
    async def index() -> str:
        return await render_template(
            "index.html", item=await get_my_item(), headlines=await headlines()
        )

    @app.get("/item")
    async def item() -> dict[str, Any]:
        return await get_my_item()

    @app.post("/item/delete")
    async def delete_item() -> ResponseReturnValue:
        await cache.delete("my-item")
        return redirect(url_for("index"))

    @app.route("/page/<name>", methods=["GET", "POST"])
    @cache.cached(timeout=60)
    async def page(name: str) -> str:
        calls[name] += 1
        return f"{name}, made {calls[name]} times, for {request.args.get('for', 'nobody')}"

    @app.post("/page/<name>/delete")
    async def delete_page(name: str) -> dict[str, bool]:
        return {"deleted": await cache.delete_cached(page, name=name)}

    @app.get("/search")
    @cache.cached(timeout=60, query_string=True)
    async def search() -> str:
        calls["search"] += 1
        return f"search {calls['search']} for {request.args.get('q')}"

    @app.get("/short")
    @cache.cached(timeout=3)
    async def short() -> str:
        calls["short"] += 1
        return f"made {calls['short']} times"

    @app.get("/document")
    @cache.cached(timeout=60)
    async def document() -> str:
        return await render_template("document.html", rows=range(200))

    @app.get("/fragment/<name>")
    async def fragment(name: str) -> str:
        async def count(key: str) -> int:
            calls[key] += 1
            return calls[key]

        return await render_template("fragment.html", name=name, count=count)

    @app.get("/square/<int(signed=True):number>")
    async def show_square(number: int) -> dict[str, int]:
        check_size(number)
        result: dict[str, int] = await square(number)
        return result

    @app.get("/cube/<int(signed=True):number>")
    async def show_cube(number: int) -> dict[str, int]:
        check_size(number)
        result: dict[str, int] = await square(power=3, number=number)
        return result

    @app.post("/square/delete")
    async def delete_squares() -> str:
        number = request.args.get("number", type=int)
        if number is None:
            await cache.delete_memoized(square)
        else:
            await cache.delete_memoized(square, number)
        return "deleted"

    @app.get("/unless")
    @cache.cached(timeout=60, unless=lambda: "fresh" in request.args)
    async def unless() -> str:
        calls["unless"] += 1
        return f"made {calls['unless']} times"

    @app.get("/hit")
    @cache.cached(timeout=60, response_hit_indication=True)
    async def hit() -> str:
        return "look at the headers"

    @app.get("/visits")
    @cache.cached(timeout=60)
    async def visits() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']}"

    @app.get("/cookie")
    @cache.cached(timeout=60)
    async def cookie() -> ResponseReturnValue:
        calls["cookie"] += 1
        response = await app.make_response(f"visitor {calls['cookie']}")
        response.set_cookie("visitor", str(calls["cookie"]))
        return response

    @app.get("/language")
    @cache.cached(timeout=60, vary=["Accept-Language"])
    async def language() -> str:
        return request.accept_languages.best_match(["en", "de"], "en")

    @app.get("/gone")
    @cache.cached(timeout=60)
    async def gone() -> ResponseReturnValue:
        calls["gone"] += 1
        return f"gone {calls['gone']}", 410

    @app.get("/stream")
    @cache.cached(timeout=60)
    async def stream() -> AsyncIterator[str]:
        calls["stream"] += 1
        number = calls["stream"]

        async def parts() -> AsyncIterator[str]:
            for part in range(3):
                yield f"part {part} of {number}\n"

        return parts()

    @app.get("/moved")
    @cache.cached(timeout=60)
    async def moved() -> ResponseReturnValue:
        return redirect(url_for("index"))

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

    return app
