"""The types that decorators and methods of ``quartpatterns.caching`` infer."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

from quart import Quart

from quartpatterns.caching import Cache, make_template_fragment_key

app = Quart(__name__)
cache = Cache(app)


@cache.memoize(timeout=60)
async def square(number: int, power: int = 2) -> dict[str, int]:
    return {"result": number**power}


@cache.memoize()
def synchronous(name: str) -> bytes:
    return name.encode()


@cache.cached(key_prefix="headlines")
async def headlines() -> list[str]:
    return []


@app.get("/news/<int:number>")
@cache.cached(timeout=60, query_string=True)
async def news(number: int) -> str:
    return str(number)


class Adder:
    @cache.memoize()
    async def add(self, number: int) -> float:
        return number + 0.5

    @classmethod
    @cache.memoize()
    async def create(cls, number: int) -> str:
        return str(number)


async def results() -> None:
    assert_type(await square(2, power=3), dict[str, int])
    task = asyncio.create_task(square(2))
    assert_type(await task, dict[str, int])
    assert_type(await synchronous("a"), bytes)
    assert_type(await headlines(), list[str])
    assert_type(await news(7), str)
    assert_type(await Adder().add(1), float)
    assert_type(await Adder.create(1), Any)


async def arguments() -> None:
    await square("2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await square()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await Adder().add("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def attributes() -> None:
    square.cache_timeout = 30
    assert_type(square.make_cache_key(square.uncached, 2), str)
    assert_type(await square.delete_memoized(), None)
    assert_type(headlines.make_cache_key(), str)
    assert_type(await Adder().add.delete_memoized(), None)


async def values() -> None:
    assert_type(await cache.set("a", 1), bool)
    assert_type(await cache.set_many({"a": 1}), list[str])
    assert_type(await cache.has("a"), bool)
    assert_type(await cache.delete_many("a"), list[str])
    assert_type(await cache.delete_cached(news, "/news/7"), bool)
    assert_type(await cache.delete_memoized(square, 2), None)
    assert_type(make_template_fragment_key("sidebar", ["en"]), str)
