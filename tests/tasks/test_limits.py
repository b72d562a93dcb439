"""Signed jobs, rate limits, unique jobs, sizes, and data of other versions."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from quart import Quart

from quartpatterns.tasks import Retry, TaskFailedError, current_job
from quartpatterns.tasks.queue import queue_of
from tests.tasks.conftest import MakeApp
from tests.tasks.test_inspection import in_state, worker_of
from tests.tasks.test_worker import run_jobs


async def job_data(app: Quart, id: str) -> bytes:
    """Return the data of a job in Redis."""
    queue = queue_of(app)
    async with queue.client() as client:
        data: bytes = await client.redis.get(f"arq:job:{queue.arq_id(id)}")
    return data


def replace(new: bytes, _: bytes) -> bytes:
    return new


async def change_job(app: Quart, id: str, change: Callable[[bytes], bytes]) -> None:
    """Change the data of a job in Redis, as somebody can who has only Redis."""
    queue, data = queue_of(app), await job_data(app, id)
    async with queue.client() as client:
        await client.redis.set(f"arq:job:{queue.arq_id(id)}", change(data))


async def test_signed(make_app: MakeApp) -> None:
    """A job runs only with a signature of the application, for this job."""
    app, tasks = make_app(TASKS_SIGNED=True, SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"])
    before, _ = make_app(TASKS_SIGNED=True, SECRET_KEY="old")
    stranger, _ = make_app(TASKS_SIGNED=True, SECRET_KEY="other")
    unsigned, _ = make_app()
    ran = []

    @tasks.task(name="pay")
    async def pay(amount: int) -> int:
        ran.append(amount)
        return amount

    async def queued_by(other: Quart, amount: int) -> Any:
        async with other.app_context():
            return await pay.delay(amount)

    good = [await queued_by(app, 1), await queued_by(before, 2)]
    bad = [await queued_by(stranger, 3), await queued_by(unsigned, 4), await queued_by(app, 5)]
    await change_job(app, bad[2].id, lambda data: data.replace(b"[5]", b"[500]"))
    replayed = await queued_by(app, 6)
    other = await queued_by(app, 7)
    taken = await job_data(app, replayed.id)
    await change_job(app, other.id, lambda data: taken)
    async with app.app_context():
        await run_jobs(app)
        assert [await job.wait(timeout=60) for job in good] == [1, 2]
        assert sorted(ran) == [1, 2, 6]
        for job, reason in [
            (bad[0], "signature of the job is wrong"),
            (bad[1], "job is not signed"),
            (bad[2], "signature of the job is wrong"),
            (other, "signed with another id"),
        ]:
            with pytest.raises(TaskFailedError, match=f"JobSignatureError: .*{reason}"):
                await job.wait(timeout=60)
    with pytest.raises(ValueError, match="TASKS_SIGNED needs a SECRET_KEY"):
        make_app(TASKS_SIGNED=True)


async def test_data_of_before(make_app: MakeApp) -> None:
    """Jobs that were queued as plain JSON still run, whatever their keys look like."""
    app, tasks = make_app()

    @tasks.task(name="same")
    async def same(value: Any) -> Any:
        return value

    plain: dict[str, Any] = {
        "t": None,
        "f": "same",
        "a": [{" d": "no date", "é": [1, None]}],
        "k": {},
        "et": 1,
    }
    odd = plain | {"a": [{" d": "no date"}]}
    async with app.app_context():
        jobs = [await same.delay(0), await same.delay(0)]
        for job, data in zip(jobs, (plain, odd), strict=True):
            await change_job(app, job.id, functools.partial(replace, json.dumps(data).encode()))
        await run_jobs(app)
        values = [await job.wait(timeout=60) for job in jobs]
    assert values == [cast("Any", plain)["a"][0], {" d": "no date"}]


async def test_rate_of_jobs_that_do_not_run(make_app: MakeApp) -> None:
    """Jobs that are revoked or purged leave their times to others."""
    app, tasks = make_app()

    @tasks.task(name="call", rate_limit="1/m")
    async def call(number: int) -> int:
        return number

    @tasks.task(name="often", rate_limit="1/s")
    async def often(number: int) -> int:
        return number

    async def scheduled(number: int) -> None:
        async with asyncio.timeout(30):
            while (await tasks.inspect.stats())[0].scheduled != number:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async with app.app_context(), worker_of(app):
        assert await (await call.delay(0)).wait(timeout=30) == 0
        rest = [await call.delay(number) for number in range(1, 5)]
        await scheduled(4)
        due = (await tasks.inspect.job(rest[0].id)).due
        await rest[0].revoke()
        await scheduled(3)
        last = await call.delay(9)
        await scheduled(4)
        assert (await tasks.inspect.job(last.id)).due == due is not None
        for number in range(100):
            await often.delay(number)
        async with asyncio.timeout(30):
            while (await tasks.inspect.stats())[0].scheduled < 90:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await tasks.inspect.purge("scheduled") >= 80
        assert await (await often.delay(100)).wait(timeout=30) == 100


@pytest.mark.parametrize("rate", ["1e-300/d", "1e-9/d"])
def test_rate_too_low(make_app: MakeApp, rate: str) -> None:
    """A time between two starts that Redis cannot store is refused."""
    _, tasks = make_app()
    with pytest.raises(ValueError, match="rate_limit must be like"):
        tasks.task(rate_limit=rate)(test_rate_too_low)


async def test_unique_schedule(make_app: MakeApp) -> None:
    """A task of the schedule with unique is not queued while its last job runs."""
    app, tasks = make_app()
    ran, end = [], asyncio.Event()

    @tasks.task(name="slow", unique=True)
    async def slow() -> None:
        ran.append(1)
        await end.wait()

    @tasks.task(name="tick")
    async def tick() -> None:
        ran.append(0)

    tasks.cron(slow, second=set(range(60)))
    tasks.cron(tick, second=set(range(60)))
    async with app.app_context(), worker_of(app), asyncio.timeout(60):
        while ran.count(0) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert ran.count(1) == 1
        end.set()


async def test_long_countdown(make_app: MakeApp) -> None:
    """A countdown and a time to keep a result that Redis cannot store keep no outcome back."""
    app, tasks = make_app()

    @tasks.task(name="later")
    async def later() -> None:
        raise Retry(countdown=1e17)

    @tasks.task(name="keep", keep_result=1e17)
    async def keep() -> int:
        return 1

    async with app.app_context(), worker_of(app):
        job = await later.delay()
        assert await (await keep.delay()).wait(timeout=30) == 1
        await in_state(tasks, job.id, "scheduled")


async def test_size(make_app: MakeApp) -> None:
    """Arguments, results and progress that are too large are errors that name the setting."""
    app, tasks = make_app(TASKS_MAX_SIZE=2000)

    @tasks.task(name="repeat")
    async def repeat(text: str, number: int) -> str:
        return text * number

    @tasks.task(name="report")
    async def report(number: int) -> None:
        await current_job.update_progress("x" * number)

    async with app.app_context():
        with pytest.raises(ValueError, match="arguments of task repeat .* TASKS_MAX_SIZE is 2000"):
            await repeat.delay("x" * 2000, 1)
        job = await repeat.delay("x", 2000)
        await run_jobs(app)
        with pytest.raises(TaskFailedError, match="result of task .* TASKS_MAX_SIZE is 2000"):
            await job.wait(timeout=60)
        reporting = await report.delay(2000)
        await run_jobs(app)
        with pytest.raises(TaskFailedError, match="progress of job .* TASKS_MAX_SIZE is 2000"):
            await reporting.wait(timeout=60)


async def test_rate_limit(make_app: MakeApp) -> None:
    """Two workers together keep the rate, other tasks do not wait, and no job is lost."""
    app, tasks = make_app()
    starts: list[float] = []

    @tasks.task(name="limited", rate_limit="20/s")
    async def limited(number: int) -> int:
        starts.append(time.monotonic())
        return number

    @tasks.task(name="free")
    async def free() -> int:
        return len(starts)

    async with app.app_context():
        jobs = [await limited.delay(number) for number in range(12)]
        other = await free.delay()
        async with worker_of(app), worker_of(app):
            assert await other.wait(timeout=60) < 12
            assert [await job.wait(timeout=60) for job in jobs] == list(range(12))
    # The times of two starts may be a little closer than their slots; many are not.
    assert starts[-1] - starts[0] > 11 / 20 * 0.9


@pytest.mark.parametrize("rate", ["", "x/s", "10/y", 0, -1, "0/s", True, "nan/s"])
def test_invalid_rate(make_app: MakeApp, rate: Any) -> None:
    _, tasks = make_app()
    with pytest.raises(ValueError, match="rate_limit must be like '10/s'"):
        tasks.task(rate_limit=rate)(lambda: None)


@pytest.mark.parametrize("eager", [False, True])
async def test_unique(make_app: MakeApp, eager: bool) -> None:
    """The same call returns the first job while that waits or runs."""
    app, tasks = make_app(TASKS_EAGER=eager, TESTING=True)

    @tasks.task(name="by_arguments", unique=True)
    async def by_arguments(a: Any, b: Any = 2) -> Any:
        return a

    @tasks.task(name="by_key", unique=lambda user, text: user)
    async def by_key(user: int, text: str) -> str:
        return text

    later = {"countdown": 1000}
    async with app.app_context():
        first = await by_arguments.apply_async([{"x": 1, "y": {1, 2}}], **cast("Any", later))
        calls: list[tuple[list[Any], dict[str, Any]]] = [
            ([{"y": {2, 1}, "x": 1}], {}),
            ([{"x": 1, "y": {1, 2}}, 2], {}),
            ([], {"a": {"x": 1, "y": {1, 2}}, "b": 2}),
        ]
        for args, kwargs in calls:
            assert await by_arguments.apply_async(args, kwargs) == first
        other = await by_arguments.apply_async([{"x": 1, "y": {1, 3}}], **cast("Any", later))
        assert other != first
        await first.revoke()
        assert await by_arguments.apply_async([{"x": 1, "y": {1, 2}}]) != first
        one = await by_key.apply_async([1, "a"], **cast("Any", later))
        assert await by_key.delay(1, "b") == one
        assert await by_key.apply_async([2, "b"], **cast("Any", later)) != one


async def test_unique_while_running(make_app: MakeApp) -> None:
    """A job that runs counts, one that has ended does not, and seconds end it before."""
    app, tasks = make_app()
    started, go_on = asyncio.Event(), asyncio.Event()

    @tasks.task(name="work", unique=True)
    async def work() -> None:
        started.set()
        await go_on.wait()

    @tasks.task(name="short", unique=0.05)
    async def short() -> None: ...

    async with app.app_context():
        async with worker_of(app):
            job = await work.delay()
            async with asyncio.timeout(30):
                await started.wait()
            assert await work.delay() == job
            go_on.set()
            await job.wait(timeout=60)
            assert await work.delay() != job
        first = await short.delay()
        async with asyncio.timeout(30):
            while await short.delay() == first:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
