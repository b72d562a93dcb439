"""Applications and event loops don't disturb each other, and nothing stays open."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
from quart import Quart

from quartpatterns.caching import Cache
from tests.caching.test_cached import text

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.checks("CA-16")


@pytest.mark.checks("CA-1")
async def test_two_applications(app_class: type[Quart]) -> None:
    """One Cache and two applications: each has its own store and settings."""
    cache = Cache()
    calls: list[str] = []

    def create(name: str, **config: Any) -> Quart:
        app = app_class(name)
        app.config.from_mapping(config)
        cache.init_app(app)

        @app.get("/a")
        @cache.cached()
        async def view() -> str:
            calls.append(name)
            return name

        return app

    one, two = create("one"), create("two", CACHE_TYPE="NullCache")
    for app in (one, two, one, two):
        assert await text(app.test_client()) == app.name
    assert calls == ["one", "two", "two"]
    async with one.app_context():
        await cache.set("value", 1)
        async with two.app_context():
            assert await cache.get("value") is None
        assert await cache.get("value") == 1
    with pytest.raises(RuntimeError, match="several applications"):
        await cache.get("value")


async def test_two_caches(app_class: type[Quart]) -> None:
    """One application and two Caches: each has its own store."""
    app = app_class(__name__)
    one, two = Cache(app), Cache(app, config={"CACHE_THRESHOLD": 1})
    await one.set("a", 1)
    assert await two.get("a") is None
    await two.set_many({"a": 1, "b": 2})
    assert await two.get_many("a", "b") == [None, 2]


async def test_not_initialised(app_class: type[Quart]) -> None:
    cache = Cache()
    app = app_class(__name__)
    with pytest.raises(RuntimeError, match=r"call cache.init_app\(app\)"):
        await cache.get("a")
    async with app.app_context():
        with pytest.raises(RuntimeError, match=r"call cache.init_app\(app\)"):
            await cache.get("a")
    cache.init_app(app)
    with pytest.raises(RuntimeError, match="already initialized"):
        cache.init_app(app)


def test_several_loops(make_app: type[Quart], config: dict[str, Any]) -> None:
    """One application on several event loops, one after the other and at the same time."""
    app = make_app(__name__)
    app.config.from_mapping(config)
    cache = Cache(app)
    failures: list[BaseException] = []

    @app.get("/<name>")
    @cache.cached()
    async def view(name: str) -> str:
        await asyncio.sleep(0.01)
        return name

    async def use() -> None:
        await cache.set("a", 1)
        for number in range(20):
            assert await cache.get("a") == 1
            assert await text(app.test_client(), f"/{number % 5}") == str(number % 5)

    def thread() -> None:
        try:
            asyncio.run(use())
        except BaseException as error:
            failures.append(error)

    for _ in range(3):
        asyncio.run(use())
    threads = [threading.Thread(target=thread) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    gc.collect()  # causes a warning for whatever is still open
    assert not failures
    # The thread of a store that is closed ends a moment later.
    left = [one for one in threading.enumerate() if "caching" in one.name]
    for one in left:
        one.join(10)
    assert not [one for one in left if one.is_alive()]


async def test_closed_with_the_server(app: Quart, cache: Cache, config: dict[str, Any]) -> None:
    """After the server has stopped there is no connection and no task."""

    @app.get("/a")
    @cache.cached()
    async def view() -> str:
        return "a"

    before = len(asyncio.all_tasks())
    async with app.test_app():
        await asyncio.gather(*(text(app.test_client()) for _ in range(30)))
        await asyncio.gather(*(cache.set(str(number), number) for number in range(30)))
    assert len(asyncio.all_tasks()) == before
    if config["CACHE_TYPE"] == "RedisCache":
        with redis.Redis.from_url(config["CACHE_REDIS_URL"]) as client:
            listed: Any = client.client_list()
        assert "quartpatterns.caching" not in [one["name"] for one in listed]
    # It opens again when it is used, for example in a script.
    assert await cache.get("1") == 1


SCRIPT = """
import asyncio, os, sys
from quart import Quart
from quartpatterns.caching import Cache

app = Quart("script")
cache = Cache(app, config={"CACHE_TYPE": os.environ["TYPE"], "CACHE_DIR": os.environ["DIR"],
                    "CACHE_REDIS_URL": os.environ["URL"]})

async def main():
    async with app.app_context():
        await cache.set("a", 1)
        assert await cache.get("a") == 1
        await asyncio.gather(*(cache.get("a") for _ in range(30)))
"""
ENDS = {
    "runs": "asyncio.run(main()); asyncio.run(main())",
    "crash": "async def crash():\n    await main()\n    1 / 0\n"
    "try:\n    asyncio.run(crash())\nexcept ZeroDivisionError: pass",
    "exit": "async def leave():\n    await main()\n    sys.exit()\nasyncio.run(leave())",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("backend", ["RedisCache", "FileSystemCache"])
def test_scripts(backend: str, redis_url: str, tmp_path: Path, end: str) -> None:
    """However a script ends, it leaves nothing open, and Python warns about nothing."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT + end],
        env={**os.environ, "TYPE": backend, "DIR": str(tmp_path / "cache"), "URL": redis_url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
