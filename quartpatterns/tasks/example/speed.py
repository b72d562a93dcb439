"""Jobs per second, CPU time and latency of this package and of Celery, on one Valkey.

.. code-block:: sh

    python -m quartpatterns.tasks.example.speed

Each side has two worker processes: two of ``quartpatterns worker``, and Celery's prefork pool with
two, with late acknowledgement, so that neither loses the jobs of a worker that dies. In each round
both sides run in turn:

* *jobs/s*: jobs divided by the seconds from the first ``delay`` to the last result.
* *CPU*: the CPU time of the workers for each of these jobs.
* *latency*: from ``delay`` to the first line of the task, while the worker is idle.

The table has the median of the rounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import celery
import click
import psutil
from quart import Quart
from redis.asyncio import Redis

from quartpatterns.compare import services
from quartpatterns.compare.processes import Process
from quartpatterns.tasks import Tasks

__all__ = ["Measurement", "main", "measure"]

MODULE = "quartpatterns.tasks.example.speed"
WORKERS = 2
PAUSE = 0.02
"""Seconds between two jobs whose latency is measured: longer than a job takes."""

tasks = Tasks()


@tasks.task(name="measured")
async def measured(sent: float) -> float:
    """Return the seconds since *sent*."""
    return time.time() - sent


def quart_app() -> Quart:
    """Return the application whose workers are measured."""
    app = Quart("speed")
    app.config.from_prefixed_env()
    tasks.init_app(app)
    return app


def _celery_app(url: str) -> celery.Celery:
    app = celery.Celery("speed", broker=url, backend=_results(url))
    app.conf.task_acks_late = True
    app.task(_celery_measured, name="measured")
    return app


def _celery_measured(sent: float) -> float:
    return time.time() - sent


def _results(url: str) -> str:
    """Return the database of Celery's results."""
    return url.removesuffix("/0") + "/1"


celery_app = _celery_app(os.environ.get("QUART_REDIS_URL", "redis://localhost:6379/0"))
"""The Celery application whose workers are measured."""


@dataclass(frozen=True)
class Measurement:
    """What one side has reached in one round.

    Arguments:
        jobs_per_second: Jobs divided by the time from the first ``delay`` to the last result.
        cpu: CPU time of the workers for each job, in milliseconds.
        p50: Median latency, in milliseconds.
        p99: Latency that 99 of 100 jobs do not exceed, in milliseconds.
    """

    jobs_per_second: float
    cpu: float
    p50: float
    p99: float


def measure(jobs: int, rounds: int, latencies: int) -> dict[str, Measurement]:
    """Return the medians of both sides.

    Arguments:
        jobs: The number of jobs in a round.
        rounds: The number of rounds.
        latencies: The number of jobs in a round whose latency is measured.
    """
    with tempfile.TemporaryDirectory() as folder, services.valkey(Path(folder)) as url:
        os.environ["QUART_REDIS_URL"] = url
        with _workers(Path(folder)) as workers:
            found: dict[str, list[Measurement]] = {"quartpatterns": [], "Celery": []}
            for _ in range(rounds):
                for name, measure_one in (("quartpatterns", _measure_ours), ("Celery", _celery)):
                    one = asyncio.run(measure_one(jobs, latencies, workers[name], url))
                    found[name].append(one)
    return {name: _median(each) for name, each in found.items()}


def _median(measurements: list[Measurement]) -> Measurement:
    rows = [asdict(one) for one in measurements]
    return Measurement(**{key: statistics.median(row[key] for row in rows) for key in rows[0]})


@contextlib.contextmanager
def _workers(folder: Path) -> Iterator[dict[str, list[Process]]]:
    """Run the workers of both sides."""
    python = [sys.executable, "-m"]
    ours = [*python, "quartpatterns", "worker", f"{MODULE}:quart_app()"]
    theirs = [*python, "celery", "-A", f"{MODULE}:celery_app", "worker", "--loglevel", "WARNING"]
    theirs += ["--concurrency", str(WORKERS), "--without-gossip", "--without-mingle"]
    with contextlib.ExitStack() as stack:
        workers: dict[str, list[Process]] = {"quartpatterns": [], "Celery": []}
        for number in range(WORKERS):
            log = folder / f"worker{number}.log"
            workers["quartpatterns"].append(stack.enter_context(Process(ours, log=log)))
        workers["Celery"].append(stack.enter_context(Process(theirs, log=folder / "celery.log")))
        for worker in workers["quartpatterns"]:
            worker.wait_until(functools.partial(_is_ready, worker))
        yield workers


def _is_ready(worker: Process) -> bool:
    return "ready for the jobs" in worker.output()


async def _measure_ours(jobs: int, latencies: int, workers: list[Process], url: str) -> Measurement:
    app = quart_app()
    queue = app.extensions["tasks"].settings.queue_name
    async with app.app_context(), _client(url) as redis:
        await (await measured.delay(time.time())).wait(timeout=60)
        handles = []
        for _ in range(latencies):
            handles.append(await measured.delay(time.time()))
            await asyncio.sleep(PAUSE)
        delays = [await handle.wait(timeout=60) for handle in handles]
        cpu, start = _cpu_seconds(workers), time.perf_counter()
        for _ in range(jobs):
            await measured.delay(0.0)
        await _until(lambda: redis.zcard(queue), lambda waiting: waiting == 0)
        seconds = time.perf_counter() - start
        return _measurement(jobs, seconds, _cpu_seconds(workers) - cpu, delays)


async def _celery(jobs: int, latencies: int, workers: list[Process], url: str) -> Measurement:
    app = _celery_app(url)
    task: Any = app.tasks["measured"]
    async with _client(_results(url)) as results:

        async def result(id: str) -> float:
            data = await _until(lambda: results.get(f"celery-task-meta-{id}"), bool)
            return float(json.loads(data)["result"])

        await result(task.delay(time.time()).id)
        ids = []
        for _ in range(latencies):
            ids.append(task.delay(time.time()).id)
            await asyncio.sleep(PAUSE)
        delays = [await result(id) for id in ids]
        await results.flushdb()
        cpu, start = _cpu_seconds(workers), time.perf_counter()
        for _ in range(jobs):
            task.delay(0.0)
        await _until(results.dbsize, lambda done: done >= jobs)
        seconds = time.perf_counter() - start
        cpu = _cpu_seconds(workers) - cpu
    app.backend.result_consumer.stop()
    app.close()
    return _measurement(jobs, seconds, cpu, delays)


async def _until(ask: Callable[[], Awaitable[Any]], accept: Callable[[Any], bool]) -> Any:
    """Ask Redis until the answer is accepted, and return it."""
    while not accept(answer := await ask()):  # noqa: ASYNC110 - Redis sends no event
        await asyncio.sleep(0.002)
    return answer


def _measurement(jobs: int, seconds: float, cpu: float, delays: list[float]) -> Measurement:
    ordered = sorted(delays)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return Measurement(
        jobs / seconds, 1000 * cpu / jobs, 1000 * statistics.median(ordered), 1000 * p99
    )


def _cpu_seconds(workers: list[Process]) -> float:
    """Return the CPU time that *workers* and their children have used."""
    seconds = 0.0
    for worker in workers:
        parent = psutil.Process(worker.pid)
        for process in [parent, *parent.children(recursive=True)]:
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


@contextlib.asynccontextmanager
async def _client(url: str) -> AsyncIterator[Any]:
    client = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]  untyped
    try:
        yield client
    finally:
        await client.aclose()


@click.command()
@click.option("--jobs", default=2000, show_default=True, help="Jobs in a round.")
@click.option("--rounds", default=3, show_default=True, help="Rounds.")
@click.option("--latencies", default=200, show_default=True, help="Jobs for the latency.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(jobs: int, rounds: int, latencies: int, as_json: bool) -> None:
    """Measure this package and Celery, two worker processes each, on one Valkey."""
    found = measure(jobs, rounds, latencies)
    if as_json:
        click.echo(json.dumps({name: asdict(one) for name, one in found.items()}))
        return
    versions = {"Celery": metadata.version("celery")}
    click.echo("| | jobs/s | CPU for a job | latency, median | latency, 99 % |")
    click.echo("| --- | --- | --- | --- | --- |")
    for name, one in found.items():
        title = " ".join(filter(None, (name, versions.get(name))))
        click.echo(
            f"| {title} | {one.jobs_per_second:.0f} | {one.cpu:.2f} ms"
            f" | {one.p50:.1f} ms | {one.p99:.1f} ms |"
        )


if __name__ == "__main__":
    main()
