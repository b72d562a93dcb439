from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.compare import services
from quartpatterns.compare.processes import Process, free_port, in_thread
from quartpatterns.tasks import Job, run_worker
from tests.tasks import shop
from tests.tasks.conftest import MakeApp, StartWorker
from tests.tasks.proxy import breaking_proxy


@pytest.fixture
def app_class() -> type[Quart]:
    """One class is enough here: the workers, in their processes, run a plain Quart anyway."""
    return Quart


@pytest.fixture
def client(make_app: MakeApp) -> Quart:
    """The web process: it queues the tasks of ``tests.tasks.shop``."""
    return client_of(make_app)


def client_of(make_app: MakeApp, **config: object) -> Quart:
    app, _ = make_app(**config)
    del app.extensions["tasks"]
    shop.tasks.init_app(app)
    return app


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(seconds):
        while True:
            if await asyncio.to_thread(condition):
                return
            await asyncio.sleep(0.02)


async def ended(worker: Process) -> int | None:
    """The exit code of *worker*, when it has ended."""
    await until(lambda: worker.returncode is not None)
    return worker.returncode


async def printed(worker: Process) -> str:
    """What *worker* has logged."""
    return await asyncio.to_thread(worker.output)


def starts(file: Path) -> list[list[int]]:
    """The process id and the try of each start of a job."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [[int(word) for word in line.split()] for line in lines]


async def test_kill(client: Quart, start_worker: StartWorker, tmp_path: Path) -> None:
    """A job whose worker is killed is started again elsewhere, when the lease has lapsed."""
    started = tmp_path / "started"
    async with (
        in_thread(start_worker("one", TASKS_LEASE=1)) as one,
        in_thread(start_worker("two", TASKS_LEASE=1)) as two,
        client.app_context(),
    ):
        job = await shop.linger.delay(1.5, str(started))
        await until(lambda: len(starts(started)) == 1)
        ((first, _),) = starts(started)
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        await until(lambda: len(starts(started)) == 2)
        assert time.monotonic() - killed < 2
        (second,) = {one.pid, two.pid} - {first}
        assert await job.wait(timeout=10) == [second, 2]
    assert starts(started) == [[first, 1], [second, 2]]


@pytest.mark.parametrize("name", ["linger", "block"])
async def test_lease(client: Quart, start_worker: StartWorker, tmp_path: Path, name: str) -> None:
    """A job that takes longer than the lease is not started twice, even if it blocks the loop."""
    started = tmp_path / "started"
    async with (
        in_thread(start_worker("one", TASKS_LEASE=0.5)) as one,
        in_thread(start_worker("two", TASKS_LEASE=0.5)) as two,
        client.app_context(),
    ):
        task = {"linger": shop.linger, "block": shop.block}[name]
        job = await task.delay(2, str(started))
        pid, tries = await job.wait(timeout=10)
        assert pid in (one.pid, two.pid)
        assert starts(started) == [[pid, tries]] == [[pid, 1]]


async def test_redis_restarts(make_app: MakeApp, start_worker: StartWorker, tmp_path: Path) -> None:
    """A worker waits for a Redis that is away, and keeps what a job returns meanwhile."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    client = client_of(make_app, REDIS_URL=url)
    started = tmp_path / "started"
    async with contextlib.AsyncExitStack() as stack, client.app_context():
        redis = await stack.enter_async_context(contextlib.AsyncExitStack())
        await redis.enter_async_context(in_thread(services.valkey(tmp_path, port=port)))
        worker = await stack.enter_async_context(in_thread(start_worker(url=url)))
        job = await shop.linger.delay(1, str(started))
        await until(lambda: len(starts(started)) == 1)
        await redis.aclose()
        await until(lambda: "waiting for it" in worker.output())
        await asyncio.sleep(1)
        async with in_thread(services.valkey(tmp_path, port=port)):
            assert await eventual(job) == [worker.pid, 1]
            assert await (await shop.who.delay()).wait(timeout=5) == worker.pid
            await until(lambda: "is back" in worker.output())
        assert (await printed(worker)).count("waiting for it") <= 2
        assert worker.returncode is None


async def eventual(job: Job) -> object:
    """What the job has returned; the new Redis knows nothing of a job until it has ended."""
    async with asyncio.timeout(10):
        while True:
            if (known := await job.result()).ready:
                return known.value
            await asyncio.sleep(0.05)


async def test_worker_first(make_app: MakeApp, start_worker: StartWorker, tmp_path: Path) -> None:
    """A worker may be started before Redis."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    client = client_of(make_app, REDIS_URL=url)
    worker = asyncio.create_task(use(start_worker(url=url)))
    log = tmp_path / "worker.log"
    await until(lambda: log.exists() and "waiting for it" in log.read_text())
    async with in_thread(services.valkey(tmp_path, port=port)), client.app_context():
        job = await shop.who.delay()
        assert await job.wait(timeout=10)
        await worker


async def use(context: contextlib.AbstractContextManager[object]) -> None:
    async with in_thread(context):
        await asyncio.sleep(1)


async def test_places(make_app: MakeApp, redis_url: str) -> None:
    """A connection that breaks while a job is taken up costs the worker no place for a job."""
    web, _ = make_app()
    async with breaking_proxy(redis_url, b"WATCH", forward=False) as url:
        app, tasks = make_app(REDIS_URL=url, TASKS_MAX_JOBS=1)

        @tasks.task(name="double")
        async def double(number: int) -> int:
            return 2 * number

        worker = asyncio.create_task(run_worker(app))
        async with web.app_context():
            job = await double.delay(21)
            assert await job.wait(timeout=10) == 42
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_stop(
    client: Quart, start_worker: StartWorker, tmp_path: Path, sign: signal.Signals
) -> None:
    """A worker that is told to stop lets its job end, shuts the application down, and exits 0."""
    started = tmp_path / "started"
    async with in_thread(start_worker()) as worker, client.app_context():
        job = await shop.linger.delay(1, str(started))
        await until(lambda: len(starts(started)) == 1)
        os.kill(worker.pid, sign)
        late = await shop.who.delay()
        assert await ended(worker) == 0
        assert await job.wait(timeout=1) == [worker.pid, 1]
        assert not (await late.result()).ready
        assert "the application has shut down" in await printed(worker)
        assert "Traceback" not in await printed(worker)


async def test_stop_late(client: Quart, start_worker: StartWorker, tmp_path: Path) -> None:
    """A job that doesn't end in time is queued again, for another worker to start at once."""
    started = tmp_path / "started"
    async with (
        in_thread(start_worker("one", TASKS_SHUTDOWN_TIMEOUT=0.2, TASKS_LEASE=60)) as one,
        client.app_context(),
    ):
        job = await shop.linger.delay(1, str(started))
        await until(lambda: len(starts(started)) == 1)
        os.kill(one.pid, signal.SIGTERM)
        assert await ended(one) == 0
        async with in_thread(start_worker("two")) as two:
            assert await job.wait(timeout=10) == [two.pid, 2]


async def test_stop_at_once(client: Quart, start_worker: StartWorker, tmp_path: Path) -> None:
    """A second signal ends the worker at once."""
    started = tmp_path / "started"
    async with (
        in_thread(start_worker(TASKS_SHUTDOWN_TIMEOUT=60)) as worker,
        client.app_context(),
    ):
        await shop.linger.delay(60, str(started))
        await until(lambda: len(starts(started)) == 1)
        os.kill(worker.pid, signal.SIGTERM)
        await until(lambda: "stopping; 1 jobs" in worker.output())
        assert worker.returncode is None
        os.kill(worker.pid, signal.SIGTERM)
        assert await ended(worker) == 128 + signal.SIGTERM


async def test_stop_without_redis(
    make_app: MakeApp, start_worker: StartWorker, tmp_path: Path
) -> None:
    """A worker whose Redis is away can be stopped, in good order."""
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(in_thread(services.valkey(tmp_path)))
        async with in_thread(start_worker(url=url)) as worker:
            await stack.aclose()
            await until(lambda: "waiting for it" in worker.output())
            os.kill(worker.pid, signal.SIGTERM)
            assert await ended(worker) == 0
            assert "the application has shut down" in await printed(worker)
            assert "Traceback" not in await printed(worker)
