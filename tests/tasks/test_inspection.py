"""Lists, numbers, retry, revoke and purge of jobs, in Python and on the command line."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from quart import Quart
from redis.asyncio import Redis

from quartpatterns.compare.processes import in_thread
from quartpatterns.tasks import (
    NoSuchJobError,
    Retry,
    TaskFailedError,
    Tasks,
    chain,
    chord,
    current_job,
    run_worker,
    task_failed,
    task_retried,
    task_revoked,
    task_started,
    task_succeeded,
)
from tests.tasks.conftest import MakeApp, StartWorker
from tests.tasks.test_worker import run_jobs


@asynccontextmanager
async def worker_of(app: Quart) -> AsyncGenerator[None]:
    """A worker in this event loop."""
    worker = asyncio.create_task(run_worker(app, handle_signals=False))
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.wait([worker])


@pytest.mark.parametrize("one", [False, True])
async def test_purge_of_a_chain(make_app: MakeApp, one: bool) -> None:
    """Whoever waits for the end of a chain or a chord learns that a step was deleted."""
    app, tasks = make_app()

    @tasks.task(name="same")
    async def same(value: Any) -> Any:
        return value

    async with app.app_context():
        ends = [
            await chain(same.s(1), same.s()).delay(),
            await chord([same.s(1), same.s(2)], same.s()).delay(),
        ]
        ids = [job.id for job in (await tasks.inspect.jobs("queued")).jobs]
        assert len(ids) == 3
        if one:
            for id in ids:
                await tasks.inspect.forget(id)
        else:
            assert await tasks.inspect.purge("queued") == 3
        async with worker_of(app):
            for job in ends:
                with pytest.raises(TaskFailedError, match="CancelledError"):
                    await job.wait(timeout=30)


async def in_state(tasks: Tasks, id: str, state: str) -> Any:
    async with asyncio.timeout(30):
        while (job := await tasks.inspect.job(id)).state != state:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return job


async def test_failed_job(make_app: MakeApp) -> None:
    """A failed job is kept with its traceback although its result expires, until a retry works."""
    app, tasks = make_app(TASKS_KEEP_RESULT=0)
    broken = [True]

    @tasks.task(name="divide")
    async def divide(a: int, *, by: set[int]) -> float:
        if broken:
            raise ValueError("too large")
        return a / min(by)

    async with app.app_context():
        job = await divide.delay(1, by={2})
        await run_jobs(app)
        [failed] = (await tasks.inspect.jobs("failed")).jobs
        assert (failed.id, failed.task, failed.args, failed.kwargs) == (
            job.id,
            "divide",
            [1],
            {"by": {2}},
        )
        assert (failed.error, failed.tries, failed.call) == (
            "ValueError: too large",
            1,
            "1, by={2}",
        )
        assert failed.traceback is not None and "in divide" in failed.traceback
        assert failed.seconds is not None and failed.ended is not None
        assert await tasks.inspect.job(job.id) == failed
        broken.clear()
        await tasks.inspect.retry(job.id)
        assert (await tasks.inspect.job(job.id)).state == "queued"
        await run_jobs(app)
        assert not (await tasks.inspect.jobs("failed")).jobs
        [stats] = await tasks.inspect.stats()
        assert stats.ended == {"failed": 1, "succeeded": 1, "retried": 0, "revoked": 0}
        with pytest.raises(NoSuchJobError, match="no job '.*' has failed or waits"):
            await tasks.inspect.retry(job.id)


async def test_states(make_app: MakeApp) -> None:
    """Each state, and what is known about a job in it."""
    app, tasks = make_app(TASKS_MAX_JOBS=2)
    go_on = asyncio.Event()

    @tasks.task(name="work")
    async def work(number: int) -> int:
        await current_job.update_progress({"done": number})
        await go_on.wait()
        return 2 * number

    @tasks.task(name="fail_once")
    async def fail_once() -> None:
        try:
            raise ConnectionError("gone")
        except ConnectionError as error:
            raise Retry(3600) from error

    inspect = tasks.inspect
    async with app.app_context():
        retried = await fail_once.delay()
        later = await work.apply_async([5], countdown=1800)
        async with worker_of(app):
            job = await in_state(tasks, retried.id, "scheduled")
            assert (job.error, job.tries, job.worker) == ("ConnectionError: gone", 1, None)
            first, second, third = [await work.delay(number) for number in range(3)]
            await in_state(tasks, second.id, "running")
            async with asyncio.timeout(30):
                while (running := await inspect.job(first.id)).progress is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert running.progress == {"done": 0} and running.tries == 1
            assert running.worker is not None and str(os.getpid()) in running.worker
            assert running.seconds is not None and running.seconds >= 0

            async def ids(state: Any) -> list[str]:
                return [job.id for job in (await inspect.jobs(state)).jobs]

            assert await ids("queued") == [third.id]
            assert await ids("scheduled") == [later.id, retried.id]
            assert sorted(await ids("running")) == sorted([first.id, second.id])
            [stats] = await inspect.stats()
            assert (stats.queued, stats.scheduled, stats.running) == (1, 2, 2)
            await inspect.revoke(first.id)
            await in_state(tasks, first.id, "revoked")
            await inspect.revoke(later.id)
            go_on.set()
            job = await in_state(tasks, third.id, "done")
            assert job.value == 4
            await in_state(tasks, second.id, "done")
            assert set(await ids("done")) == {second.id, third.id}
            assert set(await ids("revoked")) == {first.id, later.id}
            await inspect.retry(retried.id)
            async with asyncio.timeout(30):
                while (await inspect.job(retried.id)).tries < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert await inspect.purge("done") == 4
        assert await inspect.purge("scheduled") == 1
        with pytest.raises(NoSuchJobError):
            await inspect.job(third.id)
        [stats] = await inspect.stats()
        assert (stats.queued, stats.scheduled, stats.running, stats.done) == (0, 0, 0, 0)
        for call in (inspect.revoke, inspect.forget, inspect.retry):
            with pytest.raises(NoSuchJobError):
                await call("unknown")


async def test_bounds(make_app: MakeApp, redis_url: str, queue_name: str) -> None:
    """Only so many failed jobs are kept, and a long queue is read and deleted in parts."""
    app, tasks = make_app(TASKS_KEEP_FAILED=3)

    @tasks.task(name="fail")
    async def fail(number: int) -> None:
        raise ValueError(number)

    async with app.app_context():
        for number in range(5):
            await fail.delay(number)
            await run_jobs(app)
        kept = (await tasks.inspect.jobs("failed")).jobs
        assert [job.args for job in kept] == [[4], [3], [2]]
        redis = Redis.from_url(redis_url)
        assert await cast("Any", redis.hlen(f"{queue_name}:failed:info")) == 3
        assert await cast("Any", redis.hlen(f"{queue_name}:failed:jobs")) == 3
        await tasks.inspect.forget(kept[0].id)
        assert await tasks.inspect.purge("failed") == 2
        assert not await redis.keys(f"{queue_name}:failed*")
        await redis.aclose()
        for number in range(1203):
            await fail.delay(number)
        page = await tasks.inspect.jobs("queued", limit=1000)
        assert (len(page.jobs), page.next_offset) == (1000, 1000)
        page = await tasks.inspect.jobs("queued", limit=1000, offset=1000)
        assert (len(page.jobs), page.next_offset) == (203, None)
        assert await tasks.inspect.purge("queued") == 1203
        with pytest.raises(ValueError, match="limit must be 1 to 1000"):
            await tasks.inspect.jobs("queued", limit=1001)
        with pytest.raises(ValueError, match="state must be one of queued,"):
            await tasks.inspect.jobs(cast("Any", "waiting"))
        with pytest.raises(ValueError, match="no queue 'x': this application has"):
            await tasks.inspect.jobs("failed", queue="x")


async def test_long_arguments(make_app: MakeApp) -> None:
    """A list leaves out long arguments and names the task; one job has all."""
    app, tasks = make_app()

    @tasks.task(name='read "ä"')
    async def read(text: str) -> str:
        return text

    async with app.app_context():
        job = await read.delay("x" * 100_000)
        [listed] = (await tasks.inspect.jobs("queued")).jobs
        assert (listed.task, listed.args, listed.call) == ('read "ä"', None, "...")
        assert (await tasks.inspect.job(job.id)).args == ["x" * 100_000]
        await run_jobs(app)
        [listed] = (await tasks.inspect.jobs("done")).jobs
        assert (listed.task, listed.args) == ('read "ä"', None)
        assert (await tasks.inspect.job(job.id)).value == "x" * 100_000


async def test_eager(app_class: type[Quart]) -> None:
    """An application that runs its jobs itself says where to look."""
    app = app_class(__name__)
    app.config["TASKS_EAGER"] = True
    tasks = Tasks(app)
    async with app.app_context():
        with pytest.raises(RuntimeError, match="TASKS_EAGER"):
            await tasks.inspect.stats()


@pytest.mark.parametrize("eager", [False, True])
async def test_signals(make_app: MakeApp, eager: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Receivers get each event; one that fails changes nothing."""
    app, tasks = make_app(TASKS_EAGER=eager, TESTING=True)
    events: list[tuple[Any, ...]] = []

    @tasks.task(name="work")
    async def work(fate: str) -> str:
        if fate == "fail":
            raise ValueError(fate)
        if fate == "retry" and current_job.tries == 1:
            raise Retry(0) from KeyError(fate)
        return fate

    async def started(sender: Quart, *, job: Any, task: Any) -> None:
        await asyncio.sleep(0)
        events.append(("started", task.name, job.tries))
        raise RuntimeError("broken receiver")

    def succeeded(sender: Quart, *, job: Any, task: Any, value: Any) -> None:
        events.append(("succeeded", value))
        raise SystemExit

    async def failed(sender: Quart, *, job: Any, task: Any, error: Any) -> None:
        events.append(("failed", repr(error), sender is app))
        raise asyncio.CancelledError

    async def retried(sender: Quart, *, job: Any, task: Any, error: Any, countdown: Any) -> None:
        events.append(("retried", repr(error), job.tries))

    async def revoked(sender: Quart, *, job: Any, task: Any) -> None:
        events.append(("revoked", task.name))

    task_started.connect(started, app)
    task_succeeded.connect(succeeded, app)
    task_failed.connect(failed, app)
    task_retried.connect(retried, app)
    task_revoked.connect(revoked, app)

    async def run(fate: str) -> list[tuple[Any, ...]]:
        events.clear()
        job = await work.delay(fate)
        if not eager:
            await run_jobs(app)
        assert (await job.result()).successful == (fate != "fail")
        return list(events)

    async with app.app_context():
        assert await run("pass") == [("started", "work", 1), ("succeeded", "pass")]
        assert await run("fail") == [
            ("started", "work", 1),
            ("failed", "ValueError('fail')", True),
        ]
        assert await run("retry") == [
            ("started", "work", 1),
            ("retried", "KeyError('retry')", 1),
            ("started", "work", 2),
            ("succeeded", "retry"),
        ]
        events.clear()
        job = await work.apply_async(["pass"], countdown=1000)
        assert await job.revoke()
        assert events == [("revoked", "work")]
    assert "a receiver of task-started failed: RuntimeError('broken receiver')" in caplog.text


async def command(*args: str, env: dict[str, str]) -> tuple[int, str, str]:
    """Run ``quartpatterns tasks``; return its exit code and what it has printed."""
    program = [sys.executable, "-m", "quartpatterns", "tasks", *args]
    done = await asyncio.to_thread(
        subprocess.run, program, env=os.environ | env, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
async def test_command(
    make_app: MakeApp, start_worker: StartWorker, redis_url: str, queue_name: str
) -> None:
    """``quartpatterns tasks``: tables, JSON and exit codes."""
    from tests.tasks import shop

    app, _ = make_app()
    env = {"QUART_REDIS_URL": redis_url, "QUART_TASKS_QUEUE_NAME": queue_name}
    name = "tests.tasks.shop:create_app()"
    async with app.app_context():
        lost = await shop.slow_double.delay(cast("Any", None))
        async with in_thread(start_worker()):
            async with asyncio.timeout(60):
                while not (await lost.result()).ready:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        waits = await shop.slow_double.apply_async([4], countdown=3000)
    code, output, _ = await command("list", name, "--json", env=env)
    jobs = {job["id"]: job for job in json.loads(output)}
    assert code == 0 and jobs.keys() == {lost.id, waits.id}
    assert "TypeError" in jobs[lost.id]["traceback"] and jobs[waits.id]["args"] == [4]
    code, output, _ = await command("list", name, "--state", "failed", env=env)
    assert code == 0 and lost.id in output and waits.id not in output and "slow_double" in output
    code, output, _ = await command("show", name, lost.id, env=env)
    assert code == 0 and "Traceback (most recent call last)" in output
    code, output, _ = await command("retry", name, lost.id, "unknown", env=env)
    assert code == 1
    code, output, _ = await command("stats", name, "--json", env=env)
    assert json.loads(output)[0]["queued"] == 1 and code == 0
    code, output, _ = await command("stats", name, env=env)
    assert queue_name in output
    assert (await command("revoke", name, waits.id, env=env))[:2] == (0, "1 revoked\n")
    code, output, errors = await command("purge", name, "--state", "queued", "--yes", env=env)
    assert (code, output) == (0, "1 deleted\n")
    code, output, errors = await command("show", name, "unknown", env=env)
    assert (code, output) == (1, "") and "no job 'unknown'" in errors
    assert (await command("retry", name, env=env))[0] == 2
    code, output, errors = await command(
        "list", name, env=env | {"QUART_REDIS_URL": "redis://127.0.0.1:1"}
    )
    assert code == 1 and "can't be reached" in errors and "Traceback" not in errors
