"""Many requests at the same time compute a result once; a stale one is served meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from quart import Quart, abort, g, request, session

from quartpatterns.caching import Cache
from quartpatterns.caching.stores import Store
from quartpatterns.subclassing import FaithfulQuart
from tests.caching.raw import get_many
from tests.caching.test_cached import text
from tests.serving import TIMEOUT, eventually, served

SHARED = ["RedisCache", "FileSystemCache"]
shared_stores = pytest.mark.parametrize(
    "place",
    [pytest.param((name, Quart), id=name) for name in SHARED],
)


class View:
    """A cached view that waits for :attr:`go_on`, and whose response tells the number of calls."""

    def __init__(self, app: Quart, cache: Cache, **options: Any) -> None:
        self.calls = 0
        self.requests = 0
        self.go_on = asyncio.Event()

        @app.before_request
        async def count() -> None:
            self.requests += 1

        @app.get("/<name>")
        @cache.cached(**options)
        async def view(name: str) -> str:
            self.calls += 1
            number = self.calls
            await self.go_on.wait()
            return f"{name} {number}"

    async def go_on_after(self, requests: int) -> None:
        """Let the view answer once so many requests have begun."""
        await eventually(lambda: self.requests >= requests)
        # They have begun; give them time to look up and to wait.
        for _ in range(10):
            await asyncio.sleep(0)
        self.go_on.set()


@pytest.fixture
async def make_site(
    make_app: type[Quart], config: dict[str, Any]
) -> AsyncIterator[Callable[..., tuple[Quart, Cache, View]]]:
    """Creates applications that share a store, as the workers of a server do."""
    caches: list[Cache] = []

    def make(**options: Any) -> tuple[Quart, Cache, View]:
        app = make_app("name")
        app.config.from_mapping(config)
        caches.append(cache := Cache(app))
        return app, cache, View(app, cache, **options)

    yield make
    for cache in caches:
        await cache.app_cache().store.close()


def advance_clock(monkeypatch: pytest.MonkeyPatch, seconds: float, *caches: Cache) -> None:
    """Make what the stores hold older by *seconds*."""
    for cache in caches:
        store = cache.app_cache().store
        now = store.now
        monkeypatch.setattr(store, "now", lambda now=now: now() + seconds)


@pytest.mark.wire
@pytest.mark.checks("CA-12")
async def test_computed_once(app: Quart, cache: Cache) -> None:
    """Two hundred clients that ask at the same time get the response of one call."""
    view = View(app, cache)
    async with served(app) as server:
        requests = asyncio.create_task(get_many(200, server.port, "/a"))
        await view.go_on_after(200)
        answers = await requests
    assert {(answer.status, answer.body) for answer in answers} == {(200, "a 1")}
    assert (len(answers), view.calls) == (200, 1)


@pytest.mark.checks("CA-12")
async def test_other_keys_do_not_wait(app: Quart, cache: Cache) -> None:
    """A slow view delays no other response."""
    release = asyncio.Event()

    @app.get("/<name>")
    @cache.cached()
    async def view(name: str) -> str:
        if name == "slow":
            await release.wait()
        return name

    slow = asyncio.create_task(text(app.test_client(), "/slow"))
    assert await asyncio.wait_for(text(app.test_client(), "/fast"), TIMEOUT) == "fast"
    assert not slow.done()
    release.set()
    assert await slow == "slow"


@pytest.mark.checks("CA-12")
async def test_private_responses_at_the_same_time(app: Quart, cache: Cache) -> None:
    """After one private response, requests for it don't wait for each other."""
    running = 0
    barrier = asyncio.Event()

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        nonlocal running
        running += 1
        session["a"] = 1
        if running == 1 + 10:
            barrier.set()
        if running > 1:
            await barrier.wait()
        return ""

    await text(app.test_client())
    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*(text(app.test_client()) for _ in range(10)))


@pytest.mark.checks("CA-10", "CA-12")
async def test_failure(app: Quart, cache: Cache) -> None:
    """An error is for the request that has called the view; the others call it, all at once."""
    calls = requests = 0
    go_on = asyncio.Event()
    failing = asyncio.Event()
    others_called = asyncio.Event()

    @app.before_request
    async def count() -> None:
        nonlocal requests
        requests += 1

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            failing.set()
            await go_on.wait()
            abort(503)
        if calls == 1 + 4:
            others_called.set()
        await others_called.wait()
        return "well"

    first = asyncio.create_task(app.test_client().get("/a"))
    await failing.wait()
    others = [asyncio.create_task(app.test_client().get("/a")) for _ in range(4)]
    await eventually(lambda: requests == 5)
    await asyncio.sleep(0.1)  # the lookups in the store
    go_on.set()
    async with asyncio.timeout(TIMEOUT):
        answers = await asyncio.gather(first, *others)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 503]
    before = calls
    assert await text(app.test_client()) == "well"
    assert calls == before


@pytest.mark.wire
@pytest.mark.checks("CA-12")
async def test_client_that_disconnects(app: Quart, cache: Cache) -> None:
    """If the first client disconnects, one of those who wait computes the response."""
    app.config["CANCEL_ON_DISCONNECT"] = True  # FaithfulQuart needs it; Quart always cancels.
    view = View(app, cache)
    async with served(app) as server:
        first = asyncio.create_task(server.client.get("/a"))
        await eventually(lambda: view.calls == 1)
        others = [asyncio.create_task(server.client.get("/a")) for _ in range(5)]
        await eventually(lambda: view.requests == 6)
        first.cancel()
        await eventually(lambda: view.calls == 2)
        view.go_on.set()
        answers = await asyncio.gather(*others)
    assert {answer.text for answer in answers} == {"a 2"}
    assert view.calls == 2


@pytest.mark.checks("CA-12")
async def test_waiting_client_that_disconnects(app: Quart, cache: Cache) -> None:
    """The others get the response if one that waits for it disconnects."""
    view = View(app, cache)
    tasks = [asyncio.create_task(text(app.test_client())) for _ in range(4)]
    await eventually(lambda: view.requests == 4 and view.calls == 1)
    tasks[2].cancel()
    view.go_on.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [found[0], found[1], found[3]] == ["a 1"] * 3
    assert isinstance(found[2], asyncio.CancelledError)
    assert view.calls == 1


@pytest.mark.checks("CA-12")
async def test_two_workers(config: dict[str, Any], make_site: Any) -> None:
    """Two applications that share a store call the view once."""
    sites = [make_site() for _ in range(2)]
    requests = [asyncio.create_task(text(app.test_client())) for app, _, _ in sites * 20]
    for _, _, view in sites:
        await view.go_on_after(20)
    assert set(await asyncio.gather(*requests)) == {"a 1"}
    calls = sum(view.calls for _, _, view in sites)
    assert calls == (1 if config["CACHE_TYPE"] in SHARED else 2)


@shared_stores
@pytest.mark.checks("CA-12")
async def test_lock_is_extended(make_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes longer than its lock lasts keeps the lock, and then releases it."""
    monkeypatch.setattr("quartpatterns.caching.lookup.LOCK_SECONDS", 0.9)
    (one, cache, first), (two, _, second) = make_site(), make_site()
    requests = [asyncio.create_task(text(one.test_client()))]
    await eventually(lambda: first.calls == 1)
    requests.append(asyncio.create_task(text(two.test_client())))
    await asyncio.sleep(1.5)
    assert not second.calls
    first.go_on.set()
    second.go_on.set()
    assert await asyncio.gather(*requests) == ["a 1"] * 2
    assert (first.calls, second.calls) == (1, 0)
    await cache.delete("view//a")
    monkeypatch.setattr("quartpatterns.caching.lookup.LOCK_SECONDS", 60)
    async with asyncio.timeout(TIMEOUT):
        assert await text(two.test_client()) == "a 1"


@shared_stores
@pytest.mark.checks("CA-12")
async def test_lock_of_a_dead_worker(app: Quart, cache: Cache) -> None:
    """The lock of a worker that has died expires."""
    view = View(app, cache)
    view.go_on.set()
    store = cache.app_cache().store
    acquire_lock = store.acquire_lock
    attempts: list[bool] = []

    async def after_a_dead_worker(key: str, owner: str, seconds: float) -> bool:
        if not attempts:
            assert await acquire_lock(key, "a dead worker", 0.3)
        attempts.append(await acquire_lock(key, owner, seconds))
        return attempts[-1]

    store.acquire_lock = after_a_dead_worker  # type: ignore[method-assign]
    async with asyncio.timeout(TIMEOUT):
        assert await text(app.test_client()) == "a 1"
    assert not attempts[0] and attempts[-1]


@shared_stores
@pytest.mark.checks("CA-12")
async def test_lock_of_another_worker_is_kept(cache: Cache) -> None:
    """Only the owner releases a lock."""
    store = cache.app_cache().store
    assert await store.acquire_lock("a", "one", 60)
    await store.release_lock("a", "two")
    assert not await store.acquire_lock("a", "two", 60)
    await store.release_lock("a", "one")
    assert await store.acquire_lock("a", "two", 60)


@shared_stores
@pytest.mark.checks("CA-12", "CA-13")
async def test_result_before_the_lock(make_site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that gets the lock after another one was done uses what that has stored."""
    options = {"timeout": 60, "stale_while_revalidate": 600}
    (one, cache, first), (two, late_cache, second) = make_site(**options), make_site(**options)
    first.go_on.set()
    store: Store = late_cache.app_cache().store
    acquire_lock = store.acquire_lock

    async def late(key: str, owner: str, seconds: float) -> bool:
        await text(one.test_client())
        await eventually(lambda: not one.background_tasks)
        return await acquire_lock(key, owner, seconds)

    store.acquire_lock = late  # type: ignore[method-assign]
    assert await text(two.test_client()) == "a 1"
    assert (first.calls, second.calls) == (1, 0)
    # The same if the response is stale, and the other worker has computed it anew.
    advance_clock(monkeypatch, 61, cache, late_cache)
    assert await text(two.test_client()) == "a 1"
    await eventually(lambda: not two.background_tasks)
    assert (first.calls, second.calls) == (2, 0)


@shared_stores
@pytest.mark.checks("CA-12")
async def test_lock_timeout(app: Quart) -> None:
    """After ``CACHE_LOCK_TIMEOUT`` a worker computes the result without the lock."""
    cache = Cache(app, config={"CACHE_LOCK_TIMEOUT": 0.2})
    view = View(app, cache)
    view.go_on.set()
    store = cache.app_cache().store
    acquire_lock = store.acquire_lock
    attempts = 0

    async def locked(key: str, owner: str, seconds: float) -> bool:
        nonlocal attempts
        attempts += 1
        await acquire_lock(key, "another worker", 60)
        return await acquire_lock(key, owner, seconds)

    store.acquire_lock = locked  # type: ignore[method-assign]
    async with asyncio.timeout(TIMEOUT):
        assert await text(app.test_client()) == "a 1"
    assert attempts > 1
    assert await text(app.test_client()) == "a 1" and view.calls == 1
    await store.close()


@pytest.mark.checks("CA-13")
async def test_stale_response(app: Quart, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale response is served while one request in the background computes it anew."""
    seen: list[str] = []
    view = View(app, cache, timeout=60, stale_while_revalidate=600)
    view.go_on.set()

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
        assert not app.background_tasks
        advance_clock(monkeypatch, 61, cache)
        view.go_on.clear()
        # The view waits, so that no response comes from it.
        async with asyncio.timeout(TIMEOUT):
            stale = await asyncio.gather(*(text(app.test_client()) for _ in range(20)))
        assert set(stale) == {"a 1"}
        await eventually(lambda: view.calls == 2)
        view.go_on.set()
        await eventually(lambda: not app.background_tasks)
        assert await text(client) == "a 2"
        assert view.calls == 2
        assert set(seen) == {"GET True b", "GET True None"}
        # HEAD starts a GET.
        advance_clock(monkeypatch, 61, cache)
        seen.clear()
        assert (await client.head("/a")).status_code == 200
        await eventually(lambda: view.calls == 3 and not app.background_tasks)
        assert sorted(seen) == ["GET True None", "HEAD True None"]
        assert await text(client) == "a 3"


@pytest.mark.checks("CA-13")
async def test_background_request_is_torn_down(
    app: Quart, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test client that preserves its own context doesn't preserve that in the background."""
    torn_down: list[str] = []
    view = View(app, cache, timeout=60, stale_while_revalidate=600)
    view.go_on.set()

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        torn_down.append(request.path)

    async with app.test_app():
        await text(app.test_client())
        advance_clock(monkeypatch, 61, cache)
        torn_down.clear()
        async with app.test_client() as client:
            assert await text(client) == "a 1"
            await eventually(lambda: view.calls == 2 and not app.background_tasks)
            # FaithfulQuart also runs them at the end of a request that the client preserves.
            requests = 2 if isinstance(app, FaithfulQuart) else 1
            assert torn_down == ["/a"] * requests


@pytest.mark.checks("CA-13")
async def test_stale_result_of_a_function(
    app: Quart, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale result is returned while it is computed anew; a failure leaves it in the cache."""
    calls = 0

    @cache.memoize(timeout=60, stale_while_revalidate=600)
    async def function(a: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise LookupError("once")
        return calls

    @app.get("/a")
    async def view() -> str:
        return str(await function(7))

    async with app.test_app():
        client = app.test_client()
        assert await text(client) == "1"
        advance_clock(monkeypatch, 61, cache)
        for expected in (2, 3):
            assert await text(client) == "1"
            await eventually(lambda: not app.background_tasks)
            assert calls == expected
        assert await text(client) == "3"


@pytest.mark.checks("CA-13")
async def test_end_of_stale(app: Quart, cache: Cache) -> None:
    """A response that is too old, or was deleted, is not served as a stale one."""
    view = View(app, cache, timeout=0.05, stale_while_revalidate=0.05)
    view.go_on.set()
    async with app.test_app():
        assert await text(app.test_client()) == "a 1"
        await asyncio.sleep(0.2)
        assert await text(app.test_client()) == "a 2"
        await cache.delete("view//a")
        assert await text(app.test_client()) == f"a {view.calls}"
        assert view.calls > 2


@pytest.mark.checks("CA-13")
async def test_one_worker_revalidates(
    config: dict[str, Any], make_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several workers that find a stale response one computes it anew."""
    sites = [make_site(timeout=60, stale_while_revalidate=600) for _ in range(3)]
    for _, _, view in sites:
        view.go_on.set()
    await asyncio.gather(*(text(app.test_client()) for app, _, _ in sites))
    advance_clock(monkeypatch, 61, *(cache for _, cache, _ in sites))
    await asyncio.gather(*(text(app.test_client()) for app, _, _ in sites * 3))
    await eventually(lambda: not any(app.background_tasks for app, _, _ in sites))
    calls = sum(view.calls for _, _, view in sites)
    assert calls == (2 if config["CACHE_TYPE"] in SHARED else 6)
