from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.compare import services
from quartpatterns.compare.processes import Process, free_port, in_thread
from quartpatterns.tasks import Job, TaskFailedError, run_worker
from tests.tasks import shop
from tests.tasks.conftest import MakeApp, StartWorker
from tests.tasks.proxy import breaking_proxy


@pytest.fixture
def app_class() -> type[Quart]:
    """One class is enough here: the workers, in their own processes, run a plain Quart."""
    return Quart


@pytest.fixture
def client(make_app: MakeApp) -> Quart:
    """An application that queues the tasks of ``tests.tasks.shop``."""
    return client_of(make_app)


def client_of(make_app: MakeApp, **config: object) -> Quart:
    app, _ = make_app(**config)
    del app.extensions["tasks"]
    shop.tasks.init_app(app)
    return app


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(seconds):
        while True:
            if await asyncio.to_thread(condition):
                return
            await asyncio.sleep(0.02)


async def exit_code(worker: Process) -> int | None:
    """Wait until *worker* has ended, and return its exit code."""
    await until(lambda: worker.returncode is not None)
    return worker.returncode


async def log_of(worker: Process) -> str:
    """Return what *worker* has logged."""
    return await asyncio.to_thread(worker.output)


def starts(file: Path) -> list[list[int]]:
    """Return the process id and the try of each start of a job."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [[int(word) for word in line.split()] for line in lines]


async def test_killed_worker(client: Quart, start_worker: StartWorker, tmp_path: Path) -> None:
    """When a worker is killed, another starts its job after the lease has expired."""
    started = tmp_path / "started"
    async with (
        in_thread(start_worker("one", TASKS_LEASE=1.5)) as one,
        in_thread(start_worker("two", TASKS_LEASE=1.5)) as two,
        client.app_context(),
    ):
        job = await shop.wait.delay(600, str(started))
        await until(lambda: len(starts(started)) == 1)
        ((first, _),) = starts(started)
        os.kill(first, signal.SIGKILL)
        (second,) = {one.pid, two.pid} - {first}
        assert await job.wait(timeout=60) == [second, 2]
    assert starts(started) == [[first, 1], [second, 2]]


async def test_revoked_after_a_crash(
    client: Quart, start_worker: StartWorker, tmp_path: Path
) -> None:
    """A job that is revoked after its worker has died does not start again."""
    started = tmp_path / "started"
    async with client.app_context():
        async with in_thread(start_worker(TASKS_LEASE=1)) as worker:
            job = await shop.wait.delay(600, str(started))
            await until(lambda: len(starts(started)) == 1)
            os.kill(worker.pid, signal.SIGKILL)
            await exit_code(worker)
        assert await job.revoke()
        async with in_thread(start_worker("second", TASKS_LEASE=1)):
            with pytest.raises(TaskFailedError, match="CancelledError: the job was revoked"):
                await job.wait(timeout=60)
        assert len(starts(started)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wait", "block"])
async def test_lease(client: Quart, start_worker: StartWorker, tmp_path: Path, name: str) -> None:
    """A job that outlasts the lease is not started twice, even if it blocks the event loop."""
    started = tmp_path / "started"
    async with (
        in_thread(start_worker("one", TASKS_LEASE=1.5)) as one,
        in_thread(start_worker("two", TASKS_LEASE=1.5)) as two,
        client.app_context(),
    ):
        task = {"wait": shop.wait, "block": shop.block}[name]
        job = await task.delay(4, str(started))
        pid, tries = await job.wait(timeout=60)
        assert pid in (one.pid, two.pid)
        assert starts(started) == [[pid, tries]] == [[pid, 1]]


async def test_redis_restarts(make_app: MakeApp, start_worker: StartWorker, tmp_path: Path) -> None:
    """A worker waits for a lost Redis, and then stores the result of a job that has ended."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    client = client_of(make_app, REDIS_URL=url)
    started = tmp_path / "started"
    async with contextlib.AsyncExitStack() as stack, client.app_context():
        redis = await stack.enter_async_context(contextlib.AsyncExitStack())
        await redis.enter_async_context(in_thread(services.valkey(tmp_path, port=port)))
        worker = await stack.enter_async_context(in_thread(start_worker(url=url)))
        job = await shop.wait.delay(1, str(started))
        await until(lambda: len(starts(started)) == 1)
        await redis.aclose()
        await until(lambda: "waiting for it" in worker.output())
        await until((tmp_path / "started.ended").exists)
        async with in_thread(services.valkey(tmp_path, port=port)):
            assert await eventual_result(job) == [worker.pid, 1]
            assert await (await shop.process_id.delay()).wait(timeout=5) == worker.pid
            await until(lambda: "is back" in worker.output())
        assert (await log_of(worker)).count("waiting for it") <= 2
        assert worker.returncode is None


async def eventual_result(job: Job[object]) -> object:
    """Return the result of a job that the new Redis does not know until it has ended."""
    async with asyncio.timeout(60):
        while True:
            if (result := await job.result()).ready:
                return result.value
            await asyncio.sleep(0.05)


async def test_worker_before_redis(
    make_app: MakeApp, start_worker: StartWorker, tmp_path: Path
) -> None:
    """A worker can be started before Redis."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    client = client_of(make_app, REDIS_URL=url)
    done = asyncio.Event()

    async def run() -> None:
        async with in_thread(start_worker(url=url)):
            await done.wait()

    worker = asyncio.create_task(run())
    log = tmp_path / "worker.log"
    await until(lambda: log.exists() and "waiting for it" in log.read_text())
    async with in_thread(services.valkey(tmp_path, port=port)), client.app_context():
        job = await shop.process_id.delay()
        assert await job.wait(timeout=60)
        done.set()
        await worker


async def test_job_slots(make_app: MakeApp, redis_url: str) -> None:
    """A connection that breaks while a job is started does not cost the worker a slot."""
    web, _ = make_app()
    async with breaking_proxy(redis_url, b"EVALSHA", forward=False) as url:
        app, tasks = make_app(REDIS_URL=url, TASKS_MAX_JOBS=1)

        @tasks.task(name="double")
        async def double(number: int) -> int:
            return 2 * number

        worker = asyncio.create_task(run_worker(app))
        async with web.app_context():
            job = await double.delay(21)
            assert await job.wait(timeout=60) == 42
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_stop(
    client: Quart, start_worker: StartWorker, tmp_path: Path, sign: signal.Signals
) -> None:
    """After a signal the worker finishes its job, shuts down the application, and exits with 0."""
    started = tmp_path / "started"
    async with in_thread(start_worker(TASKS_SHUTDOWN_TIMEOUT=60)) as worker, client.app_context():
        job = await shop.wait.delay(2, str(started))
        await until(lambda: len(starts(started)) == 1)
        os.kill(worker.pid, sign)
        await until(lambda: "stopping; 1 jobs" in worker.output())
        late = await shop.process_id.delay()
        assert await exit_code(worker) == 0
        assert await job.wait(timeout=1) == [worker.pid, 1]
        assert not (await late.result()).ready
        assert "the application has shut down" in await log_of(worker)
        assert "Traceback" not in await log_of(worker)


async def test_shutdown_timeout(client: Quart, start_worker: StartWorker, tmp_path: Path) -> None:
    """A job that does not end in time is queued again, and another worker starts it at once."""
    started = tmp_path / "started"
    async with (
        in_thread(start_worker("one", TASKS_SHUTDOWN_TIMEOUT=0.2, TASKS_LEASE=60)) as one,
        client.app_context(),
    ):
        job = await shop.wait.delay(600, str(started))
        await until(lambda: len(starts(started)) == 1)
        os.kill(one.pid, signal.SIGTERM)
        assert await exit_code(one) == 0
        async with in_thread(start_worker("two")) as two:
            assert await job.wait(timeout=60) == [two.pid, 2]


async def test_second_signal(client: Quart, start_worker: StartWorker, tmp_path: Path) -> None:
    """A second signal ends the worker at once."""
    started = tmp_path / "started"
    async with (
        in_thread(start_worker(TASKS_SHUTDOWN_TIMEOUT=60)) as worker,
        client.app_context(),
    ):
        await shop.wait.delay(60, str(started))
        await until(lambda: len(starts(started)) == 1)
        os.kill(worker.pid, signal.SIGTERM)
        await until(lambda: "stopping; 1 jobs" in worker.output())
        assert worker.returncode is None
        os.kill(worker.pid, signal.SIGTERM)
        assert await exit_code(worker) == 128 + signal.SIGTERM


async def test_stop_without_redis(
    make_app: MakeApp, start_worker: StartWorker, tmp_path: Path
) -> None:
    """A worker that has lost Redis can be stopped, and shuts down the application."""
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(in_thread(services.valkey(tmp_path)))
        async with in_thread(start_worker(url=url)) as worker:
            await stack.aclose()
            await until(lambda: "waiting for it" in worker.output())
            os.kill(worker.pid, signal.SIGTERM)
            assert await exit_code(worker) == 0
            assert "the application has shut down" in await log_of(worker)
            assert "Traceback" not in await log_of(worker)


@pytest.mark.slow
async def test_poison(client: Quart, start_worker: StartWorker, tmp_path: Path) -> None:
    """A job that ends the process fails alone; nine beside it, and later ones, succeed."""
    async with client.app_context(), contextlib.AsyncExitStack() as stack:
        await shop.ready.delay()
        jobs = [await shop.slow_double.delay(number) for number in range(4)]
        poison = await shop.exit_process.delay()
        jobs += [await shop.slow_double.delay(number) for number in range(4, 9)]
        for number in range(4):
            worker = await stack.enter_async_context(
                in_thread(start_worker(f"worker{number}", TASKS_LEASE=1.5))
            )
            assert await exit_code(worker) == 7
        await stack.enter_async_context(in_thread(start_worker("last", TASKS_LEASE=1.5)))
        assert [await job.wait(timeout=60) for job in jobs] == [2 * number for number in range(9)]
        with pytest.raises(TaskFailedError, match="WorkerLostError: 3 workers died"):
            await poison.wait(timeout=60)
        assert await (await shop.slow_double.delay(21)).wait(timeout=60) == 42


def _has_started(started: Path, count: int) -> bool:
    return len(starts(started)) == count


@pytest.mark.timeout(300)  # Seven workers start, one after the other.
async def test_stops_cost_no_tries(
    client: Quart, start_worker: StartWorker, tmp_path: Path
) -> None:
    """A job that is interrupted by six stops is started a seventh time."""
    started = tmp_path / "started"
    async with client.app_context():
        job = await shop.seventh.delay(str(started))
        for count in range(1, 7):
            async with in_thread(
                start_worker(f"worker{count}", TASKS_SHUTDOWN_TIMEOUT=0)
            ) as worker:
                await until(functools.partial(_has_started, started, count))
                os.kill(worker.pid, signal.SIGTERM)
                assert await exit_code(worker) == 0
        async with in_thread(start_worker("last")):
            assert await job.wait(timeout=60) == [1, 7]


async def test_stop_with_a_thread(client: Quart, start_worker: StartWorker, tmp_path: Path) -> None:
    """A worker leaves in time though a thread works on; the next run starts when it has ended."""
    started = tmp_path / "started"
    async with client.app_context():
        job = await shop.work_in_a_thread.delay(600, str(started))
        async with in_thread(start_worker("one", TASKS_SHUTDOWN_TIMEOUT=0.1, TASKS_LEASE=2)) as one:
            await until(lambda: len(starts(started)) == 1)
            os.kill(one.pid, signal.SIGTERM)
            assert await exit_code(one) == 0
        assert "1 jobs still run" in (tmp_path / "one.log").read_text()
        async with in_thread(start_worker("two", TASKS_LEASE=2)) as two:
            assert await job.wait(timeout=60) == [two.pid, 2]
