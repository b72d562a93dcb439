"""Chains, groups and chords, with a worker and with eager tasks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from quartpatterns.compare.processes import in_thread
from quartpatterns.tasks import (
    Retry,
    TaskFailedError,
    Tasks,
    chain,
    chord,
    current_job,
    group,
    run_worker,
)
from quartpatterns.tasks.queue import queue_of
from quartpatterns.tasks.testing import eager_tasks
from tests.tasks import shop
from tests.tasks.conftest import MakeApp, StartWorker

Running = Callable[[Quart], contextlib.AbstractAsyncContextManager[None]]


@contextlib.asynccontextmanager
async def with_worker(app: Quart) -> AsyncGenerator[None]:
    worker = asyncio.create_task(run_worker(app))
    async with app.app_context(), asyncio.timeout(60):
        yield
    worker.cancel()
    await asyncio.wait([worker])


@contextlib.asynccontextmanager
async def with_eager_tasks(app: Quart) -> AsyncGenerator[None]:
    with eager_tasks(app):
        async with app.app_context():
            yield


@pytest.fixture(params=[with_worker, with_eager_tasks])
def running(request: pytest.FixtureRequest) -> Any:
    """How the jobs run."""
    return request.param


class Shop:
    """Some tasks, and the calls that they got."""

    def __init__(self, tasks: Tasks) -> None:
        self.calls: list[str] = []

        @tasks.task
        async def add(a: int, b: int) -> int:
            self.calls.append("add")
            return a + b

        @tasks.task
        def total(numbers: list[int], more: int = 0) -> int:
            self.calls.append("total")
            return sum(numbers) + more

        @tasks.task
        async def fail(*_: Any) -> int:
            self.calls.append("fail")
            raise ValueError("too large")

        @tasks.task
        async def echo(value: Any = "nothing") -> Any:
            self.calls.append("echo")
            return value

        @tasks.task
        async def twice(number: int) -> int:
            self.calls.append("twice")
            if current_job.tries == 1:
                raise Retry(0)
            return 2 * number

        @tasks.task
        async def pair(first: int, second: int) -> list[int]:
            return [first, second]

        self.pair = pair
        self.add, self.total, self.fail, self.echo, self.twice = add, total, fail, echo, twice


async def test_chain(make_app: MakeApp, running: Running) -> None:
    """Each step gets the value of the one before as its first argument."""
    app, tasks = make_app()
    it = Shop(tasks)
    async with running(app):
        job = await chain(it.add.s(1, 2), it.add.s(3), it.add.s(b=4)).delay()
        assert await job.wait() == 10
        assert await (
            await (it.add.s(1, 1) | it.echo.si("other") | it.echo.s()).delay()
        ).wait() == ("other")
        assert (await tasks.result(job.id)).successful


async def test_group(make_app: MakeApp, running: Running) -> None:
    """The values of a group have the order of its members."""
    app, tasks = make_app()
    it = Shop(tasks)
    async with running(app):
        job = await group(it.add.s(number, 1) for number in range(20)).delay()
        assert await job.wait() == list(range(1, 21))
        assert all(result.ready for result in await job.results())
        assert await (await group([]).delay()).wait() == []


async def test_chord(make_app: MakeApp, running: Running) -> None:
    """The body gets the values in order, and then its own arguments."""
    app, tasks = make_app()
    it = Shop(tasks)
    async with running(app):
        job = await chord([it.add.s(n, n) for n in range(5)], it.total.s(more=100)).delay()
        assert await job.wait() == 120
        other = await (group([it.twice.s(1), it.echo.s(3)]) | it.echo.s()).delay()
        assert await other.wait() == [2, 3]
        assert await (await chord([], it.echo.s()).delay()).wait() == []
        assert await (await chord([it.add.s(1, 1)], it.echo.si("done")).delay()).wait() == "done"
        assert it.calls.count("total") == 1


async def test_nested(make_app: MakeApp, running: Running) -> None:
    """Chains, groups and chords contain each other."""
    app, tasks = make_app()
    it = Shop(tasks)
    add, echo, total = it.add, it.echo, it.total
    async with running(app):
        steps: list[tuple[Any, Any]] = [
            (add.s(1, 1) | group([add.s(1), add.s(2), add.s(3)]), [3, 4, 5]),
            (add.s(1, 1) | group([add.s(1), add.s(2)]) | total.s() | add.s(10), 17),
            (group([add.s(1, 1), add.s(2, 2)]) | group([total.s(), echo.s()]), [6, [2, 4]]),
            (chain(echo.s(1)), 1),
            (chain(chain(echo.s(1), add.s(1)), chain(add.s(1), add.s(1))), 4),
            (chord([chord([echo.s(1), echo.s(2)], total.s()), echo.s(4)], total.s()), 7),
            (chord([group([echo.s(1), echo.s(2)]), echo.s(3)], echo.s()), [[1, 2], 3]),
            (group([echo.s(1)]) | total.s().set(countdown=0) | add.s(1), 2),
            (group([]) | echo.s() | group([echo.s(), echo.si(0)]), [[], 0]),
        ]
        for step, expected in steps:
            assert await (await step.delay()).wait() == expected, step
        job = await group([group([echo.s(1), echo.s(2)]), chain(echo.s(3), add.s(1))]).delay()
        assert await job.wait() == [[1, 2], 4]


async def test_values(make_app: MakeApp, running: Running) -> None:
    """Values come through joins as JSON has them: texts, floats, empty lists and objects."""
    app, tasks = make_app()
    it = Shop(tasks)
    values: list[Any] = [None, 1.5, 2**60, "é \ud800 \0 \"'\\", [], {}, [{"a": []}], True]
    async with running(app):
        job = await chord([it.echo.s(value) for value in values], it.echo.s()).delay()
        assert await job.wait() == values


async def test_failed_link(make_app: MakeApp, running: Running) -> None:
    """A step that fails ends the chain with its error; the later steps do not run."""
    app, tasks = make_app()
    it = Shop(tasks)
    async with running(app):
        job = await chain(it.echo.s(1), it.fail.s(), it.add.s(1), it.add.s(1)).delay()
        with pytest.raises(TaskFailedError, match="^ValueError: too large$"):
            await job.wait()
        assert it.calls == ["echo", "fail"]


@pytest.mark.parametrize("kind", ["member", "chain", "inner", "body", "argument"])
async def test_failed_chord(make_app: MakeApp, running: Running, kind: str) -> None:
    """A member that fails makes the chord fail with its error, however deep it is."""
    app, tasks = make_app()
    it = Shop(tasks)
    ok, fail, total = it.echo.s(1), it.fail.s(), it.total.s()
    step: Any = {
        "member": chord([ok, fail, ok, fail], total),
        "chain": chord([ok, chain(ok, fail, it.echo.s())], total),
        "inner": chord([ok, chord([ok, fail], it.echo.s())], total) | it.echo.s(),
        "body": chord([ok, ok], it.fail.s()) | total,
        "argument": chord([it.echo.s("text")], total),
    }[kind]
    async with running(app):
        job = await step.delay()
        text = "TypeError" if kind == "argument" else "^ValueError: too large$"
        with pytest.raises(TaskFailedError, match=text):
            await job.wait()
        assert it.calls.count("total") == (kind == "argument")


async def test_failed_group(make_app: MakeApp, running: Running) -> None:
    """Waiting for a group raises the error of a member; the others have their values."""
    app, tasks = make_app()
    it = Shop(tasks)
    async with running(app):
        job = await group([it.echo.s(1), it.fail.s(), it.echo.s(3)]).delay()
        with pytest.raises(TaskFailedError, match="too large"):
            await job.wait()
        assert await job.jobs[2].wait() == 3


async def test_large_group(make_app: MakeApp, running: Running) -> None:
    """A chord of 1,000 members has one body, which gets all values in order."""
    app, tasks = make_app(TASKS_MAX_JOBS=100)
    it = Shop(tasks)
    async with running(app):
        header = [it.echo.s(number) for number in range(1000)]
        job = await (
            it.echo.s(0) | group(it.pair.s(number) for number in range(1000)) | it.echo.s()
        ).delay()
        assert await job.wait() == [[0, number] for number in range(1000)]
        assert await (await chord(header, it.echo.s()).delay()).wait() == list(range(1000))


async def test_revoke_step(make_app: MakeApp) -> None:
    """Revoking the job of a chain ends it, whether its last step waits, or is not queued yet."""
    app, tasks = make_app()
    it = Shop(tasks)
    async with app.app_context():
        later = await chain(it.echo.s(1), it.total.si([1])).delay()
        waiting = await chain(it.total.si([1]), it.echo.s()).delay()
        queue = queue_of(app)
        async with queue.client() as client:
            ids = await client.redis.zrange(queue.settings.queue_name, 0, -1)
        step = tasks.job(ids[1].decode().removeprefix(queue.arq_id("")))
        assert [await later.revoke(), await step.revoke()] == [True, True]
        await run_worker(app, burst=True)
        for job in (later, waiting):
            with pytest.raises(TaskFailedError, match="CancelledError: the job was revoked"):
                await job.wait(timeout=60)
    assert it.calls == ["echo"]


async def test_expired_step(make_app: MakeApp) -> None:
    """A step that waits too long ends the chain, whose data outlasts the time to wait."""
    app, tasks = make_app()
    it = Shop(tasks)
    async with app.app_context():
        job = await chain(it.echo.s(1).set(expires=0.01), it.echo.s()).delay()
        await asyncio.sleep(0.1)
        await run_worker(app, burst=True)
        with pytest.raises(TaskFailedError, match="job expired"):
            await job.wait(timeout=60)
    assert it.calls == []


async def test_options_of_steps(make_app: MakeApp, running: Running) -> None:
    """Each step has its own queue and start."""
    app, tasks = make_app(TASKS_QUEUES=["default", "low"])
    it = Shop(tasks)
    past = datetime(2020, 1, 1, tzinfo=UTC)
    async with running(app):
        step = it.echo.s(1).set(queue="low") | it.add.s(1).set(eta=past) | it.add.s(1)
        assert await (await step.delay()).wait() == 3


async def test_wrong_steps(make_app: MakeApp) -> None:
    """Steps that cannot run are an error when the canvas is queued."""
    app, tasks = make_app(TASKS_QUEUES=["default", "low"])
    it = Shop(tasks)
    echo, add = it.echo, it.add
    unknown: Any = {"unique": 60}
    async with app.app_context():
        for step, message in [
            (echo.s(1) | add.s(1, 2), "too many positional arguments"),
            (add.s(1) | echo.s(), "missing a required argument: 'b'"),
            (echo.s(1) | echo.s().set(queue="hihg"), "unknown queue 'hihg'"),
            (echo.s(1) | echo.s().set(**unknown), "unknown options: unique; they are task_id"),
            (echo.s(1) | echo.si(object()), "is not JSON"),
            (chain(), "a chain needs a step"),
        ]:
            with pytest.raises((TypeError, ValueError), match=message):
                await step.delay()
        with pytest.raises(TypeError):
            echo.s() | 5  # type: ignore[operator]
    assert repr(echo.s(1) | group([add.s(1, b=2)])).startswith("chain(")


async def test_eager_view(make_app: MakeApp) -> None:
    """With eager tasks, a view can queue a canvas and wait for it."""
    app, tasks = make_app()
    it = Shop(tasks)

    @app.get("/")
    async def view() -> list[int]:
        first = await chord([it.echo.s(1), it.echo.s(2)], it.total.s()).delay()
        second = await chain(it.echo.s(1), it.add.s(2)).delay()
        return [await second.wait(), await first.wait()]

    with eager_tasks(app):
        response = await app.test_client().get("/")
        assert await response.get_json() == [3, 3]


async def test_worker_dies(make_app: MakeApp, start_worker: StartWorker, tmp_path: Path) -> None:
    """If workers die while the members of a chord run, its body runs once with all values."""
    app, _ = make_app()
    del app.extensions["tasks"]
    shop.tasks.init_app(app)
    bodies = tmp_path / "bodies"
    async with contextlib.AsyncExitStack() as stack, app.app_context():
        for number in range(3):
            await stack.enter_async_context(
                in_thread(start_worker(f"worker{number}", TASKS_LEASE=1, TASKS_MAX_JOBS=2))
            )
        header = [shop.slow_double.s(number) for number in range(12)]
        job = await (chord(header, shop.note_body.s(str(bodies))) | shop.same.s()).delay()
        for _ in range(2):
            pid = await (await shop.process_id.delay()).wait(timeout=60)
            os.kill(pid, signal.SIGKILL)
        assert await job.wait(timeout=60) == [2 * number for number in range(12)]
    assert len(bodies.read_text().splitlines()) == 1
