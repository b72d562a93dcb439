"""Values by key behave alike in every store."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from quart import Quart

from quartpatterns.caching import Cache, UncacheableError
from quartpatterns.caching.redis_store import RedisStore


@pytest.mark.checks("CA-1", "CA-2")
async def test_get_and_set(cache: Cache) -> None:
    assert await cache.get("a") is None
    assert await cache.set("a", {"ä": [1, 2.5, None, True]})
    assert await cache.get("a") == {"ä": [1, 2.5, None, True]}
    assert await cache.set("a", "another")
    assert await cache.get("a") == "another"


@pytest.mark.checks("CA-2")
async def test_none(cache: Cache) -> None:
    """``has`` tells a stored None from a missing value."""
    await cache.set("a", None)
    assert await cache.get("a") is None
    assert (await cache.has("a"), await cache.has("b")) == (True, False)


@pytest.mark.checks("CA-2")
async def test_timeout(cache: Cache) -> None:
    """An expired value is missing for every method."""
    await cache.set("short", 1, timeout=0.05)
    await cache.set("deleted", 1, timeout=0.05)
    await cache.set("delta", 1, timeout=timedelta(milliseconds=50))
    await cache.set("long", 1, timeout=60)
    await cache.set("days", 1, timeout=timedelta(days=1))
    await cache.set("no limit", 1, timeout=0)
    assert await cache.set("very long", 1, timeout=1e300)
    await asyncio.sleep(0.1)
    values = await cache.get_many("short", "delta", "long", "days", "no limit")
    assert values == [None, None, 1, 1, 1]
    assert not await cache.delete("deleted")
    assert not await cache.has("short")
    assert not await cache.delete("short")
    assert await cache.add("delta", 2)
    assert await cache.get("delta") == 2


@pytest.mark.checks("CA-2")
async def test_new_timeout(cache: Cache) -> None:
    """The timeout of the last ``set`` counts, also if it is no limit."""
    await cache.set("a", 1, timeout=0.05)
    await cache.set("a", 2, timeout=0)
    await asyncio.sleep(0.1)
    assert await cache.get("a") == 2


@pytest.mark.checks("CA-2")
@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), "60", True, b""])
async def test_invalid_timeouts(cache: Cache, timeout: Any) -> None:  # noqa: ASYNC109
    with pytest.raises(ValueError, match="give seconds, or 0 for no limit"):
        await cache.set("a", 1, timeout=timeout)


async def test_default_timeout(app: Quart) -> None:
    cache = Cache(app, config={"CACHE_DEFAULT_TIMEOUT": 0.05})
    await cache.set("a", 1)
    await cache.set("b", 1, timeout=60)
    await asyncio.sleep(0.1)
    assert await cache.get_many("a", "b") == [None, 1]
    await cache.app_cache().store.close()


@pytest.mark.checks("CA-2")
async def test_add(cache: Cache) -> None:
    """Of many calls at the same time one adds the value."""
    added = await asyncio.gather(*(cache.add("a", number) for number in range(20)))
    assert sum(added) == 1
    assert await cache.get("a") == added.index(True)
    await cache.delete("a")
    assert await cache.add("a", "again")


@pytest.mark.checks("CA-2")
async def test_many(cache: Cache) -> None:
    assert await cache.set_many({"a": 1, "b": 2, "c": None}) == ["a", "b", "c"]
    assert await cache.get_many("b", "none", "a") == [2, None, 1]
    assert await cache.get_dict("a", "none") == {"a": 1, "none": None}
    assert await cache.delete_many("a", "none", "c") == ["a", "c"]
    assert await cache.unlink("b") == ["b"]
    assert await cache.get_many("a", "b") == [None, None]
    assert await cache.get_many() == await cache.delete_many() == await cache.set_many({}) == []


@pytest.mark.checks("CA-2")
async def test_clear(cache: Cache, app: Quart, config: dict[str, Any]) -> None:
    """It deletes everything in this cache, and nothing of another one in the same store."""
    prefix, folder = config["CACHE_KEY_PREFIX"], config.get("CACHE_DIR", "")
    star = Cache(app, config={"CACHE_KEY_PREFIX": f"*{prefix}", "CACHE_DIR": f"{folder}2"})
    other = Cache(app, config={"CACHE_KEY_PREFIX": f"other {prefix}", "CACHE_DIR": f"{folder}3"})
    await cache.set_many({str(number): number for number in range(1200)})
    await star.set("a", 1)
    await other.set("a", 1)
    assert await cache.clear()
    assert await cache.get_many("0", "599", "1199") == [None] * 3
    assert (await star.get("a"), await other.get("a")) == (1, 1)
    assert await star.clear()
    assert (await star.get("a"), await other.get("a")) == (None, 1)
    assert await other.clear()
    for one in (star, other):
        await one.app_cache().store.close()


@pytest.mark.parametrize("place", [pytest.param(("RedisCache", Quart), id="Redis")])
async def test_timeout_excludes_the_wait_for_a_connection(
    app: Quart, config: dict[str, Any]
) -> None:
    """Three commands of 0.4 s on one connection take longer than the timeout, and all succeed."""
    cache = Cache(app, config={"CACHE_MAX_CONNECTIONS": 1, "CACHE_STORE_TIMEOUT": 1.0})
    store = cache.app_cache().store
    assert isinstance(store, RedisStore)
    # BLPOP waits on the server for a list that never comes.
    name = f"{config['CACHE_KEY_PREFIX']}list"
    commands = [store._command("BLPOP", name, 0.4) for _ in range(3)]
    assert await asyncio.gather(*commands) == [None] * 3
    await store.close()


@pytest.mark.parametrize(
    "key",
    ["", " ", "a\nb", "ä€😀", "x" * 5000, "*", "a:b:*?[c]", "\x00", "%s", "../../a"],
)
async def test_any_string_is_a_key(cache: Cache, key: str) -> None:
    """Each string is a key of its own."""
    await cache.set("other", 0)
    assert await cache.set(key, "value")
    assert await cache.get(key) == "value"
    assert await cache.get(key + "x") is None
    assert await cache.delete(key)
    assert await cache.get("other") == 0


async def test_invalid_keys(cache: Cache) -> None:
    """They are errors, in every store."""
    for key in (7, None, b"a"):
        with pytest.raises(TypeError, match="a cache key must be a string"):
            await cache.get(key)  # type: ignore[arg-type]
    for method in (cache.get, cache.has, cache.delete):
        with pytest.raises(ValueError, match="UTF-8"):
            await method("\ud800")
    with pytest.raises(ValueError, match="UTF-8"):
        await cache.set("\ud800", 1)


async def test_values_are_copies(cache: Cache) -> None:
    """Changing a value does not change the stored one."""
    value = [1, [2]]
    await cache.set("a", value)
    value.append(3)
    (await cache.get("a")).append(4)
    assert await cache.get("a") == [1, [2]]


async def test_large_value(cache: Cache) -> None:
    value = {"text": "ä" * 3_000_000, "bytes": bytes(range(256)) * 4000}
    assert await cache.set("a", value)
    assert await cache.get("a") == value


@pytest.mark.checks("CA-15")
async def test_uncacheable_values(cache: Cache) -> None:
    """The error names the remedy, in every store."""

    async def coroutine() -> None: ...

    made = coroutine()
    for value in (object(), made, (part for part in "ab"), {"a": [lambda: 0]}):
        with pytest.raises(UncacheableError, match="CACHE_SERIALIZER = 'pickle' and a SECRET_KEY"):
            await cache.set("a", value)
    made.close()
    assert not await cache.has("a")


async def test_many_at_once(cache: Cache) -> None:
    """More calls than connections wait for a connection."""
    await asyncio.gather(*(cache.set(f"key {number}", number) for number in range(300)))
    found = await asyncio.gather(*(cache.get(f"key {number}") for number in range(300)))
    assert found == list(range(300))


async def test_cancelled_in_the_middle(cache: Cache) -> None:
    """A cancelled call leaves no answer behind for the next one."""
    for number in range(40):
        await cache.set(f"key {number}", number)
    for delay in (0.0, 0.0001, 0.0005, 0.001, 0.002):
        tasks = [asyncio.create_task(cache.get(f"key {number}")) for number in range(40)]
        await asyncio.sleep(delay)
        for task in tasks[::2]:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[1::2] == list(range(40))[1::2]
        assert [await cache.get(f"key {number}") for number in range(40)] == list(range(40))


@pytest.mark.checks("CA-1")
async def test_null_cache(app_class: type[Quart]) -> None:
    """A NullCache accepts everything and stores nothing."""
    cache = Cache(app_class(__name__), config={"CACHE_TYPE": "NullCache"})
    assert await cache.set("a", 1) and await cache.add("a", 1)
    assert await cache.get("a") is None
    assert not await cache.has("a") and not await cache.delete("a")
    assert await cache.clear()


@pytest.mark.checks("CA-2")
async def test_memory_is_bounded(app_class: type[Quart]) -> None:
    """The least recently used value is evicted first."""
    cache = Cache(app_class(__name__), config={"CACHE_THRESHOLD": 100})
    for number in range(100):
        await cache.set(str(number), number)
    await cache.get("0")
    for number in range(100, 150):
        await cache.set(str(number), number)
    assert await cache.get("0") == 0
    assert await cache.get_many("1", "49", "50", "149") == [None, None, None, 149]
    assert len(cache.app_cache().store.records) == 100  # type: ignore[attr-defined]


@pytest.mark.checks("CA-3")
async def test_get_my_item(cache: Cache) -> None:
    """The example of Flask's page: computed once, and again after it was deleted."""
    calls: list[int] = []

    async def get_my_item() -> Any:
        rv = await cache.get("my-item")
        if rv is None:
            calls.append(1)
            rv = {"value": len(calls)}
            await cache.set("my-item", rv, timeout=5 * 60)
        return rv

    assert [await get_my_item() for _ in range(3)] == [{"value": 1}] * 3
    await cache.delete("my-item")
    assert await get_my_item() == {"value": 2}
