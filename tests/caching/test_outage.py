"""An unavailable store makes an application slower; no request fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from quart import Quart

from quartpatterns.caching import Cache, CacheUnavailableError
from quartpatterns.compare.processes import free_port, in_thread
from quartpatterns.compare.services import valkey
from tests.caching.raw import Answer, get
from tests.caching.test_cached import text
from tests.caching.test_concurrency import View
from tests.serving import TIMEOUT, served

NOWHERE = "redis://127.0.0.1:1/0"
pytestmark = pytest.mark.checks("CA-14")


class Site:
    """An application with a cached page, a memoized function and a value."""

    def __init__(self, app: Quart, cache: Cache) -> None:
        self.calls = 0

        @cache.memoize()
        async def square(number: int) -> int:
            return number * number

        @app.get("/page")
        @cache.cached()
        async def page() -> str:
            self.calls += 1
            return f"answer {self.calls}"

        @app.get("/value")
        async def value() -> str:
            found = await cache.get("value")
            if found is None:
                await cache.set("value", found := 42)
            return f"{found} {await square(7)}"


def redis_cache(app: Quart, url: str, **config: Any) -> Cache:
    return Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url, **config})


def kill(url: str) -> None:
    """Kill the server at *url*, as the machine would."""
    with redis.Redis.from_url(url) as client:
        found: Any = client.info("server")
    os.kill(found["process_id"], signal.SIGKILL)


def connected(url: str) -> int:
    """How many clients a server has, without this one."""
    with redis.Redis.from_url(url) as client:
        listed: Any = client.client_list()
    return len([one for one in listed if one["name"] == "quartpatterns.caching"])


async def load(port: int, stop: asyncio.Event, answers: list[Answer]) -> None:
    """Send requests until *stop* is set."""
    number = 0
    while not stop.is_set():
        number += 1
        answers.append(await get(port, "/page" if number % 2 else "/value"))


@pytest.mark.slow
@pytest.mark.wire
async def test_killed_under_load(
    app_class: type[Quart], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Valkey is killed and started again: no request fails, and then there are hits again."""
    loop = asyncio.get_running_loop()
    app = app_class(__name__)
    app.secret_key = "key"
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    cache = redis_cache(app, url, CACHE_RETRY_AFTER=0.5)
    site = Site(app, cache)
    answers: list[Answer] = []
    stop = asyncio.Event()
    async with served(app) as server:
        async with in_thread(valkey(tmp_path, port=port)):
            loads = [asyncio.create_task(load(server.port, stop, answers)) for _ in range(16)]
            await asyncio.sleep(1)
            assert site.calls == 1
            await asyncio.to_thread(kill, url)
            await asyncio.sleep(1)
        away, seen = site.calls, len(answers)
        assert away > 1
        async with in_thread(valkey(tmp_path, port=port)):
            started = loop.time()
            while not await cache.has("value"):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
            recovered = loop.time() - started
            await asyncio.sleep(0.3)
            settled = site.calls
            await asyncio.sleep(0.7)
            assert site.calls == settled
            stop.set()
            await asyncio.gather(*loads)
            assert len(answers) > seen
            assert 0 < await asyncio.to_thread(connected, url) <= 20
            await cache.app_cache().store.close()
            assert await asyncio.to_thread(connected, url) == 0
    assert {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers if "answer" not in answer.body} == {"42 49"}
    assert recovered < 5
    assert max(answer.seconds for answer in answers) < 5
    logged = [record.message for record in caplog.records if record.name.startswith("quartp")]
    assert [message.split(" is ")[1][:9] for message in logged] == ["unavailab", "available"]
    connections: Any = await asyncio.to_thread(psutil.Process().net_connections)
    assert port not in [one.raddr.port for one in connections if one.raddr]
    assert len(asyncio.all_tasks()) == 1
    computed = f"{away - 1} computed while Valkey was away"
    summary = f"{len(answers)} answers, {computed}, hits after {recovered:.2f} s"
    logging.getLogger(__name__).warning(summary)


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A server that reads everything and answers nothing."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()


async def test_silent_server(app_class: type[Quart]) -> None:
    """Of 200 requests only the first waits for a server that does not answer."""
    async with silent() as url:
        app = app_class(__name__)
        cache = redis_cache(app, url, CACHE_STORE_TIMEOUT=0.3, CACHE_RETRY_AFTER=600)
        site = Site(app, cache)
        client = app.test_client()
        async with asyncio.timeout(TIMEOUT):  # 200 timeouts would take 60 seconds
            for _ in range(100):
                await text(client, "/page")
                await text(client, "/value")
        assert site.calls == 100
        await cache.app_cache().store.close()


async def test_nothing_there(app_class: type[Quart], caplog: pytest.LogCaptureFixture) -> None:
    """Every method returns; one log message names the server without the password."""
    app = app_class(__name__)
    cache = redis_cache(app, "redis://:secret@127.0.0.1:1/0")
    assert await cache.get("a") is None
    assert await cache.get_many("a", "b") == [None, None]
    assert not await cache.set("a", 1)
    assert await cache.set_many({"a": 1}) == []
    assert not await cache.add("a", 1)
    assert not await cache.has("a")
    assert not await cache.delete("a")
    assert await cache.delete_many("a", "b") == []
    assert not await cache.clear()
    await cache.delete_tags("a")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "127.0.0.1:1" in record.message and "secret" not in record.message
    await cache.app_cache().store.close()


async def test_computed_once_without_a_store(app_class: type[Quart]) -> None:
    """Requests at the same time share a response while the store is unavailable."""
    app = app_class(__name__)
    cache = redis_cache(app, NOWHERE, CACHE_RETRY_AFTER=600)
    assert await cache.get("a") is None
    view = View(app, cache)
    requests = [asyncio.create_task(text(app.test_client())) for _ in range(50)]
    await view.go_on_after(50)
    assert set(await asyncio.gather(*requests)) == {"a 1"}


async def test_errors_are_raised(app_class: type[Quart]) -> None:
    """With ``CACHE_IGNORE_ERRORS = False`` methods raise errors; decorated views still work."""
    app = app_class(__name__)
    cache = redis_cache(app, NOWHERE, CACHE_IGNORE_ERRORS=False)
    Site(app, cache)
    for call in (
        cache.get("a"),
        cache.set("a", 1),
        cache.add("a", 1),
        cache.has("a"),
        cache.delete("a"),
        cache.clear(),
    ):
        with pytest.raises(CacheUnavailableError):
            await call
    assert await text(app.test_client(), "/page") == "answer 1"
    response = await app.test_client().get("/value")
    assert response.status_code == 503
    page = await response.get_data(as_text=True)
    assert "Start Redis or Valkey" in page and "127.0.0.1" not in page
    await cache.app_cache().store.close()


async def test_full_server(
    app_class: type[Quart], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full server is still read, and logged once."""
    async with in_thread(valkey(tmp_path)) as url:
        app = app_class(__name__)
        cache = redis_cache(app, url)
        site = Site(app, cache)
        client = app.test_client()
        await cache.set("before", 1)
        await text(client, "/page")

        def fill() -> None:
            with redis.Redis.from_url(url) as server:
                server.config_set("maxmemory-policy", "noeviction")
                server.config_set("maxmemory", "1")

        await asyncio.to_thread(fill)
        for _ in range(5):
            assert not await cache.set("after", 1)
            assert await cache.get("before") == 1
            assert await text(client, "/page") == "answer 1"
        assert site.calls == 1
        [record] = caplog.records
        assert "refuses commands: command not allowed when used memory" in record.message
        assert "'maxmemory'. Free memory, raise maxmemory" in record.message
        # redis-py's message contains the command, and so the value.
        assert "Command #" not in record.message
        await cache.app_cache().store.close()


async def test_invalid_folder(app_class: type[Quart], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    app = app_class(__name__)
    folder = str(tmp_path / "file" / "cache")
    cache = Cache(app, config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": folder})
    Site(app, cache)
    assert [await text(app.test_client(), "/page") for _ in range(2)] == ["answer 1", "answer 2"]
    assert not await cache.set("a", 1)
    await cache.app_cache().store.close()


async def test_full_disk(app_class: type[Quart], tmp_path: Path) -> None:
    """A value that does not fit is not stored; earlier ones stay."""
    app = app_class(__name__)
    cache = Cache(
        app,
        config={
            "CACHE_TYPE": "FileSystemCache",
            "CACHE_DIR": str(tmp_path),
            "CACHE_RETRY_AFTER": 0.01,
            "CACHE_OPTIONS": {"sqlite_max_page_count": 40, "cull_limit": 0},
        },
    )
    kept = [await cache.set(str(number), "x" * 20_000) for number in range(30)]
    assert kept[0] and not kept[-1]
    await asyncio.sleep(0.05)
    assert await cache.get("0") == "x" * 20_000
    await cache.app_cache().store.close()


async def test_broken_database(app_class: type[Quart], tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"not a database" * 1000)
    app = app_class(__name__)
    cache = Cache(app, config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path)})
    Site(app, cache)
    assert [await text(app.test_client(), "/page") for _ in range(2)] == ["answer 1", "answer 2"]
    await cache.app_cache().store.close()
