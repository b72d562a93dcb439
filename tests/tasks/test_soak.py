"""Thousands of jobs while workers are killed all the time, and Valkey too.

``python -m pytest -m slow -s tests/tasks/test_soak.py`` prints what became of the jobs.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.compare.processes import Process, accepts, free_port, in_thread
from quartpatterns.compare.services import valkey_program
from quartpatterns.tasks import TasksUnavailableError
from quartpatterns.tasks.queue import queue_of
from tests.tasks import shop
from tests.tasks.conftest import MakeApp, StartWorker
from tests.tasks.test_crashes import client_of

JOBS = 10_000
WORKERS = 3


@pytest.fixture
def app_class() -> type[Quart]:
    """One class is enough here: the workers, in their own processes, run a plain Quart."""
    return Quart


@contextlib.contextmanager
def lasting_valkey(folder: Path, port: int) -> Iterator[Process]:
    """Run a Valkey that keeps its data, also when it is killed."""
    command = [valkey_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--appendonly", "yes", "--dir", str(folder)]
    with Process([str(part) for part in command], log=folder / "valkey.log") as process:
        yield process.wait_until(lambda: accepts(port))


@pytest.mark.slow
@pytest.mark.timeout(1000)
async def test_soak(make_app: MakeApp, start_worker: StartWorker, tmp_path: Path) -> None:
    """No job is lost, though a worker is killed each second and Valkey twice."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    client = client_of(make_app, REDIS_URL=url)
    done = tmp_path / "done"
    done.touch()
    counts = {"enqueued": 0, "workers killed": 0, "Valkey killed": 0}

    async def enqueue() -> None:
        async with client.app_context():
            for first in range(0, JOBS, 200):
                numbers = range(first, first + 200)
                calls = [shop.note.s(n, str(done)).set(task_id=f"job-{n}") for n in numbers]
                while True:
                    try:
                        await shop.tasks.enqueue(calls)
                    except TasksUnavailableError:
                        await asyncio.sleep(0.2)
                    else:
                        counts["enqueued"] += len(calls)
                        break

    def ended() -> int:
        return len(set(done.read_text().split()))

    async def kill_workers(stack: contextlib.AsyncExitStack) -> None:
        workers: list[Process] = []
        while True:
            number = counts["workers killed"] + len(workers)
            # A job that runs on three workers that are killed would fail as the cause of it.
            options = {"TASKS_LEASE": 3, "TASKS_MAX_CRASHES": 1_000}
            context = start_worker(f"worker{number}", url, **options)
            workers.append(await stack.enter_async_context(in_thread(context)))
            if len(workers) < WORKERS:
                continue
            await asyncio.sleep(0.2)
            victim = workers.pop(random.randrange(WORKERS))
            os.kill(victim.pid, signal.SIGKILL)
            counts["workers killed"] += 1

    async with (
        contextlib.AsyncExitStack() as stack,
        contextlib.AsyncExitStack() as servers,
        asyncio.timeout(900),
    ):
        server = await servers.enter_async_context(in_thread(lasting_valkey(tmp_path, port)))
        queuing = asyncio.create_task(enqueue())
        killing = asyncio.create_task(kill_workers(stack))
        try:
            for share in (0.3, 0.6):
                while await asyncio.to_thread(ended) < share * JOBS:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                os.kill(server.pid, signal.SIGKILL)
                counts["Valkey killed"] += 1
                await asyncio.sleep(1)
                server = await servers.enter_async_context(
                    in_thread(lasting_valkey(tmp_path, port))
                )
            await queuing
            async with client.app_context():
                while True:
                    with contextlib.suppress(TasksUnavailableError):
                        (now,) = await shop.tasks.inspect.stats()
                        if not now.queued + now.running + now.scheduled:
                            break
                    await asyncio.sleep(0.2)
        finally:
            killing.cancel()
            queuing.cancel()
            await asyncio.wait([killing, queuing])
        async with client.app_context():
            results = await queue_of(client).results([f"job-{n}" for n in range(JOBS)])
    runs = collections.Counter(map(int, done.read_text().split()))
    counts["done"] = len(runs)
    counts["run twice or more"] = sum(number > 1 for number in runs.values())
    counts["lost"] = JOBS - len(runs)
    print(counts)  # noqa: T201 - whoever runs this wants to know
    assert sorted(runs) == list(range(JOBS))
    assert [result.value for result in results] == list(range(JOBS))
