"""Chains and groups together with signed jobs, unique jobs, rate limits and the failed jobs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from quartpatterns.tasks import TaskFailedError, Tasks, chain, chord, group, run_worker
from quartpatterns.tasks.queue import queue_of
from quartpatterns.tasks.testing import eager_tasks
from tests.tasks.conftest import MakeApp
from tests.tasks.test_limits import change_job, job_data

VALUES = [date(2026, 1, 31), Decimal("1.50"), {1, 2}, b"\xff", ("a", 1), '{" p": 1}, ', [], None]
SIGNED = {"TASKS_SIGNED": True, "SECRET_KEY": "key"}


class Work:
    def __init__(self, tasks: Tasks) -> None:
        self.fails = True
        self.calls: list[str] = []

        @tasks.task
        async def echo(value: Any) -> Any:
            self.calls.append("echo")
            return value

        @tasks.task
        async def fail(value: Any) -> Any:
            self.calls.append("fail")
            if self.fails:
                raise ValueError("too large")
            return value

        @tasks.task(unique=True)
        async def once(value: int) -> int:
            self.calls.append("once")
            return value

        self.echo, self.fail, self.once = echo, fail, once


@pytest.mark.parametrize("settings", [{}, SIGNED], ids=["unsigned", "signed"])
async def test_values(make_app: MakeApp, settings: dict[str, Any]) -> None:
    """The values of steps and of members have their types, in a chord of a chain of a group."""
    app, tasks = make_app(**settings)
    work = Work(tasks)
    async with app.app_context():
        members = [work.echo.s(value) for value in VALUES]
        steps = chain(group(members), work.echo.s(), group([work.echo.s(), work.echo.si(1)]))
        jobs = [await steps.delay(), await chord(members, work.echo.s()).delay()]
        empty = await chain(group([]), work.echo.s()).delay()
        await run_worker(app, burst=True)
        assert await jobs[0].wait(timeout=60) == [VALUES, 1]
        assert await jobs[1].wait(timeout=60) == VALUES
        assert await empty.wait(timeout=60) == []


def swap(data: bytes, other: bytes) -> bytes:
    first, second = values_in(data)
    return data.replace(first + b", " + second, second + b", " + first)


FORGERIES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "unsigned": lambda data, other: b'{"v": [100, 2], ' + data[data.index(b'"t":') :],
    "changed": lambda data, other: data.replace(b'"value":1', b'"value":100'),
    "swapped": swap,
    "of another chord": lambda data, other: data.replace(values_in(data)[0], values_in(other)[0]),
    "fewer": lambda data, other: data.replace(b", " + values_in(data)[1], b""),
    "none": lambda data, other: b"{" + data[data.index(b'"t":') :],
    "twice": lambda data, other: b'{"v": [100], ' + data[1:],
}


def values_in(data: bytes) -> tuple[bytes, bytes]:
    """Return the two signed values with which *data* begins."""
    first, second = re.findall(rb'{"join".*?"}', data)
    return first, second


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forged_value(make_app: MakeApp, forgery: str) -> None:
    """A signed body does not run with values that the members have not returned."""
    app, tasks = make_app(**SIGNED, TASKS_QUEUES=["default", "low"])
    work = Work(tasks)
    async with app.app_context():
        body = work.echo.s().set(queue="low")
        header = [work.echo.s(1), work.echo.s(2)]
        good, forged = [await chord(header, body).delay() for _ in range(2)]
        await run_worker(app, queues=["default"], burst=True)
        other = await job_data(app, good.id)
        await change_job(app, forged.id, lambda data: FORGERIES[forgery](data, other))
        await run_worker(app, burst=True)
        assert await good.wait(timeout=60) == [1, 2]
        with pytest.raises(TaskFailedError, match="JobSignatureError"):
            await forged.wait(timeout=60)
    assert len(work.calls) == 5


async def test_values_for_another_job(make_app: MakeApp) -> None:
    """Values that are put before the data of a job that gets none stop it."""
    app, tasks = make_app(**SIGNED)
    work = Work(tasks)
    async with app.app_context():
        jobs = [await work.echo.delay(1) for _ in range(2)]
        await change_job(app, jobs[0].id, lambda data: b'{"v": [], ' + data[1:])
        await change_job(app, jobs[1].id, lambda data: b'{"v": [5], ' + data[1:])
        await run_worker(app, burst=True)
        for job in jobs:
            with pytest.raises(TaskFailedError, match="JobSignatureError"):
                await job.wait(timeout=60)
    assert work.calls == []


async def test_retried_step(make_app: MakeApp) -> None:
    """A failed step is kept, the later ones are not; a retry goes on with the later ones."""
    app, tasks = make_app()
    work = Work(tasks)
    async with app.app_context():
        job = await chain(work.echo.s(1), work.fail.s(), work.echo.s(), work.echo.s()).delay()
        await run_worker(app, burst=True)
        with pytest.raises(TaskFailedError, match="ValueError: too large"):
            await job.wait(timeout=60)
        (failed,) = (await tasks.inspect.jobs("failed")).jobs
        assert (failed.task, failed.args) == (work.fail.name, [1])
        work.fails = False
        await tasks.inspect.retry(failed.id)
        await run_worker(app, burst=True)
        assert await job.wait(timeout=60) == 1
        assert not (await tasks.inspect.jobs("failed")).jobs
    assert work.calls == ["echo", "fail", "fail", "echo", "echo"]


async def test_retried_body(make_app: MakeApp) -> None:
    """The body of a chord has its values again if it is retried."""
    app, tasks = make_app(**SIGNED)
    work = Work(tasks)
    async with app.app_context():
        job = await chord([work.echo.s(1), work.echo.s(2)], work.fail.s()).delay()
        await run_worker(app, burst=True)
        (failed,) = (await tasks.inspect.jobs("failed")).jobs
        assert failed.args == [[1, 2]]
        work.fails = False
        await tasks.inspect.retry(failed.id)
        await run_worker(app, burst=True)
        assert await job.wait(timeout=60) == [1, 2]


async def test_revoked_step_counts(make_app: MakeApp) -> None:
    """A revoked job is counted and listed in its queue, and what depends on it fails."""
    app, tasks = make_app(TASKS_QUEUES=["default", "low"])
    work = Work(tasks)
    async with app.app_context():
        job = await chain(work.echo.s(1).set(queue="low"), work.echo.s()).delay()
        (waits,) = (await tasks.inspect.jobs("queued", queue=queue_of(app).names[1])).jobs
        await tasks.inspect.revoke(waits.id)
        assert [one.ended["revoked"] for one in await tasks.inspect.stats()] == [0, 1]
        with pytest.raises(TaskFailedError, match="CancelledError"):
            await job.wait(timeout=60)


@pytest.mark.parametrize("eager", [False, True])
async def test_unique(make_app: MakeApp, eager: bool) -> None:
    """Calls that are queued together are compared too; a step of a chain cannot be unique."""
    app, tasks = make_app()
    work = Work(tasks)

    async def check(run: Callable[[], Awaitable[object]]) -> None:
        delayed = [work.once.s(value).set(countdown=60) for value in (1, 2, 1)]
        jobs = await tasks.enqueue([*delayed, work.echo.s(3)])
        again = await work.once.apply_async([2])
        assert [job.id for job in (jobs[2], again)] == [jobs[0].id, jobs[1].id]
        assert len({job.id for job in jobs}) == 3
        await run()
        for step in (chain(work.once.s(1), work.echo.s()), chord([work.echo.s(1)], work.once.s())):
            with pytest.raises(ValueError, match="has unique, so it can be neither"):
                await step.delay()

    if eager:
        with eager_tasks(app) as queue:
            async with app.app_context():
                await check(queue.run_scheduled)
        assert work.calls == ["echo", "once", "once"]
    else:
        async with app.app_context():
            await check(lambda: asyncio.sleep(0))


async def test_expires_with_a_rate_limit(make_app: MakeApp) -> None:
    """A job that its rate limit holds back longer than it may wait is not started."""
    app, tasks = make_app()
    calls: list[int] = []

    @tasks.task(rate_limit="20/m")
    async def slow(value: int) -> int:
        calls.append(value)
        return value

    async with app.app_context():
        first = await slow.apply_async([1], expires=2)
        second = await slow.apply_async([2], expires=2)
        await run_worker(app, burst=True)
        results = [await first.result(), await second.result()]
    assert sorted(result.successful for result in results) == [False, True]
    assert [result.value for result in results if not result.successful] == [
        "JobExecutionFailed: job expired"
    ]
    assert len(calls) == 1
