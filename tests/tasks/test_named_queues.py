"""Several queues of one application, and queueing many jobs or from synchronous code."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from quart import Quart

from quartpatterns.tasks import Job, TaskFailedError, Tasks, TasksUnavailableError, run_worker
from quartpatterns.tasks.queue import queue_of
from tests.tasks.conftest import MakeApp

QUEUES = ["high", "default", "low"]


async def test_priority(make_app: MakeApp) -> None:
    """A worker takes all jobs of a queue before those of the next one."""
    app, tasks = make_app(TASKS_QUEUES=QUEUES, TASKS_MAX_JOBS=1)
    order: list[int] = []

    @tasks.task
    async def note(number: int) -> None:
        order.append(number)

    @tasks.task(queue="high")
    async def note_first(number: int) -> None:
        order.append(number)

    async with app.app_context():
        await note.apply_async([5], queue="low")
        await note.delay(3)
        await note_first.delay(1)
        await note.delay(4)
        await note.apply_async([2], queue="high")
        await note_first.apply_async([6], queue="low")
    await run_worker(app, burst=True)
    assert order == [1, 2, 3, 4, 5, 6]


async def test_chosen_queues(make_app: MakeApp) -> None:
    """A worker serves the queues that are named, in their order, and leaves the others."""
    app, tasks = make_app(TASKS_QUEUES=QUEUES, TASKS_MAX_JOBS=1)
    order: list[str | None] = []

    @tasks.task
    async def note(queue: str | None) -> None:
        order.append(queue)

    async with app.app_context():
        jobs = [await note.apply_async([name], queue=name) for name in [*QUEUES, None]]
        await run_worker(app, queues=["low", "high"], burst=True)
        assert order == ["low", "high"]
        states = [(await job.result()).ready for job in jobs]
        assert states == [True, False, True, False]
        await run_worker(app, burst=True)
        assert order == ["low", "high", "default", None]


async def test_find_in_any_queue(make_app: MakeApp) -> None:
    """``wait`` and ``revoke`` find a job in each queue; ids are unique in the application."""
    app, tasks = make_app(TASKS_QUEUES=QUEUES)

    @tasks.task
    async def answer(number: int) -> int:
        return number

    async with app.app_context():
        one = await answer.apply_async([1], task_id="one", queue="low")
        await answer.apply_async([2], task_id="one", queue="high")
        with pytest.raises(TimeoutError):
            await one.wait(timeout=0.05)
        two = await answer.apply_async([2], queue="high")
        assert await two.revoke()
        await run_worker(app, burst=True)
        assert await one.wait(timeout=60) == 1
        with pytest.raises(TaskFailedError, match="revoked"):
            await two.wait(timeout=60)


async def test_revoke_running(make_app: MakeApp) -> None:
    """A job of another queue that runs can be revoked."""
    app, tasks = make_app(TASKS_QUEUES=QUEUES)
    started = asyncio.Event()

    @tasks.task(queue="low")
    async def hang() -> None:
        started.set()
        await asyncio.sleep(600)

    worker = asyncio.create_task(run_worker(app))
    async with app.app_context():
        job = await hang.delay()
        await started.wait()
        assert await job.revoke()
        with pytest.raises(TaskFailedError, match="revoked"):
            await job.wait(timeout=60)
    worker.cancel()
    await asyncio.wait([worker])


async def test_wake_of_another_queue(make_app: MakeApp) -> None:
    """A job in any queue wakes an idle worker at once."""
    app, tasks = make_app(TASKS_QUEUES=QUEUES, TASKS_POLL_DELAY=600)

    @tasks.task(queue="low")
    async def answer() -> int:
        return 42

    worker = asyncio.create_task(run_worker(app))
    async with app.app_context():
        for _ in range(3):
            assert await (await answer.delay()).wait(timeout=60) == 42
            await asyncio.sleep(0.05)
    worker.cancel()
    await asyncio.wait([worker])


async def test_cron_queue(make_app: MakeApp) -> None:
    """A scheduled task is queued in its queue."""
    app, tasks = make_app(TASKS_QUEUES=QUEUES)
    ran = asyncio.Event()

    @tasks.task(queue="low")
    async def clean() -> None:
        ran.set()

    tasks.cron(clean, second=set(range(60)))
    high = asyncio.create_task(run_worker(app, queues=["high"], handle_signals=False))
    queue = queue_of(app)
    low = queue.settings.queue_key("low")
    async with app.app_context(), asyncio.timeout(60):
        client: Any
        async with queue.client() as client:
            while not await client.redis.zcard(low):  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.02)
    assert not ran.is_set()
    high.cancel()
    await asyncio.wait([high])


async def test_unknown_queue(make_app: MakeApp) -> None:
    """An unknown queue is an error of the call, of the worker, and of the worker's tasks."""
    app, tasks = make_app(TASKS_QUEUES=QUEUES)

    @tasks.task
    async def nothing() -> None: ...

    async with app.app_context():
        with pytest.raises(ValueError, match="unknown queue 'hihg': TASKS_QUEUES contains high, d"):
            await nothing.apply_async(queue="hihg")
        with pytest.raises(ValueError, match="unknown queue 'hihg'"):
            await nothing.s().set(queue="hihg").delay()
    with pytest.raises(ValueError, match="unknown queue 'hihg'"):
        await run_worker(app, queues=["hihg"])
    with pytest.raises(ValueError, match="name a queue"):
        await run_worker(app, queues=[])

    @tasks.task(queue="hihg")
    async def lost() -> None: ...

    with pytest.raises(ValueError, match="unknown queue 'hihg'"):
        await run_worker(app, burst=True)
    async with app.app_context():
        with pytest.raises(ValueError, match="unknown queue 'hihg'"):
            await lost.delay()


@pytest.mark.parametrize(
    "value", [["high"], [], ["default", "default"], ["default", "a b"], ["default", ""], "default"]
)
def test_invalid_queues(value: Any) -> None:
    """``TASKS_QUEUES`` is a list of different names, one of which is ``default``."""
    app = Quart(__name__)
    app.config["TASKS_QUEUES"] = value
    with pytest.raises(ValueError, match="TASKS_QUEUES must be"):
        Tasks(app)


async def test_enqueue_many(make_app: MakeApp) -> None:
    """Many calls are one round trip, each with its options, in their order."""
    app, tasks = make_app(TASKS_QUEUES=QUEUES)

    @tasks.task
    async def double(number: int) -> int:
        return 2 * number

    async with app.app_context():
        jobs: list[Job[int]] = await tasks.enqueue(double.s(number) for number in range(500))
        mixed = await tasks.enqueue(
            [
                double.s(1).set(task_id="a"),
                double.s(2).set(queue="low"),
                double.s(3).set(task_id="a"),
            ]
        )
        await run_worker(app, burst=True)
        assert [await job.wait(timeout=60) for job in jobs] == [2 * n for n in range(500)]
        assert [await job.wait(timeout=60) for job in mixed] == [2, 4, 2]
        assert await tasks.enqueue([]) == []


async def test_enqueue_all_or_nothing(make_app: MakeApp) -> None:
    """If one call is wrong, nothing is queued."""
    app, tasks = make_app()
    ran: list[int] = []

    @tasks.task
    async def note(number: int) -> None:
        ran.append(number)

    async with app.app_context():
        for wrong in [note.s(), note.s(object()), note.s(1, 2), note.s(1).set(expires=0)]:
            with pytest.raises((TypeError, ValueError)):
                await tasks.enqueue([note.s(1), wrong])
        with pytest.raises(TypeError, match="unknown options: priority"):
            await note.s(1).set(priority=5).delay()  # type: ignore[call-arg]
        await run_worker(app, burst=True)
    assert ran == []


async def test_sync_view(make_app: MakeApp) -> None:
    """A synchronous view and a synchronous task queue jobs, and report progress."""
    app, tasks = make_app()

    @tasks.task
    def double(number: int) -> int:
        return 2 * number

    @tasks.task
    def outer(number: int) -> str:
        from quartpatterns.tasks import current_job

        current_job.update_progress_sync({"done": number})
        return double.delay_sync(number).id

    @app.post("/double")
    def start() -> list[str]:
        jobs = tasks.enqueue_sync([double.s(5), double.s(6)])
        return [outer.delay_sync(4).id, *(job.id for job in jobs), double.s(7).delay_sync().id]

    response = await app.test_client().post("/double")
    ids = await response.get_json()
    async with app.app_context():
        await run_worker(app, burst=True)
        inner = await tasks.job(ids[0]).wait(timeout=60)
        assert await tasks.job(inner).wait(timeout=60) == 8
        assert [await tasks.job(id).wait(timeout=60) for id in ids[1:]] == [10, 12, 14]
        assert (await tasks.result(ids[0])).progress == {"done": 4}


async def test_sync_on_the_loop(make_app: MakeApp) -> None:
    """On the event loop, ``delay_sync`` would block all requests: it is an error."""
    app, tasks = make_app()

    @tasks.task
    async def nothing() -> None: ...

    async with app.app_context():
        with pytest.raises(RuntimeError, match="would block the event loop"):
            nothing.delay_sync()
        with pytest.raises(RuntimeError, match="would block the event loop"):
            tasks.enqueue_sync([nothing.s()])


SCRIPT = """
import sys
from quart import Quart
from quartpatterns.tasks import Tasks

tasks = Tasks()

@tasks.task(name="double")
def double(number: int) -> int: ...

app = Quart("script")
app.config.from_prefixed_env()
tasks.init_app(app)
print(double.delay_sync(21).id)
"""


async def test_script(make_app: MakeApp, redis_url: str, queue_name: str) -> None:
    """A script without an event loop and without a context can queue jobs."""
    app, tasks = make_app()

    @tasks.task(name="double")
    def double(number: int) -> int:
        return 2 * number

    env = {"QUART_REDIS_URL": redis_url, "QUART_TASKS_QUEUE_NAME": queue_name}
    script = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", SCRIPT],
        env=env | {"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    async with app.app_context():
        await run_worker(app, burst=True)
        assert await tasks.job(script.stdout.strip()).wait(timeout=60) == 42


def test_sync_without_an_application(app_class: type[Quart]) -> None:
    """Without a context, ``delay_sync`` needs one application, and a Redis."""
    tasks = Tasks()

    @tasks.task
    def nothing() -> None: ...

    with pytest.raises(RuntimeError, match="0 applications have the task"):
        nothing.delay_sync()
    apps = [app_class("one"), app_class("two")]
    for app in apps:
        app.config["REDIS_URL"] = "redis://127.0.0.1:1/0"
    tasks.init_app(apps[0])
    with pytest.raises(TasksUnavailableError):
        nothing.delay_sync()
    tasks.init_app(apps[1])
    with pytest.raises(RuntimeError, match="2 applications have the task"):
        nothing.delay_sync()
