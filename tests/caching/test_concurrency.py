"""However many ask, one makes it; and while it is made anew the others have what there is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from quart import Quart, abort, g, request, session

from quartpatterns.caching import Cache
from tests.caching.raw import get_many
from tests.caching.test_cached import text
from tests.serving import eventually, served


class Slow:
    """A cached view that takes its time."""

    def __init__(self, app: Quart, cache: Cache, pause: float = 0.2, **options: Any) -> None:
        self.calls = 0
        self.pause = pause

        @app.get("/<name>")
        @cache.cached(**options)
        async def view(name: str) -> str:
            self.calls += 1
            number = self.calls
            await asyncio.sleep(self.pause)
            return f"{name} {number}"


@pytest.mark.wire
@pytest.mark.checks("CA-12")
async def test_made_once(app: Quart, cache: Cache) -> None:
    """A thousand who ask at once wait for one answer."""
    slow = Slow(app, cache, pause=1.0)
    async with served(app) as server:
        answers = await get_many(1000, server.port, "/a")
    assert len(answers) == 1000
    assert {(answer.status, answer.body) for answer in answers} == {(200, "a 1")}
    assert slow.calls == 1


@pytest.mark.checks("CA-12")
async def test_others_do_not_wait(app: Quart, cache: Cache) -> None:
    """Each key is made by itself: a slow page holds up no other."""
    release = asyncio.Event()

    @app.get("/<name>")
    @cache.cached()
    async def view(name: str) -> str:
        if name == "slow":
            await release.wait()
        return name

    slow = asyncio.create_task(text(app.test_client(), "/slow"))
    assert await asyncio.wait_for(text(app.test_client(), "/fast"), 5) == "fast"
    assert not slow.done()
    release.set()
    assert await slow == "slow"


@pytest.mark.checks("CA-12")
async def test_nobody_waits_for_what_is_not_shared(app: Quart, cache: Cache) -> None:
    """After one private answer those that follow are made side by side."""
    running, most = 0, 0

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.2)
        running -= 1
        session["a"] = 1
        return ""

    await text(app.test_client())
    await asyncio.gather(*(text(app.test_client()) for _ in range(10)))
    assert most == 10


@pytest.mark.checks("CA-10", "CA-12")
async def test_failure(app: Quart, cache: Cache) -> None:
    """An error is of the one whose view it was; those who waited ask for themselves."""
    calls: list[int] = []

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        calls.append(1)
        number = len(calls)
        await asyncio.sleep(0.05)
        if number == 1:
            abort(503)
        return "well"

    answers = await asyncio.gather(*(app.test_client().get("/a") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 503]
    calls.append(1)
    before = len(calls)
    assert await text(app.test_client()) == "well"
    assert len(calls) == before


@pytest.mark.wire
@pytest.mark.checks("CA-12")
async def test_client_that_leaves(app: Quart, cache: Cache) -> None:
    """When the first client goes away the next one who waits makes the answer."""
    slow = Slow(app, cache, pause=0.4)
    async with served(app) as server:
        first = asyncio.create_task(server.client.get("/a"))
        await eventually(lambda: slow.calls == 1)
        others = [asyncio.create_task(server.client.get("/a")) for _ in range(5)]
        await asyncio.sleep(0.1)
        first.cancel()
        answers = await asyncio.gather(*others)
    assert {answer.text for answer in answers} == {"a 2"}
    assert slow.calls == 2


@pytest.mark.checks("CA-12")
async def test_two_workers(make_app: type[Quart], config: dict[str, Any]) -> None:
    """Two applications that share a store, as two workers do: the view runs once in all."""
    apps, slows = [], []
    for _ in range(2):
        app = make_app("name")
        app.config.from_mapping(config)
        cache = Cache(app)
        apps.append((app, cache))
        slows.append(Slow(app, cache))
    answers = await asyncio.gather(*(text(app.test_client()) for app, _ in apps * 20))
    expected = 2 if config["CACHE_TYPE"] == "SimpleCache" else 1
    assert sum(slow.calls for slow in slows) == expected
    assert set(answers) == {"a 1"}
    for _, cache in apps:
        await cache.app_cache().store.close()


@pytest.mark.checks("CA-12")
async def test_slow_worker(
    make_app: type[Quart], config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a worker that lives is kept as long as it needs; one that died is given up."""
    monkeypatch.setattr("quartpatterns.caching.lookup.LOCK_SECONDS", 0.5)
    one, two = Quart("name"), make_app("name")
    caches = []
    for app in (one, two):
        app.config.from_mapping(config)
        caches.append(Cache(app))
    slow = [Slow(app, cache, pause=1.5) for app, cache in zip((one, two), caches, strict=True)]
    answers = await asyncio.gather(*(text(app.test_client()) for app in (one, two)))
    assert set(answers) == {"a 1"}
    shared = config["CACHE_TYPE"] != "SimpleCache"
    assert slow[0].calls + slow[1].calls == (1 if shared else 2)
    # A worker that is gone has left its lock behind.
    store = caches[0].app_cache().store
    keys: list[str] = []
    lock = store.acquire_lock

    async def noted(key: str, owner: str, seconds: float) -> bool:
        keys.append(key)
        return await lock(key, owner, seconds)

    store.acquire_lock = noted  # type: ignore[method-assign]
    slow[0].pause = 0
    await text(one.test_client(), "/b")
    if shared:
        await caches[0].delete("view//b")
        assert await lock(keys[0], "somebody else", 0.5)
        assert await text(one.test_client(), "/b") == f"b {slow[0].calls}"
    for cache in caches:
        await cache.app_cache().store.close()


@pytest.mark.checks("CA-12")
async def test_late_worker(make_app: type[Quart], config: dict[str, Any]) -> None:
    """Who gets the lock when the other one is done looks again, and finds what it made."""
    sites: list[tuple[Quart, Cache, Slow]] = []
    for _ in range(2):
        app = make_app("name")
        app.config.from_mapping(config)
        cache = Cache(app)
        slow = Slow(app, cache, pause=0, timeout=0.4, stale_while_revalidate=30)
        sites.append((app, cache, slow))
    (one, _, first), (two, late, second) = sites
    store = late.app_cache().store
    lock = store.acquire_lock

    async def delayed(key: str, owner: str, seconds: float) -> bool:
        await text(one.test_client())
        await eventually(lambda: not one.background_tasks)
        return await lock(key, owner, seconds)

    store.acquire_lock = delayed  # type: ignore[method-assign]
    await text(two.test_client())
    if store.shared:
        assert (first.calls, second.calls) == (1, 0)
        await asyncio.sleep(0.6)
        await text(two.test_client())
        await eventually(lambda: not two.background_tasks)
        assert (first.calls, second.calls) == (2, 0)
    for _, cache, _ in sites:
        await cache.app_cache().store.close()


@pytest.mark.checks("CA-12")
async def test_impatience(app: Quart, config: dict[str, Any]) -> None:
    """Who has waited ``CACHE_LOCK_TIMEOUT`` for another worker makes it himself."""
    cache = Cache(app, {"CACHE_LOCK_TIMEOUT": 0.3})
    slow = Slow(app, cache, pause=0)
    store = cache.app_cache().store
    lock = store.acquire_lock

    async def taken(key: str, owner: str, seconds: float) -> bool:
        await lock(key, "somebody else", 60)
        return await lock(key, owner, seconds)

    store.acquire_lock = taken  # type: ignore[method-assign]
    started = asyncio.get_running_loop().time()
    assert await text(app.test_client()) == "a 1"
    waited = asyncio.get_running_loop().time() - started
    assert (waited > 0.3) == store.shared and waited < 5
    assert await text(app.test_client()) == "a 1" and slow.calls == 1
    await store.close()


@pytest.mark.checks("CA-13")
async def test_stale_view(app: Quart, cache: Cache) -> None:
    """After its time an answer is given for a while longer, and made anew meanwhile, once."""
    seen: list[str] = []
    slow = Slow(app, cache, pause=0.6, timeout=0.4, stale_while_revalidate=30)

    @app.before_request
    async def load() -> None:
        g.loaded = True

    @app.after_request
    async def after(response: Any) -> Any:
        seen.append(f"{request.method} {g.loaded} {request.headers.get('X-A')}")
        return response

    async with app.test_app():
        client = app.test_client()
        assert await text(client, headers={"X-A": "b"}) == "a 1"
        assert await text(client) == "a 1"
        await asyncio.sleep(0.6)
        loop = asyncio.get_running_loop()
        started = loop.time()
        stale = await asyncio.gather(*(text(app.test_client()) for _ in range(20)))
        assert set(stale) == {"a 1"} and loop.time() - started < 0.6
        await eventually(lambda: slow.calls == 2 and not app.background_tasks)
        assert await text(client) == "a 2"
        assert slow.calls == 2
        assert set(seen) == {"GET True b", "GET True None"}
        await asyncio.sleep(0.6)
        seen.clear()
        assert (await client.head("/a")).status_code == 200
        await eventually(lambda: slow.calls == 3 and not app.background_tasks)
        assert sorted(seen) == ["GET True None", "HEAD True None"]
        assert await text(client) == "a 3"


@pytest.mark.checks("CA-13")
async def test_stale_function(app: Quart, cache: Cache) -> None:
    """The same of a function; a failure leaves what there is."""
    calls: list[int] = []

    @cache.memoize(timeout=0.3, stale_while_revalidate=30)
    async def slow(a: int) -> int:
        calls.append(a)
        await asyncio.sleep(0.1)
        if len(calls) == 2:
            raise LookupError("once")
        return len(calls)

    @app.get("/a")
    async def view() -> str:
        return str(await slow(7))

    async with app.test_app():
        client = app.test_client()
        assert await text(client) == "1"
        for expected in (2, 3):
            await asyncio.sleep(0.4)
            assert [await text(client) for _ in range(5)] == ["1"] * 5
            await eventually(lambda: not app.background_tasks)
            assert len(calls) == expected
        assert await text(client) == "3"


@pytest.mark.checks("CA-13")
async def test_stale_is_over(app: Quart, cache: Cache) -> None:
    """After that it is not given any more, and nothing that was deleted is."""
    Slow(app, cache, pause=0, timeout=0.1, stale_while_revalidate=0.2)
    async with app.test_app():
        assert await text(app.test_client()) == "a 1"
        await asyncio.sleep(0.5)
        assert await text(app.test_client()) == "a 2"
        await asyncio.sleep(0.15)
        await cache.delete("view//a")
        assert await text(app.test_client()) == "a 3"


@pytest.mark.checks("CA-13")
async def test_renewed_by_one_worker(make_app: type[Quart], config: dict[str, Any]) -> None:
    """Of several workers that see it is stale one makes it anew."""
    apps, slows = [], []
    for _ in range(3):
        app = make_app("name")
        app.config.from_mapping(config)
        cache = Cache(app)
        apps.append((app, cache))
        slows.append(Slow(app, cache, pause=0.3, timeout=0.3, stale_while_revalidate=30))
    shared = config["CACHE_TYPE"] != "SimpleCache"
    await asyncio.gather(*(text(app.test_client()) for app, _ in apps))
    await asyncio.sleep(0.4)
    await asyncio.gather(*(text(app.test_client()) for app, _ in apps * 3))
    await eventually(lambda: not any(app.background_tasks for app, _ in apps))
    assert sum(slow.calls for slow in slows) == (2 if shared else 6)
    for _, cache in apps:
        await cache.app_cache().store.close()
