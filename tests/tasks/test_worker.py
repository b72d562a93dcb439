from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart import Quart, current_app, g, url_for

from quartpatterns.tasks import (
    Job,
    Result,
    Retry,
    TaskFailedError,
    Tasks,
    current_job,
    run_worker,
    running,
)
from tests.tasks.conftest import MakeApp


async def run_jobs(app: Quart) -> None:
    """Run what is queued, and what is queued thereby, for 10 s at most."""
    async with asyncio.timeout(10):
        await run_worker(app, burst=True)


@pytest.mark.checks("CE-2", "CE-4")
async def test_add_together(make_app: MakeApp) -> None:
    """A synchronous and an asynchronous task give 65, to ``wait`` and to ``result``."""
    app, tasks = make_app()

    @tasks.task
    def add_together(a: int, b: int) -> int:
        return a + b

    @tasks.task
    async def add_slowly(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    async with app.app_context():
        jobs = [await add_together.delay(23, 42), await add_slowly.delay(23, b=42)]
        await run_jobs(app)
        assert [await job.wait(timeout=5) for job in jobs] == [65, 65]
        assert await tasks.result(jobs[0].id) == Result(jobs[0].id, True, True, 65)


@pytest.mark.checks("CE-1", "CE-3")
async def test_context(make_app: MakeApp) -> None:
    """Both kinds of task have the application, a fresh ``g``, ``url_for`` and teardown."""
    app, tasks = make_app(SERVER_NAME="shop.example")
    torn_down = []

    @app.route("/orders/<int:id>")
    async def order(id: int) -> str:
        return ""

    @app.teardown_appcontext
    async def teardown(_: BaseException | None) -> None:
        torn_down.append(current_app.name)

    def look(value: str) -> list[Any]:
        seen = [current_app.name, g.get("value"), url_for("order", id=3)]
        g.value = value
        return seen

    @tasks.task
    def in_thread() -> list[Any]:
        assert threading.current_thread() is not threading.main_thread()
        return look("thread")

    @tasks.task
    async def in_loop() -> list[Any]:
        assert threading.current_thread() is threading.main_thread()
        return look("loop")

    async with app.app_context():
        g.value = "who queued it"
        jobs = [await in_thread.delay(), await in_loop.delay()]
        torn_down.clear()
        await run_jobs(app)
        expected = [app.name, None, "http://shop.example/orders/3"]
        assert [await job.wait(timeout=5) for job in jobs] == [expected, expected]
    assert torn_down.count(app.name) >= 2


async def test_lifespan(make_app: MakeApp) -> None:
    """What the application opens when it is served is open in a worker, and closed after it."""
    app, tasks = make_app()
    said = []

    @app.while_serving
    async def lifespan() -> Any:
        said.append("open")
        yield
        said.append("closed")

    @tasks.task
    async def work() -> list[str]:
        return said.copy()

    async with app.app_context():
        job = await work.delay()
        await run_jobs(app)
        assert await job.wait(timeout=5) == ["open"]
    assert said == ["open", "closed"]


async def test_startup_fails(make_app: MakeApp) -> None:
    """An application that can't start ends its worker with its error; jobs stay queued."""
    app, tasks = make_app()

    @app.before_serving
    async def fail() -> None:
        raise RuntimeError("no database")

    @tasks.task
    async def work() -> None: ...

    async with app.app_context():
        job = await work.delay()
    with pytest.raises(RuntimeError, match="no database"):
        await run_jobs(app)
    client, _ = make_app()
    async with client.app_context():
        with pytest.raises(TimeoutError):
            await job.wait(timeout=0.1)


@pytest.mark.checks("CE-6")
@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(ValueError("too large"), "ValueError: too large", id="text"),
        pytest.param(ValueError(), "ValueError", id="no text"),
        pytest.param(KeyError("a"), "KeyError: 'a'", id="key"),
        pytest.param(ValueError("€ \ud800"), "ValueError: € \ud800", id="no utf-8"),
    ],
)
async def test_failure(make_app: MakeApp, error: Exception, text: str) -> None:
    """The value of a failed job is the text of its error."""
    app, tasks = make_app()

    @tasks.task
    async def fail() -> None:
        raise error

    async with app.app_context():
        job = await fail.delay()
        await run_jobs(app)
        assert await tasks.result(job.id) == Result(job.id, True, False, text)
        with pytest.raises(TaskFailedError) as raised:
            await job.wait(timeout=5)
        assert str(raised.value) == text


@pytest.mark.checks("CE-6")
async def test_result_no_json(make_app: MakeApp) -> None:
    """A result that is no JSON makes the job fail, in words that say what to do."""
    app, tasks = make_app()

    @tasks.task(name="load")
    async def load() -> object:
        return object()

    async with app.app_context():
        job = await load.delay()
        await run_jobs(app)
        value = (await job.result()).value
    assert value.startswith("TypeError: the result of task load is not JSON (Object of type object")
    assert value.endswith("return an id, or text and numbers")


async def test_timeout(make_app: MakeApp) -> None:
    """A task that takes too long is cancelled, its context is torn down, and the job fails."""
    app, tasks = make_app()
    torn_down: list[BaseException | None] = []
    app.teardown_appcontext(torn_down.append)

    @tasks.task(timeout=0.1)
    async def linger() -> None:
        await asyncio.sleep(60)

    async with app.app_context():
        job = await linger.delay()
        torn_down.clear()
        await run_jobs(app)
        text = "TimeoutError: the task ran longer than its timeout"
        assert await job.result() == Result(job.id, True, False, text)
    assert any(isinstance(error, asyncio.CancelledError) for error in torn_down)


async def test_retry(make_app: MakeApp) -> None:
    """A task may ask to be started again, and knows how often it was."""
    app, tasks = make_app()

    @tasks.task
    async def third_time() -> list[Any]:
        if current_job.tries < 3:
            raise Retry(countdown=0.05)
        return [current_job.id, current_job.tries, current_job.max_tries]

    async with app.app_context():
        job = await third_time.delay()
        await run_jobs(app)
        assert await job.wait(timeout=5) == [job.id, 3, 5]


async def test_retry_exhausted(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a try left, a task fails with the error that it was retried for."""
    monkeypatch.setattr("quartpatterns.tasks.functions.backoff", lambda tries: 0.01)
    app, tasks = make_app()
    tries = []

    @tasks.task(max_tries=3, autoretry_for=(ConnectionError,))
    def automatic() -> None:
        tries.append(current_job.tries)
        raise ConnectionError("no answer")

    @tasks.task(max_tries=2)
    async def by_hand() -> None:
        try:
            raise ConnectionError("no answer")
        except ConnectionError as error:
            raise Retry() from error

    async with app.app_context():
        jobs = [await automatic.delay(), await by_hand.delay()]
        await run_jobs(app)
        values = [(await job.result()).value for job in jobs]
    assert values == ["ConnectionError: no answer"] * 2
    assert tries == [1, 2, 3]


async def test_retry_own_pause(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that asks for a retry itself is not taken for one that failed."""
    monkeypatch.setattr("quartpatterns.tasks.functions.backoff", lambda tries: 3600)
    app, tasks = make_app()

    @tasks.task(autoretry_for=(Exception,))
    async def again() -> int:
        if current_job.tries == 1:
            raise Retry(countdown=0)
        return current_job.tries

    async with app.app_context():
        job = await again.delay()
        await run_jobs(app)
        assert await job.wait(timeout=5) == 2


def test_backoff() -> None:
    """Pauses double, vary, and end at ten minutes."""
    assert 0.5 <= running.backoff(1) <= 1
    assert 4 <= running.backoff(4) <= 8
    assert 300 <= running.backoff(1000) <= 600
    assert len({running.backoff(4) for _ in range(10)}) > 1


async def test_revoke(make_app: MakeApp) -> None:
    """A job is cancelled while it runs, and while it waits; another goes on."""
    app, tasks = make_app()
    started = asyncio.Event()

    @tasks.task
    async def linger(seconds: float) -> str:
        started.set()
        await asyncio.sleep(seconds)
        return "done"

    async with app.app_context():
        running_job = await linger.delay(60)
        waiting_job = await linger.apply_async((60,), countdown=3600)
        worker = asyncio.create_task(run_jobs(app))
        await started.wait()
        other = await linger.delay(0.3)
        assert await running_job.revoke()
        assert await waiting_job.revoke()
        await worker
        text = "CancelledError: the job was revoked"
        for job in (running_job, waiting_job):
            assert await job.result() == Result(job.id, True, False, text)
            assert not await job.revoke()
        assert await other.wait(timeout=5) == "done"
        assert not await tasks.job("unknown").revoke()


async def test_progress(make_app: MakeApp) -> None:
    """A task tells how far it is, and whoever asks for the result sees it."""
    app, tasks = make_app()
    told, seen = asyncio.Event(), asyncio.Event()

    @tasks.task
    async def work() -> None:
        await current_job.update_progress({"done": 1, "total": 2})
        told.set()
        await seen.wait()

    async with app.app_context():
        job = await work.delay()
        assert (await job.result()).progress is None
        worker = asyncio.create_task(run_jobs(app))
        await told.wait()
        progress = {"done": 1, "total": 2}
        assert await job.result() == Result(job.id, progress=progress)
        seen.set()
        await worker
        assert await job.result() == Result(job.id, True, True, None, progress)


async def test_chain(make_app: MakeApp) -> None:
    """A task queues another one."""
    app, tasks = make_app()

    @tasks.task
    async def second(text: str) -> str:
        return f"{text}, second"

    @tasks.task
    async def first() -> str:
        return (await second.delay("first")).id

    async with app.app_context():
        job = await first.delay()
        await run_jobs(app)
        following = await job.wait(timeout=5)
        assert await tasks.job(following).wait(timeout=5) == "first, second"


async def test_json(make_app: MakeApp) -> None:
    """Arguments and results arrive as JSON has them: a tuple as a list, keys as text."""
    app, tasks = make_app()
    value = {"text": "ä€\0\ud800", "number": 10**30, "nothing": None, "list": [1.5, True]}

    @tasks.task
    async def same(value: Any, **more: Any) -> list[Any]:
        return [value, more]

    async with app.app_context():
        job = await same.delay(value, pair=(1, 2), keys={1: 2})
        await run_jobs(app)
        assert await job.wait(timeout=5) == [value, {"pair": [1, 2], "keys": {"1": 2}}]


async def test_keep_result(make_app: MakeApp) -> None:
    """A result that isn't kept can't be waited for, and the error says why."""
    app, tasks = make_app()

    @tasks.task(keep_result=0)
    async def forget() -> int:
        return 1

    async with app.app_context():
        job = await forget.delay()
        await run_jobs(app)
        assert await job.result() == Result(job.id)
        with pytest.raises(LookupError, match="TASKS_KEEP_RESULT"):
            await job.wait(timeout=5)


async def test_wait_timeout(make_app: MakeApp) -> None:
    """Without a worker the wait ends with its time."""
    app, tasks = make_app()

    @tasks.task
    async def work() -> None: ...

    async with app.app_context():
        job = await work.delay()
        with pytest.raises(TimeoutError):
            await job.wait(timeout=0.1)


async def test_when(make_app: MakeApp) -> None:
    """``countdown`` and ``eta`` put a start off, ``expires`` gives it up."""
    app, tasks = make_app()

    @tasks.task
    async def now() -> float:
        return asyncio.get_running_loop().time()

    async with app.app_context():
        before = asyncio.get_running_loop().time()
        eta = datetime.now(UTC) + timedelta(seconds=0.3)
        jobs = [await now.apply_async(countdown=0.3), await now.apply_async(eta=eta)]
        late = await now.apply_async(expires=0.01)
        await asyncio.sleep(0.05)
        await run_jobs(app)
        for job in jobs:
            assert await job.wait(timeout=5) - before >= 0.29
        assert (await late.result()).value == "JobExecutionFailed: job expired"


async def test_task_id(make_app: MakeApp) -> None:
    """A job of an id that is queued, or has a result, is not queued again."""
    app, tasks = make_app()
    runs = []

    @tasks.task
    async def work(number: int) -> int:
        runs.append(number)
        return number

    async with app.app_context():
        handles = [await work.apply_async((number,), task_id="nightly") for number in (1, 2)]
        await run_jobs(app)
        handles.append(await work.apply_async((3,), task_id="nightly"))
        await run_jobs(app)
        assert handles == [Job("nightly")] * 3
        assert await handles[2].wait(timeout=5) == 1
    assert runs == [1]


async def test_many(make_app: MakeApp) -> None:
    """A hundred jobs queued at once, over few connections, all run, ten at a time."""
    app, tasks = make_app(TASKS_MAX_CONNECTIONS=3)
    at_work = [0, 0]

    @tasks.task
    async def double(number: int) -> int:
        at_work[0] += 1
        at_work[1] = max(at_work)
        await asyncio.sleep(0.01)
        at_work[0] -= 1
        return 2 * number

    async with app.app_context():
        jobs = await asyncio.gather(*(double.delay(number) for number in range(100)))
        await run_jobs(app)
        values = await asyncio.gather(*(job.wait(timeout=5) for job in jobs))
    assert values == [2 * number for number in range(100)]
    assert at_work == [0, 10]


async def test_cron(make_app: MakeApp) -> None:
    """Two workers queue a task of every second once a second, and it has retries like any."""
    app, tasks = make_app()
    another = Quart(__name__)
    another.config.update(app.config)
    tasks.init_app(another)
    ticks = []

    @tasks.task
    async def tick() -> None:
        if current_job.tries == 1:
            raise Retry(countdown=0.01)
        ticks.append(current_job.id)

    tasks.cron(tick, second=set(range(60)))
    workers = [asyncio.create_task(run_worker(one)) for one in (app, another)]
    await asyncio.sleep(4.5)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert 2 <= len(ticks) <= 5
    assert len(set(ticks)) == len(ticks)


async def test_cancelled_worker(make_app: MakeApp) -> None:
    """A worker inside of another program ends when it is cancelled; its job is queued again."""
    app, tasks = make_app(TASKS_SHUTDOWN_TIMEOUT=0.1)
    ended, starts = [], []
    started = asyncio.Event()

    @app.after_serving
    async def end() -> None:
        ended.append(True)

    @tasks.task
    async def linger() -> int:
        starts.append(current_job.tries)
        started.set()
        await asyncio.sleep(60 if current_job.tries == 1 else 0)
        return current_job.tries

    async with app.app_context():
        job = await linger.delay()
        worker = asyncio.create_task(run_worker(app, handle_signals=False))
        await started.wait()
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker
        assert ended == [True]
        await run_jobs(app)
        assert await job.wait(timeout=5) == 2
    assert starts == [1, 2]


async def test_no_task(make_app: MakeApp) -> None:
    """A worker without a task to run says what is missing."""
    app, _ = make_app()
    with pytest.raises(RuntimeError, match=r"decorate a function with @tasks\.task"):
        await run_worker(app, burst=True)


async def test_unknown_task(make_app: MakeApp) -> None:
    """A job whose task the worker doesn't know fails, and says so."""
    app, tasks = make_app()
    other = Tasks()

    @tasks.task
    async def known() -> None: ...

    @other.task(name="newer")
    async def newer() -> None: ...

    async with app.app_context():
        job = await newer.delay()
        await run_jobs(app)
        assert (await job.result()).value == "JobExecutionFailed: function 'newer' not found"
